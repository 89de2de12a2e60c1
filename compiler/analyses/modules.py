"""Residual modules: what stands beside a shortcut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import networkx

from ..ir.graph import Graph, Node
from ..ir.reached import reached
from ..ops.activation import Activation

Term = tuple[int, int]
"""What a merge adds: the number of the merge that takes it, itself or one that goes into it, and its place there."""


@dataclass(frozen=True, slots=True)
class Branch:
    """The nodes between a fork and one term of a merge, which `source` makes and which is taken at `places`. `most` and
    `least` count the weight layers on its longest and its shortest way."""

    source: int
    places: tuple[Term, ...]
    nodes: frozenset[int]
    most: int
    least: int


def module_ends(graph: Graph) -> frozenset[int]:
    """The nodes at which the residual modules of a graph end; a path goes through a module where it goes through its
    end.

    A merge adds what its branches bring from the place where they part. A branch is a shortcut if no weight layer
    stands on it; or one, past which a way leads or which is a convolution of single places without an activation: a
    projection. Where one branch is a shortcut, each that is none is a residual module, unless there are modules
    inside it. It ends at its last weight layer or merge, so that in I + F + FF the second F goes through both modules.
    """
    return frozenset(branch.end for branch in residual_branches(graph))


@dataclass(frozen=True, slots=True)
class Residual:
    """A residual module where it is applied: the nodes between `fork` and `merge` that come to `source`, which is
    added.

    `end` is the last weight layer or merge among them, at which paths are counted. `into` are the merges, with the
    input, that take `source`: `merge` itself, or such merges that go into it.
    """

    fork: int
    merge: int
    source: int
    end: int
    nodes: frozenset[int]
    into: tuple[tuple[int, int], ...]


def residual_branches(graph: Graph) -> list[Residual]:
    """The residual modules at each of their applications, as `module_ends` finds them, in the order of their ends."""
    modules = _Modules(graph)
    sums = list(modules.sums())
    merges = {merge for merge, *_ in sums}
    found = [
        Residual(modules.above[merge], merge, b.source, modules.end(b), b.nodes, tuple(sorted(b.places)))
        for merge, _, branches in sums
        for b in branches
        if not (b.nodes & merges)
    ]
    return sorted(found, key=lambda branch: (branch.end, branch.merge))


class _Modules:
    def __init__(self, graph: Graph):
        self.graph, self.nodes = graph, graph.nodes
        flow = networkx.DiGraph([(-1, node.index) for node in graph.nodes if node.op.is_input])
        flow.add_edges_from((s, node.index) for node in graph.nodes for s, _ in node.op.arriving(node.inputs))
        above = networkx.immediate_dominators(flow, -1)
        self.reached = [node.index in above for node in graph.nodes]
        self.above = [above.get(node.index, -1) for node in graph.nodes]
        """For each node the last one that all paths to it go through; -1 for what starts them."""
        self.sources = [
            [source for source, _ in node.op.arriving(node.inputs) if self.reached[source]] for node in graph.nodes
        ]
        self.weights = [node.op.weight_layers() for node in graph.nodes]

    def sums(self) -> Iterator[tuple[int, list[Branch], list[Branch]]]:
        """The merges with a shortcut and a branch that is none, with the shortcuts and the other branches."""
        for node in self.nodes:
            if node.op.is_additive and self.reached[node.index]:
                sides: tuple[list[Branch], list[Branch]] = [], []
                for source, places in self._terms(node.index).items():
                    branch = self._branch(source, places, self.above[node.index])
                    sides[not self._is_shortcut(branch)].append(branch)
                if all(sides):
                    yield node.index, *sides

    def _terms(self, merge: int) -> dict[int, list[Term]]:
        """What a merge adds, by the nodes that make it."""
        terms: dict[int, list[Term]] = {}
        fork = self.above[merge]
        stack, seen = [merge], {merge}
        while stack:
            taker = self.nodes[stack.pop()]
            for place, (source, _) in enumerate(taker.op.arriving(taker.inputs)):
                if source != fork and self.nodes[source].op.is_additive and self.reached[source]:
                    if source not in seen:
                        seen.add(source)
                        stack.append(source)
                elif self.reached[source]:
                    terms.setdefault(source, []).append((taker.index, place))
        return terms

    def _branch(self, end: int, places: list[Term], fork: int) -> Branch:
        nodes = {*reached([end], lambda node: self.sources[node] if node != fork else ())} - {fork}
        most, least = {fork: 0}, {fork: 0}
        for node in sorted(nodes):
            before = self.sources[node]
            most[node] = self.weights[node] + max((most[s] for s in before), default=0)
            least[node] = self.weights[node] + min((least[s] for s in before), default=0)
        return Branch(end, tuple(places), frozenset(nodes), most[end], least[end])

    def _is_shortcut(self, branch: Branch) -> bool:
        if branch.most == 0 or branch.most == 1 > branch.least:
            return True
        return branch.most == 1 and all(
            self._is_pointwise(self.nodes[i]) if self.weights[i] else not isinstance(self.nodes[i].op, Activation)
            for i in branch.nodes
        )

    def _is_pointwise(self, node: Node) -> bool:
        """Whether a weight layer looks at one place at a time, with whatever stride."""
        kernel = getattr(node.op, "kernel", None)
        if kernel is None:
            return node.op.is_per_place(self.graph.input_types(node))
        return all(n == 1 for n in (kernel if isinstance(kernel, tuple) else (kernel,)))

    def end(self, branch: Branch) -> int:
        """The last weight layer or merge of a branch."""
        node = branch.source
        while not self.weights[node] and len(self.sources[node]) == 1 and self.sources[node][0] in branch.nodes:
            node = self.sources[node][0]
        return node


@dataclass(frozen=True, slots=True)
class ShortcutSum:
    """A merge that adds shortcuts to what is none: node numbers of the merge and of the last node that all ways to it
    go through (-1 for none), and the terms."""

    merge: int
    fork: int
    shortcuts: tuple[Term, ...]
    modules: tuple[Term, ...]


def shortcut_sums(graph: Graph) -> list[ShortcutSum]:
    """The merges of a graph that have a shortcut, as `module_ends` says, and a branch that is none; in order."""
    modules = _Modules(graph)
    return [
        ShortcutSum(merge, modules.above[merge], *(tuple(term for b in side for term in b.places) for side in sides))
        for merge, *sides in modules.sums()
    ]


def dominators(graph: Graph) -> list[int]:
    """For each node the last one that all ways to it from the inputs go through; -1 where there is none."""
    return _Modules(graph).above
