"""Layers that give the same numbers another shape."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field, PlainValidator

from ..ir.index_map import SAME_PLACE, Along, Fixed, Link, Links, moved, regrouped, same_but
from ..ir.lowering import In, Lowering, ModuleCall, Program, function, method
from ..ir.memory import Held
from ..ir.op import Facts, LayerError, Op, Trait
from ..ir.sizes import Dim, symbols
from ..ir.types import Axis, Role, TensorType
from ..ir.words import BadValue, is_symbolic, met, say, whole
from .axes import (
    AxisChoice,
    as_vector,
    axis_index,
    fixed,
    is_one,
    joined,
    product,
    regrouped_axes,
    settled,
    spatial_index,
)
from .run_time import run_time_size
from .values import Beside, Integer, Words


class _Reshaping(Op):
    is_module: ClassVar[bool] = False
    traits: ClassVar[Trait] = Trait.AFFINE | Trait.KEEPS_NONNEGATIVE
    saved: ClassVar[Held | None] = Held(view="joined")

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        link = regrouped(inputs[0], outputs[0])
        return None if link is None else (link,)


def _target_sizes(value: Any) -> tuple[Dim, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise BadValue(f"must be a list of sizes, the batch left out, not {met(value)}")
    sizes = tuple(size if is_symbolic(size) else whole(size, -1) for size in value)
    if sum(1 for size in sizes if isinstance(size, int) and size == -1) > 1:
        raise BadValue(f"may leave one size to be found, as -1, and {say(value)} leaves several")
    if any(isinstance(size, int) and size == 0 for size in sizes):
        raise BadValue("must list positive sizes, and -1 for one that is found from the others")
    return sizes


def _order(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list | tuple):
        raise BadValue(f"must be a list of axes, such as [0, 2, 3, 1], not {met(value)}")
    axes = [whole(axis) for axis in value]
    order = tuple([axis + len(axes) if axis < 0 else axis for axis in axes])
    if sorted(order) != list(range(len(order))):
        raise BadValue(f"must name each axis once, from 0 to {len(order) - 1} or from the end, and is {say(value)}")
    return order


class Flatten(_Reshaping):
    """Axes `start` to `end` become one, in row-major order, as `torch.flatten`: [N, C, H, W] gives [N, C * H * W].

    `flatten(2)` of a map is [N, C, H * W]: a sequence whose length is the map's area, channels still axis 1.
    """

    kind: ClassVar[str] = "flatten"
    joins_axes: ClassVar[bool] = True
    positional: ClassVar[tuple[str, ...]] = ("start", "end")

    start: AxisChoice = Field(1, description="the first axis that is merged")
    end: AxisChoice = Field(-1, description="the last axis that is merged")

    def merged_axes(self, x: TensorType) -> tuple[int, int]:
        """The first and the last axis that are merged, as numbers."""
        start, end = spatial_index(x, self.start, "flatten"), spatial_index(x, self.end, "flatten")
        if end < start:
            raise LayerError("E0420", f"flatten from axis {start} to axis {end} of {x}: the end is before the start")
        return start, end

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        if x.rank == 1:
            raise LayerError("E0401", f"flatten takes a tensor with axes after the batch, and got {x}")
        start, end = self.merged_axes(x)
        around = (*x.axes[:start], *x.axes[end + 1 :])
        flat = joined(x.axes[start : end + 1], kept=any(axis.role is Role.PART for axis in around))
        axes = (*x.axes[:start], flat, *x.axes[end + 1 :])
        return (TensorType(as_vector(settled(x, axes)), x.dtype),)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        start, end = self.merged_axes(inputs[0])
        until = () if end == inputs[0].rank - 1 else (end,)
        return Program((function("torch.flatten", In(0), start, *until),))

    def module(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> ModuleCall | None:
        start, end = self.merged_axes(inputs[0])
        ends = (start, -1 if end == inputs[0].rank - 1 else end)
        return ModuleCall("torch.nn.Flatten", () if ends == (1, -1) else ends)


class Reshape(_Reshaping):
    """The same numbers in other sizes, in row-major order: `reshape([c, h, w])` gives [N, c, h, w]; the batch stays.

    One size may be -1 and is found from the others. An axis that is joined, split or kept is what it was before; where
    the sizes do not tell which one that is, a layer that works along an axis must be told. Sizes that are lost in the
    input are read off another tensor: `tokens -> transpose -> reshape([c, x.height, x.width], like = x)`.
    """

    kind: ClassVar[str] = "reshape"
    keeps_batch: ClassVar[bool] = True
    positional: ClassVar[tuple[str, ...]] = ("sizes",)
    tensor_parameters: ClassVar[tuple[str, ...]] = ("like",)

    sizes: Annotated[tuple[Dim, ...], PlainValidator(_target_sizes), Words("list of sizes")] = Field(
        description="the sizes after the batch, which a parameter lacks; one may be -1"
    )
    like: Beside = Field(False, description="a tensor that has sizes which the input lacks")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        x = inputs[0]
        rest = [d for d in self.sizes if not (x.has_batch and symbols(d) & symbols(x.dims[0]))]
        if len(rest) < len(self.sizes):
            message = f"reshape keeps the batch and takes the sizes behind it, and {say(self.sizes)} has it too"
            raise LayerError("E0408", message, f"the batch stays: write `reshape({say(rest or [-1])})`")
        have, want = _cancelled(list(_numbers(x)), [d for d in self.sizes if not _is_open(d)])
        held, wanted = product(have), product(want)
        if any(map(_is_open, self.sizes)):
            open_size = self._open_size(x, held, wanted, facts)
        elif facts.unenforced.equal(held, wanted):
            open_size = 1
        else:
            raise self._misfit(x, f"that is {product(_numbers(x))} numbers, not {product(self.sizes)}")
        sizes = tuple(open_size if _is_open(d) else d for d in self.sizes)
        first = int(x.has_batch)
        axes = (*x.axes[:first], *settled(x, regrouped_axes(x.axes[first:], sizes, facts)))
        result = TensorType(as_vector(axes), x.dtype)
        self._run_time_sizes(inputs, result)
        return (result,)

    def _open_size(self, x: TensorType, held: Dim, wanted: Dim, facts: Facts) -> Dim:
        if isinstance(wanted, int):
            if not facts.divisible(held, wanted):
                raise self._misfit(x, f"{product(_numbers(x))} numbers do not divide by {product(self.sizes) * -1}")
        elif not facts.equal(held % wanted, 0):
            raise self._misfit(x, f"{held} does not divide by {wanted}")
        return held // wanted

    def _misfit(self, x: TensorType, why: str) -> LayerError:
        message = f"reshape({say(self.sizes)}) cannot hold {x}: {'without the batch ' if x.has_batch else ''}{why}"
        return LayerError("E0408", message, "one size may be -1: it is found")

    def _run_time_sizes(self, inputs: tuple[TensorType, ...], result: TensorType) -> list[Any]:
        """The arguments of the call: numbers, sizes read off the inputs, and one -1 where neither does."""
        symbolic = [d for d in _numbers(result) if not isinstance(d, int)]
        if len(symbolic) == 1:
            return [d if isinstance(d, int) else -1 for d in _numbers(result)]
        found = [run_time_size(d, inputs) for d in _numbers(result)]
        unknown = [str(d) for d, size in zip(_numbers(result), found, strict=True) if size is None]
        if len(unknown) > 1:
            raise LayerError(
                "E0406",
                f"reshape({say(self.sizes)}): {' and '.join(unknown)} cannot be read off "
                f"{' and '.join(map(str, inputs))} when the module runs",
                "`like = x` reads sizes off a tensor x that has them",
                "`rearrange` splits and joins axes without naming their sizes",
                "fix the sizes in the `input` statement",
            )
        return [-1 if size is None else size for size in found]

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        x = inputs[0]
        sizes = self._run_time_sizes(inputs, outputs[0])
        if not x.has_batch:
            return Program((method("reshape", In(0), *sizes),))
        if x.rank == 2:
            return Program((method("unflatten", In(0), 1, tuple(sizes)),)) if len(sizes) > 1 else Program((In(0),))
        if all(isinstance(d, int) for d in (*_numbers(x), *sizes)) and -1 not in sizes:
            return Program((method("reshape", In(0), -1, *sizes),))
        return Program((method("reshape", In(0), method("size", In(0), 0), *sizes),))


def _numbers(x: TensorType) -> tuple[Dim, ...]:
    """The sizes that a reshape may change: all but the batch."""
    return x.dims[x.has_batch :]


def _is_open(d: Dim) -> bool:
    return isinstance(d, int) and d == -1


def _cancelled(have: list[Dim], want: list[Dim]) -> tuple[list[Dim], list[Dim]]:
    """Both without the sizes that stand in both."""
    kept: list[Dim] = []
    for d in want:
        if d in have:
            have.remove(d)
        else:
            kept.append(d)
    return have, kept


class Permute(_Reshaping):
    """The axes in another order: `permute([0, 2, 3, 1])` of [N, C, H, W] gives [N, H, W, C]. The channels stay the
    channels.

    Where the batch is not first, as in [T, N, C], nothing is known of the other axes: layers along an axis are told
    which, and the batch is brought back first before what works on each example, with `as_map` or `as_tokens` behind.
    """

    kind: ClassVar[str] = "permute"
    saved: ClassVar[Held | None] = Held(view="strided")
    positional: ClassVar[tuple[str, ...]] = ("order",)

    order: Annotated[tuple[int, ...], PlainValidator(_order), Words("list of axes")] = Field(
        description="for each axis of the result, the axis that it comes from"
    )

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        if len(self.order) != x.rank:
            raise LayerError("E0401", f"permute({say(self.order)}) orders {len(self.order)} axes, and {x} has {x.rank}")
        return (_permuted(x, self.order),)

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        return _moves(inputs[0], self.order)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        return Program((method("permute", In(0), *self.order),))


def _permuted(x: TensorType, order: tuple[int, ...]) -> TensorType:
    """The type with its axes in another order. Where the batch does not stay first nothing is known of the others."""
    moves = x.has_batch and order[0] != 0
    axes = [axis if axis.role is Role.BATCH or not moves else axis._replace(role=Role.UNKNOWN) for axis in x.axes]
    made = tuple([axes[axis] for axis in order])
    return TensorType(made if x.has_batch and not moves else as_vector(made), x.dtype)


def _moves(x: TensorType, order: tuple[int, ...]) -> Links | None:
    """How a place depends on places of the input; no rule says it of examples beside one another."""
    return (moved(x, order),) if order[0] == 0 else None


class Transpose(_Reshaping):
    """Two axes trade places: `transpose` of [N, C, L] gives [N, L, C]. The channels stay the channels.

    The batch may be one of them, as in `permute`.
    """

    kind: ClassVar[str] = "transpose"
    saved: ClassVar[Held | None] = Held(view="strided")
    positional: ClassVar[tuple[str, ...]] = ("first", "second")

    first: AxisChoice = Field(1, description="an axis")
    second: AxisChoice = Field(2, description="the other")

    def _axes(self, x: TensorType) -> tuple[int, int]:
        return axis_index(x, self.first, "transpose"), axis_index(x, self.second, "transpose")

    def _order(self, x: TensorType) -> tuple[int, ...]:
        order = list(range(x.rank))
        a, b = self._axes(x)
        order[a], order[b] = b, a
        return tuple(order)

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        return (_permuted(inputs[0], self._order(inputs[0])),)

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        return _moves(inputs[0], self._order(inputs[0]))

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        return Program((method("transpose", In(0), *self._axes(inputs[0])),))


class Squeeze(_Reshaping):
    """An axis of size 1 is left out: `squeeze(2)` of [N, C, 1] gives [N, C]."""

    kind: ClassVar[str] = "squeeze"
    saved: ClassVar[Held | None] = Held(view="same")
    positional: ClassVar[tuple[str, ...]] = ("axis",)

    axis: AxisChoice = Field(description="the axis, of size 1")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        axis = spatial_index(x, self.axis, "squeeze")
        if not is_one(x.dims[axis]) and not facts.unenforced.equal(x.dims[axis], 1):
            raise LayerError(
                "E0405", f"squeeze leaves out an axis of size 1, and axis {axis} of {x} has {x.dims[axis]}"
            )
        return (dropped(x, axis),)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        return Program((method("squeeze", In(0), spatial_index(inputs[0], self.axis, "squeeze")),))


def dropped(x: TensorType, axis: int) -> TensorType:
    """The type without an axis."""
    return TensorType(as_vector(settled(x, x.axes[:axis] + x.axes[axis + 1 :])), x.dtype)


class Unsqueeze(_Reshaping):
    """A new axis of size 1 before axis `axis`, or last with -1: `unsqueeze(2)` of [N, C] gives [N, C, 1].

    The channels stay the channels; a tensor that has none, as [N], gets them: `unsqueeze(1)` gives [N, 1].
    """

    kind: ClassVar[str] = "unsqueeze"
    saved: ClassVar[Held | None] = Held(view="same")
    positional: ClassVar[tuple[str, ...]] = ("axis",)

    axis: Integer = Field(description="where the new axis stands")

    def _index(self, x: TensorType) -> int:
        axis = self.axis if self.axis >= 0 else self.axis + x.rank + 1
        if not x.has_batch <= axis <= x.rank:
            first = int(x.has_batch)
            raise LayerError("E0420", f"unsqueeze({self.axis}): a new axis of {x} stands at {first} to {x.rank}")
        return axis

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        axis = self._index(x)
        if not x.has_batch:
            role = Role.UNKNOWN
        elif x.channel_axis is not None:
            role = Role.SPACE
        else:
            role = Role.UNKNOWN if {Role.UNKNOWN, Role.PART} & {*x.roles} else Role.CHANNELS
        return (TensorType((*x.axes[:axis], Axis(1, role), *x.axes[axis:]), x.dtype),)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        return Program((method("unsqueeze", In(0), self._index(inputs[0])),))


class Select(_Reshaping):
    """One place along an axis, which goes: `select(1, 0)` of [N, T, C] gives the first token, [N, C]."""

    kind: ClassVar[str] = "select"
    saved: ClassVar[Held | None] = Held(view="strided")
    positional: ClassVar[tuple[str, ...]] = ("axis", "index")

    axis: AxisChoice = Field(description="the axis")
    index: Integer = Field(0, description="the place along it; from the end where negative")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        axis = spatial_index(x, self.axis, "select")
        least = self.index + 1 if self.index >= 0 else -self.index
        if not facts.at_least(x.dims[axis], least):
            raise LayerError("E0410", f"select({axis}, {self.index}): axis {axis} of {x} has only {x.dims[axis]}")
        return (dropped(x, axis),)

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        (x,) = inputs
        axis = spatial_index(x, self.axis, "select")
        if axis == x.channel_axis or outputs[0].channels != x.channels:
            return None
        rules = {a: Along(a - (a > axis), SAME_PLACE) for a in same_but(x)}
        size = fixed(x.dims[axis], "select: the axis")
        return (Link({**rules, axis: Fixed((self.index % size,))}),)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        axis = spatial_index(inputs[0], self.axis, "select")
        picks = (*[slice(None)] * axis, self.index)
        return Program((function("operator.getitem", In(0), picks),))
