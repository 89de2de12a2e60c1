"""A graph whose nodes take other tensors than before: what rewrites of structure have in common."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from heapq import heappop, heappush

from ..ir.graph import Graph, GraphOutput, Node, Value, concrete
from ..ir.op import Op
from ..ir.reached import reached
from ..ops.core import Affine
from ..ops.merge import Add
from ..ops.stochastic import DropMean
from .base import mapped, refusal
from .replay import Replay


def takers_of(graph: Graph, value: Value) -> list[tuple[Node, int]] | None:
    """The nodes that take a tensor, and in which place; None where it is put out too."""
    if any(value in output.values for output in graph.outputs):
        return None
    return [(node, place) for node in graph.nodes for place, other in enumerate(node.inputs) if other == value]


class Wiring:
    """A graph before, and what its nodes shall take. All tensors named here are the graph's before.

    `instead` holds tensors for which others stand, wherever they are taken or put out; those may have others in turn.
    `inputs` holds the tensors, and `ops` the ops, of nodes that get others.
    """

    def __init__(self, before: Graph):
        self.before = before
        self.instead: dict[Value, Value] = {}
        self.inputs: dict[int, tuple[Value, ...]] = {}
        self.ops: dict[int, Op] = {}
        self.order: list[int] = []
        """The nodes in the order in which they were made again."""
        self.outputs = before.outputs
        """What is put out."""

    def meant(self, value: Value) -> Value:
        """The tensor that stands for another in the end."""
        while value in self.instead:
            value = self.instead[value]
        return value

    # --- merges ----------------------------------------------------------------------------

    def drop(self, terms: Iterable[tuple[int, int]]) -> None:
        """Leaves inputs of merges out, each given by the merge and its place there. A merge that keeps one is that one;
        one that keeps none is left out of the merges that take it. Raises a Fault (E0444) where that is no merge."""
        gone: dict[int, set[int]] = defaultdict(set)
        for merge, place in terms:
            gone[merge].add(place)
        for node in self.before.nodes:
            if node.index not in gone:
                continue
            if len(gone[node.index]) < len(node.op.arriving(node.inputs)):
                self._keep(node, gone[node.index])
                continue
            takers = takers_of(self.before, (node.index, 0))
            if takers is None or not all(taker.op.is_merge for taker, _ in takers):
                what = f"nothing would be left of {node.called}"
                raise refusal("E0444", what, node, "one of what it merges has to stay")
            for taker, place in takers:
                gone[taker.index].add(place)

    def _keep(self, merge: Node, gone: set[int]) -> None:
        op, arriving = merge.op, merge.op.arriving(merge.inputs)
        kept = [value for place, value in enumerate(arriving) if place not in gone]
        if isinstance(op, DropMean) and op.survivor is not None:
            what = f"{merge.called} counts its columns from the deepest, so that without one they would be others"
            raise refusal("E0444", what, merge, "`extract_column` leaves a single one")
        if isinstance(op, Add):
            op = op.keeping([place for place in range(len(arriving)) if place not in gone])
        if not any(self._stands_for(value, (merge.index, 0)) for value in kept):
            shape = self.before.type_of((merge.index, 0))
            what = f"without what is left out {merge.called} would give another shape than {shape}"
            raise refusal("E0444", what, merge, "a merge keeps its shape only with a part that has it")
        if isinstance(op, Add) and op.signs == (-1,):
            op = Affine(scale=-1)
        same_dtype = self.before.type_of(kept[0]).dtype == merge.outputs[0].dtype
        if len(kept) == 1 and same_dtype and not isinstance(op, Affine):
            self.instead[merge.index, 0] = kept[0]
        else:
            self.ops[merge.index] = op
            self.inputs[merge.index] = (*kept, *merge.inputs[len(arriving) :])

    def _stands_for(self, value: Value, other: Value) -> bool:
        one, two = self.before.type_of(value), self.before.type_of(other)
        sizes = self.before.nominal
        return one.channel_axis == two.channel_axis and concrete(one.dims, sizes) == concrete(two.dims, sizes)

    # --- the graph -------------------------------------------------------------------------

    def graph(self, keep_inputs: bool = True) -> Graph:
        """The graph as wired, without what no output needs, but for the inputs unless told; with its map of weights.

        Raises a Fault where a layer would not fit, or would have other weights.
        """
        replay, outputs = self.replayed(keep_inputs)
        return mapped(self.before, replay.finish(outputs))

    def replayed(self, keep_inputs: bool = True) -> tuple[Replay, list[GraphOutput]]:
        """The replay that makes the nodes of `graph`, not finished, and the outputs. Raises a Fault as `graph` does."""
        before = self.before
        takes = [tuple(map(self.meant, self.inputs.get(node.index, node.inputs))) for node in before.nodes]
        put_out = [replace(output, values=tuple(map(self.meant, output.values))) for output in self.outputs]
        needed = {value[0] for output in put_out for value in output.values}
        if keep_inputs:
            needed.update(entry.node for entry in before.inputs)
        replay = Replay(before)
        self.order = self._order(takes, needed)
        for index in self.order:
            node = before.nodes[index]
            made = replay.again(node, self.ops.get(index), tuple([replay.values[value] for value in takes[index]]))
            self._check_weights(node, replay.graph, made)
        meant = {value: self.meant(value) for value in self.instead}
        replay.values |= {value: replay.values[other] for value, other in meant.items() if other in replay.values}
        return replay, [replace(o, values=tuple([replay.values[value] for value in o.values])) for o in put_out]

    def _order(self, takes: list[tuple[Value, ...]], needed: set[int]) -> list[int]:
        """The nodes that are needed, each after those that it takes from, else in their order of before."""
        needed = set(reached(needed, lambda index: [source for source, _ in takes[index]]))
        sorter = TopologicalSorter({index: [source for source, _ in takes[index]] for index in needed})
        with suppress(CycleError):  # what can be ordered is, in a circle too
            sorter.prepare()
        ready, order = list[int](), list[int]()
        while sorter.is_active():
            for index in sorter.get_ready():
                heappush(ready, index)
            order.append(heappop(ready))
            sorter.done(order[-1])
        if len(order) < len(needed):
            node = self.before.nodes[min(needed.difference(order))]
            raise refusal("E0445", f"{node.called} would need what is computed from it", node)
        return order

    def _check_weights(self, node: Node, graph: Graph, made: Node) -> None:
        if not node.op.has_weights:
            return
        before, after = (g.weight_shapes(n) for g, n in ((self.before, node), (graph, made)))
        if before != after:
            names = ", ".join(f"{name or 'itself'} {before[name]} -> {after.get(name)}" for name in before)
            what = f"`{node.path}` would have weights of other shapes: {names}"
            raise refusal("E0444", what, node, "rewrites of structure leave the layers that stay as they are")
