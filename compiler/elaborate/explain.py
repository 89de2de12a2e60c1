"""Finding the layer that is behind a disagreement of shapes."""

from __future__ import annotations

from ...dsl.diagnostics import Label as Note
from ...dsl.source import Span
from ..ir.graph import Graph, Node
from ..ir.types import TensorType
from ..ops.axes import axis_names
from .values import Tensor

CHAIN_SHOWN = 8


def shortened(chain: list[Note]) -> tuple[Note, ...]:
    """A chain of instantiations, innermost first, without the middle of a long one."""
    if len(chain) <= CHAIN_SHOWN:
        return tuple(chain)
    inner, outer = chain[: CHAIN_SHOWN - 3], chain[-2:]
    left_out = len(chain) - CHAIN_SHOWN + 1
    between = chain[CHAIN_SHOWN - 3]
    return (*inner, Note(between.span, f"... {left_out} more like {between.text.removeprefix('in ')}"), *outer)


def joined(notes: tuple[Note, ...]) -> tuple[Note, ...]:
    """Notes at the same place as one."""
    texts: dict[Span, list[str]] = {}
    for note in notes:
        texts.setdefault(note.span, []).append(note.text)
    return tuple(Note(span, "; ".join(text)) for span, text in texts.items())


def arrivals(node: Node, first: tuple[TensorType, ...], now: tuple[TensorType, ...]) -> str:
    """What a shared layer got at its first application, and what it gets now."""
    were, are = (" and ".join(map(str, types)) for types in (first, now))
    return f"its `{node.op.kind}` has parameters for {were}, and {are} arrives"


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


def shrunk(graph: Graph, tensor: Tensor) -> tuple[Note, ...]:
    """The layers on the way to `tensor` that gave the map another size: the last few, the first of them first."""
    node, notes = graph.nodes[tensor.node], []
    while node.inputs and len(notes) < CHAIN_SHOWN:
        source, made = graph.type_of(node.inputs[0]), node.outputs[0]
        if source.rank == made.rank and source.spatial != made.spatial and node.span is not None:
            notes.append(Note(node.span, f"`{node.op.kind}` makes the map {' x '.join(map(str, made.spatial))}"))
        node = graph.nodes[node.inputs[0][0]]
    return joined(tuple(reversed(notes)))


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
    made = "starts with" if not node.inputs else "makes"
    return Note(node.span, f"`{node.op.kind}` {made} {axis_names(tensor.type)[axis]} {size}")


def arriving(wanted: str | int, arrived: int) -> str:
    """`2 tensors, and 1 arrives`."""
    return f"{wanted} tensor{'s' * (str(wanted) != '1')}, and {arrived} arrive{'s' * (arrived == 1)}"
