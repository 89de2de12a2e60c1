"""An architecture's figures in words, as `repr` and the command line show them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .compiler.ir.graph import Graph, GraphOutput
    from .compiler.ir.sizes import Dim


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def shape(dims: Sequence[Dim]) -> str:
    return "[" + ", ".join(map(str, dims)) + "]"


def output_shapes(graph: Graph, output: GraphOutput, sizes: dict[str, int] | None = None) -> list[tuple[int, ...]]:
    """The shapes of an output statement's tensors at these sizes, else at the usual ones."""
    from .compiler.ir.graph import concrete

    at = graph.nominal if sizes is None else sizes
    return [concrete(graph.type_of(value).dims, at) for value in output.values]


def output_text(graph: Graph, output: GraphOutput, sizes: dict[str, int] | None = None) -> str:
    shapes = ", ".join(map(shape, output_shapes(graph, output, sizes)))
    return shapes if len(output.values) == 1 else f"({shapes})"


def signature(graph: Graph) -> str:
    """`[1, 3, 224, 224] -> [1, 1000]`, at the usual sizes; names stand where there are several."""
    inputs = [(i.name, shape(i.nominal)) for i in graph.inputs]
    outputs = [(o.name or "out", output_text(graph, o)) for o in graph.outputs]
    return " -> ".join(", ".join(f"{n} {s}" if len(side) > 1 else s for n, s in side) for side in (inputs, outputs))


def legal_sizes(graph: Graph, everything: str) -> str:
    """What the symbolic sizes must be, `everything` where any size is legal, and what training needs beside."""
    return "; ".join([*(graph.requirements.describe() or [everything]), *for_training(graph)])


def for_training(graph: Graph) -> list[str]:
    """What the symbolic sizes must be in training alone, one fact each."""
    return [f"in training {text}" for text in graph.requirements.in_training.describe(graph.requirements)]


def interface(graph: Graph) -> dict[str, Any]:
    """Inputs, outputs and legal sizes for JSON: symbolic shapes and those at the usual sizes."""
    return {
        "inputs": [{"name": i.name, "shape": symbolic(i.type.dims), "nominal": list(i.nominal)} for i in graph.inputs],
        "outputs": [
            {
                "name": o.name or "out",
                "shapes": [symbolic(graph.type_of(value).dims) for value in o.values],
                "nominal": [list(dims) for dims in output_shapes(graph, o)],
                "when_training": o.when_training,
            }
            for o in graph.outputs
        ],
        "legal_sizes": graph.requirements.describe(),
        "legal_sizes_in_training": graph.requirements.in_training.describe(graph.requirements),
    }


def symbolic(dims: Sequence[Dim]) -> list[int | str]:
    return [d if isinstance(d, int) else str(d) for d in dims]
