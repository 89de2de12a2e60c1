"""Modules left out (the lesions of Veit et al. 2016, arXiv 1605.06431), and networks without shortcuts."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from ..analyses.modules import ShortcutSum, dominators, shortcut_sums
from ..ir.graph import Graph, Node, Value
from .applications import Application, Applications, Paths, single
from .base import Rewrite, nothing_to_do, refusal
from .wiring import Wiring, takers_of


class Remove(Rewrite):
    """The architecture without some modules. What is left out of a module depends on where it stands:

    1. In a residual unit, a module from a fork to a sum and the activations behind it, its branches go: the shortcut
       stays, be it a projection, and so does what follows the sum.
    2. A module that is one branch of a sum, a mean, a product, a maximum or a minimum goes: the others are merged. A
       mean is one of those that stay.
    3. Where all modules go that only an output for training needs, as those of an auxiliary classifier, so does the
       output.
    4. Anything else is a link of a chain: what came to it goes to what comes after it. It must give the shape that it
       takes.

    Something shared is left out wherever it is applied. Names stay, so that checkpoints of before still load; what no
    output needs any more is gone.
    """

    kind: ClassVar[str] = "remove"

    modules: Paths = Field(description="paths of the modules that are left out")

    def apply(self, graph: Graph) -> Graph:
        removal, applications = _Removal(graph), Applications(graph)
        parts = [part for path in self.modules for part in applications.of(path)]
        removal.wiring.drop({term for part in removal.with_outputs(parts) for term in removal.of(part)})
        return removal.wiring.graph()


class RemoveShortcuts(Rewrite):
    """The architecture without its shortcuts: each residual sum keeps its branches and loses what stands beside them,
    identities and projections, so that a residual network becomes the plain one of the same layers.

    A shortcut is a way from the fork to the sum without a layer that has weights, or by a single convolution of 1 x 1
    without an activation (its norm goes too). Names stay. Raises E0440 where no sum has one.
    """

    kind: ClassVar[str] = "remove_shortcuts"

    def apply(self, graph: Graph) -> Graph:
        found = shortcut_sums(graph)
        if not found:
            hint = "a shortcut stands beside layers with weights, in a sum or a mean"
            raise nothing_to_do(f"{graph.name} has no residual sum with a shortcut", hint)
        wiring = Wiring(graph)
        wiring.drop([term for merge in found for term in merge.shortcuts])
        return wiring.graph()


class _Removal:
    """What leaving parts out of a graph comes to: tensors that stand for others, and terms of merges that go."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.wiring = Wiring(graph)
        self.above = dominators(graph)
        self.sums = {found.merge: found for found in shortcut_sums(graph)}

    def with_outputs(self, parts: list[Application]) -> list[Application]:
        """Leaves out each output for training if all modules go that it needs and no other output does. Returns the
        parts that are still to be left out."""
        graph, removed = self.graph, frozenset[int]().union(*(part.nodes for part in parts))
        for output in [output for output in graph.outputs if output.when_training]:
            own = graph.ancestors(output.values)
            others = graph.ancestors(value for other in graph.outputs if other is not output for value in other.values)
            alone = {
                n.index for n in graph.nodes if own[n.index] > others[n.index] and n.name and not n.op.is_parameter
            }
            if alone and alone <= removed:
                self.wiring.outputs = [kept for kept in self.wiring.outputs if kept is not output]
        needed = graph.ancestors(value for output in self.wiring.outputs for value in output.values)
        gone = len(graph.outputs) - len(self.wiring.outputs)
        return [part for part in parts if not gone or any(needed[i] for i in part.nodes)]

    def of(self, part: Application) -> tuple[tuple[int, int], ...]:
        """Leaves a part out: returns the terms of merges that go, or sets what stands for its result."""
        terms = self._terms(part)
        if terms:
            return terms
        source, result = single(self.graph, part)
        unit = self._unit(part, source, result)
        if unit is not None:
            return unit.modules
        before, after = self.graph.type_of(source), self.graph.type_of(result)
        if before != after:
            taker = next((node for node in self.graph.nodes if result in node.inputs), None)
            whom = taker.called if taker is not None else "an output"
            giver = self.graph.nodes[source[0]].called
            what = f"`{part.path}` cannot be left out: {whom} takes {after} from it, and {giver}"
            where = taker if taker is not None else self.graph.nodes[result[0]]
            aux = next((out for out in self.graph.outputs if out.when_training and result in out.values), None)
            hint = "remove it with what changes the shape back"
            if taker is None and aux is not None:
                hint = f"remove all modules that only the output `{aux.name or 'out'}` needs: it goes with them"
            raise refusal("E0444", f"{what} gives {before}", where, hint)
        self.wiring.instead[result] = source
        return ()

    def _terms(self, part: Application) -> tuple[tuple[int, int], ...]:
        """The places where merges take the part, if it is a branch of each: from the fork to the merge."""
        if len(part.results) != 1 or len(part.sources) > 1:
            return ()
        fork, takers = part.sources[0][0] if part.sources else None, takers_of(self.graph, part.results[0])
        places = [(node, place) for node, place in takers or () if node.index not in part.nodes]
        if takers is None or not all(self._joins(node, fork) for node, _ in places):
            return ()
        return tuple([(node.index, place) for node, place in places])

    def _joins(self, node: Node, fork: int | None) -> bool:
        several = len(node.op.arriving(node.inputs)) > 1
        return node.op.is_merge and several and fork in (None, self.above[node.index])

    def _unit(self, part: Application, source: Value, result: Value) -> ShortcutSum | None:
        """The residual sum that a part ends with, where no layer with weights and no sum stands before its fork."""
        node = self.graph.nodes[result[0]]
        while not node.op.is_additive:
            inputs = node.op.arriving(node.inputs)
            if len(inputs) != 1 or inputs[0][0] not in part.nodes or node.op.is_weight_layer():
                return None
            node = self.graph.nodes[inputs[0][0]]
        found = self.sums.get(node.index)
        if found is None:
            return None
        fork = found.fork
        while fork in part.nodes:
            node = self.graph.nodes[fork]
            inputs = node.op.arriving(node.inputs)
            if len(inputs) != 1 or node.op.is_weight_layer():
                return None
            fork = inputs[0][0]
        return found if fork == source[0] else None
