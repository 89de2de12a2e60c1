"""A row of things cut into contiguous parts, of which the slowest is as fast as can be under a limit of memory."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from math import inf
from typing import NamedTuple


class Part(NamedTuple):
    """The items from one place up to another, which it leaves out."""

    first: int
    after: int


@dataclass(slots=True)
class Row:
    """What the items before each place add up to, and what a cut there costs. Lists are by place.

    `time` is a sum over the items before the place, and so are the bytes of `weights`, which a part holds once, and of
    `kept`, which it holds for each micro-batch in flight. A part spends `receive[first]` more time, and holds
    `leaving[after]` for each of these too. For all micro-batches of a step, of which there are `micro`, it has room for
    what arrives, `arriving[first]`, and for the gradients that come back, `returning[after]`. `places` are those where
    the row may be cut, and its two ends. Times are whole numbers of any unit, so that sums are exact.
    """

    places: list[int]
    time: list[int]
    receive: list[int]
    weights: list[int]
    kept: list[int]
    arriving: list[int]
    leaving: list[int]
    returning: list[int]
    micro: int = 1

    def spent(self, part: Part) -> int:
        """The time of a part."""
        return self.time[part.after] - self.time[part.first] + self.receive[part.first]

    def held(self, part: Part, in_flight: int) -> int:
        """The bytes of a part."""
        received = self.micro * (self.arriving[part.first] + self.returning[part.after])
        return self.weights[part.after] - self.weights[part.first] + received + in_flight * self.saved(part)

    def made(self, place: int, flying: int) -> int:
        """The bytes that all before a place hold, with so many micro-batches in flight, without what crosses cuts."""
        return self.weights[place] + flying * self.kept[place]

    def saved(self, part: Part) -> int:
        """The bytes that a part holds of a micro-batch while it is in flight."""
        return self.kept[part.after] - self.kept[part.first] + self.leaving[part.after]


def balanced(row: Row, in_flight: Sequence[int], memory: int | None = None) -> list[Part] | None:
    """The row in as many parts as `in_flight` has numbers, those of micro-batches that each part holds at once.

    Of all ways to cut it this is one whose slowest part is fastest. None where no way keeps each part within `memory`
    bytes, or where there are too few places.

    Bisection finds the least bound on the slowest part that some way keeps, between the average and the first that
    suffices of bounds that grow. Each test of a bound is a dynamic programme over the places where each part may end
    within it, which are the fewer the tighter the bound is.
    """
    if len(in_flight) >= len(row.places) or (memory is not None and _within(row, in_flight, None, memory) is None):
        return None
    whole = row.time[row.places[-1]] - row.time[row.places[0]]
    low = high = -(-whole // len(in_flight))
    more = 1 + high // (8 * len(in_flight))
    while (found := _within(row, in_flight, high, memory)) is None:
        low, high, more = high + 1, high + more, 2 * more
    high = max(map(row.spent, found))
    while low < high:
        middle = (low + high) // 2
        better = _within(row, in_flight, middle, memory)
        if better is None:
            low = middle + 1
        else:
            found, high = better, max(map(row.spent, better))
    return found


def least_memory(row: Row, in_flight: Sequence[int]) -> int | None:
    """The fewest bytes within which `balanced` finds parts; None where there are too few places."""
    if len(in_flight) >= len(row.places):
        return None
    kept = row.kept[row.places[-1]] - row.kept[row.places[0]]
    low, high = 0, int(kept / sum(1 / flying for flying in in_flight))  # where all parts hold the same
    more = 1 + high // 8
    while (found := _within(row, in_flight, None, high)) is None:
        low, high, more = high + 1, high + more, 2 * more

    def most(parts: list[Part]) -> int:
        return max(row.held(part, flying) for part, flying in zip(parts, in_flight, strict=True))

    high = most(found)
    while low < high:
        middle = (low + high) // 2
        better = _within(row, in_flight, None, middle)
        low, high = (middle + 1, high) if better is None else (low, most(better))
    return high


@dataclass(slots=True)
class _Starts:
    """How little time and memory a part takes up to any later place that begins at one of some places, as numbers that
    are larger the better; without the places that another one beats in both."""

    times: list[int] = field(default_factory=list)
    spaces: list[int] = field(default_factory=list)

    def add(self, time: int, space: int) -> None:
        index = bisect_left(self.times, time)
        if index < len(self.times) and self.spaces[index] >= space:
            return
        first, after = index, index + self.times[index : index + 1].count(time)
        while first and self.spaces[first - 1] <= space:
            first -= 1
        self.times[first:after], self.spaces[first:after] = [time], [space]

    def offer(self, time: int, space: int) -> bool:
        """Whether a place offers both."""
        index = bisect_left(self.times, time)
        return index < len(self.times) and self.spaces[index] >= space


def _within(row: Row, in_flight: Sequence[int], time: int | None, memory: int | None) -> list[Part] | None:
    """Parts that keep what bounds there are, of these as even ones as the last places allow; None where there are
    none."""
    reached = [[row.places[0]]]
    for flying, ends in zip(in_flight, _windows(row, in_flight, time, memory), strict=True):
        reached.append(_step(row, reached[-1], ends, time, memory, flying))
        if not reached[-1]:
            return None
    parts, end = list[Part](), row.places[-1]
    for number in range(len(in_flight), 0, -1):
        found = (Part(first, end) for first in reached[number - 1] if first < end)
        if time is not None:
            found = (part for part in found if row.spent(part) <= time)
        if memory is not None:
            found = (part for part in found if row.held(part, in_flight[number - 1]) <= memory)
        even = row.time[end] * (number - 1)
        parts.append(min(found, key=lambda part, n=number, even=even: abs(row.time[part.first] * n - even)))
        end = parts[-1].first
    return parts[::-1]


def _step(
    row: Row, reached: Iterable[int], ends: Sequence[int], time: int | None, memory: int | None, flying: int
) -> list[int]:
    """Those of some places where a part may end that begins at one of others."""
    found = list[int]()
    waiting, starts = [*reached][::-1], _Starts()
    begins = needs = space = room = 0
    most = -inf
    for place in ends:
        if time is not None:
            needs = row.time[place] - time
        if memory is not None:
            handed = flying * row.leaving[place] + row.micro * row.returning[place]
            room = row.weights[place] + flying * row.kept[place] + handed - memory
        while waiting and waiting[-1] < place:
            first = waiting.pop()
            if time is not None:
                begins = row.time[first] - row.receive[first]
            if memory is not None:
                space = row.weights[first] + flying * row.kept[first] - row.micro * row.arriving[first]
            if time is not None and memory is not None:
                starts.add(begins, space)
            else:  # of one bound there is a best start
                most = max(most, begins + space)
        both = time is not None and memory is not None
        if starts.offer(needs, room) if both else needs + room <= most:
            found.append(place)
    return found


def _windows(row: Row, in_flight: Sequence[int], time: int | None, memory: int | None) -> list[list[int]]:
    """The places where each part may end within the bounds: those before it reach no later ones, and those behind it
    are not within reach of earlier ones. Of memory what a part makes is counted here, and not what crosses its ends."""
    places, last = row.places, len(row.places) - 1
    times = [row.time[place] for place in places]
    starts = [*accumulate((row.time[place] - row.receive[place] for place in places), max)]
    until, most = 0, list[int]()
    for flying in in_flight:
        begin, until = max(until, 0), last
        if time is not None:
            until = bisect_right(times, time + starts[begin]) - 1
        if memory is not None:
            bound = row.made(places[begin], flying) + memory
            until = min(until, bisect_right(places, bound, key=partial(row.made, flying=flying)) - 1)
        most.append(until)
    since, least = last, list[int]()
    for flying in reversed(in_flight):
        least.append(since)
        end, since = min(since, last), 0
        if time is not None:
            since = bisect_left(starts, times[end] - time)
        if memory is not None:
            bound = row.made(places[end], flying) - memory
            since = max(since, bisect_left(places, bound, key=partial(row.made, flying=flying)))
    return [places[max(a, n) : b + 1] for n, (a, b) in enumerate(zip(reversed(least), most, strict=True), 1)]
