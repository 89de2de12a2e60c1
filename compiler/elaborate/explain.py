"""Finding the layer that is behind a disagreement of shapes."""

from __future__ import annotations

from ...dsl.diagnostics import Label as Note
from ..ir.graph import Graph
from .values import Tensor

AXES = {3: ("batch", "channels", "length"), 4: ("batch", "channels", "height", "width")}


def parted(graph: Graph, inputs: tuple[Tensor, ...]) -> tuple[Note, ...]:
    """For the first axis in which the tensors differ: where each of them got its size."""
    types = [t.type for t in inputs]
    if len({t.rank for t in types}) != 1:
        return ()
    for axis in range(types[0].rank):
        if len({t.dims[axis] for t in types}) > 1:
            notes = [_maker(graph, tensor, axis) for tensor in inputs]
            return tuple(n for i, n in enumerate(notes) if n is not None and n not in notes[:i])
    return ()


def _maker(graph: Graph, tensor: Tensor, axis: int) -> Note | None:
    """The last layer on the way to `tensor` that changed the size of `axis`."""
    node = graph.nodes[tensor.node]
    size = tensor.type.dims[axis]
    while node.inputs:
        source = graph.type_of(node.inputs[0])
        if source.rank != tensor.type.rank or source.dims[axis] != size:
            break
        node = graph.nodes[node.inputs[0][0]]
    if node.span is None:
        return None
    names = AXES.get(tensor.type.rank, ())
    name = names[axis] if axis < len(names) else f"axis {axis}"
    made = "starts with" if not node.inputs else "makes"
    return Note(node.span, f"`{node.op.kind}` {made} {name} {size}")
