"""How each place is made: as a class of its own, or in the text of what holds it, as a list or a dict of modules."""

from __future__ import annotations

from ..ir.op import Weight
from .source_names import kind
from .source_parts import Part, Place
from .source_sharing import common
from .source_units import Body, Plan, Unit

_DICT_NAMES = frozenset({"clear", "pop", "keys", "items", "values", "update"})
_ROW_NAMES = frozenset({"append", "extend", "insert", "pop"})
_MOST_INLINE = 4
_SHORTEST_RUN = 3


class Forms:
    """`of` has the form of each place, `late` the second names that the class of a place gives, once all is made."""

    def __init__(self, plan: Plan, places: list[Place]):
        self.plan = plan
        self.of: dict[Place, str] = {}
        self.nesting: dict[Place, int] = {}
        self.late: dict[Place, list[tuple[Place, str, Place | Part]]] = {}
        self.required = self._crossings()
        for place in places:
            self.of[place] = self._form(place)
        rows = {(place.parent, kind(place)) for place, form in self.of.items() if form == "class of row"}
        longer = [p for p, form in self.of.items() if form == "ordered" and (p.parent, kind(p)) in rows]
        self.of.update(dict.fromkeys(filter(can_be_row, longer), "class of row"))

    def _crossings(self) -> set[Place]:
        """Where a module gets a second name elsewhere: there it is made before it is passed on, in statements.

        A second name that is registered before the module is made waits in `late` for the place that holds both.
        """
        found = set()
        for target, names in self.plan.holders.items():
            home = target.place if isinstance(target, Part) else target.parent
            for holder, name in names:
                if holder is not home or name != target.name:
                    meeting = common(holder, home) if home is not None else holder
                    found.add(meeting)
                    if _position(holder, name, meeting) < _position(home, target.name, meeting):
                        self.late.setdefault(meeting, []).append((holder, name, target))
                        found.add(holder)
        return found

    def _form(self, place: Place) -> str:
        self.nesting[place] = 0
        if place.parent is None or place in self.required:
            return "class"
        items = list(place.children.items())
        inner = [
            self.nesting[i] for _, i in items if isinstance(i, Place) and i.parent is place and self.of[i] != "class"
        ]
        form = self._inline_form(place, items)
        self.nesting[place] = 1 + max(inner, default=0)
        if form == "class" or self.nesting[place] > _MOST_INLINE:
            self.nesting[place] = 0
            return self._class_form(place, items)
        return form

    def _class_form(self, place: Place, items: list[tuple[str, Place | Part]]) -> str:
        """`class of row` is a `nn.Sequential` of its own, which needs no forward."""
        if any(isinstance(item, Part) and isinstance(item.how, Weight) for _, item in items) or not items:
            return "class"
        body = self.plan.bodies.get(place)
        if body is not None and can_be_row(place) and self._is_chain(place, body):
            return "class of row"
        return "class of list" if counted(items) else "class"

    def _inline_form(self, place: Place, items: list[tuple[str, Place | Part]]) -> str:
        names = [name for name, _ in items]
        numbered = counted(items)
        if any(isinstance(item, Part) and isinstance(item.how, Weight) for _, item in items):
            return "class"
        body = self.plan.bodies.get(place)
        if body is None:
            if not items:
                return "empty"
            return "list" if numbered else "class" if _DICT_NAMES & set(names) else "dict"
        if not self._is_chain(place, body):
            return "class"
        if numbered:
            return "sequential"
        prefixes = {name.rstrip("0123456789") for name in names}
        run = len(prefixes) == 1 and len(names) >= _SHORTEST_RUN and all(name[-1].isdigit() for name in names)
        return "ordered" if run else "class"

    def _is_chain(self, place: Place, body: Body) -> bool:
        if body.counts or len(body.steps) != len(place.children) or len(body.inputs) != 1 or len(body.outputs) != 1:
            return False
        value = body.inputs[0][0]
        for (name, item), step in zip(place.children.items(), body.steps, strict=True):
            made = step.place if isinstance(step, Unit) else step
            if made is not item or item.name != name or (isinstance(step, Part) and step.place is not place):
                return False
            if isinstance(step, Unit):
                inner = self.plan.bodies[step.place]
                arrives, leaves = inner.values_in(step), inner.values_out(step)
            else:
                arrives, leaves = list(step.inputs), [(step.index, 0)]
                if not step.called_plainly or step.ports != 1:
                    return False
            if arrives != [value] or len(leaves) != 1:
                return False
            value = leaves[0]
        return body.values_out(body.units[0]) == [value]


def can_be_row(place: Place) -> bool:
    """Whether a class of the place can be a `nn.Sequential`: no name is one of its methods."""
    return not _ROW_NAMES & set(place.children)


def counted(items: list[tuple[str, Place | Part]]) -> bool:
    """Whether the names are 0, 1, 2 and so on."""
    return all(name == str(i) for i, (name, _) in enumerate(items))


def _position(place: Place | None, name: str, above: Place) -> int:
    """Where in `above` stands the child that holds a name."""
    while place is not above:
        assert place is not None
        name, place = place.name, place.parent
    return list(above.children).index(name)
