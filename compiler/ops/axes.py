"""The axes of a tensor by name, and the checks that ops share about them."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import PlainValidator

from ..ir.op import LayerError, Op
from ..ir.sizes import Dim
from ..ir.types import TensorType
from ..ir.words import BadValue, alternatives, is_symbolic, met, say, whole
from .maps import AXES
from .values import Words

AXIS_NAMES = ("batch", "channels", "length", "depth", "height", "width")
_RANKS = {2: "vectors [N, C]", 3: "a sequence of rank 3", 4: "a map [N, C, H, W]", 5: "a volume [N, C, D, H, W]"}


def _axis(value: Any) -> int | str:
    if isinstance(value, str):
        if value not in AXIS_NAMES:
            raise BadValue(f"must be an axis: a number, or {alternatives(map(say, AXIS_NAMES))}, not {say(value)}")
        return value
    return whole(value)


def _size(value: Any) -> Dim:
    return value if is_symbolic(value) else whole(value, 1)


def _sizes(value: Any) -> tuple[Dim, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise BadValue(f"must be a list of sizes, not {met(value)}")
    return tuple(map(_size, value))


def _size_each(value: Any) -> Dim | tuple[Dim, ...]:
    return _sizes(value) if isinstance(value, list | tuple) else _size(value)


Axis = Annotated[int | str, PlainValidator(_axis), Words('axis: a number, or a name such as "channels" or "height"')]
"""How a spec says which axis is meant: `1`, `-1`, `"channels"`, `"height"`."""
Sizes = Annotated[tuple[Dim, ...], PlainValidator(_sizes), Words("list of sizes")]
SizeEach = Annotated[Dim | tuple[Dim, ...], PlainValidator(_size_each), Words("size, or a list of one for each axis")]


def axis_names(x: TensorType) -> tuple[str, ...]:
    """A name for each axis: `("batch", "channels", "height", "width")` for a map."""
    names = iter(AXES.get(len(spatial_axes(x)), ()))
    result: list[str] = []
    for axis in range(x.rank):
        if axis == 0:
            result.append("batch")
        elif axis == x.channel_axis:
            result.append("channels")
        else:
            result.append(next(names, f"axis {axis}"))
    return tuple(result)


def spatial_axes(x: TensorType) -> tuple[int, ...]:
    return tuple(axis for axis in range(1, x.rank) if axis != x.channel_axis)


def axis_index(x: TensorType, axis: int | str, what: str) -> int:
    """The axis as a number from 0; `what` names the layer in the error."""
    names = axis_names(x)
    if isinstance(axis, str):
        if axis in names:
            return names.index(axis)
    elif -x.rank <= axis < x.rank:
        return axis % x.rank
    shown = ", ".join(f'{i} "{name}"' for i, name in enumerate(names))
    raise LayerError("E0420", f"{what}: {x} has no axis {axis!r}", f"its axes are {shown}")


def spatial_index(x: TensorType, axis: int | str, what: str) -> int:
    """Like `axis_index`, but the batch is refused."""
    index = axis_index(x, axis, what)
    if index == 0:
        raise LayerError("E0420", f"{what}: axis 0 of {x} is the batch, which stays as it is", "name a later axis")
    return index


def check_rank(x: TensorType, ranks: Sequence[int], what: str, *hints: str) -> None:
    if x.rank not in ranks:
        wanted = " or ".join(_RANKS.get(rank, f"a tensor of rank {rank}") for rank in ranks)
        raise LayerError("E0401", f"{what} takes {wanted}, and got {x}", *hints)


def check_space(x: TensorType, what: str) -> None:
    if not spatial_axes(x):
        raise LayerError("E0401", f"{what} works on the axes of space, and {x} has none")


def fixed(size: Dim, what: str, *hints: str) -> int:
    """The size as a number; a symbolic one is an error that says what it is for."""
    if isinstance(size, int):
        return size
    raise LayerError("E0406", f"{what} must be a fixed number, and is {size}", *hints)


def spread(value: Any, x: TensorType, what: str) -> tuple[Any, ...]:
    """One setting for each axis of space, in their order: a single one holds for all."""
    axes = spatial_axes(x)
    if not isinstance(value, tuple):
        return (value,) * len(axes)
    if len(value) != len(axes):
        names = ", ".join(axis_names(x)[axis] for axis in axes)
        count = f"{len(axes)} axis" if len(axes) == 1 else f"{len(axes)} axes"
        raise LayerError(
            "E0407", f"{what} is given for {len(value)} axes, and {x} has {count} of space", f"give one each: {names}"
        )
    return value


def product(dims: Sequence[Dim]) -> Dim:
    """The product; the fixed numbers are multiplied first."""
    result: Dim = prod(d for d in dims if isinstance(d, int))
    for d in dims:
        if not isinstance(d, int):
            result = d * result
    return result


def replaced(x: TensorType, changes: dict[int, Dim]) -> TensorType:
    """The type with other sizes at some axes."""
    return x.with_dims(tuple(changes.get(axis, d) for axis, d in enumerate(x.dims)))


def is_one(d: Dim) -> bool:
    return isinstance(d, int) and d == 1


class AlongAxis(Op):
    """What layers share that take tensors apart along an `axis`."""

    if TYPE_CHECKING:
        axis: Axis

    def is_per_channel(self, inputs: tuple[TensorType, ...]) -> bool:
        return not self.is_per_place(inputs)

    def is_per_place(self, inputs: tuple[TensorType, ...]) -> bool:
        return axis_index(inputs[0], self.axis, self.kind) == inputs[0].channel_axis
