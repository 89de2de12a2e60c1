"""The graph as a tree of regions: parts that data enters and leaves as through a function.

A region is one application of a scope. It can be called as a module if it is a convex piece of the graph: no data
leaves it and comes back. A region that cannot be called is dissolved: what is around it applies its layers one by one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from .graph import Graph, Node, Scope, Value
from .sharing import Names, applications, order_kept

DEEPEST = 64
"""Regions that nest deeper than this are dissolved: each level of calls takes room on Python's stack."""


@dataclass(slots=True, eq=False)
class Region:
    """One application of a scope.

    `turn` numbers the applications of a shared scope, from 0. `nodes` stand in the scope itself, `children` are the
    regions directly inside, and `indices` are all nodes within, in application order. `reason` says why the region
    cannot be called; None where it can.

    Of a region that can be called, `steps` are what its forward does, in order: nodes, and regions to call. `inputs`
    are the tensors that come in, in order of first use, and `outputs` those that go out.

    Inputs of the arch and parameters are in no region: a parameter is at hand wherever its scope is.
    """

    scope: Scope
    parent: Region | None
    turn: int = 0
    nodes: list[Node] = field(default_factory=list)
    children: list[Region] = field(default_factory=list)
    indices: list[int] = field(default_factory=list)
    reason: str | None = None
    steps: list[Node | Region] = field(default_factory=list)
    inputs: list[Value] = field(default_factory=list)
    outputs: list[Value] = field(default_factory=list)

    def __repr__(self) -> str:
        again = f", application {self.turn + 1}" if self.turn else ""
        return f"<Region {self.scope.path or 'at the top'}{again}>"


Step = Node | Region


class Regions:
    """The tree of regions of a graph.

    `root` is the whole graph, which can always be called. `of_scope` has the regions of a scope in the order of their
    application; a scope in which nothing is applied has none.
    """

    def __init__(self, graph: Graph):
        self.graph = graph
        self.names = Names(graph)
        self.root = Region(graph.root, None)
        self.of_scope: dict[Scope, list[Region]] = defaultdict(list)
        self.numbered: dict[Scope, str] = {}
        """Shared scopes of which every application has modules of its own in a list, with the name of that list."""
        self._region_of: dict[int, Region] = {}
        self._make()
        self._before = order_kept(graph.nodes)
        self._refuse()
        self._schedule()
        self._ends()

    def reason(self, scope: Scope) -> str | None:
        """Why a scope cannot be called; None where it can."""
        if scope is self.root.scope:
            return None
        regions = self.of_scope.get(scope)
        return regions[0].reason if regions else "nothing is computed in it"

    def callable_scopes(self) -> Iterator[tuple[Scope, Region]]:
        """The scopes that can be called, each with the region of its first application; the root is the first."""
        yield self.root.scope, self.root
        yield from ((scope, regions[0]) for scope, regions in self.of_scope.items() if regions[0].reason is None)

    def caller(self, node: Node) -> Region:
        """The region whose forward applies a node."""
        region = self._region_of.get(node.index, self.root)
        while region.reason is not None:
            assert region.parent is not None
            region = region.parent
        return region

    # --- the tree --------------------------------------------------------------------------

    def _make(self) -> None:
        nodes = self.graph.nodes
        applied = [node for node in nodes if node.op.kind not in ("input", "parameter")]
        repeated = applications(self.graph.root, nodes, applied)
        known: dict[Scope, Region] = {self.graph.root: self.root}
        taken: set[int] = set()
        for scope, turns in repeated.items():
            taken.update(index for turn in turns for index in turn)
            for number, turn in enumerate(turns):
                place = self._outside(self._site(scope, turn[0], turn[-1]), repeated) if number else scope.parent
                assert place is not None
                self._fill(self._child(self._at(place, known), scope, number), turn)
            self._number(scope, turns)
        for node in applied:
            if node.index not in taken:
                again = node.owner != node.index
                place = self._site(nodes[node.owner], node.index, node.index) if again else node.scope
                self._put(node, self._at(self._outside(place, repeated), known))
        for index in sorted(self._region_of):
            region: Region | None = self._region_of[index]
            while region is not None:
                region.indices.append(index)
                region = region.parent

    def _at(self, scope: Scope, known: dict[Scope, Region], turn: int = 0) -> Region:
        chain: list[Scope] = []
        while scope not in known:
            chain.append(scope)
            assert scope.parent is not None
            scope = scope.parent
        region = known[scope]
        for inner in reversed(chain):
            region = known[inner] = self._child(region, inner, turn)
        return region

    def _child(self, parent: Region, scope: Scope, turn: int) -> Region:
        region = Region(scope, parent, turn)
        parent.children.append(region)
        self.of_scope[scope].append(region)
        return region

    def _put(self, node: Node, region: Region) -> None:
        region.nodes.append(node)
        self._region_of[node.index] = region

    def _fill(self, region: Region, turn: list[int]) -> None:
        """Puts the nodes of one application of something shared into it."""
        known = {region.scope: region}
        for index in turn:
            self._put(self.graph.nodes[index], self._at(self.graph.nodes[index].scope, known, region.turn))

    def _number(self, home: Scope, turns: list[list[int]]) -> None:
        for a, b in zip(*turns[:2], strict=True):
            first, second = self.graph.nodes[a], self.graph.nodes[b]
            if first.op.is_module and first.owner != second.owner:
                scope = first.scope
                while scope is not home.parent and scope is not None:
                    self.numbered[scope] = first.scope.name
                    scope = scope.parent

    def _site(self, target: Scope | Node, first: int, last: int) -> Scope:
        """Where something shared is applied again: of the scopes that have a name for it the one nearest to the nodes
        around."""
        nodes = self.graph.nodes
        around = [nodes[i].scope for i in (first - 1, last + 1) if 0 <= i < len(nodes)]
        around += [nodes[source].scope for source, _ in nodes[first].inputs]
        return self.names.nearest(target, around)

    def _outside(self, scope: Scope, repeated: Collection[Scope]) -> Scope:
        """The scope, or the first around it that is in nothing applied several times."""
        at: Scope | None = scope
        while at is not None:
            if at in repeated and at.parent is not None:
                scope = at.parent
            at = at.parent
        return scope

    # --- what cannot be called ---------------------------------------------------------------

    def _refuse(self) -> None:
        nodes = self.graph.nodes
        training = self.graph.training_only()
        sizes = Counter(nodes[index].recompute for index in self._region_of)
        stack = [(region, 1) for region in self.root.children]
        while stack:
            region, depth = stack.pop()
            parts = Counter(nodes[index].recompute for index in region.indices)
            cut = any(n < min(sizes[part], len(region.indices)) for part, n in parts.items() if part is not None)
            if region.scope in self.numbered:
                region.reason = f"each application takes modules of its own from `{self.numbered[region.scope]}`"
            elif len({index in training for index in region.indices}) > 1:
                region.reason = "some of it is computed in training alone"
            elif cut:
                region.reason = "only some of it belongs to a part that `recompute` computes again"
            elif depth > DEEPEST:
                region.reason = f"{DEEPEST} scopes around it are called already"
            stack.extend((child, depth + (region.reason is None)) for child in region.children)

    # --- steps -------------------------------------------------------------------------------

    def _schedule(self) -> None:
        """Orders the steps of all regions that can be called. Of a shared scope all applications can, or none."""
        while True:
            for regions in self.of_scope.values():
                reason = next((region.reason for region in regions if region.reason is not None), None)
                for region in regions:
                    region.reason = reason
            work = [self.root]
            while work:
                region = work.pop()
                region.steps = self._ordered(region)
                work.extend(step for step in region.steps if isinstance(step, Region))
            if all(region.reason == regions[0].reason for regions in self.of_scope.values() for region in regions):
                return

    def _ordered(self, region: Region) -> list[Step]:
        """The steps of a region, in application order where possible. What cannot be called as one piece is dissolved
        first."""
        while True:
            steps = sorted(_steps(region), key=first_node)
            if all(_last(a) < first_node(b) for a, b in pairwise(steps)):
                return steps
            ordered = self._untangled(steps)
            if ordered is not None:
                return ordered

    def _untangled(self, steps: list[Step]) -> list[Step] | None:
        """Steps that lie between each other's nodes, in an order that the data allows. Where there is none, a region of
        each cycle is dissolved, and the result is None."""
        import networkx

        at = {index: number for number, step in enumerate(steps) for index in indices_of(step)}
        flow = networkx.DiGraph()
        flow.add_nodes_from(range(len(steps)))
        for index, number in at.items():
            sources = [source for source, _ in self.graph.nodes[index].inputs]
            for source in (*sources, self._before.get(index, index)):
                if at.get(source, number) != number:
                    flow.add_edge(at[source], number)
        cycles = [cycle for cycle in networkx.strongly_connected_components(flow) if len(cycle) > 1]
        if not cycles:
            return [steps[n] for n in networkx.lexicographical_topological_sort(flow, key=lambda n: n)]
        for cycle in cycles:
            number = max((n for n in cycle if isinstance(steps[n], Region)), key=lambda n: _gaps(steps[n]))
            region = steps[number]
            assert isinstance(region, Region)
            between = next(n for n in flow.predecessors(number) if n in cycle)
            region.reason = f"data leaves it and comes back through {_called(steps[between])}"
        return None

    # --- what comes in and goes out ----------------------------------------------------------

    def _ends(self) -> None:
        users: dict[Value, list[int]] = defaultdict(list)
        for node in self.graph.nodes:
            for value in node.inputs:
                users[value].append(node.index)
        given = {value for output in self.graph.outputs for value in output.values}
        for regions in self.of_scope.values():
            if regions[0].reason is None:
                self._inputs(regions)
                self._outputs(regions, users, given)

    def _inputs(self, regions: list[Region]) -> None:
        """What comes in at each application, in an order that is the same for all of them."""
        nodes = self.graph.nodes
        inside = set(regions[0].indices)
        found: dict[tuple[Value, ...], None] = {}
        for place, index in enumerate(regions[0].indices):
            for slot, (source, _) in enumerate(nodes[index].inputs):
                if source not in inside and not self.at_hand(regions[0].scope, source):
                    found[tuple([nodes[region.indices[place]].inputs[slot] for region in regions])] = None
        for turn, region in enumerate(regions):
            region.inputs = [values[turn] for values in found]

    def at_hand(self, scope: Scope, index: int) -> bool:
        """Whether a node is a parameter that stands in a scope."""
        node = self.graph.nodes[index]
        return node.op.kind == "parameter" and self.names.path(scope, node) is not None

    def _outputs(self, regions: list[Region], users: dict[Value, list[int]], given: set[Value]) -> None:
        inside = [set(region.indices) for region in regions]
        for place, index in enumerate(regions[0].indices):
            for port in range(len(self.graph.nodes[index].outputs)):
                values = [(region.indices[place], port) for region in regions]
                if any(
                    value in given or any(user not in within for user in users[value])
                    for value, within in zip(values, inside, strict=True)
                ):
                    for region, value in zip(regions, values, strict=True):
                        region.outputs.append(value)


def indices_of(step: Step) -> list[int]:
    """The nodes that a step applies."""
    return step.indices if isinstance(step, Region) else [step.index]


def first_node(step: Step) -> int:
    return indices_of(step)[0]


def _last(step: Step) -> int:
    return indices_of(step)[-1]


def _gaps(step: Step) -> tuple[int, int]:
    """How many nodes of others lie between those of a step, and how many are its own."""
    indices = indices_of(step)
    return indices[-1] - indices[0] - len(indices), len(indices)


def _steps(region: Region) -> Iterator[Step]:
    yield from region.nodes
    stack = list(region.children)
    while stack:
        child = stack.pop()
        if child.reason is None:
            yield child
        else:
            yield from child.nodes
            stack.extend(child.children)


def _called(step: Step) -> str:
    if isinstance(step, Region):
        return f"`{step.scope.path}`"
    if step.name:
        return f"`{step.path}`"
    return f"the {step.op.kind} {f'in `{step.scope.path}`' if step.scope.path else 'at the top'}"
