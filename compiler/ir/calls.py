"""Calls of blocks that open no scope, as regions of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from .graph import Node, Origin, Scope, outwards
from .region_tree import Region, RegionTree


class Calls:
    """The regions around each node of a graph, with the calls of blocks among them.

    A call is a region where it makes more than one node, and not just what a region around it holds. Its home is the
    innermost scope around all nodes that it makes.
    """

    def __init__(self, tree: RegionTree):
        self.tree = tree
        self.homes: dict[Origin, tuple[Scope, ...]] = {}
        self._chains: dict[Region, list[Region]] = {}
        self._calls: dict[tuple[Region, Origin], Region] = {}
        self._sizes: Counter[Region | tuple[Region, Origin]] = Counter()
        for node in tree.graph.nodes:
            self._find_homes(node)
        for node in tree.graph.nodes:
            self._count(node)

    def around(self, node: Node) -> list[Region]:
        """The regions around a node, outermost first; the root, which is around all of them, is left out."""
        found: list[Region] = []
        for region, calls in self._levels(node):
            above = region
            size = self._sizes[region]
            if region is not self.tree.root:
                found.append(region)
            for call in calls:
                if 1 < self._sizes[region, call] < size:
                    size = self._sizes[region, call]
                    above = self._call(region, call, above)
                    found.append(above)
        return found

    def _call(self, region: Region, call: Origin, above: Region) -> Region:
        if (region, call) not in self._calls:
            self._calls[region, call] = Region(region.scope, above, region.turn, call=call)
        return self._calls[region, call]

    def _find_homes(self, node: Node) -> None:
        scopes = tuple([region.scope for region in self._chain(node)])
        for origin in _origins(node.origin):
            known = self.homes.get(origin)
            self.homes[origin] = scopes if known is None else _common(known, scopes)

    def _count(self, node: Node) -> None:
        for region, calls in self._levels(node):
            self._sizes[region] += 1
            for call in calls:
                self._sizes[region, call] += 1

    def _levels(self, node: Node) -> Iterator[tuple[Region, list[Origin]]]:
        """The regions around a node, outermost first, each with the calls that are at home in it."""
        calls: dict[Scope, list[Origin]] = {}
        for origin in _origins(node.origin):
            calls.setdefault(self.homes[origin][-1], []).append(origin)
        for region in self._chain(node):
            yield region, calls.get(region.scope, [])

    def _chain(self, node: Node) -> list[Region]:
        region = self.tree.region_of(node.index)
        if region not in self._chains:
            self._chains[region] = list(region.outwards())[::-1]
        return self._chains[region]


def _origins(origin: Origin | None) -> list[Origin]:
    """The calls of blocks around a node, outermost first; the arch itself is none."""
    return [*outwards(origin)][-2::-1]


def _common(a: tuple[Scope, ...], b: tuple[Scope, ...]) -> tuple[Scope, ...]:
    """The scopes that two chains begin with alike; the root is always one."""
    length = 0
    while length < min(len(a), len(b)) and a[length] is b[length]:
        length += 1
    return a[:length]
