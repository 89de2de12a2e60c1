"""Tensor types: what is known of a tensor before it exists."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from .sizes import Dim, Size, symbols


class Role(Enum):
    """What an axis is, as far as it is certain."""

    BATCH = "batch"
    CHANNELS = "channels"
    SPACE = "space"
    """Height, width, the tokens of a sequence."""
    PART = "part of the channels"
    """One of several axes that the channels were split into, as heads are."""
    UNKNOWN = "unknown"


class Axis(NamedTuple):
    """An axis of a tensor: its size, its role, and its name where an input, a parameter or a pattern gave one."""

    size: Dim
    role: Role = Role.UNKNOWN
    name: str | None = None


@dataclass(frozen=True, slots=True)
class TensorType:
    """The axes and the element type of a tensor.

    `dims` are the sizes of the axes. `channel_axis` is the number of the one axis that holds the channels, None where
    none does for certain. `dtype` is `"float"`, `"int"` or `"bool"`. `below` is known of places, as `arange` makes
    them: whole numbers from 0, all of which are below this.
    """

    axes: tuple[Axis, ...]
    dtype: str = "float"
    below: Dim | None = None
    dims: tuple[Dim, ...] = field(init=False, compare=False, repr=False)
    channel_axis: int | None = field(init=False, compare=False, repr=False)
    _hash: int | None = field(init=False, compare=False, repr=False, default=None)

    def __post_init__(self) -> None:
        object.__setattr__(self, "dims", tuple([axis.size for axis in self.axes]))
        held = [i for i, axis in enumerate(self.axes) if axis.role is Role.CHANNELS]
        object.__setattr__(self, "channel_axis", held[0] if len(held) == 1 else None)

    def __hash__(self) -> int:
        """Computed once: elaboration looks the same type up for each call of a block."""
        known = self._hash
        if known is None:
            known = hash((self.axes, self.dtype, self.below))
            object.__setattr__(self, "_hash", known)
        return known

    def __reduce__(self) -> tuple[type[TensorType], tuple[object, ...]]:
        """Without the hash, which holds in this process alone."""
        return TensorType, (self.axes, self.dtype, self.below)

    @staticmethod
    def of(dims: Iterable[Dim], channel_axis: int | None = 1, dtype: str = "float") -> TensorType:
        """A batch, channels at `channel_axis`, and axes of space."""
        roles = {0: Role.BATCH} if channel_axis != 0 else {}
        roles |= {} if channel_axis is None else {channel_axis: Role.CHANNELS}
        return TensorType(tuple([Axis(size, roles.get(i, Role.SPACE)) for i, size in enumerate(dims)]), dtype)

    def with_sizes(self, made: Callable[[Size], Dim]) -> TensorType:
        """The type with other sizes: what `made` makes of each that is open."""
        axes = tuple([Axis(with_sizes(axis.size, made), axis.role, axis.name) for axis in self.axes])
        return TensorType(axes, self.dtype, with_sizes(self.below, made))

    @property
    def rank(self) -> int:
        return len(self.axes)

    @property
    def roles(self) -> tuple[Role, ...]:
        return tuple([axis.role for axis in self.axes])

    @property
    def has_batch(self) -> bool:
        """Whether the first axis is the batch; a parameter has none."""
        return bool(self.axes) and self.axes[0].role is Role.BATCH

    @property
    def channels(self) -> Dim | None:
        """The number of channels, None where it is not certain which axis holds them."""
        return None if self.channel_axis is None else self.dims[self.channel_axis]

    @property
    def is_channels_last(self) -> bool:
        return self.channel_axis is not None and self.channel_axis == self.rank - 1

    @property
    def spatial(self) -> tuple[Dim, ...]:
        """The sizes of the axes of space."""
        return tuple([self.axes[i].size for i in self.spatial_axes])

    @property
    def spatial_axes(self) -> tuple[int, ...]:
        """The axes of space. Of a map with its channels first they are all behind these, since layers of maps take them
        so."""
        roles = (Role.SPACE, Role.UNKNOWN) if self.has_batch and self.channel_axis == 1 else (Role.SPACE,)
        return tuple([i for i, axis in enumerate(self.axes) if axis.role in roles])

    @property
    def symbols(self) -> frozenset[str]:
        """The names of the sizes that are left open."""
        return frozenset[str]().union(*map(symbols, self.dims))

    def with_dims(self, dims: Iterable[Dim]) -> TensorType:
        """The type with other sizes of its axes."""
        return TensorType(
            tuple([axis._replace(size=size) for axis, size in zip(self.axes, dims, strict=True)]), self.dtype
        )

    def with_dtype(self, dtype: str) -> TensorType:
        return TensorType(self.axes, dtype)

    def __str__(self) -> str:
        text = "[" + ", ".join(map(str, self.dims)) + "]"
        return text if self.dtype == "float" else f"{self.dtype} {text}"


def with_sizes(value: Any, made: Callable[[Size], Dim]) -> Any:
    """A value with other sizes in it, in lists, dicts and types too; the very same where it has none."""
    if isinstance(value, Size):
        return made(value)
    if isinstance(value, TensorType):
        return value.with_sizes(made)
    if isinstance(value, dict):
        found = {key: with_sizes(item, made) for key, item in value.items()}
        return found if any(found[key] is not item for key, item in value.items()) else value
    if isinstance(value, list | tuple):
        items = [with_sizes(item, made) for item in value]
        same = all(new is item for new, item in zip(items, value, strict=True))
        return value if same else type(value)(items)
    return value
