"""The way of an arrow around boxes, where the usual one would lead through some: the shortest with few corners, among
the lines close by the borders of what stands between."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import pairwise

from .cells import CLEAR, Spot
from .scene import Point

CORNER, NEXT = 12, 1.5
"""What length a corner counts for, and how near to other boxes no way runs."""
MOST = 200
"""Boxes that a way is looked for among; where more stand between, the arrow stays as it is."""


def crosses(points: list[Point], boxes: list[Spot], within: float = 0.5) -> bool:
    """Whether a line with corners runs through a box, so far `within` its border; or by it, where that is negative."""
    return any(_cuts(a, b, box, within) for a, b in pairwise(points) for box in boxes)


def detour(source: Spot, target: Spot, from_side: bool, boxes: list[Spot]) -> list[Point] | None:
    """A way from the bottom of a box to another that leads through no box, never up; into its top, or `from_side` into
    a side as well. None where there is none, or too much stands between."""
    near = [box for box in boxes if box.bottom > source.bottom and box.y < target.bottom]
    if len(near) > MOST or source.bottom > target.y:
        return None
    start: Point = (source.middle, source.bottom)
    ends: list[Point] = [(target.middle, target.y)]
    if from_side:
        ends += [(target.x, target.centre), (target.right, target.centre)]
    every = [*near, target]
    xs = sorted({start[0], *(x for x, _ in ends), *(x for box in every for x in (box.x - CLEAR, box.right + CLEAR))})
    ys = sorted({start[1], *(y for _, y in ends), *(y for box in every for y in (box.y - CLEAR, box.bottom + CLEAR))})
    grid = xs, [y for y in ys if start[1] <= y <= target.centre]
    kept = [Spot(box.x - NEXT, box.y - NEXT, box.w + 2 * NEXT, box.h + 2 * NEXT) for box in near]
    return _shortest(start, ends, grid, [*kept, source, target])


def _cuts(a: Point, b: Point, box: Spot, within: float) -> bool:
    (left, right), (top, bottom) = sorted((a[0], b[0])), sorted((a[1], b[1]))
    across = left < box.right - within and right > box.x + within
    return across and top < box.bottom - within and bottom > box.y + within


def _shortest(
    start: Point, ends: list[Point], grid: tuple[list[float], list[float]], boxes: list[Spot]
) -> list[Point] | None:
    """Dijkstra's algorithm over places and the direction in which they are reached."""
    walls = _walls(grid[0], [(box.x, box.right, box.y, box.bottom) for box in boxes])
    floors = _walls(grid[1], [(box.y, box.bottom, box.x, box.right) for box in boxes])
    first: tuple[Point, str] = (start, "down")
    best: dict[tuple[Point, str], float] = {first: 0.0}
    came: dict[tuple[Point, str], tuple[Point, str]] = {first: first}
    queue: list[tuple[float, Point, str]] = [(0.0, *first)]
    while queue:
        length, place, heading = heappop(queue)
        if length > best[place, heading]:
            continue
        if place in ends and (heading == "down") == (place == ends[0]):
            return _back(came, (place, heading))
        for after, direction in _steps(place, heading, grid):
            axis, stops = (1, walls[place[0]]) if direction == "down" else (0, floors[place[1]])
            low, high = sorted((place[axis], after[axis]))
            if any(low < end and high > begin for begin, end in stops):
                continue
            far = length + abs(after[0] - place[0]) + abs(after[1] - place[1]) + CORNER * (direction != heading)
            far = round(far, 6)  # so that ways of one length are equal
            if far < best.get((after, direction), float("inf")):
                best[after, direction], came[after, direction] = far, (place, heading)
                heappush(queue, (far, after, direction))
    return None


def _walls(
    lines: list[float], boxes: list[tuple[float, float, float, float]]
) -> dict[float, list[tuple[float, float]]]:
    """For each line of a grid where boxes, given across it and along it, stop what runs along it."""
    return {
        line: [(begin + 0.5, end - 0.5) for near, far, begin, end in boxes if near + 0.5 < line < far - 0.5]
        for line in lines
    }


def _steps(place: Point, heading: str, grid: tuple[list[float], list[float]]) -> Iterator[tuple[Point, str]]:
    """The next places along the lines of the grid, never back."""
    xs, ys = grid
    column, row = xs.index(place[0]), ys.index(place[1])
    if row + 1 < len(ys):
        yield (place[0], ys[row + 1]), "down"
    if column + 1 < len(xs) and heading != "left":
        yield (xs[column + 1], place[1]), "right"
    if column and heading != "right":
        yield (xs[column - 1], place[1]), "left"


def _back(came: dict[tuple[Point, str], tuple[Point, str]], state: tuple[Point, str]) -> list[Point]:
    points = [state[0]]
    while came[state] != state:
        state = came[state]
        points.append(state[0])
    return points[::-1]
