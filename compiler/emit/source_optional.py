"""Parts that some instances of a block have and others lack, such as a projection: the caller passes them."""

from __future__ import annotations

from collections import defaultdict
from typing import Protocol

from .source_expr import ModuleRef, is_identifier, var
from .source_parts import Place
from .source_steps import Code
from .source_units import Plan


class Writer(Protocol):
    plan: Plan
    codes: dict[Place, Code]

    def code(self, place: Place, optional: str | None = None, without: str | None = None) -> Code: ...


def with_optional(writer: Writer, codes: list[Code]) -> tuple[list[Code], set[int]]:
    """The codes; those that equal another of the same block but for one part get it from the caller.

    Also gives the keys of those that do, which they share with those that lack the part.
    """
    groups: dict[str, dict[int, list[Code]]] = defaultdict(lambda: defaultdict(list))
    for code in codes:
        if code.has_forward and code.place.block is not None and code.place.parent is not None:
            groups[code.place.block][code.key].append(code)
    changed: dict[Place, Code] = {}
    claimed: set[int] = set()
    for kinds in groups.values():
        for key in sorted(kinds, key=lambda k: -len(kinds[k][0].members)):
            found = _without(writer, kinds[key][0], set(kinds) - {key} - claimed) if key not in claimed else None
            if found is not None:
                name, smaller = found
                claimed |= {key, smaller}
                changed.update((code.place, writer.code(code.place, optional=name)) for code in kinds[key])
    return [changed.get(code.place, code) for code in codes], {code.key for code in changed.values()}


def _without(writer: Writer, code: Code, others: set[int]) -> tuple[str, int] | None:
    """A part without which the code is that of one of the others."""
    for name in reversed([name for name, _ in code.members]):
        if others and is_identifier(name) and _passes(writer, code, name):
            smaller = writer.code(code.place, without=name)
            if smaller.key in others:
                return name, smaller.key
    return None


def _passes(writer: Writer, code: Code, name: str) -> bool:
    """Whether the part is called once, on the block's input alone, gives one tensor and uses nothing from elsewhere."""
    item = code.place.children[name]
    if isinstance(item, Place):
        if item.parent is not code.place or item not in writer.plan.bodies:
            return False
        if any(isinstance(value, ModuleRef) for value in writer.codes[item].constants):
            return False
    if len(writer.plan.holders[item]) != 1:
        return False
    steps = [step for step in code.steps if step.kind in ("unit", "module", "weight layer") and step.hint == name]
    if len(steps) != 1 or len(steps[0].outs) != 1 or steps[0].expr.kind != "call":
        return False
    return steps[0].expr.kids[1:] == tuple(var(n) for n in code.inputs[:1])
