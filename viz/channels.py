"""The strips between boxes in which arrows turn: where each runs, and which is above which.

Arrows run down from strip to strip. In each, all lines that come from above and all that go on below stand apart, and
lines across that would meet stand at heights of their own: so no two arrows of different boxes ever share a line.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import inf
from operator import itemgetter

from .diagram import Edge
from .layout import too_large
from .measure import text_width
from .scene import Point
from .style import TEXT

GAP, LABEL = 15, 7
"""Between boxes below one another; more where a shape is told."""
ABOVE, BELOW, TOLD, SIGNED, SLOT = 7, 12, 6, 4, 7
"""Above the first line across a strip, below the last one, more where a shape or a sign stands there, between two."""
APART, TWIN = 5, 9
"""How far lines of different boxes stand apart at least, and arrows of several tensors of one box."""
BEFORE = 8
"""What is free along an arrow beside a sign at its tip."""
MOST_TURNS = 600
"""Lines across one strip: what they cross takes four times as long to find for twice as many."""
CLEAR, SAME = 4.5, 0.01
"""Lines are apart that are so far from each other, and one where they are so near."""


@dataclass(slots=True)
class Bend:
    """Where an arrow goes from one line down to another, or straight on."""

    strip: Channel
    start: float
    end: float
    level: int = 0


@dataclass(frozen=True, slots=True)
class Tip:
    """Where an arrow ends: so far `inside` the top of its target, or at a `side` of it, -1 or 1, so far below the
    middle."""

    inside: float = 0
    side: int = 0
    below: float = 0


@dataclass(slots=True)
class Flow:
    """The arrows of a picture on their way down. `net` names what may share a line: the arrows of one tensor of a box.
    `stems` are the arrows whose shape is told below their source, `told` those where it is told above their target, and
    `signed` those with a sign at their tip, and how wide that is where it stands along its arrow.

    `widths` are those of the shapes where arrows run to the right, so that texts stand along them. What is across then
    runs from above to below, and down is to the right.

    `at` is where an arrow runs; one that may leave its source where it then runs straight has the ends of that in
    `wide`, until it turns.
    """

    net: list[tuple[int, int]]
    shifts: list[float]
    stems: set[int] = field(default_factory=set)
    told: set[int] = field(default_factory=set)
    signed: dict[int, float] = field(default_factory=dict)
    widths: dict[int, float] | None = None
    at: dict[int, float] = field(default_factory=dict)
    wide: dict[int, tuple[float, float]] = field(default_factory=dict)
    bends: dict[int, list[Bend]] = field(default_factory=dict)
    tips: dict[int, Tip] = field(default_factory=dict)

    @classmethod
    def of(cls, edges: Sequence[Edge], told: dict[int, float], turned: bool = False) -> Flow:
        pairs: Counter[tuple[int, int]] = Counter()
        net: list[tuple[int, int]] = []
        for edge in edges:
            net.append((edge.source, pairs[edge.source, edge.target]))
            pairs[edge.source, edge.target] += 1
        most: Counter[int] = Counter()
        for (source, _), count in pairs.items():
            most[source] = max(most[source], count)
        shifts = [(twin - (max(most[source], 1) - 1) / 2) * TWIN for source, twin in net]
        stems = stem_labels(edges, told)
        signed = {n: text_width(edge.sign, TEXT) if turned else 0 for n, edge in enumerate(edges) if edge.sign}
        return cls(net, shifts, stems, set(told) - stems, signed, told if turned else None)

    def along(self, edges: list[int], high: float) -> float:
        """What the shapes of some arrows, which are so high, take of a strip along these."""
        if self.widths is None or not edges:
            return high if edges else 0
        return max(self.widths[edge] for edge in edges)

    def leave(self, edges: Iterable[int], x: float, half: float, wide: tuple[float, float] | None = None) -> None:
        """Lets arrows begin at a box at a place, or beside it, at most so far as `half` of the box."""
        most = max((abs(self.shifts[edge]) for edge in edges), default=0)
        share = min(1, half / most) if most else 1
        for edge in edges:
            self.at[edge] = x + share * self.shifts[edge]
            if wide:
                self.wide[edge] = wide


def stem_labels(edges: Sequence[Edge], told: Iterable[int]) -> set[int]:
    """Of the arrows whose shape is told those that have it below their source: the first of several that tell one
    shape."""
    by_source: dict[int, list[int]] = {}
    for number in told:
        by_source.setdefault(edges[number].source, []).append(number)
    return {min(numbers) for numbers in by_source.values() if len({edges[n].shape for n in numbers}) == 1}


class Channel:
    """A strip, with the arrows that come into it from above. `aims` says where each would go on."""

    def __init__(self, flow: Flow, aims: dict[int, float]):
        self.flow, self.y = flow, 0.0
        self.at: dict[int, float] = {}
        for edge, aim in aims.items():
            wide = flow.wide.pop(edge, None)
            self.at[edge] = aim if wide and wide[0] <= aim <= wide[1] else flow.at[edge]
        self.to: dict[int, float] = {}
        self.lines = sorted({(x, flow.net[edge]) for edge, x in self.at.items()})
        self.h = self.top = 0.0
        self.is_crossed = False

    def put(self, edge: int, x: float, low: float, high: float, step: float = APART) -> None:
        """Lets an arrow go on at a place, or at the nearest between two others that is apart from all other lines."""
        net, here = self.flow.net[edge], self.at[edge]
        toward = 1 if here > x - SAME else -1
        tries = [x, *(x + sign * n * step for n in range(1, 9) for sign in (toward, -toward))]
        tries = [place for place in tries if low <= place <= high] or [min(max(x, low), high)]
        best, most = tries[0], -1.0
        for place in tries:
            room = self._room(place, net)
            if room > most:
                best, most = place, room
            if most >= CLEAR:
                break
        self.to[edge] = best = here if abs(best - here) < SAME else best
        line = best, net
        place = bisect_left(self.lines, line)
        if self.lines[place : place + 1] != [line]:
            self.lines.insert(place, line)

    def _room(self, place: float, net: tuple[int, int]) -> float:
        """How far other lines are from a place, up to what is far enough."""
        first = bisect_right(self.lines, place - CLEAR, key=itemgetter(0))
        end = bisect_left(self.lines, place + CLEAR, first, key=itemgetter(0))
        middle = bisect_left(self.lines, place, first, end, key=itemgetter(0))
        sides = reversed(self.lines[first:middle]), self.lines[middle:end]
        return min(next((abs(place - x) for x, other in side if other != net), CLEAR) for side in sides)

    def close(self) -> None:
        """Gives the lines across their heights, and itself its own."""
        flow = self.flow
        wires: dict[tuple[tuple[int, int], float], list[int]] = {}
        for edge, end in self.to.items():
            flow.bends.setdefault(edge, []).append(Bend(self, self.at[edge], end))
            flow.at[edge] = end
            if end != self.at[edge]:
                wires.setdefault((flow.net[edge], self.at[edge]), []).append(edge)
        found = [
            Wire(net, start, sorted({self.to[edge] for edge in edges}), edges)
            for (net, start), edges in sorted(wires.items(), key=lambda item: item[0][::-1])
        ]
        count = leveled(found)
        for wire in found:
            for edge in wire.edges:
                flow.bends[edge][-1].level = wire.level
        stem = [edge for edge in self.to if edge in flow.stems and len(flow.bends[edge]) == 1]
        told = [edge for edge in self.to if edge in flow.told and edge in flow.tips]
        self.top = ABOVE + flow.along(stem, TOLD)
        signs = [flow.signed[edge] for edge in self.to if edge in flow.signed and edge in flow.tips]
        self.h = max([GAP + flow.along(stem + told, LABEL), *(BEFORE + width for width in signs)])
        self.is_crossed = count > 0
        if count:
            below = BELOW + max([flow.along(told, TOLD), *(max(SIGNED, BEFORE + width - BELOW) for width in signs)])
            self.h = max(self.h, self.top + (count - 1) * SLOT + below)

    def height(self, level: int) -> float:
        """Where a line across it runs."""
        return self.y + self.top + level * SLOT


@dataclass(slots=True)
class Wire:
    """A line across a strip, which comes from above at one place and goes on below at others."""

    net: tuple[int, int]
    start: float
    ends: list[float]
    edges: list[int]
    level: int = 0
    low: float = field(init=False)
    high: float = field(init=False)

    def __post_init__(self) -> None:
        self.low = min(self.start, self.ends[0])
        self.high = max(self.start, self.ends[-1])

    def crossings_above(self, other: Wire) -> int:
        """How often it crosses another that is below it."""
        low, high = other.low, other.high
        return sum([low < end < high for end in self.ends]) + (self.low < other.start < self.high)


def leveled(wires: list[Wire]) -> int:
    """Gives lines across a strip their levels, with few crossings, so that none lies on another. Returns how many
    levels there are."""
    if len(wires) > MOST_TURNS:
        message = f"{len(wires):,} arrows of this drawing turn between the same rows of boxes"
        raise too_large(f"{message}; {MOST_TURNS:,} are the most")
    costs, done = _crossings(wires), list[Wire]()
    left = set(range(len(wires)))
    while left:
        best = costs.index(min(costs))
        wire, costs[best] = wires[best], inf
        left.remove(best)
        low, high = wire.low, wire.high
        for other in left:
            one = wires[other]
            if low <= one.high and one.low <= high:
                costs[other] -= one.crossings_above(wire) - wire.crossings_above(one)
        below = [w.level + 1 for w in done if w.low < high + APART and w.high > low - APART]
        wire.level = max(below, default=0)
        done.append(wire)
    return max((wire.level + 1 for wire in wires), default=0)


def _crossings(wires: list[Wire]) -> list[float]:
    """For each line how many more crossings there are where it is above all others than where it is below them."""
    lows, highs = sorted(wire.low for wire in wires), sorted(wire.high for wire in wires)
    starts, ends = sorted(wire.start for wire in wires), sorted(end for wire in wires for end in wire.ends)

    def around(place: float) -> int:
        """The lines that reach beyond a place to both sides."""
        return bisect_left(lows, place) - bisect_right(highs, place)

    def inside(places: list[float], wire: Wire) -> int:
        return max(0, bisect_left(places, wire.high) - bisect_right(places, wire.low))

    return [
        sum(map(around, wire.ends)) + inside(starts, wire) - inside(ends, wire) - around(wire.start) for wire in wires
    ]


def points_of(bends: list[Bend]) -> list[Point]:
    """The corners of an arrow."""
    return [
        (x, bend.strip.height(bend.level)) for bend in bends if bend.start != bend.end for x in (bend.start, bend.end)
    ]
