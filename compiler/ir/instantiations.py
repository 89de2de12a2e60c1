"""Which call of a block fills a scope, and in what order tensors come into it and leave it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
        return (graph.nodes[index].entries or {}).get((port, origin), inf)

    return [row for _, row in sorted(found, key=place)]


def put_out(graph: Graph, scope: Scope | None, inside: Sequence[int], entering: Iterable[Value]) -> list[Value]:
    """What the block that fills a scope puts out, in its order and as often, of what is made `inside` or `entering`."""
    origin = instantiation(graph, scope, inside[0]) if scope is not None and scope.block is not None else None
    if origin is None:
        return []
    exits = ((value, graph.nodes[value[0]].exits) for value in (*graph.made_by(inside), *entering))
    places = {place: v for v, found in exits if found for place in found.get((v[1], origin), ())}
    return [places[place] for place in sorted(places)]


def joined(put_out: Sequence[Value], leaving: Iterable[Value]) -> list[Value]:
    """What is put out, and then what else is leaving."""
    known = {*put_out}
    return [*put_out, *(value for value in leaving if value not in known)]


def keep_order(before: Graph, after: Graph, made: Mapping[Value, Value]) -> None:
    """Has the tensors of a graph that was made anew, `made` by those of before that they stand for, enter and leave
    blocks as those did."""
    for node in before.nodes:
        for (port, origin), place in (node.entries or {}).items():
            if (value := made.get((node.index, port))) is not None:
                after.nodes[value[0]].put_in(value[1], origin, place)
        for (port, origin), places in (node.exits or {}).items():
            if (value := made.get((node.index, port))) is not None:
                after.nodes[value[0]].put_out(value[1], origin, *places)
