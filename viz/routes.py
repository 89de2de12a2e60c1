"""The layout of a diagram: where everything is, and where the arrows run: straight down, or with corners."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate, pairwise
from math import inf

from .cells import CLEAR, FAN, GAP, Layout, Spot
from .compose import Sizes, composed, floating
from .detour import crosses, detour
from .diagram import Diagram, Edge
from .labels import label
from .scene import Point

REACH, SIDE = 22, 7
"""How far a bar goes on beyond the middle of the outermost columns that it joins, and beyond an arrow beside them."""
APART = 4
"""So many arrows that meet in one point of a box or a bar, which are not circles, end beside one another."""
NEAR = 14
"""An arrow that ends so far from the middle of a box runs straight into it."""


def stretched(diagram: Diagram, plan: Layout) -> None:
    """Widens the bars over all that they join, within their frames and as far as no box and no other arrow that runs
    straight down is in the way. What comes from farther away, or from outside the frame, enters from the side."""
    taken: dict[int, list[tuple[float, float]]] = {}
    for number, edge in enumerate(diagram.edges):
        if diagram.boxes[edge.target].face != "bar" or edge.role == "drawn":
            continue
        group = diagram.boxes[edge.target].group
        frame = plan.frames.get(group) if group is not None else None
        lanes = plan.lanes.get(number)
        middle = lanes[-1][0] if lanes else plan.boxes[edge.source].middle
        if frame is None or frame.x < middle < frame.right:
            reach = SIDE if lanes else REACH
            taken.setdefault(edge.target, []).append((middle, reach))
    straight = list(_straight(diagram, plan)) if taken else []
    for box, ends in taken.items():
        spot, around = plan.boxes[box], diagram.around(diagram.boxes[box].group)
        others = [other for number, other in plan.boxes.items() if number != box]
        others += [frame for group, frame in plan.frames.items() if group not in around]
        others += [line for edge, line in straight if box not in (edge.source, edge.target)]
        beside = [other for other in others if other.y < spot.bottom + CLEAR and other.bottom > spot.y - CLEAR]
        low = max((other.right + CLEAR for other in beside if other.right <= spot.x), default=-inf)
        high = min((other.x - CLEAR for other in beside if other.x >= spot.right), default=inf)
        ends = [(x, reach) for x, reach in ends if low < x < high]
        left = max(low, min([spot.x, *(x - reach for x, reach in ends)]))
        right = min(high, max([spot.right, *(x + reach for x, reach in ends)]))
        left, right = min(left, spot.x), max(right, spot.right)
        spot.x, spot.w = left, right - left


def _straight(diagram: Diagram, plan: Layout) -> Iterator[tuple[Edge, Spot]]:
    """The arrows that run straight down from a box to another, as lines without width."""
    for number, edge in enumerate(diagram.edges):
        source, target = plan.boxes[edge.source], plan.boxes[edge.target]
        if number not in plan.lanes and edge.role != "drawn" and abs(source.middle - target.middle) < NEAR:
            yield edge, Spot(source.middle, source.bottom, 0, target.y - source.bottom)


class Router:
    """Finds the corners of arrows."""

    def __init__(self, diagram: Diagram, plan: Layout):
        self.diagram, self.plan = diagram, plan
        self.into: dict[int, list[int]] = {}
        self.fans: Counter[int] = Counter()
        self.twins: dict[tuple[int, int], list[int]] = {}
        self.order = sorted(plan.boxes.items(), key=lambda item: item[1].y)
        self.tops = [spot.y for _, spot in self.order]
        self.lowest = list(accumulate((spot.bottom for _, spot in self.order), max))
        for number, edge in enumerate(diagram.edges):
            self.twins.setdefault((edge.source, edge.target), []).append(number)
            if number not in plan.lanes and edge.role != "drawn":
                self.fans[edge.source] += 1
                self.into.setdefault(edge.target, []).append(number)

    def route(self, number: int, edge: Edge) -> list[Point]:
        source, target = self.plan.boxes[edge.source], self.plan.boxes[edge.target]
        lanes = self.plan.lanes.get(number, [])
        x = self._start(edge, source, target, lanes) + self._shift(number, edge)
        points: list[Point] = [(x, source.bottom)]
        for lane, y in lanes:
            y = max(y, source.bottom + 4)
            points += [(x, y), (lane, y)]
            x = lane
        points += self._end(number, edge, x, points[-1][1], target, bool(lanes))
        others = self._beside(edge, points)
        if crosses(points, others, -1):
            points = detour(source, target, self.diagram.boxes[edge.target].face in ("circle", "bar"), others) or points
        return _plain(points)

    def part(self) -> dict[int, str]:
        """Where it matters which input an arrow brings, those that end in one point end beside one another. Gives their
        signs, of those into a bar only where they do not stand in order."""
        routes, edges = self.plan.routes, self.diagram.edges
        found: dict[int, str] = {}
        into: dict[int, list[int]] = {}
        for number in routes:
            into.setdefault(edges[number].target, []).append(number)
        for target, numbers in into.items():
            signs = {number: edges[number].sign for number in numbers if edges[number].sign}
            if not signs:
                continue
            face = self.diagram.boxes[target].face
            apart = len(numbers) if face == "circle" else APART
            ends: dict[Point, list[int]] = {}
            for number in numbers:
                ends.setdefault(routes[number][-1], []).append(number)
            for meeting in ends.values():
                if len(meeting) > apart:
                    signs = {number: sign for number, sign in signs.items() if number not in meeting}
                    continue
                for number, way in _parted(routes, meeting, self.plan.boxes[target], face == "circle"):
                    if len(meeting) > 1 and not crosses(way, self._beside(edges[number], way)):
                        routes[number] = way
            tips = [routes[number][-1][0] for number in numbers]
            if face != "bar" or any(a >= b for a, b in pairwise(tips)):
                found |= signs
        return found

    def _beside(self, edge: Edge, points: list[Point]) -> list[Spot]:
        """The other boxes that stand at the heights of an arrow."""
        top, bottom = points[0][1], max(points[-1][1], self.plan.boxes[edge.target].bottom)
        first = bisect_right(self.lowest, top)
        found = self.order[first : bisect_left(self.tops, bottom)]
        return [spot for box, spot in found if box not in (edge.source, edge.target) and spot.bottom > top]

    def _start(self, edge: Edge, source: Spot, target: Spot, lanes: list[tuple[float, float]]) -> float:
        """From a bar an arrow leaves where it runs straight."""
        if self.diagram.boxes[edge.source].face != "bar":
            return source.middle
        goal = lanes[0][0] if lanes else target.middle
        if source.x + 5 <= goal <= source.right - 5:
            return goal
        return source.middle

    def _shift(self, number: int, edge: Edge) -> float:
        """Arrows of several tensors between the same two boxes stand beside one another."""
        twins = [n for n in self.twins[edge.source, edge.target] if n not in self.plan.lanes]
        return (twins.index(number) - (len(twins) - 1) / 2) * 9 if number in twins and len(twins) > 1 else 0

    def _end(self, number: int, edge: Edge, x: float, y: float, target: Spot, beside: bool) -> list[Point]:
        face = self.diagram.boxes[edge.target].face
        if face == "bar" and target.x + 4 <= x <= target.right - 4:
            return [(x, target.y)]
        near = abs(x - target.middle) < (0.5 if face == "circle" else NEAR) and not beside
        if near:
            return [(x, target.y)]
        if face in ("circle", "bar") or (beside and not target.x <= x <= target.right):
            side = target.right if x > target.middle else target.x
            return [(x, target.centre), (side, target.centre)]
        top, bottom = self._between(edge)
        early = self.fans[edge.source] > 1 and len(self.into.get(edge.target, ())) < 2
        if number in self.plan.early or early:
            level = max(y, top) + FAN - 3
        else:
            level = max(y, bottom - GAP / 2 - 1)
            if self._is_blocked(target, level):
                return [(x, target.centre), (target.right if x > target.middle else target.x, target.centre)]
        return [(x, level), (target.middle, level), (target.middle, target.y)]

    def _is_blocked(self, target: Spot, level: float) -> bool:
        """Whether boxes stand between a height and the top of the target."""
        spots = self.plan.boxes.values()
        return any(s.x < target.middle < s.right and level < s.centre < target.y - 1 for s in spots)

    def label(self, edge: Edge, points: list[Point]) -> Point:
        """Where a text stands along an arrow: beside the last long piece that runs down, between the frames around its
        ends."""
        top, bottom = self._between(edge)
        best = points[0], points[-1]
        for a, b in pairwise(points):
            if a[0] == b[0] and b[1] - a[1] >= 8:
                best = a, b
        high, low = max(best[0][1], top), min(best[1][1], bottom)
        if self.fans[edge.source] > 1:
            high = max(high, top + FAN)
        if low - high < 6:
            high, low = best[0][1], best[1][1]
        return best[1][0] if best[0][0] == best[1][0] else points[0][0], (high + low) / 2 - 1

    def _between(self, edge: Edge) -> tuple[float, float]:
        source, target = (self.diagram.around(self.diagram.boxes[end].group) for end in (edge.source, edge.target))
        while source and target and source[-1] == target[-1]:
            source.pop()
            target.pop()
        top = self.plan.frames[source[-1]].bottom if source else self.plan.boxes[edge.source].bottom
        bottom = self.plan.frames[target[-1]].y if target else self.plan.boxes[edge.target].y
        return top, bottom


def _parted(
    routes: dict[int, list[Point]], numbers: list[int], spot: Spot, is_circle: bool
) -> Iterator[tuple[int, list[Point]]]:
    """Ways of arrows that meet in one point, with their ends beside one another, so that they do not cross before: of
    those from one side, what comes from farther is lower."""
    tip = routes[numbers[0]][-1]
    down = routes[numbers[0]][-2][0] == tip[0]
    origin = {number: routes[number][-3 if down and len(routes[number]) > 2 else -2][0] for number in numbers}
    order = sorted(numbers, key=lambda number: origin[number] if down else abs(origin[number] - tip[0]))
    for place, number in enumerate(order):
        step = min(14, 0.55 * (spot.w if down else spot.h) / max(1, len(order) - 1))
        by = (place - (len(order) - 1) / 2) * step
        *before, (x, y), (end_x, end_y) = routes[number]
        inner = spot.w / 2 - ((spot.w / 2) ** 2 - by**2) ** 0.5 if is_circle else 0.0
        if not down:
            end_x += inner if end_x < spot.middle else -inner
            yield number, [*before, (x, y + by), (end_x, end_y + by)]
            continue
        if len(before) > 1:
            side = [other for other in order if (origin[other] < tip[0]) == (origin[number] < tip[0])]
            rank = side.index(number) if origin[number] < tip[0] else len(side) - 1 - side.index(number)
            y = max(before[-2][1], y - 3 * rank)
            before[-1] = before[-1][0], y
        yield number, [*before, (x + by, y), (end_x + by, end_y + inner)]


def _plain(points: list[Point]) -> list[Point]:
    """Without corners that are none."""
    kept: list[Point] = []
    for number, point in enumerate(points):
        if kept and point == kept[-1]:
            continue
        if kept and number + 1 < len(points) and len(kept) > 0:
            after = points[number + 1]
            if (kept[-1][0] == point[0] == after[0]) or (kept[-1][1] == point[1] == after[1]):
                continue
        kept.append(point)
    return kept


def arranged(diagram: Diagram, sizes: Sizes, headings: Sizes, texts: dict[int, float] | None = None) -> Layout:
    """Where boxes of some sizes are, frames with room for some headings, and along arrows texts of some widths. Arrows
    of drawn numbers, which may lead to any join, have no way."""
    texts, plan, top = texts or {}, Layout(), 0.0
    for box in floating(diagram):
        plan.boxes[box] = Spot(0, top, *sizes[box])
        top += sizes[box][1] + 6
    composed(diagram, sizes, headings, texts).place(0, top, plan)
    stretched(diagram, plan)
    router = Router(diagram, plan)
    plan.routes = {
        number: router.route(number, edge) for number, edge in enumerate(diagram.edges) if edge.role != "drawn"
    }
    signs = router.part()
    places = {number: router.label(diagram.edges[number], plan.routes[number]) for number in texts}
    label(places, texts, headings, signs, plan)
    spots = [*plan.boxes.values(), *plan.frames.values(), *plan.labels.values()]
    ends = [x + 6 for lanes in plan.lanes.values() for x, _ in lanes]
    left = min(spot.x for spot in spots)
    plan.w = max([spot.right for spot in spots] + ends) - left
    plan.h = max(spot.bottom for spot in spots)
    plan.move(-left, 0)
    return plan
