"""Residual modules: what stands beside a shortcut."""

from __future__ import annotations

from dataclasses import dataclass

from ..ir.graph import Graph, Node
from ..ops.activation import Activation


@dataclass(frozen=True, slots=True)
class Branch:
    """The nodes between a fork and one input of a merge, and the weight layers on its longest and its shortest way."""

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
    return sorted(_Modules(graph).found(), key=lambda branch: (branch.end, branch.merge))


class _Modules:
    def __init__(self, graph: Graph):
        self.graph, self.nodes = graph, graph.nodes
        self.sources = [self._sources(node) for node in graph.nodes]
        self.reached = [False] * len(graph.nodes)
        self.above = self._dominators()
        self.weights = [int(node.op.is_weight_layer()) for node in graph.nodes]

    def found(self) -> list[Residual]:
        branches: dict[int, list[tuple[int, Branch]]] = {}
        for node in self.nodes:
            if node.op.is_additive and self.reached[node.index]:
                found = self._residual(node)
                if found:
                    branches[node.index] = found
        merges = branches.keys()
        return [
            Residual(fork, merge, source, self._end(source, branch), branch.nodes, self._into(merge, source, fork))
            for merge, found in branches.items()
            for fork in (self.above[merge],)
            for source, branch in found
            if not (branch.nodes & merges)
        ]

    def _into(self, merge: int, source: int, fork: int) -> tuple[tuple[int, int], ...]:
        """The inputs of a merge, or of merges that it adds, which are this source."""
        found: list[tuple[int, int]] = []
        stack, seen = [merge], {merge}
        while stack:
            node = self.nodes[stack.pop()]
            for slot, (before, _) in enumerate(node.inputs):
                if before == source:
                    found.append((node.index, slot))
                elif before != fork and before not in seen and self.nodes[before].op.is_additive:
                    seen.add(before)
                    stack.append(before)
        return tuple(sorted(found))

    def _sources(self, node: Node) -> list[int]:
        return [source for source, _ in node.op.arriving(node.inputs)]

    def _dominators(self) -> list[int]:
        """For each node the last one that all paths to it go through; -1 for what starts them."""
        above = [-1] * len(self.nodes)
        level = [0] * len(self.nodes)
        for node in self.nodes:
            i = node.index
            self.sources[i] = sources = [s for s in self.sources[i] if self.reached[s]]
            self.reached[i] = node.op.is_input or bool(sources)
            if not sources:
                continue
            common = sources[0]
            for other in sources[1:]:
                while common != other and common >= 0 and other >= 0:
                    if level[common] >= level[other]:
                        common, other = above[common], other
                    else:
                        other = above[other]
                common = common if common == other else -1
            above[i] = common
            level[i] = level[common] + 1 if common >= 0 else 0
        return above

    def _residual(self, merge: Node) -> list[tuple[int, Branch]]:
        """The branches of a merge that are no shortcuts, by the node that ends them; none if no branch is one."""
        fork = self.above[merge.index]
        terms = self._terms(merge.index, fork)
        branches = [(source, self._branch(source, fork)) for source in terms]
        modules = [(source, branch) for source, branch in branches if not self._is_shortcut(branch)]
        return modules if len(modules) < len(branches) else []

    def _terms(self, merge: int, fork: int) -> dict[int, list[tuple[int, int]]]:
        """What a merge adds, with the places where it is taken: its inputs, and where one is such a merge itself, those
        of that one."""
        terms: dict[int, list[tuple[int, int]]] = {}
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

    def _branch(self, end: int, fork: int) -> Branch:
        nodes: set[int] = set()
        stack = [end]
        while stack:
            node = stack.pop()
            if node != fork and node not in nodes:
                nodes.add(node)
                stack.extend(self.sources[node])
        most, least = {fork: 0}, {fork: 0}
        for node in sorted(nodes):
            before = self.sources[node]
            most[node] = self.weights[node] + max((most[s] for s in before), default=0)
            least[node] = self.weights[node] + min((least[s] for s in before), default=0)
        return Branch(frozenset(nodes), most[end], least[end])

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

    def _end(self, node: int, branch: Branch) -> int:
        """The last weight layer or merge of a branch."""
        while not self.weights[node] and len(self.sources[node]) == 1 and self.sources[node][0] in branch.nodes:
            node = self.sources[node][0]
        return node


@dataclass(frozen=True, slots=True)
class ShortcutSum:
    """A merge that adds shortcuts to what is none: node numbers of the merge and of the last node that all ways to it
    go through (-1 for none), and the terms. A term is an input of the merge or, where that is a merge itself, of that
    one: the number of the node that takes it, and its place there."""

    merge: int
    fork: int
    shortcuts: tuple[tuple[int, int], ...]
    modules: tuple[tuple[int, int], ...]


def shortcut_sums(graph: Graph) -> list[ShortcutSum]:
    """The merges of a graph that have a shortcut, as `module_ends` says, and a branch that is none; in order."""
    found, modules = [], _Modules(graph)
    for node in graph.nodes:
        if not node.op.is_additive or not modules.reached[node.index]:
            continue
        fork = modules.above[node.index]
        short, rest = [], []
        for source, places in modules._terms(node.index, fork).items():
            (short if modules._is_shortcut(modules._branch(source, fork)) else rest).extend(places)
        if short and rest:
            found.append(ShortcutSum(node.index, fork, tuple(short), tuple(rest)))
    return found


def dominators(graph: Graph) -> list[int]:
    """For each node the last one that all ways to it from the inputs go through; -1 where there is none."""
    return _Modules(graph).above
