"""Parts of a graph with one way in and one way out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

Module = tuple[int, list[int], int]
"""The node through which all ways in lead, what is between, and the node through which all ways out lead."""


def modules(nodes: list[int], out: Mapping[int, Iterable[int]], start: int, end: int) -> list[Module]:
    """The largest such parts of some nodes in topological order, but not all of them together."""
    before: dict[int, list[int]] = {node: [] for node in (*nodes, end)}
    after: dict[int, list[int]] = {node: [] for node in (start, *nodes)}
    for node, targets in out.items():
        for target in targets:
            before[target].append(node)
            after[node].append(target)
    above = _dominators([start, *nodes, end], before, start)
    below = _dominators([end, *reversed(nodes), start], after, end)
    found: list[Module] = []
    taken: set[int] = set()
    for first in nodes:
        if first in taken:
            continue
        last = None
        for node in _chain(below, first, end):
            if first not in _chain(above, node, start):
                break
            inner = _between(first, node, after)
            if taken.isdisjoint(inner) and node not in taken and len(inner) + 2 < len(nodes):
                last = node, inner
        if last is not None:
            found.append((first, sorted(last[1]), last[0]))
            taken |= {first, *last[1], last[0]}
    return found


def _dominators(order: list[int], into: Mapping[int, list[int]], root: int) -> dict[int, int]:
    """For each node the nearest through which all ways to it lead."""
    place = {node: number for number, node in enumerate(order)}
    found = {root: root}
    for node in order[1:]:
        sources = [source for source in into.get(node, ()) if source in found]
        best = sources[0] if sources else root
        for source in sources[1:]:
            while best != source:
                if place[best] > place[source]:
                    best = found[best]
                else:
                    source = found[source]
        found[node] = best
    return found


def _chain(found: Mapping[int, int], node: int, root: int) -> Iterator[int]:
    """The nodes through which all ways to a node lead, the nearest first, without the root."""
    node = found[node]
    while node != root:
        yield node
        node = found[node]


def _between(first: int, last: int, after: Mapping[int, list[int]]) -> set[int]:
    """The nodes between two."""
    found: set[int] = set()
    waiting = [first]
    for node in waiting:
        for other in after[node]:
            if other != last and other not in found:
                found.add(other)
                waiting.append(other)
    return found
