"""A U-net as a U: the way down at the left, the way up at the right, and between them what skips the levels below.

All boxes whose tensors are maps are on one way, whose maps get coarser and then finer. Every other arrow between these
leads from the way down to the way up, and these stand in one another. Boxes that such an arrow joins stand at the same
height. These arrows turn in one strip, as those between the columns of a picture that runs to the right.

Boxes of vectors, such as the embedded time of a diffusion network, stand beside the way down. One tensor of theirs goes
to boxes of the ways, along the outer sides of the U.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod

from .cells import ASIDE, Leaf
from .channels import GAP, LABEL, Channel, Flow
from .compose import Sizes
from .diagram import Box, Diagram
from .labels import AWAY, HIGH, OVER
from .layout import Layout, Spot
from .routes import arranged, finished, way_of
from .scene import Point

BETWEEN = GAP + LABEL
"""Between boxes above one another."""
FEWEST = 2
"""Levels that a U has at least."""


@dataclass(frozen=True, slots=True)
class Ways:
    """The boxes of the way down and of the way up, in order, and the levels: a box of the one, one of the other. `side`
    are the boxes beside them, of which one gives a tensor to the ways."""

    down: list[int]
    up: list[int]
    levels: list[tuple[int, int]]
    side: list[int]

    def rows(self) -> Iterator[tuple[list[int], list[int]]]:
        """What stands above the first level, between the levels, and below the last, from above."""
        starts = [-1, *(self.down.index(down) for down, _ in self.levels), len(self.down)]
        ends = [len(self.up), *(self.up.index(up) for _, up in self.levels), -1]
        for (above, below), (last, first) in zip(pairwise(starts), pairwise(ends), strict=True):
            yield self.down[above + 1 : below], self.up[first + 1 : last][::-1]

    def after(self) -> dict[int, int]:
        """For each box of the ways the next."""
        return dict(pairwise([*self.down, *self.up]))


def unframed(diagram: Diagram) -> Diagram:
    """The diagram without frames, folded boxes with their whole path; as it is where a frame counts several times."""
    if any(group.count > 1 for group in diagram.groups):
        return diagram
    inner = [box.group is not None and box.role == "fold" and box.path for box in diagram.boxes]
    boxes = [
        replace(box, group=None, title=box.path if path else box.title)
        for box, path in zip(diagram.boxes, inner, strict=True)
    ]
    return replace(diagram, boxes=tuple(boxes), groups=())


def ways_of(diagram: Diagram) -> Ways | None:
    """The ways down and up of a diagram; none where it is no U."""
    found = _ways(diagram)
    return found if isinstance(found, Ways) else None


def in_the_way(diagram: Diagram) -> Box | None:
    """The first box for which a diagram is no U; none where it is one, or is none for another reason."""
    found = _ways(diagram)
    return diagram.boxes[found] if isinstance(found, int) else None


def _ways(diagram: Diagram) -> Ways | int | None:
    """The ways down and up, or the box in the way, if it is one."""
    side = {box.id for box in diagram.boxes if len(box.shape) < 2}
    way = [box.id for box in diagram.boxes if box.id not in side]
    ends = [(edge.source, edge.target) for edge in diagram.edges]
    told = [pair for pair in ends if pair[0] in side and pair[1] not in side]
    tellers = {source for source, _ in told}
    given = {source: target for source, target in reversed(ends) if source not in side and target in side}
    if diagram.groups or len(way) < 2:
        return None
    if later := given.keys() - {way[0]}:
        return given[min(later)]
    if len(tellers) != bool(side) or len(set(told)) < len(told):
        return max(tellers or side)
    after = dict(pairwise(way))
    ends = [pair for pair in ends if side.isdisjoint(pair)]
    along = [pair for pair in ends if after.get(pair[0]) == pair[1]]
    if sorted(along) != list(after.items()):
        return next(target for source, target in after.items() if along.count((source, target)) != 1)
    areas = {box.id: prod(box.shape[1:]) for box in diagram.boxes}
    least = min(areas[box] for box in way)
    bottom = max(box for box in way if areas[box] == least)
    levels: dict[int, int] = {}
    for source, target in sorted(set(ends) - set(along)):
        if not source <= bottom < target:
            return after[source]
        levels[target] = max(source, levels.get(target, 0))
    nested = sorted((source, target) for target, source in levels.items())
    coarser = all(areas[a] >= areas[b] and one > other for (a, one), (b, other) in pairwise(nested))
    apart = len({source for source, _ in nested}) == len(nested) and len({areas[source] for source, _ in nested})
    if len(nested) < FEWEST or not coarser or apart < FEWEST or bottom == way[-1]:
        return None
    place = way.index(bottom) + 1
    return Ways(way[:place], way[place:], nested, sorted(side))


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
    places = _aside(diagram, ways, sizes, texts, plan) if ways.side else {}
    after, side = ways.after(), set(ways.side)
    for number, edge in enumerate(diagram.edges):
        source, target = plan.boxes[edge.source], plan.boxes[edge.target]
        if number in plan.routes:
            continue
        if edge.source in side:
            plan.routes[number] = _around(edge.target in ways.up, source, target, left + room, plan)
        elif edge.target in side:
            plan.routes[number] = [(source.x, source.centre), (target.middle, source.centre), (target.middle, target.y)]
        elif after.get(edge.source) == edge.target:
            plan.routes[number] = _along(edge.source, edge.target, ways, plan)
        else:
            turned = [Spot(spot.y, spot.x, spot.h, spot.w) for spot in (source, target)]
            plan.routes[number] = [(x, y) for y, x in way_of(flow, number, *turned)]
        if number in texts:
            places[number] = _told(plan.routes[number], texts[number])
    return finished(diagram, plan, places, [])


def _aside(diagram: Diagram, ways: Ways, sizes: Sizes, texts: dict[int, float], plan: Layout) -> dict[int, Spot]:
    """Puts the boxes beside the way down in place, below its first. Returns where texts along their arrows stand."""
    of = {box: number for number, box in enumerate(ways.side)}
    numbers = [n for n, edge in enumerate(diagram.edges) if edge.source in of and edge.target in of]
    boxes = tuple(replace(diagram.boxes[box], id=number) for box, number in of.items())
    edges = [
        replace(diagram.edges[n], source=of[diagram.edges[n].source], target=of[diagram.edges[n].target])
        for n in numbers
    ]
    part = replace(diagram, boxes=boxes, edges=tuple(edges))
    found = arranged(
        part, [sizes[box] for box in of], [], {of_n: texts[n] for of_n, n in enumerate(numbers) if n in texts}
    )
    found.move(-found.w - 2 * ASIDE, plan.boxes[ways.down[0]].bottom + BETWEEN)
    plan.boxes |= {box: found.boxes[number] for box, number in of.items()}
    plan.routes |= {n: found.routes[number] for number, n in enumerate(numbers)}
    return {n: found.labels[number] for number, n in enumerate(numbers) if number in found.labels}


def _around(rises: bool, source: Spot, target: Spot, end: float, plan: Layout) -> list[Point]:
    """An arrow from beside the way down to a box: along the way, or below the U and along the way up."""
    lane, below = -ASIDE, source.bottom + GAP
    way = [(source.middle, source.bottom), (source.middle, below), (lane, below)]
    if not rises:
        return [*way, (lane, target.centre), (target.x, target.centre)]
    low = max(spot.bottom for spot in plan.boxes.values()) + 2 * GAP
    return [*way, (lane, low), (end + ASIDE, low), (end + ASIDE, target.centre), (target.right, target.centre)]


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
    after, side = ways.after(), set(ways.side)
    inner = [(n, edge) for n, edge in enumerate(diagram.edges) if side.isdisjoint((edge.source, edge.target))]
    skips = [number for number, edge in inner if after.get(edge.source) != edge.target]
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
    if target in ways.down:
        return [(one.middle, one.bottom), (one.middle, other.y)]
    if source in ways.up:
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
