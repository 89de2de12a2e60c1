"""Which parts of a network are sharded, gathered and computed again as wholes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TypeVar

from ..ir.graph import Graph, Node, Scope
from ..ir.regions import Regions
from .figures import numbers_of

PART = 16
"""A part with more than a sixteenth of the parameters is opened."""

T = TypeVar("T")


def sharded_units(
    root: T, parameters: Callable[[T], int], inner: Callable[[T], Iterable[T]], callable_: Callable[[T], bool]
) -> list[T]:
    """From the root down a part is opened while it holds a sixteenth of the parameters, or cannot be called, and has
    parts in it with most of its parameters; the other callable ones are the units. What is in no unit belongs to the
    root. `inner` are the parts of a part that are more than one layer."""
    most = parameters(root) // PART
    found, stack = list[T](), [root]
    while stack:
        part = stack.pop()
        inside = [child for child in inner(part) if parameters(child)]
        whole = part is not root and callable_(part)
        large = parameters(part) > most and 2 * sum(map(parameters, inside)) > parameters(part)
        if inside and (large or not whole):
            stack += reversed(inside)
        elif whole:
            found.append(part)
    return found


def units(regions: Regions) -> dict[Scope, int]:
    """The scopes that are sharded and gathered as wholes, with how many parameters of each train."""

    def inner(scope: Scope) -> list[Scope]:
        return [child for child in scope.scopes() if any(map(_is_module, child.children.values()))]

    trained = _trained(regions.graph)
    found = sharded_units(regions.root.scope, trained.__getitem__, inner, lambda scope: regions.reason(scope) is None)
    return {unit: trained[unit] for unit in found}


def _is_module(child: Scope | Node) -> bool:
    return isinstance(child, Scope) or not child.op.is_parameter


def _trained(graph: Graph) -> Counter[Scope]:
    """How many parameters that train are in each scope."""
    found = Counter[Scope]()
    for node in graph.owners():
        scope: Scope | None = node.scope
        count = numbers_of(graph, node).parameters
        while scope is not None and count:
            found[scope] += count
            scope = scope.parent
    return found


def parts_again(regions: Regions) -> tuple[list[object | None], list[str]]:
    """For each node the part that training computes again where each unit is one, beside those of the spec; and the
    paths of the units. A unit of which the spec has some computed again is left as it is."""
    parts = [node.recompute for node in regions.graph.nodes]
    paths = list[str]()
    for scope in units(regions):
        applied = [region.all_indices() for region in regions.of_scope[scope]]
        if all(parts[index] is None for indices in applied for index in indices):
            paths.append(scope.path)
            for indices in applied:
                again = object()
                for index in indices:
                    parts[index] = again
    return parts, paths
