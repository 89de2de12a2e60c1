"""How the places of a layer's output depend on those of its inputs, as data: receptive fields are made of it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor, prod
from typing import NamedTuple

from .types import TensorType


class Taps(NamedTuple):
    """Which places along an axis of the input a place of the output takes.

    Place `period * m + r` takes the places `step * m + p` with p from `offsets[r]`. What lies outside the input is
    padding and depends on nothing, unless `border` says that it is made of the map ("replicate", "reflect",
    "circular").
    """

    period: int
    step: int
    offsets: tuple[tuple[int, ...], ...]
    border: str = "zeros"


class Listed(NamedTuple):
    """For each place of the output the places of the input that it takes: where no period describes them, or where it
    is another one for every size."""

    places: tuple[Sequence[int], ...]


SAME_PLACE = Taps(1, 1, ((0,),))


class Along(NamedTuple):
    """How the output depends on an axis of the input: along its axis `to`, as `rule` says."""

    to: int
    rule: Taps | Listed


class Fixed(NamedTuple):
    """Every place of the output takes these places along an axis of the input; None: all of them."""

    places: tuple[int, ...] | None = None


WHOLE = Fixed()


class Slot(NamedTuple):
    """The input's channels are those of the output from `start` on."""

    start: int


class Link(NamedTuple):
    """How an output depends on one input.

    `axes` has a rule for each axis of the input but batch and channels; without it, every place takes its own.
    `channels` is None where every channel takes its own (or its own share, where the output has more); a number of
    groups into which the channels are divided, each of which takes the same group; for each channel of the output the
    one that it takes (-1: none); or a Slot. With `alike` the rule is right only where all channels of the input have
    the same field. `apart` says that the output has different places of the input in different channels.
    """

    axes: dict[int, Along | Fixed] | None = None
    channels: int | tuple[int, ...] | Slot | None = None
    alike: bool = False
    apart: bool = False


Links = tuple[Link, ...]
"""One for each input whose values arrive."""

SAME = Link()
MIXED = Link(channels=1)
"""Every channel takes all channels of its place."""


def window(stride: int, before: int, extent: int, dilation: int = 1, border: str = "zeros") -> Taps:
    """A sliding window of this extent, its holes included, over an axis with `before` places of padding ahead."""
    return Taps(1, stride, (tuple(range(-before, extent - before, dilation)),), border)


def same_but(x: TensorType, axis: int | None = None, rule: Taps = SAME_PLACE) -> dict[int, Along | Fixed]:
    """Every place takes its own, but along one axis what the rule says."""
    return {a: Along(a, rule if a == axis else SAME_PLACE) for a in place_axes(x)}


def place_axes(x: TensorType) -> tuple[int, ...]:
    """The axes along which a tensor has places: all but the batch and the channels."""
    return tuple(a for a in range(1, x.rank) if a != x.channel_axis)


def over_map(x: TensorType, groups: int | None = None) -> Link:
    """Every place takes the whole map."""
    return Link(dict.fromkeys(place_axes(x), WHOLE), groups)


def moved(x: TensorType, order: Sequence[int]) -> Link:
    """The axes in another order; the channels stay the channels."""
    return Link({a: Along(to, SAME_PLACE) for to, a in enumerate(order) if to and a != x.channel_axis})


def adaptive(n: int, size: int) -> Taps | Listed:
    """The windows that make `size` places of n."""
    if n % size == 0:
        return window(n // size, 0, n // size)
    return Listed(tuple(range(i * n // size, -(-(i + 1) * n // size)) for i in range(size)))


def interpolated(mode: str, n: int, size: int, step: Fraction, shift: Fraction, listed: bool = False) -> Taps | Listed:
    """The places of n that are read for a place i at i * step + shift: the one below for the nearest modes, else two or
    four around it, or one where it is exactly there. With `listed` the step is another one for every size."""
    reads = range(-1, 3) if mode == "bicubic" else range(2)

    def read(i: int) -> tuple[int, ...]:
        at = i * step + shift
        low = floor(at)
        return (low,) if mode.startswith("nearest") or at == low else tuple(low + k for k in reads)

    if not listed and step.denominator <= MOST_PHASES:
        return Taps(step.denominator, step.numerator, tuple(map(read, range(step.denominator))), "replicate")
    return Listed(tuple(tuple(sorted({min(max(p, 0), n - 1) for p in read(i)})) for i in range(size)))


def smoothed(mode: str, n: int, size: int, step: Fraction, listed: bool = False) -> Taps | Listed:
    """The places of n that are read for each of `size` places by a kernel as wide as the step, as a smaller map without
    aliases needs: those where the kernel is not 0. With `listed` the step is another one for every size."""
    width = max(step, Fraction(1))
    reach = 2 if mode == "bicubic" else 1

    def read(i: int) -> tuple[int, ...]:
        centre = step * i + step / 2 - Fraction(1, 2)
        near = range(floor(centre - reach * width), ceil(centre + reach * width) + 1)
        far = [(place, (place - centre) / width) for place in near]
        return tuple(place for place, at in far if abs(at) < reach and (at == 0 or at.denominator > 1))

    if not listed and step.denominator <= MOST_PHASES:
        return Taps(step.denominator, step.numerator, tuple(map(read, range(step.denominator))))
    return Listed(tuple(tuple(p for p in read(i) if 0 <= p < n) for i in range(size)))


MOST_PHASES = 4096
"""The longest period of places that is described as one."""


def regrouped(x: TensorType, y: TensorType) -> Link | None:
    """The link of a tensor and of the same numbers in other axes, in row-major order: axes of size 1 come and go, and
    neighbours are joined, and channels that see the same are split. None where another axis is split, which has no
    rule."""
    groups = _groups(_sizes(x), _sizes(y))
    if groups is None:
        return None
    axes: dict[int, Along | Fixed] = {a: WHOLE for a in range(1, x.rank) if x.dims[a] == 1}
    channels: int | tuple[int, ...] | None = None
    apart = alike = False
    for sources, (to, *more) in groups:
        if more and sources == [x.channel_axis]:
            channels, alike = 1, True
            continue
        if more:
            return None
        sizes = [_sizes(x)[a] for a in sources]
        inner = [prod(sizes[i + 1 :]) for i in range(len(sizes))]
        holds = x.channel_axis in sources
        if to != y.channel_axis and holds:
            return None
        for a, n, run in zip(sources, sizes, inner, strict=True):
            if a == x.channel_axis:
                channels = None if run == prod(sizes) // n else tuple(i // run % n for i in range(prod(sizes)))
            elif to == y.channel_axis:
                axes[a], apart = WHOLE, True
            elif len(sizes) == 1:
                axes[a] = Along(to, SAME_PLACE)
            else:
                axes[a] = Along(to, Listed(tuple((t // run % n,) for t in range(prod(sizes)))))
        if to == y.channel_axis and not holds:
            channels = 1
    if x.channel_axis is not None:
        axes.pop(x.channel_axis, None)
    return Link(axes, channels, alike, apart)


def _sizes(x: TensorType) -> tuple[int, ...]:
    return tuple(d for d in x.dims if isinstance(d, int))


def _groups(have: tuple[int, ...], want: tuple[int, ...]) -> list[tuple[list[int], list[int]]] | None:
    """The axes above size 1 after the batch, those of both sides in groups with equal products."""
    sources = [a for a in range(1, len(have)) if have[a] > 1]
    targets = [a for a in range(1, len(want)) if want[a] > 1]
    groups: list[tuple[list[int], list[int]]] = []
    while sources or targets:
        if not (sources and targets):
            return None
        old, new = [sources.pop(0)], [targets.pop(0)]
        while (left := prod(have[a] for a in old)) != (right := prod(want[a] for a in new)):
            side, rest = (old, sources) if left < right else (new, targets)
            if not rest:
                return None
            side.append(rest.pop(0))
        groups.append((old, new))
    return groups
