"""A graph as a tree of clusters, which a drawing can fold: its regions, as far as no path leaves them and returns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from ..compiler.ir.calls import Calls
from ..compiler.ir.graph import Node
from ..compiler.ir.region_tree import Region, RegionTree
from .components import components
from .words import MAIN, kind_of

ATOM = 5
"""A chain of at most so many layers with one main layer among them is drawn as it is, never folded."""


@dataclass(slots=True, eq=False)
class Cluster:
    """What a folded box stands for: nodes that follow one another in the graph, so that no path leaves it and returns.

    `name` is the label in the spec, empty for a call without one; `block` the block that fills it, and `call`
    that with the numbers among its arguments. `paths` are the scopes that it is, several where one holds nothing but
    the other.
    """

    name: str
    block: str | None
    path: str
    call: str = ""
    paths: tuple[str, ...] = ()
    members: list[Cluster | Node] = field(default_factory=list)
    _nodes: list[Node] | None = field(default=None, repr=False)
    _is_atom: bool | None = field(default=None, repr=False)

    def nodes(self) -> list[Node]:
        """The nodes in it, kept: neither of `_dissolve` and `_simplify` changes them or their order."""
        if self._nodes is None:
            self._nodes = list(self.walked())
        return self._nodes

    def walked(self) -> Iterator[Node]:
        stack: list[Cluster | Node] = [self]
        while stack:
            item = stack.pop()
            if isinstance(item, Cluster):
                stack.extend(reversed(item.members))
            else:
                yield item

    def parts(self) -> list[Cluster]:
        return [member for member in self.members if isinstance(member, Cluster)]

    def within(self) -> list[Cluster]:
        """It and all parts in it, each behind those around it."""
        found: list[Cluster] = [self]
        for part in found:
            found.extend(part.parts())
        return found

    @property
    def is_atom(self) -> bool:
        """Whether it is a chain such as convolution, norm, activation, which is told once all parts are there."""
        if self._is_atom is None:
            self._is_atom = self._chained()
        return self._is_atom

    def _chained(self) -> bool:
        items: list[Cluster | Node] = [self]
        while len(items) <= ATOM and any(isinstance(item, Cluster) for item in items):
            items = [inner for item in items for inner in (item.members if isinstance(item, Cluster) else [item])]
        if len(items) > ATOM:
            return False
        nodes = [item for item in items if isinstance(item, Node)]
        mains = sum(kind_of(node.op) in MAIN for node in nodes)
        chained = all(b.inputs == ((a.index, 0),) for a, b in pairwise(nodes))
        return chained and mains <= 1


def tree(regions: RegionTree) -> Cluster:
    """The whole graph as one cluster."""
    root = Cluster("", None, "")
    calls = Calls(regions)
    open_regions: list[Region] = []
    open_clusters = [root]
    pieces: dict[Region, list[Cluster]] = {}
    for node in regions.graph.nodes:
        around = calls.around(node)
        common = 0
        while common < min(len(around), len(open_regions)) and around[common] is open_regions[common]:
            common += 1
        del open_clusters[common + 1 :]
        for region in around[common:]:
            cluster = _cluster(region)
            pieces.setdefault(region, []).append(cluster)
            open_clusters[-1].members.append(cluster)
            open_clusters.append(cluster)
        open_regions = around
        open_clusters[-1].members.append(node)
    _dissolve(root, {id(cluster) for clusters in pieces.values() if len(clusters) > 1 for cluster in clusters})
    _simplify(root)
    return root


def _recurs(part: Cluster, around: Cluster) -> bool:
    """Whether a block is called in itself, without a name, so that the recursion is one part."""
    return not part.name and part.block is not None and part.block == around.block


def _is_namespace(part: Cluster) -> bool:
    """Whether a part is no block and no data flows between some of what it holds: these only share the start of their
    names."""
    if part.block is not None or len(part.members) == 1:
        return False
    nodes = list(part.walked())
    edges = ((node.index, source) for node in nodes for source, _ in node.inputs)
    return len(components((node.index for node in nodes), edges)) > 1


def _dissolve(root: Cluster, pieces: set[int]) -> None:
    """Puts the members of some parts in their place: of those that are only a piece of a scope, as data leaves that and
    comes back, and of calls in `_recurs`, and of namespaces."""
    for part in reversed(root.within()):
        members: list[Cluster | Node] = []
        for member in part.members:
            if isinstance(member, Cluster) and (id(member) in pieces or _recurs(member, part) or _is_namespace(member)):
                members += member.members
            else:
                members.append(member)
        part.members = members


def _cluster(region: Region) -> Cluster:
    if region.call is not None:
        return Cluster("", region.call.block, "", _call(region.call.block, region.call.arguments))
    scope = region.scope
    return Cluster(scope.name, scope.block, scope.path, _call(scope.block, scope.arguments), (scope.path,))


def _call(block: str | None, arguments: dict[str, Any]) -> str:
    """A block and the numbers that it was given: `stage(64, 2)`."""
    numbers = [str(v) for v in arguments.values() if isinstance(v, (int, float)) and not isinstance(v, bool)]
    return f"{block}({', '.join(numbers)})" if block and numbers else block or ""


def _simplify(root: Cluster) -> None:
    """Takes away the parts that hold a single thing."""
    for part in reversed(root.within()):
        part.members = [_simple(member) for member in part.members]


def _simple(member: Cluster | Node) -> Cluster | Node:
    if not isinstance(member, Cluster) or len(member.members) != 1:
        return member
    inner = member.members[0]
    if isinstance(inner, Cluster):
        inner.paths = (*member.paths, *inner.paths)
        if member.name and (not member.name.isdigit() or not inner.name.isdigit()):
            if member.block is not None and inner.name and not inner.name.isdigit():
                inner.block, inner.call = member.block, member.call
            inner.name, inner.path = member.name, member.path
        if inner.block is None:
            inner.block, inner.call = member.block, member.call
    return inner
