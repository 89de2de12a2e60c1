"""Layers that give the same numbers several times."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from ..ir.index_map import SAME, Along, Link, Links, Listed, Taps, same_but
from ..ir.lowering import In, Lowering, Program, function, method
from ..ir.memory import NOTHING, Held
from ..ir.op import Facts, LayerError, Op, Trait
from ..ir.types import TensorType
from .along import AlongAxis
from .axes import AxisChoice, fixed, is_one, replaced, spatial_index
from .broadcast import merged
from .values import Beside, Count


class Repeat(AlongAxis):
    """The whole along an axis, several times one after the other: a, b becomes a, b, a, b. Output: count times the size
    along the axis."""

    kind: ClassVar[str] = "repeat"
    family: ClassVar[str] = "shape"
    traits: ClassVar[Trait] = Trait.AFFINE | Trait.KEEPS_NONNEGATIVE | Trait.ALLOCATES
    saved: ClassVar[Held | None] = NOTHING
    positional: ClassVar[tuple[str, ...]] = ("count", "axis")
    is_module: ClassVar[bool] = False

    count: Count = Field(description="how many times")
    axis: AxisChoice = Field(description="the axis")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        axis = spatial_index(x, self.axis, self.kind)
        return (replaced(x, {axis: x.dims[axis] * self.count}),)

    def _source(self, place: int, size: int) -> int:
        return place % size

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        (x,) = inputs
        axis = self.along(x)
        size = fixed(x.dims[axis], f"{self.kind}: the axis")
        sources = tuple(self._source(place, size) for place in range(size * self.count))
        if axis == x.channel_axis:
            return (Link(channels=sources),)
        return (Link({**same_but(x), axis: Along(axis, self._places(sources))}),)

    def _places(self, sources: tuple[int, ...]) -> Taps | Listed:
        return Listed(tuple((source,) for source in sources))

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        axis = self.along(inputs[0])
        return Program((method("repeat", In(0), *[self.count if a == axis else 1 for a in range(inputs[0].rank)]),))


class RepeatInterleave(Repeat):
    """Each place along an axis, several times: a, b becomes a, a, b, b. Output: count times the size along the axis.

    So the keys and values of grouped attention serve several heads each (arXiv 2305.13245).
    """

    kind: ClassVar[str] = "repeat_interleave"

    def _source(self, place: int, size: int) -> int:
        return place // self.count

    def _places(self, sources: tuple[int, ...]) -> Taps | Listed:
        return Taps(self.count, 1, ((0,),) * self.count)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        return Program((function("torch.repeat_interleave", In(0), self.count, dim=self.along(inputs[0])),))


class Expand(Op):
    """Axes of size 1, and a batch that is lacking, stretched to those of another tensor: `cls -> expand(like = x)`.
    Output: the other's sizes.

    Products stretch by themselves, and sums with a parameter; this is for all else.
    """

    kind: ClassVar[str] = "expand"
    family: ClassVar[str] = "shape"
    traits: ClassVar[Trait] = Trait.AFFINE | Trait.KEEPS_NONNEGATIVE
    saved: ClassVar[Held | None] = Held(view="strided")
    tensor_parameters: ClassVar[tuple[str, ...]] = ("like",)
    is_module: ClassVar[bool] = False

    like: Beside = Field(description="a tensor that has the sizes")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        x, other = inputs
        common = merged(inputs, facts, "expand", stretch=True)
        if common.rank != other.rank or any(
            is_one(size) and not is_one(wanted) for size, wanted in zip(other.dims, common.dims, strict=True)
        ):
            hint = "only axes of size 1 are stretched: the other tensor has the larger ones"
            raise LayerError("E0405", f"expand: {x} is larger than {other}", hint)
        return (TensorType(common.axes, x.dtype),)

    def is_per_channel(self, inputs: tuple[TensorType, ...]) -> bool:
        x, other = inputs
        return x.has_batch and x.channels is not None and x.channels == other.channels

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        return (SAME,)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        return Program((method("expand_as", In(0), In(1)),))
