"""Parts of a graph that nothing connects."""

from __future__ import annotations

from collections.abc import Iterable


def components(nodes: Iterable[int], edges: Iterable[tuple[int, int]]) -> list[list[int]]:
    """The nodes in as many lists as there are parts that no edge connects, in their order. Edges to others are none."""
    leader = {node: node for node in nodes}

    def find(node: int) -> int:
        while leader[node] != node:
            leader[node] = leader[leader[node]]
            node = leader[node]
        return node

    for one, other in edges:
        if one in leader and other in leader:
            leader[find(one)] = find(other)
    parts: dict[int, list[int]] = {}
    for node in leader:
        parts.setdefault(find(node), []).append(node)
    return list(parts.values())
