"""Layers that look places up, count along an axis, and put them in order."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from ..ir.index_map import MIXED, SAME, SAME_PLACE, WHOLE, Along, Link, Links, Listed, place_axes, same_but
from ..ir.lowering import In, Lowering, Program, function
from ..ir.memory import NOTHING, Held, elements
from ..ir.op import Facts, LayerError, Op, Trait
from ..ir.types import TensorType
from .along import AlongAxis
from .axes import AxisChoice, check_below, fixed, replaced, spatial_index
from .maps import describe
from .reduce import Reduce
from .shape import Select
from .values import Bool, Count


def _need_indices(kind: str, index: TensorType) -> None:
    if index.dtype != "int":
        hint = '`buffer index: int = constant([0, 2])` and `input k: int [N, T]` are such; `to("int")` makes them'
        raise LayerError("E0411", f"{kind} takes places as whole numbers, and gets {describe(index)}", hint)


class IndexSelect(Op):
    """Places along an axis, by their numbers: `index_select(table, index, 0)` of a `param` [V, D] and a buffer of whole
    numbers [n, m] gives [n, m, D], as `table[index]` in torch. Output: the axis becomes the axes of the index.

    Of the table and the index one at most has a batch. The numbers count from 0, as many as there are along the axis.
    """

    kind: ClassVar[str] = "index_select"
    family: ClassVar[str] = "function"
    traits: ClassVar[Trait] = Trait.KEEPS_NONNEGATIVE
    saved: ClassVar[Held | None] = Held((1,))
    positional: ClassVar[tuple[str, ...]] = ("axis",)
    arity: ClassVar[int | None] = 2
    is_module: ClassVar[bool] = False

    axis: AxisChoice = Field("channels", description="the axis of the first tensor that is looked up along")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        x, index = inputs
        _need_indices(self.kind, index)
        axis = self._axis(x)
        check_below(self.kind, index, x.dims[axis], facts)
        if index.has_batch and (x.has_batch or axis):
            hint = "`gather` looks up in each example by its own places"
            raise LayerError("E0405", f"index_select: {x} by {index} has no batch in front", hint)
        found = list(index.axes)
        if len(found) == 1 and not index.has_batch:
            found = [x.axes[axis]._replace(size=found[0].size)]
        return (TensorType((*x.axes[:axis], *found, *x.axes[axis + 1 :]), x.dtype),)

    def _axis(self, x: TensorType) -> int:
        return spatial_index(x, self.axis, self.kind)

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        x, index = inputs
        if not x.has_batch:
            return Link(), SAME
        axis = self._axis(x)
        if axis == x.channel_axis:
            return Link(channels=1), Link()
        if outputs[0].channels != x.channels:
            return None
        rules = {a: Along(a + (a > axis) * (index.rank - 1), SAME_PLACE) for a in place_axes(x)}
        return Link({**rules, axis: WHOLE}), Link()

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        places = (*[slice(None)] * self._axis(inputs[0]), In(1))
        return Program((function("operator.getitem", In(0), places),))


class Gather(AlongAxis):
    """Places along an axis, for each example and place its own: `gather(x, index, 1)`, as `torch.gather`. Output: the
    index's shape, which is x's but along the axis."""

    kind: ClassVar[str] = "gather"
    family: ClassVar[str] = "function"
    traits: ClassVar[Trait] = Trait.KEEPS_NONNEGATIVE
    saved: ClassVar[Held | None] = Held((1,))
    positional: ClassVar[tuple[str, ...]] = ("axis",)
    arity: ClassVar[int | None] = 2
    is_module: ClassVar[bool] = False

    axis: AxisChoice = Field("channels", description="the axis that is looked up along")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        x, index = inputs
        _need_indices(self.kind, index)
        axis = spatial_index(x, self.axis, self.kind)
        pairs = enumerate(zip(x.dims, index.dims, strict=False))
        if x.rank != index.rank or not all(i == axis or facts.unenforced.equal(a, b) for i, (a, b) in pairs):
            hint = "`index_select` looks up by places of another shape"
            raise LayerError("E0405", f"gather: {x} and the places {index} differ in more than axis {axis}", hint)
        return (replaced(x, {axis: index.dims[axis]}),)

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        return (*super().index_map(inputs[:1], outputs, port), SAME)  # type: ignore[misc]

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        return Program((function("torch.gather", In(0), self.along(inputs[0]), In(1)),))


class CumSum(AlongAxis):
    """The sum of all up to each place along an axis. Output: the input's shape."""

    kind: ClassVar[str] = "cumsum"
    family: ClassVar[str] = "function"
    traits: ClassVar[Trait] = Trait.AFFINE | Trait.KEEPS_NONNEGATIVE
    saved: ClassVar[Held | None] = NOTHING
    positional: ClassVar[tuple[str, ...]] = ("axis",)
    is_module: ClassVar[bool] = False

    axis: AxisChoice = Field(description="the axis")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        spatial_index(x, self.axis, self.kind)
        return (x.with_dtype("int") if x.dtype == "bool" else x,)

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        (x,) = inputs
        axis = self.along(x)
        if axis == x.channel_axis:
            return (MIXED,)
        size = fixed(x.dims[axis], "cumsum: the axis")
        return (Link({**same_but(x), axis: Along(axis, Listed(tuple(map(range, range(1, size + 1)))))}),)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        return Program((function("torch.cumsum", In(0), dim=self.along(inputs[0])),))


class Flip(AlongAxis):
    """The places along an axis in reverse order. Output: the input's shape."""

    kind: ClassVar[str] = "flip"
    family: ClassVar[str] = "shape"
    traits: ClassVar[Trait] = Trait.AFFINE | Trait.KEEPS_NONNEGATIVE
    saved: ClassVar[Held | None] = NOTHING
    positional: ClassVar[tuple[str, ...]] = ("axis",)
    is_module: ClassVar[bool] = False

    axis: AxisChoice = Field(description="the axis")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        spatial_index(inputs[0], self.axis, self.kind)
        return inputs

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        (x,) = inputs
        axis = self.along(x)
        places = tuple(reversed(range(fixed(x.dims[axis], "flip: the axis"))))
        if axis == x.channel_axis:
            return (Link(channels=places),)
        return (Link({**same_but(x), axis: Along(axis, Listed(tuple((place,) for place in places)))}),)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        return Program((function("torch.flip", In(0), (self.along(inputs[0]),)),))


class Sort(AlongAxis):
    """The numbers along an axis in order, and the places where they stood: `values, places = x -> sort("length")`.
    Output: two tensors of the input's shape, the second of whole numbers."""

    kind: ClassVar[str] = "sort"
    family: ClassVar[str] = "function"
    traits: ClassVar[Trait] = Trait.KEEPS_NONNEGATIVE
    positional: ClassVar[tuple[str, ...]] = ("axis",)
    is_module: ClassVar[bool] = False

    axis: AxisChoice = Field("channels", description="the axis")
    descending: Bool = Field(False, description="whether the largest comes first")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        spatial_index(x, self.axis, self.kind)
        return x, x.with_dtype("int")

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        return Held(indices=elements(outputs[1]))

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        kwargs: dict[str, Any] = {"dim": self.along(inputs[0])} | ({"descending": True} if self.descending else {})
        return _both(function("torch.sort", In(0), **kwargs))


class TopK(AlongAxis):
    """The k largest numbers along an axis, the largest first, and their places: `scores, classes = x -> topk(5)`.
    Output: two tensors with k places along the axis, the second of whole numbers."""

    kind: ClassVar[str] = "topk"
    family: ClassVar[str] = "function"
    traits: ClassVar[Trait] = Trait.KEEPS_NONNEGATIVE
    positional: ClassVar[tuple[str, ...]] = ("k", "axis")
    is_module: ClassVar[bool] = False

    k: Count = Field(description="how many")
    axis: AxisChoice = Field("channels", description="the axis")
    largest: Bool = Field(True, description="whether the largest are taken; else the smallest, the smallest first")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        axis = spatial_index(x, self.axis, self.kind)
        if not facts.at_least(x.dims[axis], self.k):
            hint = f"`axis` says along which the numbers stand; `topk({x.dims[axis]})` takes all of them"
            raise LayerError("E0410", f"topk({self.k}): axis {axis} of {x} has only {x.dims[axis]}", hint)
        found = replaced(x, {axis: self.k})
        return found, found.with_dtype("int")

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        return Held(indices=elements(outputs[1]))

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        kwargs: dict[str, Any] = {"dim": self.along(inputs[0])} | ({} if self.largest else {"largest": False})
        return _both(function("torch.topk", In(0), self.k, **kwargs))


def _both(pair: Any) -> Program:
    return Program((function("operator.getitem", pair, 0), function("operator.getitem", pair, 1)))


class ArgMax(AlongAxis):
    """The place of the largest number along an axis. Output: whole numbers; the axis goes, or stays with size 1 where
    `keep` says so."""

    kind: ClassVar[str] = "argmax"
    family: ClassVar[str] = "function"
    traits: ClassVar[Trait] = Trait.NONNEGATIVE
    saved: ClassVar[Held | None] = NOTHING
    positional: ClassVar[tuple[str, ...]] = ("axis", "keep")
    is_module: ClassVar[bool] = False

    axis: AxisChoice = Field("channels", description="the axis")
    keep: Bool = Field(False, description="whether the axis stays, with size 1")

    @property
    def _reduced(self) -> Reduce:
        return Reduce(statistic="max", axis=(self.axis,), keep=self.keep, unbiased=False)

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        return (self._reduced.infer(inputs, facts)[0].with_dtype("int"),)

    def is_per_channel(self, inputs: tuple[TensorType, ...]) -> bool:
        return self._reduced.is_per_channel(inputs)

    def is_per_place(self, inputs: tuple[TensorType, ...]) -> bool:
        return self._reduced.is_per_place(inputs)

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        return self._reduced.index_map(inputs, outputs, port)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        kwargs: dict[str, Any] = {"dim": self.along(inputs[0])} | ({"keepdim": True} if self.keep else {})
        return Program((function(f"torch.{self.kind}", In(0), **kwargs),))


class ArgMin(ArgMax):
    """The place of the smallest number along an axis. Output: whole numbers; the axis goes, or stays with size 1 where
    `keep` says so."""

    kind: ClassVar[str] = "argmin"


class Unbind(AlongAxis):
    """The places along an axis as a tuple: `q, k, v = x -> unbind(1)` of [N, 3, T, C]. Output: a tensor without the
    axis for each place of it."""

    kind: ClassVar[str] = "unbind"
    family: ClassVar[str] = "shape"
    traits: ClassVar[Trait] = Trait.AFFINE | Trait.KEEPS_NONNEGATIVE
    saved: ClassVar[Held | None] = Held(view="strided")
    positional: ClassVar[tuple[str, ...]] = ("axis",)
    is_module: ClassVar[bool] = False

    axis: AxisChoice = Field(description="the axis, of a fixed size")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        count = fixed(x.dims[spatial_index(x, self.axis, self.kind)], "unbind: the axis")
        return Select(axis=self.axis, index=0).infer(inputs, facts) * count

    def is_per_channel(self, inputs: tuple[TensorType, ...]) -> bool:
        return False

    is_per_place = is_per_channel

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        return Select(axis=self.axis, index=port).index_map(inputs, outputs[port:], 0)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        parts = function("torch.unbind", In(0), self.along(inputs[0]))
        return Program(tuple(function("operator.getitem", parts, i) for i in range(len(outputs))))
