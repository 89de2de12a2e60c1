"""A U-net as a U: the way down at the left, the way up at the right, and between them what skips the levels below.

All boxes are on one way, whose maps get coarser and then finer. Every other arrow leads from the way down to the way
up, and these stand in one another. Boxes that such an arrow joins stand at the same height. These arrows turn in one
strip, as those between the columns of a picture that runs to the right.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import prod

from .cells import Leaf
from .channels import GAP, LABEL, Channel, Flow
from .compose import Sizes
from .diagram import Diagram
from .labels import AWAY, HIGH, OVER
from .layout import Layout, Spot
from .routes import finished, way_of
from .scene import Point

BETWEEN = GAP + LABEL
"""Between boxes above one another."""
FEWEST = 2
"""Levels that a U has at least."""


@dataclass(frozen=True, slots=True)
class Ways:
    """The boxes of the way down and of the way up, in order, and the levels: a box of the one, one of the other."""

    down: list[int]
    up: list[int]
    levels: list[tuple[int, int]]

    def rows(self) -> Iterator[tuple[list[int], list[int]]]:
        """What stands above the first level, between the levels, and below the last, from above."""
        starts = [self.down[0] - 1, *(down for down, _ in self.levels), self.down[-1] + 1]
        ends = [self.up[-1] + 1, *(up for _, up in self.levels), self.up[0] - 1]
        for (above, below), (last, first) in zip(pairwise(starts), pairwise(ends), strict=True):
            yield list(range(above + 1, below)), list(range(last - 1, first, -1))


def ways_of(diagram: Diagram) -> Ways | None:
    """The ways down and up of a diagram; none where it is no U."""
    count = len(diagram.boxes)
    ends = [(edge.source, edge.target) for edge in diagram.edges]
    along = [pair for pair in ends if pair[1] == pair[0] + 1]
    if diagram.groups or count < 2 or sorted(along) != [(box, box + 1) for box in range(count - 1)]:
        return None
    areas = [prod(box.shape[1:]) for box in diagram.boxes]
    bottom = max(box for box in range(count) if areas[box] == min(areas))
    levels: dict[int, int] = {}
    for source, target in set(ends) - set(along):
        if not source <= bottom < target:
            return None
        levels[target] = max(source, levels.get(target, 0))
    nested = sorted((source, target) for target, source in levels.items())
    coarser = all(areas[a] > areas[b] and one > other for (a, one), (b, other) in pairwise(nested))
    if len(nested) < FEWEST or not coarser or bottom == count - 1:
        return None
    return Ways(list(range(bottom + 1)), list(range(bottom + 1, count)), nested)


def arranged_as_u(diagram: Diagram, ways: Ways, sizes: Sizes, texts: dict[int, float]) -> Layout:
    """Where everything is: boxes of some sizes, and along arrows texts of some widths."""
    plan = Layout()
    wide = max(sizes[box][0] for box in ways.down)
    _stack(ways, sizes, plan)
    for box in ways.down:
        plan.boxes[box].x = (wide - sizes[box][0]) / 2
    flow = Flow.of(diagram.edges, texts, turned=True)
    strip = _crossed(diagram, ways, flow, plan)
    strip.y = wide
    left = wide + max(strip.h, BETWEEN)
    room = max(sizes[box][0] for box in ways.up)
    for box in ways.up:
        plan.boxes[box].x = left + (room - sizes[box][0]) / 2
    places: dict[int, Spot] = {}
    for number, edge in enumerate(diagram.edges):
        source, target = plan.boxes[edge.source], plan.boxes[edge.target]
        if edge.target == edge.source + 1:
            plan.routes[number] = _along(edge.source, edge.target, ways, plan)
        else:
            turned = [Spot(spot.y, spot.x, spot.h, spot.w) for spot in (source, target)]
            plan.routes[number] = [(x, y) for y, x in way_of(flow, number, *turned)]
        if number in texts:
            places[number] = _told(plan.routes[number], texts[number])
    return finished(diagram, plan, places, [])


def _stack(ways: Ways, sizes: Sizes, plan: Layout) -> None:
    """Says how high boxes stand."""
    y, rows = 0.0, list(ways.rows())
    for number, sides in enumerate(rows):
        last = number == len(rows) - 1
        highs = [sum(sizes[box][1] + BETWEEN for box in boxes) for boxes in sides]
        for boxes, high in zip(sides, highs, strict=True):
            top = y if last else y + max(highs) - high
            for box in boxes:
                plan.boxes[box] = Spot(0, top, *sizes[box])
                top += sizes[box][1] + BETWEEN
        y += max(highs)
        if not last:
            high = max(sizes[box][1] for box in ways.levels[number])
            for box in ways.levels[number]:
                plan.boxes[box] = Spot(0, y + (high - sizes[box][1]) / 2, *sizes[box])
            y += high + BETWEEN
    lowest, first = plan.boxes[ways.down[-1]], plan.boxes[ways.up[0]]
    if len(rows[-1][0]) > 0:
        lowest.y = max(lowest.y, first.bottom + BETWEEN - lowest.h / 2)


def _crossed(diagram: Diagram, ways: Ways, flow: Flow, plan: Layout) -> Channel:
    """The strip between the ways, with the arrows that cross it; across it is from above to below."""
    skips = [number for number, edge in enumerate(diagram.edges) if edge.target != edge.source + 1]
    for box in ways.down:
        spot = plan.boxes[box]
        flow.leave([n for n in skips if diagram.edges[n].source == box], spot.centre, spot.h / 4)
    strip = Channel(flow, {number: plan.boxes[diagram.edges[number].target].centre for number in skips})
    for box in ways.up:
        spot = plan.boxes[box]
        ins = {number for number in skips if diagram.edges[number].target == box}
        nets = len({flow.net[number] for number in ins})
        leaf = Leaf(box, (spot.h, spot.w), 0, ins, set(), diagram.boxes[box].face, nets)
        leaf.place(spot.y, Layout())
        leaf.enter(strip)
    strip.close()
    return strip


def _along(source: int, target: int, ways: Ways, plan: Layout) -> list[Point]:
    """An arrow from a box to the next: down, up, or from the end of the way down to the beginning of that up."""
    one, other = plan.boxes[source], plan.boxes[target]
    if target <= ways.down[-1]:
        return [(one.middle, one.bottom), (one.middle, other.y)]
    if source >= ways.up[0]:
        return [(one.middle, one.y), (one.middle, other.bottom)]
    if one.centre >= other.bottom + BETWEEN / 2:
        return [(one.right, one.centre), (other.middle, one.centre), (other.middle, other.bottom)]
    low = max(one.bottom, other.bottom) + BETWEEN / 2
    return [(one.middle, one.bottom), (one.middle, low), (other.middle, low), (other.middle, other.bottom)]


def _told(way: list[Point], width: float) -> Spot:
    """Where a shape stands where nothing is in the way: at the first piece of its arrow."""
    (x, y), (end, low) = way[0], way[1]
    if x == end:
        return Spot(x + AWAY, (y + low) / 2 - HIGH / 2, width, HIGH)
    return Spot(x + AWAY, y - OVER - HIGH, width, HIGH)
