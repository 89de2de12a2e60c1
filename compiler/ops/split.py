"""Layers that split channels or trade them for space."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field, PlainValidator

from ...dsl.limits import LIMITS, higher
from ..ir.index_map import Along, Link, Links, Taps, same_but, window
from ..ir.lowering import In, Lowering, ModuleCall, Program, function, method
from ..ir.memory import NOTHING, Held
from ..ir.op import Facts, LayerError, Op, Trait
from ..ir.sizes import total
from ..ir.types import TensorType
from ..ir.words import BadValue, met, say, whole
from .along import AlongAxis
from .axes import AxisChoice, axis_names, fixed, replaced, spatial_index
from .maps import need_map
from .values import Count, Mark, Words


def _parts(value: Any) -> int | tuple[int, ...]:
    if not isinstance(value, list | tuple):
        return whole(value, 1)
    if not value:
        raise BadValue(f"must be a number of parts or a list of their sizes, not {met(value)}")
    return tuple(whole(size, 1) for size in value)


def _few(parts: int) -> None:
    """Refuses more parts than a layer may make."""
    if parts > LIMITS.layer_outputs:
        message = f"a layer makes at most {LIMITS.layer_outputs:,} tensors, and not {parts:,}"
        raise LayerError("E0913", message, *higher("layer_outputs", parts))


class Split(AlongAxis):
    """The parts of a tensor along an axis, as a tuple: `a, b = x -> split(2)` halves the channels.

    A number says how many equal parts there are (where `torch.split` takes their size, as `torch.chunk`); a list says
    the parts' sizes. Output: one tensor for each part.
    """

    kind: ClassVar[str] = "split"
    traits: ClassVar[Trait] = Trait.AFFINE | Trait.KEEPS_NONNEGATIVE
    saved: ClassVar[Held | None] = Held(view="strided")
    positional: ClassVar[tuple[str, ...]] = ("parts",)
    is_module: ClassVar[bool] = False

    parts: Annotated[
        int | tuple[int, ...], PlainValidator(_parts), Words("positive whole number, or a list of sizes")
    ] = Field(description="how many equal parts, or the sizes of the parts")
    axis: AxisChoice = Field("channels", description="the axis")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        axis = spatial_index(x, self.axis, "split")
        size, name = x.dims[axis], axis_names(x)[axis]
        if isinstance(self.parts, tuple):
            if not facts.equal(size, total(self.parts)):
                message = f"split({say(self.parts)}) adds up to {sum(self.parts)}, and the {name} of {x} are {size}"
                raise LayerError("E0421", message)
            _few(len(self.parts))
            return tuple(replaced(x, {axis: part}) for part in self.parts)
        _few(self.parts)
        if not facts.unenforced.divisible(size, self.parts):
            hint = "a list of sizes makes unequal parts"
            raise LayerError("E0421", f"split({self.parts}) makes equal parts, and the {name} of {x} are {size}", hint)
        return (replaced(x, {axis: size // self.parts}),) * self.parts

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        (x,) = inputs
        axis = spatial_index(x, self.axis, "split")
        sizes = [fixed(y.dims[axis], "split: the axis") for y in outputs]
        start = sum(sizes[:port])
        if axis == x.channel_axis:
            return (Link(channels=tuple(range(start, start + sizes[port]))),)
        return (Link(same_but(x, axis, Taps(1, 1, ((start,),)))),)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        axis = spatial_index(inputs[0], self.axis, "split")
        if isinstance(self.parts, tuple):
            parts = function("torch.split", In(0), list(self.parts), dim=axis)
        else:
            parts = function("torch.chunk", In(0), self.parts, dim=axis)
        return Program(tuple(function("operator.getitem", parts, i) for i in range(len(outputs))))


class Chunk(Split):
    """Another name of `split`: `chunk(2)` makes two equal parts."""

    kind: ClassVar[str] = "chunk"


class ChannelShuffle(Op):
    """The channels of `groups` groups interleaved: channel g * k + i goes to i * groups + g (ShuffleNet, arXiv
    1707.01083).

    Output: the input's shape.
    """

    kind: ClassVar[str] = "channel_shuffle"
    traits: ClassVar[Trait] = Trait.PER_PLACE | Trait.AFFINE | Trait.KEEPS_NONNEGATIVE
    saved: ClassVar[Held | None] = NOTHING
    positional: ClassVar[tuple[str, ...]] = ("groups",)
    is_module: ClassVar[bool] = False

    groups: Count = Field(description="how many groups the channels are in")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        if x.rank < 3 or x.channel_axis != 1:
            raise LayerError("E0401", f"channel_shuffle takes a map whose channels are axis 1, and got {x}")
        if not facts.divisible(x.dims[1], self.groups):
            raise LayerError(
                "E0403", f"channel_shuffle({self.groups}): the {x.dims[1]} channels of {x} do not divide by it"
            )
        return inputs

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        count = fixed(inputs[0].dims[1], "channel_shuffle: the channels")
        each = count // self.groups
        return (Link(channels=tuple(c % self.groups * each + c // self.groups for c in range(count))),)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        shuffled = method("unflatten", In(0), 1, (self.groups, -1))
        return Program((function("torch.flatten", method("transpose", shuffled, 1, 2), 1, 2),))


class _Pixels(Op):
    """Base of what trades channels for space."""

    traits: ClassVar[Trait] = Trait.AFFINE | Trait.KEEPS_NONNEGATIVE
    saved: ClassVar[Held | None] = NOTHING
    positional: ClassVar[tuple[str, ...]] = ("factor",)
    is_module: ClassVar[bool] = False

    factor: Annotated[Count, Mark.COUNTED]

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        return Program((function(f"torch.nn.functional.{self.kind}", In(0), self.factor),))

    def module(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> ModuleCall | None:
        return ModuleCall(f"torch.nn.{type(self).__name__}", (self.factor,))


class PixelShuffle(_Pixels):
    """Channels become space: [N, C * r * r, H, W] gives [N, C, H * r, W * r] (sub-pixel convolution, arXiv
    1609.05158)."""

    kind: ClassVar[str] = "pixel_shuffle"

    factor: Annotated[Count, Mark.COUNTED] = Field(description="r, how many times the height and the width grow")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        need_map("pixel_shuffle", x, (2,))
        area = self.factor**2
        channels = fixed(x.dims[1], "pixel_shuffle: the channels")
        if channels % area:
            raise LayerError("E0421", f"pixel_shuffle({self.factor}) needs channels that divide by {area}, and got {x}")
        n, _, height, width = x.dims
        return (x.with_dims((n, channels // area, height * self.factor, width * self.factor)),)

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        taps = Taps(self.factor, 1, ((0,),) * self.factor)
        return (Link({axis: Along(axis, taps) for axis in (2, 3)}, 1, alike=True),)


class PixelUnshuffle(_Pixels):
    """Space becomes channels: [N, C, H * r, W * r] gives [N, C * r * r, H, W]."""

    kind: ClassVar[str] = "pixel_unshuffle"

    factor: Annotated[Count, Mark.COUNTED] = Field(description="r, how many times the height and the width shrink")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        need_map("pixel_unshuffle", x, (2,))
        n, channels, height, width = x.dims
        if not (facts.divisible(height, self.factor) and facts.divisible(width, self.factor)):
            raise LayerError(
                "E0421", f"pixel_unshuffle({self.factor}) needs a height and a width that divide by it, and got {x}"
            )
        return (x.with_dims((n, channels * self.factor**2, height // self.factor, width // self.factor)),)

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        taps = window(self.factor, 0, self.factor)
        return (Link({axis: Along(axis, taps) for axis in (2, 3)}, apart=self.factor > 1),)
