"""Parts that some instances of a block have and others lack, such as a projection: the caller passes them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from ...ir.graph import Scope
from .expr import Expr, ModuleRef, is_identifier, raw, rewrite, shape, var
from .steps import Code

if TYPE_CHECKING:
    from .code import Writer


def with_optional(writer: Writer, codes: list[Code]) -> list[Code]:
    """The codes; those that equal another of the same block but for one part get it from the caller.

    Those that lack the part have the same key.
    """
    groups: dict[str, dict[int, list[Code]]] = defaultdict(lambda: defaultdict(list))
    for code in codes:
        if code.has_forward and not code.recursive and code.scope.block is not None and code.scope.parent is not None:
            groups[code.scope.block][code.key].append(code)
    changed: dict[Scope, Code] = {}
    claimed: set[int] = set()
    for kinds in groups.values():
        for key in sorted(kinds, key=lambda k: -len(kinds[k][0].members)):
            found = _without(writer, kinds[key][0], set(kinds) - {key} - claimed) if key not in claimed else None
            if found is not None:
                name, smaller = found
                claimed |= {key, smaller}
                changed.update((code.scope, writer.code(code.scope, optional=name)) for code in kinds[key])
    return [changed.get(code.scope, code) for code in codes]


def _without(writer: Writer, code: Code, others: set[int]) -> tuple[str, int] | None:
    """A part without which the code is that of one of the others."""
    for name in reversed([name for name, _ in code.members]):
        if others and is_identifier(name) and _passes(writer, code, name):
            smaller = writer.code(code.scope, without=name)
            if smaller.key in others:
                return name, smaller.key
    return None


def _passes(writer: Writer, code: Code, name: str) -> bool:
    """Whether the part is called once, on the block's input alone, gives one tensor and uses nothing from elsewhere."""
    item = code.scope.children[name]
    if isinstance(item, Scope):
        if item.parent is not code.scope or item not in writer.plan.bodies:
            return False
        if any(isinstance(value, ModuleRef) for value in writer.codes[item].constants):
            return False
    if len(writer.plan.names.holders_of(item)) != 1 or writer.starts_of(code.scope, name):
        return False
    steps = [step for step in code.steps if step.kind in ("unit", "module", "weight layer") and step.hint == name]
    if len(steps) != 1 or len(steps[0].outs) != 1 or steps[0].expr.kind != "call":
        return False
    return steps[0].expr.kids[1:] == tuple(var(n) for n in code.inputs[:1])


# --- what is passed through ----------------------------------------------------------------------


def pass_on(codes: list[Code]) -> None:
    """Classes that equal others but for an optional part that they give on get it from their caller, too."""
    groups: dict[Any, list[Code]] = defaultdict(list)
    for code in codes:
        if not code.recursive:
            groups[without_gifts(code), len(code.steps)].append(code)
    for group in groups.values():
        columns = list(zip(*(_gifts(code) for code in group), strict=True))
        mixed = [n for n, gifts in enumerate(columns) if len({bool(gift.kids) for gift in gifts}) > 1]
        if len(mixed) == 1 and is_identifier(columns[mixed[0]][0].data):
            for code, gift in zip(group, columns[mixed[0]], strict=True):
                _take(code, mixed[0], gift)


def without_gifts(code: Code) -> Any:
    """The shape of what the code makes, whatever it passes to optional parameters."""
    made = [shape(expr, lambda item: item.kind if item.kind in ("given", "const") else None) for _, expr in code.made]
    return code.form, *made


def _gifts(code: Code) -> list[Expr]:
    """What the code gives to the classes that it makes, not what is given to these gifts."""
    found: list[Expr] = []

    def note(item: Expr) -> Expr | None:
        if item.kind == "given":
            found.append(item)
            return item
        return None

    for _, expr in code.made:
        rewrite(expr, note)
    return found


def _take(code: Code, number: int, gift: Expr) -> None:
    """The caller passes what is given at one place of the code."""
    count = iter(range(len(_gifts(code))))
    taken = Expr("given", gift.data, (raw(gift.data),))

    def changed(item: Expr) -> Expr | None:
        if item.kind != "given":
            return None
        return taken if next(count) == number else item

    code.made = [(name, rewrite(expr, changed)) for name, expr in code.made]
    code.optional = gift.data
    code.given = gift.kids[0] if gift.kids else None
