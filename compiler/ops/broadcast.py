"""What tensors are together: the common type of several that are combined element by element."""

from __future__ import annotations

from collections.abc import Sequence

from ..ir.op import Facts, LayerError
from ..ir.sizes import Size
from ..ir.types import Axis, Role, TensorType
from .axes import as_vector, axis_names, is_one, together

_DTYPES = ("bool", "int", "float")


def lead(inputs: tuple[TensorType, ...]) -> int:
    """The input that the others are held against: the first that has a batch larger than 1."""
    first = next((i for i, x in enumerate(inputs) if x.has_batch), 0)
    return next((i for i, x in enumerate(inputs) if x.has_batch and not is_one(x.dims[0])), first)


def merged(
    inputs: tuple[TensorType, ...], facts: Facts, verb: str, stretch: bool = False, broadcast: bool = True
) -> TensorType:
    """The common type of tensors that are combined element by element.

    With `broadcast` a tensor without a batch, as a parameter, is stretched to the others as NumPy does, and so is a
    batch of 1; with `stretch` channels and axes of space of size 1 are too.
    """
    total = inputs[0]
    for x in inputs[1:]:
        total = _pair(total, x, facts, verb, stretch, broadcast)
    return total.with_dtype(common_dtype(inputs))


def check_count(
    kind: str, inputs: Sequence[TensorType], *numbers: int | float | None, fewest: int = 2, most: int = 2
) -> None:
    """Refuses another count of operands: tensors, and numbers in the place of some."""
    count = len(inputs) + sum(number is not None for number in numbers)
    if not fewest <= count <= most:
        hint = f"`{kind}(a, b)`: either may be a number" if most == 2 else f"`{kind}(mask, a, b)`"
        raise LayerError("E0301", f"{kind} takes {most} operands, and gets {count}", hint)


def common_dtype(inputs: tuple[TensorType, ...]) -> str:
    return _DTYPES[max(_DTYPES.index(x.dtype) for x in inputs)]


def _pair(x: TensorType, y: TensorType, facts: Facts, verb: str, stretch: bool, broadcast: bool) -> TensorType:
    free = broadcast and not (x.has_batch and y.has_batch)
    one, other = x.axes, y.axes
    if free:
        one, other = aligned(x, y)
    if len(one) != len(other):
        raise LayerError("E0405", f"cannot {verb} {x} and {y}: {x.rank} axes and {y.rank}", *_rank_hints(x, y))
    check_roles(x, y, one, other, verb)
    each_channel = _each_channel(x, y) or _each_channel(y, x)
    if each_channel and isinstance(one[-1].size - other[-1].size, Size):
        raise _unequal(TensorType(one, x.dtype), TensorType(other, y.dtype), verb, [len(one) - 1], each_channel)
    axes = [
        together(a, b, facts.unenforced, stretch or free or (broadcast and i == 0))
        for i, (a, b) in enumerate(zip(one, other, strict=True))
    ]
    differing = [i for i, axis in enumerate(axes) if axis is None]
    if differing:
        raise _unequal(TensorType(one, x.dtype), TensorType(other, y.dtype), verb, differing, each_channel)
    made = tuple([axis for axis in axes if axis is not None])
    # What both call tokens stays tokens; a vector of a batch may also come of two that are none.
    return TensorType(made if x.rank == y.rank == len(made) else as_vector(made), x.dtype)


def aligned(x: TensorType, y: TensorType) -> tuple[tuple[Axis, ...], tuple[Axis, ...]]:
    """The axes of both, with axes of size 1 in front of those of a tensor without a batch that has fewer."""
    rank = max(x.rank, y.rank)
    one, other = ((*[Axis(1)] * (0 if t.has_batch else rank - t.rank), *t.axes) for t in (x, y))
    return one, other


def check_roles(x: TensorType, y: TensorType, one: Sequence[Axis], other: Sequence[Axis], verb: str) -> None:
    """Refuses tensors whose axes are not the same: channels of one where the other has space.

    The channels of a parameter, such as a bias for each head, may be a part of the channels of others.
    """
    parameter = not (x.has_batch and y.has_batch)
    for i, (a, b) in enumerate(zip(one, other, strict=True)):
        if a.role is b.role or Role.UNKNOWN in (a.role, b.role) or is_one(a.size) or is_one(b.size):
            continue
        if parameter and {a.role, b.role} == {Role.CHANNELS, Role.PART}:
            continue
        what = f"axis {i} is {_NOUNS[a.role]} of the first, and {_NOUNS[b.role]} of the second"
        order = "`transpose`" if len(one) == 3 else "`permute`"
        hints = (
            f"{order} behind one of the two orders its axes as the other has them",
            "`as_map` and `as_tokens` say which axis holds the channels, where they are in one order already",
        )
        raise LayerError("E0405", f"cannot {verb} {x} and {y}: {what}", *hints)


_NOUNS = {
    Role.BATCH: "the batch",
    Role.CHANNELS: "the channels",
    Role.SPACE: "an axis of space",
    Role.PART: "a part of the channels",
}


def _rank_hints(x: TensorType, y: TensorType) -> tuple[str, ...]:
    if {x.rank, y.rank} == {2, 4}:
        channels = (x if x.rank == 2 else y).channels
        return (
            "keep the map: with `conv(c, 1)` for each `linear(c)` behind `gap` it is [N, C, 1, 1], which `*` stretches",
            f"`reshape([{channels}, 1, 1])` makes the vector a 1x1 map",
        )
    return ("give both the same axes: `unsqueeze`, `reshape`, or a `param` with a 1 for each axis that it lacks",)


def _each_channel(x: TensorType, y: TensorType) -> tuple[str, ...]:
    """What is meant where a map meets a vector without a batch that has as many numbers as the map has channels."""
    if not x.has_batch or y.has_batch or x.rank < 3 or x.channel_axis != 1:
        return ()
    if y.dims != x.dims[1:2] or is_one(y.dims[0]):
        return ()
    shape = ", ".join([str(x.dims[1]), *["1"] * (x.rank - 2)])
    return (f"a tensor with a number for each channel of a map has the shape `[{shape}]`",)


def _unequal(x: TensorType, y: TensorType, verb: str, axes: list[int], hints: Sequence[str]) -> LayerError:
    names = axis_names(x if len(x.spatial) >= len(y.spatial) else y)
    parts = [f"{names[axis]} {x.dims[axis]} and {y.dims[axis]}" for axis in axes]
    hints = hints or _equal_by(x, y, verb, axes)
    return LayerError("E0405", f"cannot {verb} {x} and {y}: they differ in {', '.join(parts)}", *hints)


def _equal_by(x: TensorType, y: TensorType, verb: str, axes: list[int]) -> list[str]:
    """Hints that make the axes equal in which two tensors differ."""
    hints: list[str] = []
    if x.channel_axis in axes and x.channel_axis == y.channel_axis:
        hints.append(f"{_layer(x, y)}; `++` joins unequal channels")
    if any(axis not in (0, x.channel_axis) for axis in axes):
        hints.append("look for a stride, or a kernel without padding, that only one of the branches has")
    for small, large in ((x, y), (y, x)):
        if verb != "multiply" and small.has_batch and all(is_one(small.dims[axis]) for axis in axes):
            what = f"only `*` stretches {small} by itself"
            hints.append(f"{what}; behind it `expand(like = x)` stretches it to the size of x, here {large}")
    return hints


def _layer(x: TensorType, y: TensorType) -> str:
    """Which layer behind which branch makes two tensors equal: a 1x1 convolution, or a dense layer where the channels
    are last. It stands behind the larger one, else the later."""
    larger, smaller, stride = max((y, x, _stride(y, x)), (x, y, _stride(x, y)), key=lambda found: found[2])
    call = f"conv({smaller.channels}, 1, {stride})" if stride > 1 else f"conv({smaller.channels}, 1)"
    call = f"linear({smaller.channels})" if larger.is_channels_last else call
    return f"`{call}` behind the branch that has {larger.channels} channels makes them equal"


def _stride(x: TensorType, y: TensorType) -> int:
    """The stride that makes the maps of the first as small as those of the second; 1 where there is none."""
    strides = {
        max(1, round(a / b)) if isinstance(a, int) and isinstance(b, int) and b > 0 else 1
        for a, b in zip(x.spatial, y.spatial, strict=False)
    }
    return strides.pop() if len(strides) == 1 else 1
