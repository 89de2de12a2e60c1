"""Where the shapes along arrows and the signs at their tips stand: beside their arrow, on no box, on no other text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise, product

from .layout import Layout, Spot
from .measure import text_width
from .scene import Point
from .style import TEXT

AWAY, OVER, RISE, HIGH, SIGN = 4, 2, 6, 8, 10
"""How far a label stands from an arrow beside it, and from one below it; its
height above the base line, and in all; the height of a sign."""
HEAD_ROOM = 5.7
"""From the bottom of a box to the middle of a text below it."""
FINEST = 5
"""The smallest cells in which rectangles are looked for are two to this power wide and high."""
TRY, TRIES = 4, 60
"""Between the heights that are tried along a piece that runs down; and how many are, those near its middle."""


def label(
    places: dict[int, Spot], headings: Sequence[tuple[float, float]], signs: dict[int, str], plan: Layout
) -> None:
    """Gives the arrows that have a sign, and those that tell a shape, the spots of these. `places` are where shapes
    stand where nothing is in the way. A sign may stand on a line, a shape is left out where all spots lie on one."""
    ways = {number: plan.way(number) for number in plan.routes}
    heads = (Spot(frame.x, frame.y, *headings[group]) for group, frame in plan.frames.items())
    taken = _Spots(chain(plan.boxes.values(), heads))
    pieces = {piece for way in ways.values() for piece in pairwise(way)}
    lines = _Spots(Spot(min(a, c), min(b, d), abs(a - c), abs(b - d)) for (a, b), (c, d) in pieces)
    for frame in plan.frames.values():
        for y in (frame.y, frame.bottom):
            lines.add(Spot(frame.x, y, frame.w, 0))

    def free(spots: Iterable[Spot], on_lines: bool = True) -> Spot | None:
        crossed = None
        walls: dict[float, Spot] = {}
        for spot in spots:
            wall = walls.get(spot.x)
            if wall is not None and (crossed or not on_lines) and spot.meets(wall):
                continue
            if taken.met_by(spot):
                continue
            wall = lines.met_by(spot)
            if wall is None:
                return spot
            walls[spot.x] = wall
            crossed = crossed or (spot if on_lines else None)
        return crossed

    for number, sign in signs.items():
        way, width = ways[number], text_width(sign, TEXT)
        best = free(chain(_at_tip(way[-2], way[-1], width), _beside(way, width, SIGN)))
        if best is not None:
            plan.signs[number] = sign, best
            taken.add(best)
    for number, place in places.items():
        best = free(chain([place], _beside(ways[number], place.w)), on_lines=False)
        if best is not None:
            plan.labels[number] = best
            taken.add(best)


class _Spots:
    """Rectangles in cells of a grid, so that those near a place are found at once: in one grid for each magnitude of
    width and height, where they are in few cells."""

    def __init__(self, spots: Iterable[Spot]):
        self.grids: dict[tuple[int, int], dict[tuple[int, int], list[Spot]]] = {}
        for spot in spots:
            self.add(spot)

    def add(self, spot: Spot) -> None:
        size = max(FINEST, int(spot.w).bit_length()), max(FINEST, int(spot.h).bit_length())
        grid = self.grids.setdefault(size, {})
        for cell in _cells(spot, *size):
            grid.setdefault(cell, []).append(spot)

    def met_by(self, spot: Spot) -> Spot | None:
        """One of them that lies on another rectangle."""
        for size, grid in self.grids.items():
            for cell in _cells(spot, *size):
                for other in grid.get(cell, ()):
                    if spot.meets(other):
                        return other
        return None


def _cells(spot: Spot, wide: int, high: int) -> Iterator[tuple[int, int]]:
    """The cells, of sizes that are powers of two, in which a rectangle is."""
    rows = range(int(spot.y) >> high, (int(spot.y + spot.h) >> high) + 1)
    return product(range(int(spot.x) >> wide, (int(spot.x + spot.w) >> wide) + 1), rows)


def _at_tip(before: Point, tip: Point, width: float) -> Iterator[Spot]:
    """The spots for a sign at the tip of an arrow."""
    for away in (0, 9, 18):
        if abs(before[0] - tip[0]) < abs(before[1] - tip[1]):
            y = tip[1] - 3.5 - SIGN - away if before[1] < tip[1] else tip[1] + 3.5 + away
            for x in (tip[0] + 3, tip[0] - 3 - width):
                yield Spot(x, y, width, SIGN)
        else:
            x = tip[0] + 6 + away if tip[0] < before[0] else tip[0] - 6 - away - width
            for y in (tip[1] - SIGN - 0.5, tip[1] + 0.5):
                yield Spot(x, y, width, SIGN)


def _middle(count: int) -> range:
    """The numbers below a count, or of too many those in the middle."""
    return range(max(0, (count - TRIES) // 2), min(count, (count + TRIES) // 2))


def _beside(way: Sequence[Point], width: float, high: float = HIGH) -> Iterator[Spot]:
    """The spots along a way, those near its end first."""
    for (x, top), (end, bottom) in reversed(list(pairwise(way))):
        if x == end:
            first, last = min(top, bottom) + 2, max(top, bottom) - 2 - high
            heights = [first + TRY * n for n in _middle(int((last - first) // TRY) + 1)] if last >= first else []
            for y in sorted(heights, key=lambda y: abs(y - (first + last) / 2)):
                yield Spot(x + AWAY, y, width, high)
                yield Spot(x - AWAY - width, y, width, high)
        elif abs(end - x) >= width + 2 * AWAY:
            left, right = min(x, end) + AWAY, max(x, end) - AWAY - width
            for place in ((left + right) / 2, left, right):
                yield Spot(place, top - OVER - high, width, high)
                yield Spot(place, top + OVER, width, high)
