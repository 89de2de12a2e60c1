"""Layers that keep or cut a part of a map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, PlainValidator, model_validator

from ..ir.index_map import Along, Link, Links, Taps, same_but
from ..ir.lowering import In, Lowering, Program, function, method
from ..ir.memory import NOTHING, Held
from ..ir.op import Facts, LayerError, Op, Trait
from ..ir.sizes import Dim, ceil_div
from ..ir.types import TensorType
from ..ir.words import BadValue, say, whole
from .along import AlongAxis
from .axes import (
    AxisChoice,
    Place,
    SizeEach,
    axis_names,
    check_space,
    fixed,
    replaced,
    spatial_axes,
    spatial_index,
    spread,
)
from .run_time import required_size
from .values import Beside, Count, Extents, WholeAxes, Words


class Cutting(Op):
    """Base of what moves elements and computes none."""

    is_module: ClassVar[bool] = False
    traits: ClassVar[Trait] = Trait.AFFINE | Trait.KEEPS_NONNEGATIVE
    saved: ClassVar[Held | None] = Held(view="strided")


def _shifts(value: Any) -> int | tuple[int, ...]:
    return tuple(map(whole, value)) if isinstance(value, list | tuple) else whole(value)


def cut(windows: Mapping[int, tuple[Any, Any]], slices: Mapping[int, slice]) -> Any:
    """A part of a tensor: windows of open axes, each from a place and of a number of places, and slices of others.
    `narrow` refuses a window that is not there, where torch's indexing would give less without a word."""
    value: Any = In(0)
    for axis, (start, size) in windows.items():
        value = method("narrow", value, axis, start, size)
    if all(part == slice(None) for part in slices.values()):
        return value
    return function("operator.getitem", value, indices(slices))


def indices(slices: Mapping[int, Any]) -> tuple[Any, ...]:
    """The indices of `x[:, :, a:b]`, without the colons after the last slice."""
    return tuple(slices.get(axis, slice(None)) for axis in range(max(slices) + 1))


class Subsample(Cutting):
    """Every `stride`-th row and column, from the first: `x[:, :, ::2, ::2]`. Output: ceil(n / stride) along each
    axis of space."""

    kind: ClassVar[str] = "subsample"
    traits: ClassVar[Trait] = Trait.PER_CHANNEL | Trait.AFFINE | Trait.KEEPS_NONNEGATIVE
    positional: ClassVar[tuple[str, ...]] = ("stride",)

    stride: Extents = Field(2, description="the step")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        check_space(x, "subsample")
        strides = spread(self.stride, x, "subsample")
        return (
            replaced(x, {axis: ceil_div(x.dims[axis], s) for axis, s in zip(spatial_axes(x), strides, strict=True)}),
        )

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        (x,) = inputs
        pairs = zip(spatial_axes(x), spread(self.stride, x, "subsample"), strict=True)
        return (Link({axis: Along(axis, Taps(1, stride, ((0,),))) for axis, stride in pairs}),)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        (x,) = inputs
        pairs = list(zip(spatial_axes(x), spread(self.stride, x, "subsample"), strict=True))
        slices = {axis: slice(None, None, s) for axis, s in pairs if s > 1}
        return Program((function("operator.getitem", In(0), indices(slices)) if slices else In(0),))


class Crop(Cutting):
    """A window of the map: `size` rows and columns from `offset`, or as many as the map of `like` has.

    `crop(5, like = y)` cuts as fully convolutional networks do (arXiv 1411.4038); without an offset the window is in
    the middle, (n - size) // 2 from the start. Output: [N, C, *size].
    """

    kind: ClassVar[str] = "crop"
    traits: ClassVar[Trait] = Trait.PER_CHANNEL | Trait.AFFINE | Trait.KEEPS_NONNEGATIVE
    positional: ClassVar[tuple[str, ...]] = ("offset", "size")
    tensor_parameters: ClassVar[tuple[str, ...]] = ("like",)

    offset: WholeAxes | None = Field(None, description="rows and columns left out before the window; none centres it")
    size: SizeEach | None = Field(None, description="rows and columns that are kept")
    like: Beside = Field(False, description="a tensor whose map has the size to keep")

    @model_validator(mode="after")
    def _one_size(self) -> Crop:
        if self.like == (self.size is not None):
            raise BadValue("or `like = x` must say how much is kept: give one of them", parameter="size")
        return self

    def _sizes(self, inputs: tuple[TensorType, ...]) -> tuple[Dim, ...]:
        x = inputs[0]
        if not self.like:
            return spread(self.size, x, "the size of crop")
        other = inputs[1]
        if len(spatial_axes(other)) != len(spatial_axes(x)):
            raise LayerError(
                "E0401", f"crop: {x} and the tensor that it shall be like, {other}, differ in their axes of space"
            )
        return other.spatial

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        x = inputs[0]
        check_space(x, "crop")
        sizes = self._sizes(inputs)
        offsets = (0,) * len(sizes) if self.offset is None else spread(self.offset, x, "the offset of crop")
        for axis, size, offset in zip(spatial_axes(x), sizes, offsets, strict=True):
            if not facts.at_least(x.dims[axis] - size - offset, 0):
                where = f" from {offset}" if offset else ""
                raise LayerError(
                    "E0410", f"crop takes {size}{where} along the {axis_names(x)[axis]} of {x}, which is shorter"
                )
        result = replaced(x, dict(zip(spatial_axes(x), sizes, strict=True)))
        self._windows(inputs, result)
        return (result,)

    def _windows(self, inputs: tuple[TensorType, ...], result: TensorType) -> dict[int, tuple[Any, Any]]:
        """The first place and the number of places along each axis of space."""
        x = inputs[0]
        windows: dict[int, tuple[Any, Any]] = {}
        hint = "`crop(like = x)` takes the size of a tensor"
        for position, axis in enumerate(spatial_axes(x)):
            size = required_size(result.dims[axis], inputs, "crop", hint)
            if self.offset is not None:
                start: Any = spread(self.offset, x, "the offset of crop")[position]
            else:
                start = required_size((x.dims[axis] - result.dims[axis]) // 2, inputs, "crop", hint)
            windows[axis] = start, size
        return windows

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        windows = self._windows(inputs, outputs[0])
        return (Link({axis: Along(axis, Taps(1, 1, ((start,),))) for axis, (start, _) in windows.items()}),)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        (x, *_), windows, slices = inputs, self._windows(inputs, outputs[0]), dict[int, slice]()
        for axis, numbers in list(windows.items()):
            if all(isinstance(number, int) for number in (x.dims[axis], *numbers)):
                start, size = windows.pop(axis)
                slices[axis] = slice(start, start + size)
        return Program((cut(windows, slices),))


class Slice(AlongAxis, Cutting):
    """A part of an axis, as Python slices it: `slice("channels", 0, 32)` is `x[:, 0:32]`; negative numbers count from
    the end. Sizes may be symbolic: `slice("height", 0, H // 2)`.

    Those that the input lacks are read off another tensor: `positions -> slice(0, stop = x.length, like = x)`.

    Output: ceil((stop - start) / step) along the axis.
    """

    kind: ClassVar[str] = "slice"
    positional: ClassVar[tuple[str, ...]] = ("axis", "start", "stop", "step")
    tensor_parameters: ClassVar[tuple[str, ...]] = ("like",)

    axis: AxisChoice = Field(description="the axis")
    start: Place = Field(0, description="the first place that is kept")
    stop: Place | None = Field(None, description="the first place that is not; none keeps all to the end")
    step: Count = Field(1, description="every how many-th is kept")
    like: Beside = Field(False, description="a tensor that has sizes which the input lacks")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        x = inputs[0]
        axis = spatial_index(x, self.axis, "slice")
        size = x.dims[axis]
        start, stop = self._place(self.start, size), size if self.stop is None else self._place(self.stop, size)
        length = stop - start
        asked = facts if self._window() else facts.unenforced
        inside = asked.at_least(start, 0) and asked.at_least(size - stop, 0) and asked.at_least(length, 1)
        if not inside:
            shown = f"{self.start}:{'' if self.stop is None else self.stop}"
            raise LayerError(
                "E0410", f"slice {shown} along the {axis_names(x)[axis]} of {x} is empty or goes beyond {size}"
            )
        self._run_time_places(inputs)
        return (replaced(x, {axis: ceil_div(length, self.step)}),)

    def _run_time_places(self, inputs: tuple[TensorType, ...]) -> tuple[Any, Any]:
        """The first place and the end: numbers, sizes read off the inputs, or None."""
        hint = "`like = x` reads it off a tensor x that has it"
        start, stop = (
            None if place is None else required_size(place, inputs, "slice", hint) for place in (self.start, self.stop)
        )
        return start, stop

    def _place(self, place: Dim, size: Dim) -> Dim:
        return size + place if isinstance(place, int) and place < 0 else place

    def _window(self) -> tuple[int, int] | None:
        """The first place and the number of places, None where the axis' size decides on them."""
        start, stop = self.start, self.stop
        if self.step > 1 or not isinstance(start, int):
            return None
        if stop is None:
            return (start, -start) if start < 0 else None
        return (start, stop - start) if isinstance(stop, int) and (start < 0) == (stop < 0) else None

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        x = inputs[0]
        axis, n = spatial_index(x, self.axis, "slice"), outputs[0].dims[spatial_index(x, self.axis, "slice")]
        start = self._place(self.start, x.dims[axis])
        assert isinstance(start, int) and isinstance(n, int)
        if axis == x.channel_axis:
            return (Link(channels=tuple(range(start, start + n * self.step, self.step))),)
        return (Link(same_but(x, axis, Taps(1, self.step, ((start,),)))),)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        x = inputs[0]
        axis = spatial_index(x, self.axis, "slice")
        start, stop = self._run_time_places(inputs)
        part = slice(
            None if isinstance(start, int) and not start else start, stop, self.step if self.step > 1 else None
        )
        window = None if isinstance(x.dims[axis], int) else self._window()
        return Program((cut({}, {axis: part}) if window is None else cut({axis: window}, {}),))


class Roll(Cutting):
    """The map moved along its axes, what leaves at one end entering at the other: `roll(-3)` shifts windows (arXiv
    2103.14030).

    Output: the input's shape.
    """

    kind: ClassVar[str] = "roll"
    saved: ClassVar[Held | None] = NOTHING
    positional: ClassVar[tuple[str, ...]] = ("shifts",)

    shifts: Annotated[int | tuple[int, ...], PlainValidator(_shifts), Words("whole number, or a list of them")] = Field(
        description="how far, for all axes or each; negative towards the start"
    )
    axes: tuple[AxisChoice, ...] | None = Field(None, description="the axes; those of space unless told")

    def _pairs(self, x: TensorType) -> tuple[tuple[int, ...], tuple[int, ...]]:
        axes = spatial_axes(x) if self.axes is None else tuple(spatial_index(x, axis, "roll") for axis in self.axes)
        shifts = self.shifts if isinstance(self.shifts, tuple) else (self.shifts,) * len(axes)
        if not axes or len(shifts) != len(axes):
            raise LayerError(
                "E0401", f"roll({say(self.shifts)}) needs as many shifts as axes, and {x} is rolled along {len(axes)}"
            )
        return shifts, axes

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        self._pairs(inputs[0])
        return inputs

    def is_per_channel(self, inputs: tuple[TensorType, ...]) -> bool:
        x = inputs[0]
        return x.channel_axis is not None and x.channel_axis not in self._pairs(x)[1]

    def is_per_place(self, inputs: tuple[TensorType, ...]) -> bool:
        return {inputs[0].channel_axis} == set(self._pairs(inputs[0])[1])

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        (x,) = inputs
        rules = same_but(x)
        channels = None
        for shift, axis in zip(*self._pairs(x), strict=True):
            if axis == x.channel_axis:
                count = fixed(x.dims[axis], "roll: the channels")
                channels = tuple((c - shift) % count for c in range(count))
            else:
                rules[axis] = Along(axis, Taps(1, 1, ((-shift,),), "circular"))
        return (Link(rules, channels),)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        shifts, axes = self._pairs(inputs[0])
        return Program((function("torch.roll", In(0), shifts=shifts, dims=axes),))
