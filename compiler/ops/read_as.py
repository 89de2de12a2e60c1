"""Layers that say which axis of a tensor holds the channels, and change nothing."""

from __future__ import annotations

from typing import ClassVar

from ..ir.index_map import SAME, Links
from ..ir.lowering import In, Lowering, Program
from ..ir.memory import Held
from ..ir.op import Facts, LayerError, Op, Trait
from ..ir.types import TensorType


class _Read(Op):
    """What both share."""

    is_module: ClassVar[bool] = False
    traits: ClassVar[Trait] = Trait.ELEMENTWISE | Trait.AFFINE | Trait.KEEPS_NONNEGATIVE
    saved: ClassVar[Held | None] = Held(view="same")
    place: ClassVar[int]

    def is_per_channel(self, inputs: tuple[TensorType, ...]) -> bool:
        return inputs[0].channel_axis == self.place % inputs[0].rank

    is_per_place = is_per_channel

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        return (SAME,) if self.is_per_channel(inputs) else None

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        if x.rank < 2:
            raise LayerError("E0401", f"{self.kind} says which axis holds the channels, and {x} has the batch alone")
        read = TensorType.of(x.dims, self.place % x.rank, x.dtype)
        return (TensorType((x.axes[0], *read.axes[1:]), x.dtype),)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        return Program((In(0),))


class AsMap(_Read):
    """The same tensor, read as a map: axis 1 holds the channels, and those behind it are axes of space.

    For where archc cannot know, or knows otherwise: `reshape([1, c]) -> as_map -> conv(1, 3)` convolves over what were
    the channels (ECA-Net, arXiv 1910.03151). Output: the input's shape.
    """

    kind: ClassVar[str] = "as_map"
    place: ClassVar[int] = 1


class AsTokens(_Read):
    """The same tensor, read as tokens: the last axis holds the channels, and those before it are axes of space. Output:
    the input's shape."""

    kind: ClassVar[str] = "as_tokens"
    place: ClassVar[int] = -1
