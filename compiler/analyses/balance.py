"""A row of things cut into contiguous parts, of which the slowest is as fast as can be under a limit of memory."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
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
    whole = row.time[row.places[-1]] - row.time[row.places[0]]
    unsure = memory is not None or len(in_flight) >= len(row.places)
    if unsure and _within(row, in_flight, whole + max(row.receive), memory) is None:
        return None
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
    slow = row.time[row.places[-1]] + max(row.receive)
    found = _within(row, in_flight, slow, None)
    if found is None:
        return None

    def most(parts: list[Part]) -> int:
        return max(row.held(part, flying) for part, flying in zip(parts, in_flight, strict=True))

    low, high = 0, most(found)
    while low < high:
        middle = (low + high) // 2
        better = _within(row, in_flight, slow, middle)
        low, high = (middle + 1, high) if better is None else (low, most(better))
    return high


@dataclass(slots=True)
class _Starts:
    """The places at which a part may begin, without those that another one beats in both time and memory. What a place
    offers is how little time and memory a part that begins there takes up to any later place, as numbers that are
    larger the better."""

    times: list[int] = field(default_factory=list)
    spaces: list[int] = field(default_factory=list)
    places: list[int] = field(default_factory=list)

    def add(self, time: int, space: int, place: int) -> None:
        index = bisect_left(self.times, time)
        if index < len(self.times) and self.spaces[index] >= space:
            return
        first, after = index, index + self.times[index : index + 1].count(time)
        while first and self.spaces[first - 1] <= space:
            first -= 1
        self.times[first:after], self.spaces[first:after], self.places[first:after] = [time], [space], [place]

    def find(self, time: int, space: int | None) -> int | None:
        """A place that offers both; None where none does."""
        index = bisect_left(self.times, time)
        if index == len(self.times) or (space is not None and self.spaces[index] < space):
            return None
        return self.places[index]


def _within(row: Row, in_flight: Sequence[int], time: int, memory: int | None) -> list[Part] | None:
    """Parts that keep both bounds; None where there are none."""
    if len(in_flight) >= len(row.places):
        return None
    reached: dict[int, int] = {row.places[0]: -1}
    steps: list[dict[int, int]] = []
    for number, flying in enumerate(in_flight, 1):
        step: dict[int, int] = {}
        starts = _Starts()
        waiting = [*reversed(reached)]
        for place in _ends(row, number, len(in_flight), time):
            while waiting and waiting[-1] < place:
                first = waiting.pop()
                space = row.weights[first] + flying * row.kept[first] - row.micro * row.arriving[first]
                starts.add(row.time[first] - row.receive[first], space, first)
            room = None
            if memory is not None:
                ends = flying * row.leaving[place] + row.micro * row.returning[place]
                room = row.weights[place] + flying * row.kept[place] + ends - memory
            found = starts.find(row.time[place] - time, room)
            if found is not None:
                step[place] = found
        steps.append(step)
        reached = step
    parts, end = list[Part](), row.places[-1]
    if end not in steps[-1]:
        return None
    for step in reversed(steps):
        parts.append(Part(step[end], end))
        end = step[end]
    return parts[::-1]


def _ends(row: Row, number: int, count: int, time: int) -> list[int]:
    """The places where this part of so many may end: each of those before it and behind it has one item at least, and
    takes no longer than the bound."""
    places = row.places
    least, most = row.time[places[-1]] - (count - number) * time, row.time[places[0]] + number * time
    first = max(number, bisect_left(places, least, key=row.time.__getitem__))
    after = min(len(places) - count + number, bisect_right(places, most, key=row.time.__getitem__))
    return places[first:after]
