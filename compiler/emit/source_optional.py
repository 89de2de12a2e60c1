"""Parts that some instances of a block have and others lack, such as a projection: the caller passes them."""

from __future__ import annotations

from collections import defaultdict

from .source_code import Writer
from .source_expr import ModuleRef, is_identifier, var
from .source_parts import Place
from .source_steps import Code


def find_optional(writer: Writer) -> bool:
    """Marks blocks that equal another instance of the same block but for one part. False where none was left."""
    groups: dict[str, dict[int, list[Code]]] = defaultdict(lambda: defaultdict(list))
    for place in writer.places:
        code = writer.codes[place]
        if code.is_class and code.callable and place.block is not None and place.parent is not None:
            groups[place.block][code.key].append(code)
    changed = False
    for kinds in groups.values():
        plain = {key for key, codes in kinds.items() if not any(c.optional for c in codes)}
        claimed = {key for key, codes in kinds.items() if any(c.optional for c in codes)}
        for key in sorted(plain, key=lambda k: -len(kinds[k][0].members)):
            found = _without(writer, kinds[key][0], plain - {key} - claimed)
            if found is not None:
                name, smaller = found
                claimed |= {key, smaller}
                writer.optional.update({code.place: name for code in kinds[key]})
                changed = True
    return changed


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
