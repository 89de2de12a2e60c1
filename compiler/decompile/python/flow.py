"""A body's steps as statements: what is said inside what, and how tensors are called.

Calls keep the order of the graph, as those that draw random numbers must; so an expression moves into a later one only
where no other call lies between.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...ir.free_names import FreeNames
from .expr import Expr, affine, listed, loop, num, raw, rewrite, skeleton, walk
from .names import snake
from .steps import StepCode

_CALLS_IN_MODULE = 2
_CALLS_IN_FUNCTION = 4
_LONG_RUN = 6
_LARGEST = 30
_LEAST_ALIKE = 3
_SHORTCUTS = frozenset({"downsample", "shortcut", "skip", "identity", "identity_conv", "proj", "projection"})
_DULL = frozenset({"conv", "bn", "relu", "linear", "module", "x", "out"})
_PLAIN = ("x", "out", "y", "z")
"""Names that say nothing of what a variable holds, which so may hold another tensor when the last is used up."""
_TAKEN = frozenset({"self", "step", "layer", "i", "j"})
"""What a forward calls otherwise: loops count by the letters, and those around loops by more of them."""


@dataclass(slots=True)
class Statement:
    """`targets` are numbers of values, then their names. `calls` is how many modules it calls, `unit` whether the last
    is a scope with a forward."""

    targets: tuple[Any, ...]
    expr: Expr
    hint: str = ""
    training: bool = False
    calls: int = 0
    unit: bool = False


class Flow:
    """The statements of one forward. `outputs` may be among what is said at the end. `called` is what the spec calls
    tensors; one that has a word of its own and goes into another is a statement of its own."""

    def __init__(
        self,
        steps: list[StepCode],
        inputs: tuple[int, ...],
        outputs: tuple[int, ...],
        called: dict[int, tuple[str, ...]],
    ):
        self.inputs = inputs
        self.called = {number: [n for n in names if snake(n, "") == n] for number, names in called.items()}
        times = Counter(name for names in self.called.values() for name in set(names))
        self.again = {name for name, count in times.items() if count > 1}
        """What the spec calls several tensors, one after the other."""
        self.own = {n for n, names in self.called.items() if any(map(_says, names)) and self.again.isdisjoint(names)}
        self.own -= {*outputs}
        self.statements: list[Statement] = []
        self.pending: list[Statement] = []
        self.constants: dict[int, Expr] = {}
        counting = any(item.kind == "repeat" or item.kind == "affine" for step in steps for item in walk(step.expr))
        self.taken = _TAKEN | {*"kl"} if counting else _TAKEN
        self.lists = {step.outs[0] for step in steps if step.kind == "list"}
        steps = _early(steps)
        self.uses = Counter(outputs)
        for step in steps:
            self.uses.update(item.data for item in walk(step.expr) if item.kind == "var")
        for step in steps:
            self._step(step)
        self.returned: Expr | None = None
        if len(outputs) == 1 and [p.targets for p in self.pending] == [outputs] and not self._ends_run():
            self.returned = self.pending.pop().expr
        self._flush()
        self.outputs = [self.constants.get(number, Expr("var", number)) for number in outputs]
        if self.returned is not None:
            self.outputs = [self.returned]

    def _ends_run(self) -> bool:
        """Whether the last expression is one more of a long run, which a loop will say."""
        last = [_form(s.expr) for s in self.statements[1 - _LONG_RUN :]] + [_form(self.pending[0].expr)]
        return len(last) == _LONG_RUN and len(set(last)) == 1

    def _step(self, step: StepCode) -> None:
        expr = self._filled(step.expr, self.constants)
        if step.kind == "tensor":
            self.constants[step.outs[0]] = expr
            return
        if step.training:
            self._flush()
        taken = self._taken(step, expr)
        if taken is None:
            self._flush()
            taken = []
        expr = self._filled(expr, {p.targets[0]: p.expr for p in taken})
        calls = sum(p.calls for p in taken) + (step.kind != "function")
        if taken:
            del self.pending[-len(taken) :]
        apart = step.optional or step.training or step.early or not self.own.isdisjoint(step.outs)
        if len(step.outs) == 1 and self.uses[step.outs[0]] == 1 and not apart:
            self.pending.append(Statement(step.outs, expr, calls=calls, unit=step.kind == "unit"))
        else:
            self._flush()
            self.statements.append(Statement(step.outs, expr, step.hint, step.training, calls))

    def _taken(self, step: StepCode, expr: Expr) -> list[Statement] | None:
        """The pending expressions that go into this one; None where they must become statements first."""
        known = {p.targets[0]: p for p in self.pending}
        taken = [known[item.data] for item in walk(expr) if item.kind == "var" and item.data in known]
        if taken and taken != self.pending[-len(taken) :]:
            return None
        calls = sum(p.calls for p in taken)
        if step.kind == "function":
            if _of_each([p.expr for p in taken]) and len(taken) == sum(len(e.kids) for e in walk(expr) if _is_list(e)):
                return taken
            if len(taken) > _CALLS_IN_FUNCTION and len({_form(p.expr) for p in taken}) == 1:
                return taken
            size = sum(1 for e in (expr, *(p.expr for p in taken)) for _ in walk(e))
            return taken if calls <= _CALLS_IN_FUNCTION and size <= _LARGEST else None
        if step.kind == "module" and not any(p.unit for p in taken):
            return taken if calls <= _CALLS_IN_MODULE else None
        return None if calls or step.optional else taken

    def _filled(self, expr: Expr, known: dict[int, Expr]) -> Expr:
        return rewrite(expr, lambda leaf: known.get(leaf.data) if leaf.kind == "var" else None) if known else expr

    def _flush(self) -> None:
        self.statements += self.pending
        self.pending.clear()

    # --- names -----------------------------------------------------------------------------

    def name(self, arguments: list[str], keep: bool, results: dict[int, str]) -> list[str]:
        """Gives every tensor a variable; the names of the arguments. `keep`: those that are given are the caller's
        words, and hold nothing else. `results` are what the caller calls tensors that go out."""
        self._look_ahead()
        if not keep:
            arguments = self._of_arguments(arguments)
        names = dict(zip(self.inputs, arguments, strict=True))
        self.live = dict(names)
        self.fixed = {name for name in arguments if keep and name != "x"} | self.taken
        self.outside_training: set[str] = set(arguments)
        spoken = {name for n, name in names.items() if name in self.called.get(n, ())}
        self.plain = {*arguments} - spoken | {*_PLAIN} | self.again
        for place, statement in enumerate(self.statements):
            used = [item.data for item in walk(statement.expr) if item.kind == "var"]
            statement.expr = self._named(statement.expr, names)
            ended = [n for n in dict.fromkeys(used) if self.last[n] == place and n in self.live]
            dying = [name for n in ended if (name := self.live.pop(n)) and n not in self.lists]
            # What is made of a tensor alone, without a module, may have its name.
            same = {*dying} if len({*used}) == 1 and not statement.calls else set[str]()
            targets = []
            for number in statement.targets:
                unused = number not in self.last and len(statement.targets) > 1
                wanted = [name] if (name := snake(results.get(number, ""), "")) else []
                name = "_" if unused else self._variable(statement, number, place, wanted, dying, same)
                names[number] = self.live[number] = name
                targets.append(name)
            if not statement.training:
                self.outside_training.update(targets)
            for number in statement.targets:
                if number not in self.last:
                    del self.live[number]
            statement.targets = tuple(targets)
        self.outputs = [self._named(expr, names) for expr in self.outputs]
        return arguments

    def _named(self, expr: Expr, names: dict[int, str]) -> Expr:
        each = rewrite(expr, lambda item: _comprehension(item, names))
        return rewrite(each, lambda leaf: raw(names[leaf.data]) if leaf.kind == "var" else None)

    def _look_ahead(self) -> None:
        """Finds where each tensor is used last, and where those are made that the spec calls alike."""
        self.last: dict[int, int] = {}
        self.places: dict[str, list[int]] = defaultdict(list)
        for place, statement in enumerate(self.statements):
            self.last.update((item.data, place) for item in walk(statement.expr) if item.kind == "var")
            for number in statement.targets:
                for name in self.called.get(number, ()):
                    self.places[name].append(place)
        for expr in self.outputs:
            self.last.update((item.data, len(self.statements)) for item in walk(expr) if item.kind == "var")

    def _lasts(self, name: str, number: int, place: int) -> bool:
        """Whether a tensor that is made at a place is used up before the spec calls another so."""
        made = self.places.get(name, [])
        later = bisect_right(made, place)
        return later == len(made) or self.last.get(number, place) <= made[later]

    def _of_arguments(self, given: list[str]) -> list[str]:
        """The names of the arguments: the spec's, or those that are given."""
        found: list[str] = []
        for number, name in zip(self.inputs, given, strict=True):
            others = {*found, *given[len(found) + 1 :], *self.taken}
            words = (word for word in self.called.get(number, ()) if word not in others)
            found.append(next((word for word in words if self._lasts(word, number, -1)), name))
        return found

    def _variable(
        self, statement: Statement, number: int, place: int, wanted: list[str], dying: list[str], same: set[str]
    ) -> str:
        busy = {*self.live.values(), *self.fixed, *(self.outside_training if statement.training else ())}

        def fits(name: str) -> bool:
            return name not in busy and self._lasts(name, number, place)

        for name in filter(fits, (*wanted, *self.called.get(number, ()))):
            dying[:] = [other for other in dying if other != name]
            return name
        several, hint = len(statement.targets) > 1, statement.hint
        hinted = "identity" if hint in _SHORTCUTS else snake(hint, "") if _telling(hint) else ""
        if several and hinted:
            hinted += f"{'_' * hinted[-1].isdigit()}{statement.targets.index(number)}"
        free = [name for name in dying if fits(name) and name in {*self.plain, *same, hinted}]
        if not several and free and hinted != "identity" and statement.expr.kind != "list":
            dying.remove(free[0])
            return free[0]
        for name in (hinted, *_PLAIN):
            if name and fits(name):
                return name
        found = FreeNames({*busy, *self.places}).new(hinted or "y", "")
        if not hinted:
            self.plain.add(found)
        return found


def _form(expr: Expr) -> Any:
    return skeleton(_of_any(expr))[0]


def _of_any(expr: Expr) -> Expr:
    """An expression without the tensors that it takes."""
    return rewrite(expr, lambda leaf: raw("") if leaf.kind == "var" else None)


def _is_list(expr: Expr) -> bool:
    return expr.kind == "list" and expr.data == "[]"


def _of_each(items: Sequence[Expr]) -> bool:
    """Whether these are what one module makes of one tensor after the other."""
    forms = {_of_any(item) for item in items}
    tensors = [{leaf.data for leaf in walk(item) if leaf.kind == "var"} for item in items]
    return (
        len(items) >= _LEAST_ALIKE
        and len(forms) == 1
        and all(len(each) == 1 for each in tensors)
        and any(item.kind == "child" for item in walk(items[0]))
    )


def _comprehension(expr: Expr, names: Mapping[int, str]) -> Expr | None:
    """A list of such as a loop over the tensors."""
    if not _is_list(expr) or not _of_each(expr.kids):
        return None
    tensors = [next(names[leaf.data] for leaf in walk(item) if leaf.kind == "var") for item in expr.kids]
    word = next((name for name in _PLAIN if name not in tensors), "") or FreeNames(tensors).new("x")
    made = rewrite(expr.kids[0], lambda leaf: affine(word, num(0), num(1)) if leaf.kind == "var" else None)
    return listed((loop(word, f"({', '.join(tensors)})", made),))


def _says(name: str) -> bool:
    """Whether a name is more than a letter, and says something of what it holds."""
    return len(name) > 1 and name not in _PLAIN


def _telling(hint: str) -> bool:
    return hint not in _DULL and bool(hint) and not hint[0].isdigit() and hint.rstrip("0123456789_") not in _DULL


def _early(steps: list[StepCode]) -> list[StepCode]:
    """The parts of long sums come as soon as what they add is there."""
    if not any(step.early for step in steps):
        return steps
    made = {number: place for place, step in enumerate(steps) for number in step.outs}
    places: list[tuple[int, int, StepCode]] = []
    where: dict[int, int] = {}
    for place, step in enumerate(steps):
        at = place
        if step.early:
            read = [item.data for item in walk(step.expr) if item.kind == "var"]
            at = max((where[made[n]] for n in read if n in made), default=0)
        where[place] = at
        places.append((at, place, step))
    return [step for _, _, step in sorted(places, key=lambda entry: entry[:2])]
