"""The axes of a tensor by name, and the checks that ops share about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from math import prod
from typing import Annotated, Any

from pydantic import PlainValidator

from ..ir.op import Facts, LayerError
from ..ir.sizes import Dim, evaluate, symbols
from ..ir.types import Axis, Role, TensorType
from ..ir.words import BadValue, alternatives, is_symbolic, met, say, whole
from .values import Words

AXES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}
"""The names of the axes of space, by how many there are."""
AXIS_NAMES = ("batch", "channels", "length", "depth", "height", "width")
_RANKS = {2: "vectors [N, C]", 3: "a sequence of rank 3", 4: "a map [N, C, H, W]", 5: "a volume [N, C, D, H, W]"}


def axis_choice(value: Any) -> int | str:
    if isinstance(value, str):
        if not value.isidentifier():
            names = alternatives([*map(say, AXIS_NAMES), "a name of its own"])
            raise BadValue(f"must be an axis: a number, {names}, not {say(value)}")
        return value
    return whole(value)


def one_size(value: Any) -> Dim:
    return value if is_symbolic(value) else whole(value, 1)


def _sizes(value: Any) -> tuple[Dim, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise BadValue(f"must be a list of sizes, not {met(value)}")
    return tuple(map(one_size, value))


def _size_each(value: Any) -> Dim | tuple[Dim, ...]:
    return _sizes(value) if isinstance(value, list | tuple) else one_size(value)


Place = Annotated[Dim, PlainValidator(lambda v: v if is_symbolic(v) else whole(v)), Words("whole number, or a size")]
"""A place along an axis; a negative number counts from the end."""
AxisChoice = Annotated[
    int | str, PlainValidator(axis_choice), Words('axis: a number, or a name such as "channels" or "height"')
]
"""How a spec says which axis is meant: `1`, `-1`, `"channels"`, `"height"`, `"d"`."""
Sizes = Annotated[tuple[Dim, ...], PlainValidator(_sizes), Words("list of sizes")]
SizeEach = Annotated[Dim | tuple[Dim, ...], PlainValidator(_size_each), Words("size, or a list of one for each axis")]


def axis_names(x: TensorType) -> tuple[str, ...]:
    """A name for each axis: `("batch", "channels", "height", "width")` for a map. Axes that are none of these have the
    names that they were given."""
    times = Counter(axis.name for axis in x.axes)
    names = iter(AXES.get(x.roles.count(Role.SPACE), ()) if Role.PART not in x.roles else ())
    result: list[str] = []
    for number, axis in enumerate(x.axes):
        own = axis.name if axis.name and times[axis.name] == 1 else f"axis {number}"
        if axis.role is Role.SPACE:
            result.append(next(names, own))
        else:
            result.append(own if axis.role in (Role.PART, Role.UNKNOWN) else axis.role.value)
    return tuple(result)


def spatial_axes(x: TensorType) -> tuple[int, ...]:
    return x.spatial_axes


def axis_index(x: TensorType, axis: int | str, what: str) -> int:
    """The axis as a number from 0; `what` names the layer in the error."""
    if isinstance(axis, str):
        for names in (axis_names(x), tuple(a.name for a in x.axes)):
            if names.count(axis) == 1:
                return names.index(axis)
        if axis == "channels":
            raise uncertain(x, what)
    elif -x.rank <= axis < x.rank:
        return axis % x.rank
    raise LayerError("E0420", f"{what}: {x} has no axis {say(axis)}", f"its axes are {_listed(x)}")


def uncertain(x: TensorType, what: str) -> LayerError:
    """Why a layer refuses a tensor of which it is not certain which axis holds the channels."""
    *others, last = axis_names(x)
    last = (x.axes[-1].name or "axis -1") if last in others else last
    ways = f'`axis = "{last}"` or `axis = -1`' if last.isidentifier() else "`axis = -1`"
    message = f"{what} works along the channels, and it is not certain which axis of {x} holds them"
    return LayerError("E0425", message, f"say which: {ways}; its axes are {_listed(x)}")


def _listed(x: TensorType) -> str:
    return ", ".join(f'{i} "{name}"' if name != f"axis {i}" else str(i) for i, name in enumerate(axis_names(x)))


def spatial_index(x: TensorType, axis: int | str, what: str) -> int:
    """Like `axis_index`, but the batch is refused."""
    index = axis_index(x, axis, what)
    if x.axes[index].role is Role.BATCH:
        message = f"{what}: axis {index} of {x} is the batch, which stays as it is"
        raise LayerError("E0420", message, "name a later axis")
    return index


def channel_index(x: TensorType, what: str) -> int:
    """The axis that holds the channels; a tensor of which it is not certain is refused."""
    return axis_index(x, "channels", what) if x.channel_axis is None else x.channel_axis


def joined(axes: Sequence[Axis], kept: bool = False) -> Axis:
    """The axis that several become in row-major order. `kept` says that other axes hold parts of the channels.

    Channels that space is folded into are channels, as in patches. Of parts of the channels, space and the batch take
    one, as in `(n heads) t d` or `c (h p) (w q)`; all of them together are the channels.
    """
    real = [axis for axis in axes if axis.role is Role.BATCH or not is_one(axis.size)] or list(axes)
    if len(real) == 1:
        return real[0]
    roles = {axis.role for axis in real}
    size = product([axis.size for axis in axes])
    for role in (Role.BATCH, Role.CHANNELS, Role.SPACE):
        if role in roles:
            return Axis(size, role)
    if Role.PART in roles:
        return Axis(size, Role.PART if kept else Role.CHANNELS)
    return Axis(size)


def split(axis: Axis, sizes: Sequence[tuple[Dim, str | None]]) -> list[Axis]:
    """The axes that one becomes, with their sizes and names. One of size 1 takes nothing of the others' role."""
    real = [i for i, (size, _) in enumerate(sizes) if not is_one(size)] or [len(sizes) - 1]
    role = axis.role
    if len(real) > 1:
        role = {Role.CHANNELS: Role.PART, Role.BATCH: Role.UNKNOWN}.get(role, role)
    return [Axis(size, role if i in real else Role.UNKNOWN, name) for i, (size, name) in enumerate(sizes)]


def regrouped_axes(have: Sequence[Axis], want: Sequence[Dim], facts: Facts) -> list[Axis]:
    """The axes of the same numbers in other sizes: neighbours that hold as many on both sides are the same axes."""
    found: list[Axis] = []
    left, right = list(have), list(want)
    while left and right:
        old, new = [left.pop(0)], [right.pop(0)]
        while not facts.certainly_equal(a := product([axis.size for axis in old]), b := product(new)):
            if not (left or right):
                return [*found, *_kept_last([*old, *left], [*new, *right], facts)]
            shorter = isinstance(a, int) and isinstance(b, int) and a < b
            if left and (shorter or not right):
                old.append(left.pop(0))
            elif right and isinstance(a, int) == isinstance(b, int):
                new.append(right.pop(0))
            else:
                return [*found, *_kept_last([*old, *left], [*new, *right], facts)]
        found += _group(old, new, any(axis.role is Role.PART for axis in (*found, *left)))
    return [*found, *map(Axis, right)]


def _kept_last(old: list[Axis], new: list[Dim], facts: Facts) -> list[Axis]:
    """The axes of sizes that cannot be told apart from the first: the last ones are the same where their sizes are."""
    kept: list[Axis] = []
    while old and new and facts.certainly_equal(old[-1].size, new[-1]):
        kept.append(old.pop())
        new.pop()
    return [*map(Axis, new), *reversed(kept)]


def _group(old: Sequence[Axis], new: Sequence[Dim], kept: bool) -> list[Axis]:
    if len(new) == 1:
        return [joined(old, kept)]
    if len(old) == 1:
        return split(old[0], [(size, None) for size in new])
    same = all(axis.role is old[0].role for axis in old) and old[0].role in (Role.SPACE, Role.UNKNOWN)
    return [Axis(size, old[0].role if same else Role.UNKNOWN) for size in new]


def settled(before: TensorType, axes: Iterable[Axis]) -> tuple[Axis, ...]:
    """The axes after a layer that took parts of the channels away, or into other axes: the one that is left holds the
    channels."""
    axes = tuple(axes)
    parts = [i for i, axis in enumerate(axes) if axis.role is Role.PART]
    if len(parts) != 1 or (before.roles.count(Role.PART) < 2 and Role.CHANNELS not in before.roles):
        return axes
    return tuple(axis._replace(role=Role.CHANNELS) if i == parts[0] else axis for i, axis in enumerate(axes))


def as_vector(axes: Sequence[Axis]) -> tuple[Axis, ...]:
    """A tensor [N, C] has one number for each channel, whatever its second axis was before."""
    if len(axes) == 2 and axes[0].role is Role.BATCH:
        return axes[0], axes[1]._replace(role=Role.CHANNELS)
    return tuple(axes)


def with_vectors(x: TensorType, length: Dim) -> tuple[Axis, ...]:
    """The axes after a layer that makes a vector of each number, whose places are the channels."""
    kept = [axis._replace(role=Role.SPACE) if axis.role is Role.CHANNELS else axis for axis in x.axes]
    return (*kept, Axis(length, Role.CHANNELS))


def check_below(kind: str, x: TensorType, count: Dim, facts: Facts) -> None:
    """Requires of places that there are so many. Raises LayerError where some are always beyond."""
    if x.below is not None and not facts.at_least(count, x.below):
        message = f"{kind} looks up {count} places, counted from 0, and gets numbers up to {x.below - 1}"
        raise LayerError("E0410", message, "look up fewer, or make the table larger")


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


def together(a: Axis, b: Axis, facts: Facts, stretch: bool) -> Axis | None:
    """The axis that two are together; None where their sizes differ. With `stretch` one of size 1 takes the other's.

    What holds at one batch alone, or for maps of one place alone, is refused.
    """
    name = a.name or b.name
    if not facts.certainly_equal(a.size, b.size):
        if stretch and (is_one(a.size) or is_one(b.size)):
            return b if is_one(a.size) else a
        one_batch = (a.role is Role.BATCH) != (b.role is Role.BATCH)
        if one_batch or is_one(a.size) or is_one(b.size) or _equal_at_one_alone(a.size, b.size):
            return None
        if not facts.equal(a.size, b.size):
            return None
    role = b.role if a.role is Role.UNKNOWN or (is_one(a.size) and b.role is not Role.UNKNOWN) else a.role
    return Axis(a.size if isinstance(a.size, int) else b.size, role, name)


def _equal_at_one_alone(a: Dim, b: Dim) -> bool:
    """Whether two sizes of one symbol are equal where it is 1, and at none of the next: n and (n + 1) // 2."""
    names = symbols(a) | symbols(b)
    if len(names) != 1:
        return False
    equal = (evaluate(a, dict.fromkeys(names, n)) == evaluate(b, dict.fromkeys(names, n)) for n in range(1, 130))
    return next(equal) and not any(equal)


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
