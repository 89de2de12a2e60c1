"""Which call of a block fills a scope, and in what order tensors come into it."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import TypeVar

from .graph import Graph, Origin, Scope, Value, outwards

Row = TypeVar("Row")


def instantiation(graph: Graph, scope: Scope, first: int | None) -> Origin | None:
    """That of the block, or of the arch, that fills a scope in which a node is the first."""
    chain = [*outwards(graph.nodes[first].origin)] if first is not None else []
    if scope.parent is None:
        return chain[-1] if chain else None
    return next((each for each in chain if each.block == scope.block and each.arguments == scope.arguments), None)


def as_given(graph: Graph, scope: Scope, first: int, rows: Iterable[tuple[Value, Row]]) -> list[Row]:
    """What belongs to the tensors that come into a scope, in the order in which the block that fills it is given them.
    What it takes from around follows, as it came."""
    found = list(rows)
    origin = instantiation(graph, scope, first) if scope.block is not None and len(found) > 1 else None
    if origin is None:
        return [row for _, row in found]

    def place(item: tuple[Value, Row]) -> float:
        index, port = item[0]
        return graph.nodes[index].entries.get((port, origin), inf)

    return [row for _, row in sorted(found, key=place)]
