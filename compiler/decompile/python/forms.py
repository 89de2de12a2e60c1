"""How each scope is made: as a class of its own, or in the text of what holds it, as a list or a dict of modules."""

from __future__ import annotations

from ...ir.graph import Scope
from ...ir.graph import scopes as scopes_of
from ...ir.op import Weight
from ...ir.regions import Region
from .names import kind
from .parts import Part, members
from .plan import Plan

_DICT_NAMES = frozenset({"clear", "pop", "keys", "items", "values", "update"})
_ROW_NAMES = frozenset({"append", "extend", "insert", "pop"})
_MOST_INLINE = 4
_SHORTEST_RUN = 3


class Forms:
    """`of` has the form of each scope, `late` the second names that the class of a scope gives, once all is made."""

    def __init__(self, plan: Plan, scopes: list[Scope]):
        self.plan = plan
        self.of: dict[Scope, str] = {}
        self.nesting: dict[Scope, int] = {}
        self.late: dict[Scope, list[tuple[Scope, str, Scope | Part]]] = {}
        self.required = self._crossings()
        for scope in scopes:
            self.of[scope] = self._form(scope)
        rows = {(scope.parent, kind(scope)) for scope, form in self.of.items() if form == "class of row"}
        longer = [p for p, form in self.of.items() if form == "ordered" and (p.parent, kind(p)) in rows]
        self.of.update(dict.fromkeys(filter(can_be_row, longer), "class of row"))

    def _crossings(self) -> set[Scope]:
        """Where a module gets a second name elsewhere: there it is made before it is passed on, in statements.

        A second name that is registered before the module is made waits in `late` for the scope that holds both, as do
        those of weights that a layer is made with.
        """
        found = set()
        for holder in scopes_of(self.plan.root.scope):
            for name, target in members(holder).items():
                home = target.holder
                if home is not None and not holder.names_first(name):
                    meeting = self.plan.names.common(holder, home)
                    found.add(meeting)
                    if self.plan.layer(holder) is not None:
                        self.late.setdefault(meeting, []).append((holder, name, target))
                    elif _position(holder, name, meeting) < _position(home, target.name, meeting):
                        self.late.setdefault(meeting, []).append((holder, name, target))
                        found.add(holder)
        return found

    def _form(self, scope: Scope) -> str:
        self.nesting[scope] = 0
        if self.plan.layer(scope) is not None:
            return "layer"
        if scope.parent is None or scope in self.required:
            return "class"
        items = list(members(scope).items())
        inner = [
            self.nesting[i] for _, i in items if isinstance(i, Scope) and i.parent is scope and self.of[i] != "class"
        ]
        form = self._inline_form(scope, items)
        self.nesting[scope] = 1 + max(inner, default=0)
        if form == "class" or self.nesting[scope] > _MOST_INLINE:
            self.nesting[scope] = 0
            return self._class_form(scope, items)
        return form

    def _class_form(self, scope: Scope, items: list[tuple[str, Scope | Part]]) -> str:
        """`class of row` is a `nn.Sequential` of its own, which needs no forward."""
        if any(isinstance(item, Part) and isinstance(item.how, Weight) for _, item in items) or not items:
            return "class"
        body = self.plan.bodies.get(scope)
        if body is not None and can_be_row(scope) and self._is_chain(scope, body):
            return "class of row"
        return "class of list" if counted(items) else "class"

    def _inline_form(self, scope: Scope, items: list[tuple[str, Scope | Part]]) -> str:
        names = [name for name, _ in items]
        numbered = counted(items)
        if any(isinstance(item, Part) and isinstance(item.how, Weight) for _, item in items):
            return "class"
        body = self.plan.bodies.get(scope)
        if body is None:
            if not items:
                return "empty"
            return "list" if numbered else "dict" if can_be_dict(scope) else "class"
        if not self._is_chain(scope, body):
            return "class"
        if numbered:
            return "sequential"
        prefixes = {name.rstrip("0123456789") for name in names}
        run = len(prefixes) == 1 and len(names) >= _SHORTEST_RUN and all(name[-1].isdigit() for name in names)
        return "ordered" if run else "class"

    def _is_chain(self, scope: Scope, body: Region) -> bool:
        """Whether a body calls the modules that its scope makes, one after the other, each once."""
        made = [step.scope if isinstance(step, Region) else step for step in body.steps]
        if (
            scope in self.plan.told
            or made != [*scope.children.values()]
            or not all(map(scope.names_first, scope.children))
        ):
            return False
        tensors = [body.inputs]
        for step in body.steps:
            layer = self.plan.layer(step.scope) if isinstance(step, Region) else None
            plain = layer is None or layer[1].is_plain
            if not (plain if isinstance(step, Region) else self.plan.parts[step.index].called_plainly):
                return False
            if list(step.inputs) != tensors[-1]:
                return False
            ports = range(len(step.outputs))
            tensors.append(step.outputs if isinstance(step, Region) else [(step.index, port) for port in ports])
        return body.outputs == tensors[-1] and all(len(each) == 1 for each in tensors)


def can_be_row(scope: Scope) -> bool:
    """Whether a class of the scope can be a `nn.Sequential`: no name is one of its methods."""
    return not _ROW_NAMES & set(scope.children)


def can_be_dict(scope: Scope) -> bool:
    """Whether the scope can be a `nn.ModuleDict`: no name is one of its methods."""
    return not _DICT_NAMES & set(scope.children)


def counted(items: list[tuple[str, Scope | Part]]) -> bool:
    """Whether the names are 0, 1, 2 and so on."""
    return all(name == str(i) for i, (name, _) in enumerate(items))


def _position(scope: Scope | None, name: str, above: Scope) -> int:
    """Where in `above` stands the child that holds a name."""
    while scope is not above:
        assert scope is not None
        name, scope = scope.name, scope.parent
    return list(above.children).index(name)
