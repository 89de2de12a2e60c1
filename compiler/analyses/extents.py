"""Sets of places along one axis of an input, for every place along an axis of a tensor: with the borders of a map of
known size, and as the repeating pattern that they are away from any border."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache, reduce
from math import gcd, lcm
from operator import or_

from ..ir.index_map import MOST_PHASES, SAME_PLACE, Listed, Taps

Table = tuple[int, ...]
"""For each place the set of input places it sees, as the bits of a number."""

Run = tuple[int, int]
"""A set of places that may be negative: the bits of the second number, moved up by the first."""

NOTHING: Run = (0, 0)

Spend = Callable[[int], None]
"""Counts the bits of sets before they are made, and raises an error where they are too many."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Place `period * m + r` sees `runs[r]`, moved by `step * m`."""

    period: int
    step: int
    runs: tuple[Run, ...]

    @property
    def size(self) -> int:
        """The extent of the largest set."""
        return max(bits.bit_length() for _, bits in self.runs)

    @property
    def has_holes(self) -> bool:
        return any(has_holes(bits) for _, bits in self.runs)

    def through(self, taps: Taps, spend: Spend) -> Pattern | None:
        """What is seen through a layer; None where the pattern becomes too long."""
        times = self.period // gcd(self.period, taps.step)
        period = taps.period * times
        if period > MOST_PHASES:
            return None
        runs = []
        for place in range(period):
            start = place // taps.period * taps.step
            seen = [self._at(start + offset) for offset in taps.offsets[place % taps.period]]
            runs.append(joined(seen, spend))
        return Pattern(period, taps.step * times // self.period * self.step, tuple(runs))

    def union(self, other: Pattern, spend: Spend) -> Pattern | None:
        """None where the two move at different speeds, or their common pattern is too long."""
        period = lcm(self.period, other.period)
        if period > MOST_PHASES or self.step * other.period != other.step * self.period:
            return None
        runs = tuple(joined((self._at(place), other._at(place)), spend) for place in range(period))
        return Pattern(period, self.step * (period // self.period), runs)

    def _at(self, place: int) -> Run:
        low, bits = self.runs[place % self.period]
        return (low + place // self.period * self.step, bits) if bits else NOTHING


def joined(runs: Iterable[Run], spend: Spend) -> Run:
    """The union, its lowest bit set. What is seen away from borders may be larger than any image: it is paid for."""
    some = [run for run in runs if run[1]]
    if not some:
        return NOTHING
    low = min(start for start, _ in some)
    spend(len(some) * (max(start + bits.bit_length() for start, bits in some) - low))
    return low, reduce(or_, (bits << (start - low) for start, bits in some))


def has_holes(bits: int) -> bool:
    """Whether there is a place between others that is not in the set."""
    return bits > 0 and bits.bit_count() != bits.bit_length() - first(bits)


def first(bits: int) -> int:
    """The lowest place of a set that is not empty."""
    return (bits & -bits).bit_length() - 1


def through(table: Table, rule: Taps | Listed, size: int) -> Table:
    """What the places of a layer's output of this size see, given what those of its input do."""
    if isinstance(rule, Listed):
        return tuple(reduce(or_, (table[p] for p in places), 0) for places in rule.places)
    return table if rule == SAME_PLACE and size == len(table) else _tapped(table, rule, size)


@lru_cache(maxsize=256)
def _tapped(table: Table, rule: Taps, size: int) -> Table:
    """Kept, as both axes of a map mostly see the same, and so does most of a network that is being edited."""
    seen = []
    for place in range(size):
        start = place // rule.period * rule.step
        bits = 0
        for offset in rule.offsets[place % rule.period]:
            source = _inside(start + offset, len(table), rule.border)
            if source is not None:
                bits |= table[source]
        seen.append(bits)
    return tuple(seen)


def _inside(place: int, size: int, border: str) -> int | None:
    """Where the value of a place comes from: itself, or for padding the place it repeats."""
    if 0 <= place < size:
        return place
    if border == "replicate":
        return min(max(place, 0), size - 1)
    if border == "circular":
        return place % size
    if border == "reflect":
        return abs(place) if place < 0 else 2 * (size - 1) - place
    return None
