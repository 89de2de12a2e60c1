"""The module of each scope: one that can be called, a row of modules, a list of them, or a namespace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from string import digits

from torch import nn

from ..decompile.python.names import camel
from ..ir.graph import Node, Scope, Value
from ..ir.lowering import Lowering, ModuleCall
from ..ir.regions import Region, Regions, Step, indices_of
from .modules import ArchModule, NumberedArchModule
from .names import identifier
from .scopes import Container, ModuleList, NumberedContainer, row_class


def container(scope: Scope, regions: Regions, lowerings: Mapping[int, Lowering]) -> nn.Module:
    """An empty module for a scope.

    A scope that can be called is an `nn.Sequential` if it only calls its children one after the other; if a block made
    it, its class is a subclass with the block's name. Else it is an `ArchModule`, which gets its graph later. A scope
    that cannot be called is an `nn.ModuleList` if its children are called 0 to n - 1, and else a `Container`.
    """
    reason = regions.reason(scope)
    title = identifier(camel(scope.block or scope.name.rstrip(digits)) or "Scope")
    numbers = _holds_modules(scope) and all(name.isdigit() for name in scope.children)
    if reason is None:
        if is_row(scope, regions, lowerings):
            return nn.Sequential() if _counted(scope) or scope.block is None else row_class(title)()
        return (NumberedArchModule if numbers else ArchModule)(title, scope.path)
    if _counted(scope):
        return ModuleList(reason=reason, path=scope.path)
    return (NumberedContainer if numbers else Container)(title, reason, scope.path)


def is_row(scope: Scope, regions: Regions, lowerings: Mapping[int, Lowering]) -> bool:
    """Whether a scope that can be called only calls its children, one after the other, each once."""
    if not _is_chain(scope, regions, lowerings):
        return False
    return all(part is None for part in parts_of(regions.of_scope[scope][0], regions, lowerings))


def _is_chain(scope: Scope, regions: Regions, lowerings: Mapping[int, Lowering]) -> bool:
    region = regions.of_scope[scope][0]
    if len(region.inputs) != 1 or len(region.outputs) != 1 or len(region.steps) != len(scope.children):
        return False
    if any(hasattr(nn.Sequential, name) for name in scope.children):
        return False
    if not all(_is_child(step, child) for step, child in zip(region.steps, scope.children.values(), strict=True)):
        return False
    ends = [_ends(step, regions, lowerings) for step in region.steps]
    rows = [end for end in ends if end is not None]
    fits = len(rows) == len(ends) and all(a[1] == b[0] for a, b in pairwise(rows))
    return fits and rows[0][0] == region.inputs[0] and rows[-1][1] == region.outputs[0]


def parts_of(region: Region, regions: Regions, lowerings: Mapping[int, Lowering]) -> list[object | None]:
    """For each step of a region the part that is computed again to which it belongs, where this region's code does it.

    A part that is one scope is computed again by the code of the scope, so that the scope can be called, moved and put
    into a row like others. Rows have no code, and leave it to what is around them.
    """
    nodes = regions.graph.nodes
    whole = _common_part(region.indices, nodes) if region.parent is not None else None
    if whole is not None:
        return [whole if _computes_itself_again(region.scope, regions, lowerings) else None] * len(region.steps)
    parts = [_common_part(indices_of(step), nodes) for step in region.steps]
    for place, step in enumerate(region.steps):
        again = parts[place] is not None and isinstance(step, Region)
        if again and _computes_itself_again(step.scope, regions, lowerings):
            parts[place] = None
    return parts


def _computes_itself_again(scope: Scope, regions: Regions, lowerings: Mapping[int, Lowering]) -> bool:
    """Whether every application of a scope with code of its own is a part that is computed again."""
    parts = all(_is_part(region, regions) for region in regions.of_scope[scope])
    return parts and not _is_chain(scope, regions, lowerings)


def _is_part(region: Region, regions: Regions) -> bool:
    """Whether an application is a part that is computed again, and what calls it is more than that."""
    part, caller = _common_part(region.indices, regions.graph.nodes), region.parent
    while caller is not None and caller.reason is not None:
        caller = caller.parent
    if part is None or caller is None or regions.recomputed[part] != len(region.indices):
        return False
    return caller.parent is None or len(caller.indices) > len(region.indices)


def _common_part(indices: Sequence[int], nodes: Sequence[Node]) -> object | None:
    parts = {nodes[index].recompute for index in indices}
    return parts.pop() if len(parts) == 1 else None


def _is_child(step: Step, child: Scope | Node) -> bool:
    if isinstance(step, Region):
        return child is step.scope
    return isinstance(child, Node) and child.owner == step.owner


def _ends(step: Step, regions: Regions, lowerings: Mapping[int, Lowering]) -> tuple[Value, Value] | None:
    """What a step turns into what, where calling its module does that."""
    if isinstance(step, Region):
        layer = regions.layer(step.scope)
        single = len(step.inputs) == 1 and len(step.outputs) == 1 and (layer is None or layer[1].is_plain)
        return (step.inputs[0], step.outputs[0]) if single else None
    plain = len(step.inputs) == 1 and len(step.outputs) == 1 and _is_plain(lowerings[step.owner])
    return (step.inputs[0], (step.index, 0)) if plain else None


def _is_plain(lowering: Lowering) -> bool:
    return not isinstance(lowering, ModuleCall) or lowering.is_plain


def _holds_modules(scope: Scope) -> bool:
    tensors = any(isinstance(child, Node) and child.op.is_parameter for child in scope.children.values())
    return bool(scope.children) and not tensors


def _counted(scope: Scope) -> bool:
    return _holds_modules(scope) and list(scope.children) == [str(i) for i in range(len(scope.children))]
