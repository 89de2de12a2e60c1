"""Which tensors of a graph cannot be negative, whatever the weights and the inputs are."""

from __future__ import annotations

from ..ir.graph import Graph, Value


def nonnegative(graph: Graph, value: Value) -> bool:
    """Whether a tensor is certain to be 0 or more, in evaluation and in training."""
    known: dict[int, bool] = {}
    for node in graph.nodes[: value[0] + 1]:
        known[node.index] = node.op.is_nonnegative([known[index] for index, _ in node.op.arriving(node.inputs)])
    return known[value[0]]
