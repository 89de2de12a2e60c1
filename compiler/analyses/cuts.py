"""Where a graph can be cut into stages, and which tensors cross each cut."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from ..ir.graph import Graph, Node, Value
from ..ir.op import Trait


@dataclass(slots=True)
class Cuts:
    """The graph in the order of its nodes: a cut at place p stands before node p, from 1 to the last node.

    `flows` says of each node whether it depends on an input or on chance. What does not is made of parameters alone,
    and each stage that needs it makes it. `late` are the nodes that only outputs for training need: they belong to the
    last stage, so that what stages hand on is the same in training and in evaluation. `last` is for each tensor that
    may cross a cut the last place that needs it, which for an output of the whole is behind the last node.
    """

    graph: Graph
    flows: list[bool]
    late: frozenset[int]
    last: dict[Value, int]

    @classmethod
    def of(cls, graph: Graph) -> Cuts:
        cuts = cls(graph, [], graph.training_only(), {})
        end = len(graph.nodes)
        for node in graph.nodes:
            source = node.op.is_input or Trait.RANDOM in node.op.traits
            cuts.flows.append(source or any(cuts.flows[index] for index, _ in node.inputs))
        for node in graph.nodes:
            for value in node.inputs if cuts.flows[node.index] else ():
                cuts.last[value] = end if node.index in cuts.late else max(node.index, cuts.last.get(value, 0))
        for output in graph.outputs:
            cuts.last |= dict.fromkeys(output.values, end)
        cuts.last = {value: place for value, place in cuts.last.items() if cuts._may_cross(value)}
        return cuts

    def _may_cross(self, value: Value) -> bool:
        return self.flows[value[0]] and value[0] not in self.late

    def crossing(self, place: int) -> list[Value]:
        """The tensors that are made before a cut and needed behind it, in the order in which they are made."""
        return sorted(value for value, last in self.last.items() if value[0] < place <= last)

    def stage_of(self, node: Node, places: Sequence[int]) -> int:
        """The stage that makes what flows, counted from 0, where the graph is cut at these places."""
        if node.index in self.late:
            return len(places)
        return bisect_right(places, node.index)
