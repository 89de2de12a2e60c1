"""What a network puts out, as whoever builds on it asks: the channels and the stride of each tensor."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from ..ir.graph import Graph, GraphOutput, Value, concrete
from ..ir.sizes import Dim
from ..ir.types import TensorType
from ..ops.axes import spatial_axes
from .receptive_field import ReceptiveField, fields_of


@dataclass(frozen=True, slots=True)
class Output:
    """One tensor that a network puts out.

    `shape` has open sizes as expressions. `channels` is None where no axis holds them. `stride` is by how many rows
    and columns of the image its places are apart, one number where these are equal; None where it has no such places,
    as behind a global pool, or where that is not known.
    """

    name: str
    shape: tuple[Dim, ...]
    channels: int | None
    stride: int | Fraction | tuple[int | Fraction, ...] | None
    when_training: bool = False


def outputs(graph: Graph) -> tuple[Output, ...]:
    """The tensors in order; those of a tuple share its name."""
    found = [(output, value) for output in graph.outputs for value in output.values]
    fields = fields_of(graph, [value for _, value in found])
    return tuple([_output(graph, *one, field) for one, field in zip(found, fields, strict=True)])


def _output(graph: Graph, output: GraphOutput, value: Value, field: ReceptiveField) -> Output:
    type_ = graph.type_of(value)
    channels = type_.channels if isinstance(type_.channels, int) else None
    steps = [step for step in field.stride if step is not None]
    steps = steps if steps and len(steps) == len(field.stride) else _steps_by_size(graph, type_)
    plain = [int(step) if step.denominator == 1 else step for step in steps]
    stride = plain[0] if len(set(plain)) == 1 else tuple(plain) or None
    return Output(output.name or "out", type_.dims, channels, stride, output.when_training)


def _steps_by_size(graph: Graph, type_: TensorType) -> list[Fraction]:
    """How often a map goes into the first image, where no receptive field says it, as behind attention in windows; none
    where it does not go into it a whole number of times."""
    image = next((entry.type for entry in graph.inputs if spatial_axes(entry.type)), None)
    places = spatial_axes(type_)
    if image is None or len(places) != len(spatial_axes(image)):
        return []
    whole, part = concrete(image.dims, graph.nominal), concrete(type_.dims, graph.nominal)
    steps = [Fraction(whole[axis], part[place]) for axis, place in zip(spatial_axes(image), places, strict=True)]
    return steps if all(step.denominator == 1 for step in steps) else []
