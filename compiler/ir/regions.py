"""Which regions of a graph can be called, as functions that data enters and leaves, and what calling them does.

A region can be called as a module if it is a convex piece of the graph: no data leaves it and comes back. A region
that cannot be called is dissolved: what is around it applies its layers one by one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from itertools import pairwise

from .graph import Graph, Node, Scope, Value
from .instantiations import as_given, joined, put_out
from .region_tree import Region, RegionTree
from .sharing import order_kept

DEEPEST = 64
"""Regions that nest deeper than this are dissolved: each level of calls takes room on Python's stack."""

NOTHING = "nothing is computed in it"

Step = Node | Region


class Regions(RegionTree):
    """The regions of a graph, and which of them can be called. The root, the whole graph, always can.

    `told`: a forward can be told which application it is, so that it takes its own module of a list. `widest`: see
    `RegionTree`.
    """

    def __init__(self, graph: Graph, told: bool = False, widest: bool = False):
        super().__init__(graph, widest)
        self._taking = {} if told else dict(self._takers())
        self._before = order_kept(graph.nodes)
        self._written: dict[Scope, Region] = {}
        """Of what is applied several times the application that its forward is written from."""
        self._refuse()
        self._schedule()
        self._ends()

    def reason(self, scope: Scope) -> str | None:
        """Why a scope cannot be called; None where it can."""
        if scope is self.root.scope:
            return None
        regions = self.of_scope.get(scope)
        return regions[0].reason if regions else NOTHING

    def callable_scopes(self) -> Iterator[tuple[Scope, Region]]:
        """The scopes that can be called, each with an application whose steps are those of its forward: the first that
        takes a tensor of its own in each place. The root comes first."""
        yield self.root.scope, self.root
        for scope, regions in self.of_scope.items():
            if regions[0].reason is None:
                yield scope, self._written.get(scope, regions[0])

    def caller(self, node: Node) -> Region:
        """The region whose forward applies a node."""
        region = self.region_of(node.index)
        while region.reason is not None:
            assert region.parent is not None
            region = region.parent
        return region

    @cached_property
    def recomputed(self) -> Counter[object]:
        """How many nodes each part has that `recompute` computes again."""
        return Counter(self.graph.nodes[index].recompute for index in self.root.indices)

    # --- what cannot be called ---------------------------------------------------------------

    def _refuse(self) -> None:
        nodes = self.graph.nodes
        training = self.graph.training_only()
        stack = [(region, 1) for region in self.root.children]
        while stack:
            region, depth = stack.pop()
            parts = Counter(nodes[index].recompute for index in region.indices)
            cut = any(
                n < min(self.recomputed[part], len(region.indices)) for part, n in parts.items() if part is not None
            )
            if not region.indices:
                region.reason = NOTHING
            elif region.scope in self.lists:
                home = self.lists[region.scope].path
                region.reason = f"each application of `{home}` uses another module of this list"
            elif region.scope in self._taking:
                path = self.names.path(region.scope, self._taking[region.scope])
                region.reason = (
                    f"it is applied several times, each time with another part of `{path}`, and a call cannot say which"
                )
            elif len({index in training for index in region.indices}) > 1:
                region.reason = "some of it is computed in training alone"
            elif cut:
                region.reason = "only some of it belongs to a part that `recompute` computes again"
            elif depth > DEEPEST:
                region.reason = f"{DEEPEST} scopes around it are called already"
            stack.extend((child, depth + (region.reason is None)) for child in region.children)
        for regions in self._alike():
            if len(regions) > 1:
                self._choose(regions)

    def _choose(self, regions: list[Region]) -> None:
        """Chooses the applications that forwards are written from: in another one two inputs may be the same tensor."""
        inputs = self._taken(regions)
        for scope in dict.fromkeys(region.scope for region in regions):
            own = [region for region in regions if region.scope is scope]
            if self.home(own[0]) in self.lists.values():
                own = own[:1]  # what stands for the modules of its own that each application has
            chosen = next((region for region in own if len({*inputs[region]}) == len(inputs[region])), None)
            if chosen is None:
                own[0].reason = own[0].reason or "each of its applications takes one tensor in two places"
            else:
                self._written[scope] = chosen

    def _takers(self) -> Iterator[tuple[Scope, Scope]]:
        """The scopes whose applications each take a module of their own of a list, with that list."""
        for numbered, home in self.lists.items():
            scope = numbered.parent
            while scope is not None and scope is not home.parent:
                yield scope, numbered
                scope = scope.parent

    # --- steps -------------------------------------------------------------------------------

    def _schedule(self) -> None:
        """Orders the steps of all regions that can be called. Of those that one call stands for all can, or none."""
        while True:
            for regions in self._alike():
                reason = next((region.reason for region in regions if region.reason is not None), None)
                for region in regions:
                    region.reason = reason
            work = [self.root]
            while work:
                region = work.pop()
                region.steps = self._ordered(region)
                work.extend(step for step in region.steps if isinstance(step, Region))
            if all(region.reason == regions[0].reason for regions in self._alike() for region in regions):
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
        groups = [regions for regions in self._alike() if regions[0].reason is None]
        through: dict[Region, set[Value]] = defaultdict(set)
        """What regions have to give those around them, which put it out."""
        for regions in groups:
            for region, values in self._taken(regions).items():
                region.inputs = values
            self._put_out(regions)
            for around in regions:
                for value in around.outputs:
                    for inner in self._between(value, around):
                        through[inner].add(value)
        for regions in groups:
            self._leave(regions, through)

    def _alike(self) -> Collection[list[Region]]:
        """The regions that one call stands for: those of a scope, and of the scopes that take its place in a list at
        other applications of what is around."""
        found: dict[Scope, list[Region]] = defaultdict(list)
        for scope, regions in self.of_scope.items():
            first = scope
            while first in self.first:
                first = self.first[first]
            found[first] += regions
        return found.values()

    def _taken(self, regions: list[Region]) -> dict[Region, list[Value]]:
        """What comes in at each application, in an order that is the same for all of them: that in which a block is
        given it, or else that of first use."""
        nodes = self.graph.nodes
        inside = set(regions[0].indices)
        found: dict[tuple[Value, ...], None] = {}
        for place, index in enumerate(regions[0].indices):
            for slot, (source, _) in enumerate(nodes[index].inputs):
                if source not in inside:
                    values = tuple([nodes[region.indices[place]].inputs[slot] for region in regions])
                    if not all(self.at_hand(r.scope, value[0]) for r, value in zip(regions, values, strict=True)):
                        found[values] = None
        first = regions[0]
        rows = as_given(self.graph, first.scope, first.indices[0], ((values[0], values) for values in found))
        return {region: [values[turn] for values in rows] for turn, region in enumerate(regions)}

    def at_hand(self, scope: Scope, index: int) -> bool:
        """Whether a node is a parameter that stands in a scope."""
        node = self.graph.nodes[index]
        return node.op.is_parameter and self.names.path(scope, node) is not None

    def _put_out(self, regions: list[Region]) -> None:
        """What the block puts out, at each application."""
        first = self._written.get(regions[0].scope, regions[0])
        own = [(node.index, 0) for node in first.parameters if all(self.at_hand(r.scope, node.index) for r in regions)]
        values = put_out(self.graph, first.scope, first.indices, (*first.inputs, *own))
        for region in regions if values else ():
            taken = dict(zip(first.inputs, region.inputs, strict=True))
            made = dict(zip(first.indices, region.indices, strict=True))
            region.outputs = [taken.get(value, (made.get(value[0], value[0]), value[1])) for value in values]

    def _between(self, value: Value, around: Region) -> list[Region]:
        """The regions in a region that a tensor is made in; none where it comes from outside."""
        found = [*self.region_of(value[0]).outwards()]
        return found[: found.index(around)] if around in found else []

    def _leave(self, regions: list[Region], through: Mapping[Region, Collection[Value]]) -> None:
        """What else goes out at some application, at each of them."""
        places = [{index: place for place, index in enumerate(region.indices)} for region in regions]
        used = {
            (at[index], port)
            for region, at in zip(regions, places, strict=True)
            for index, port in (*self.leaving(at), *through.get(region, ()))
        }
        for region in regions:
            leaving = ((region.indices[place], port) for place, port in sorted(used))
            region.outputs = joined(region.outputs, leaving)


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
