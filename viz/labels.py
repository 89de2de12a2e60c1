"""Where the shapes along arrows stand: beside a piece of their arrow, on no box and on no other text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from .cells import Layout, Spot
from .scene import Point

AWAY, RISE, HIGH = 4, 6, 8
"""How far a label stands from its arrow; its height above the base line, and in all."""
STEP = 4
"""Between the heights that are tried along a piece that runs down."""


def label(
    places: dict[int, Point], widths: dict[int, float], headings: Sequence[tuple[float, float]], plan: Layout
) -> None:
    """Gives the arrows that tell a shape the spots of its text, some points wide. `places` are where these stand where
    nothing is in the way: a point of the arrow, at the height of the text's middle."""
    taken = [*plan.boxes.values()]
    taken += [Spot(frame.x, frame.y, *headings[group]) for group, frame in plan.frames.items()]
    lines = [
        Spot(min(a[0], b[0]), a[1], abs(a[0] - b[0]), b[1] - a[1])
        for way in plan.routes.values()
        for a, b in pairwise(way)
    ]
    for frame in plan.frames.values():
        lines += [Spot(frame.x, y, frame.w, 0) for y in (frame.y, frame.bottom)]
    for number, width in widths.items():
        way, (x, y) = plan.routes[number], places[number]
        top, bottom = way[0][1] - HIGH, max(way[-1][1], y) + HIGH
        near, crossing = ([spot for spot in spots if spot.y < bottom and spot.bottom > top] for spots in (taken, lines))
        free = [
            spot
            for spot in (Spot(x + AWAY, y + 2.8 - RISE, width, HIGH), *_beside(way, width))
            if not any(map(spot.meets, near))
        ]
        best = next((spot for spot in free if not any(map(spot.meets, crossing))), next(iter(free), None))
        if best is not None:
            plan.labels[number] = best
            taken.append(best)


def _beside(way: Sequence[Point], width: float) -> Iterator[Spot]:
    """The spots along a way, those near its end first."""
    for (x, top), (end, bottom) in reversed(list(pairwise(way))):
        if x == end:
            first, last = top + 2, bottom - 2 - HIGH
            heights = [first + STEP * n for n in range(int((last - first) // STEP) + 1)] if last >= first else []
            for y in sorted(heights, key=lambda y: abs(y - (first + last) / 2)):
                yield Spot(x + AWAY, y, width, HIGH)
                yield Spot(x - AWAY - width, y, width, HIGH)
        elif abs(end - x) >= width + 2 * AWAY:
            left, right = min(x, end) + AWAY, max(x, end) - AWAY - width
            for place in ((left + right) / 2, left, right):
                yield Spot(place, top - 2 - HIGH, width, HIGH)
                yield Spot(place, top + 2, width, HIGH)
