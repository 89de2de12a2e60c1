"""The unravelled view of a network (Veit et al. 2016, arXiv 1605.06431, figure 1)."""

from __future__ import annotations

from dataclasses import replace
from math import log10
from typing import ClassVar

from pydantic import Field

from ..ir.graph import Graph, Node, Value
from ..ops.values import Count
from .base import Rewrite, mapped, nothing_to_do, refusal
from .replay import Replay


class Unroll(Rewrite):
    """The architecture as the ensemble of its paths: every result that is used several times is computed once for each
    use, from the inputs on, by the same modules. So every layer's result has one use, and a residual network of n units
    is a tree in which 2 ** n paths lead from the input to the output.

    In evaluation the outputs are those of before, bit for bit. In training they are not where layers are random, and
    batch norms count each application. Names and checkpoints stay. What networks start from, inputs, `param`, `buffer`
    and `draw`, is not repeated.
    """

    kind: ClassVar[str] = "unroll"

    limit: Count = Field(4096, description="the most applications of layers and merges that the result may have")

    def apply(self, graph: Graph) -> Graph:
        copies = _copies(graph)
        again = [node for node in graph.nodes if copies[node.index] > 1]
        if not again:
            raise nothing_to_do(f"in {graph.name} no layer's result is used more than once")
        if sum(copies) > self.limit:
            most = max(again, key=lambda node: copies[node.index])
            what = (
                f"unrolled, {graph.name} would have {_said(sum(copies))} applications, and {self.limit:,} is the limit"
            )
            hint = "`truncate` or `remove` first, or raise the limit: `limit = 100_000`"
            raise refusal("E0449", f"{what}; {_said(copies[most.index])} are of this layer", most, hint)
        return _unrolled(graph, copies)


def _said(count: int) -> str:
    """A count in words. Of the largest only the order is told: there may be as many as 2 ** 100,000."""
    return f"{count:,}" if count < 10**15 else f"over 10 ** {int((count.bit_length() - 1) * log10(2))}"


def _copies(graph: Graph) -> list[int]:
    """How often each node is applied in the unravelled graph: once for each way from it to an output."""
    copies = [0] * len(graph.nodes)
    for output in graph.outputs:
        for source, _ in output.values:
            copies[source] += 1
    for entry in graph.inputs:
        copies[entry.node] += 1
    for node in reversed(graph.nodes):
        if _starts(node):
            copies[node.index] = min(copies[node.index], 1)
        for source, _ in node.inputs:
            copies[source] += copies[node.index]
    return copies


def _starts(node: Node) -> bool:
    """Whether it is applied once whatever uses it: an input, a tensor of the network's own, a number that is drawn."""
    return node.op.is_input or node.op.is_parameter or node.op.is_drawn


def _unrolled(before: Graph, copies: list[int]) -> Graph:
    replay = Replay(before)
    unused: dict[int, list[int]] = {}
    """The applications made of a node that nothing takes yet, the last one first."""

    def take(value: Value) -> Value:
        made = unused[value[0]]
        return (made[-1] if _starts(before.nodes[value[0]]) else made.pop()), value[1]

    for node in before.nodes:
        made = [replay.again(node, inputs=tuple(map(take, node.inputs))).index for _ in range(copies[node.index])]
        unused[node.index] = made[::-1]
    outputs = [replace(output, values=tuple(map(take, output.values))) for output in before.outputs]
    return mapped(before, replay.finish(outputs))
