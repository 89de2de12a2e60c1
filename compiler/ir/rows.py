"""Rows: scopes that only call what they hold, one after the other, as `nn.Sequential` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeGuard

from .graph import Node, Scope, Value
from .lowering import Lowering, ModuleCall, Program
from .regions import Region, Regions, Step, indices_of

_METHODS = frozenset({"append", "extend", "insert", "pop"})
"""Methods of `nn.Sequential` that `nn.Module` lacks."""


def can_be_row(scope: Scope) -> bool:
    """Whether no name in the scope is a method of `nn.Sequential`."""
    return _METHODS.isdisjoint(scope.children)


def is_row(scope: Scope, regions: Regions, lowerings: Mapping[int, Lowering]) -> bool:
    """Whether a scope that can be called is a row, no part of which is computed again by code of the scope."""
    if row_members(scope, regions, lowerings) is None:
        return False
    return all(part is None for part in parts_of(regions.of_scope[scope][0], regions, lowerings))


def members_of(scope: Scope, regions: Regions, lowerings: Mapping[int, Lowering]) -> Mapping[str, Scope | Node]:
    """What the module of a scope holds by name: what the scope holds, and in a row its functions, too."""
    if scope is regions.root.scope or regions.reason(scope) is not None or not is_row(scope, regions, lowerings):
        return scope.children
    return row_members(scope, regions, lowerings) or scope.children


def row_members(scope: Scope, regions: Regions, lowerings: Mapping[int, Lowering]) -> dict[str, Scope | Node] | None:
    """What a scope that can be called holds by name, where it calls that in its order, each once; None elsewhere.

    In a list, whose elements have the numbers of their places, a function is a member, too: it has no other name, or
    that which the list was laid out with.
    """
    region = regions.of_scope[scope][0]
    if len(region.inputs) != 1 or len(region.outputs) != 1 or not can_be_row(scope):
        return None
    left, at = iter(scope.children.items()), region.inputs[0]
    placed = {id(child) for child in scope.children.values()}
    found: dict[str, Scope | Node] = {}
    for place, step in enumerate(region.steps):
        around = ends(step, regions, lowerings)
        if is_function(step, lowerings) and id(step) not in placed:
            name, member = str(place), step
        else:
            name, member = next(left, ("", None))
        if member is None or name in found or around is None or around[0] != at or not is_member(step, member):
            return None
        found[name], at = member, around[1]
    if at != region.outputs[0] or next(left, None) is not None:
        return None
    if len(found) == len(scope.children):
        return found
    wrong = any(name.isdigit() and name != str(place) for place, name in enumerate(found))
    return found if any(map(str.isdigit, scope.children)) and not wrong else None


def is_function(step: Step, lowerings: Mapping[int, Lowering]) -> TypeGuard[Node]:
    """Whether a step is no module."""
    return isinstance(step, Node) and not step.name and isinstance(lowerings[step.index], Program)


def is_member(step: Step, member: Scope | Node) -> bool:
    """Whether a step applies this."""
    if isinstance(step, Region):
        return member is step.scope
    return isinstance(member, Node) and member.owner == step.owner


def ends(step: Step, regions: Regions, lowerings: Mapping[int, Lowering]) -> tuple[Value, Value] | None:
    """What a step turns into what, where calling its module does that."""
    if len(step.inputs) != 1 or len(step.outputs) != 1:
        return None
    if isinstance(step, Region):
        layer = regions.layer(step.scope)
        return (step.inputs[0], step.outputs[0]) if layer is None or layer[1].is_plain else None
    lowering = lowerings[step.owner]
    plain = not isinstance(lowering, ModuleCall) or lowering.is_plain
    return (step.inputs[0], (step.index, 0)) if plain else None


# --- what training computes again ----------------------------------------------------------


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
    return parts and row_members(scope, regions, lowerings) is None


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
