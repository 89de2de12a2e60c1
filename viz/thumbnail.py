"""The small picture in a folded box: what it holds, without words."""

from __future__ import annotations

from collections.abc import Iterator

from .diagram import Box, Diagram, Row
from .layout import Spot
from .routes import arranged
from .scene import Outline, Point, circle, polyline, rectangle
from .style import FILLS, Theme

MAIN, MINOR, ACROSS, ROUND = 20, 9, 56, 14
"""Heights of rows, the width of boxes and the corners of arrows, before all is made smaller."""
NARROWER, STRIPS = 0.22, (0.36, 0.64)
"""How much narrower a layer with a stride ends at each side; where the strips of a depthwise convolution meet."""
SCALE, SMALLEST, TALLEST, SLIMMEST = 0.32, 0.09, 74, 0.4
"""How large it is at most, how small at least, how high at most, and how wide at least for its height."""


class Thumbnail:
    """A diagram made to fit in a width, in points."""

    def __init__(self, inner: Diagram, width: float):
        self.inner = inner
        sizes = [_size(box) for box in inner.boxes]
        self.plan = arranged(inner, sizes, [(0, 0)] * len(inner.groups))
        self.scale = min(SCALE, (width - 20) / self.plan.w, TALLEST / self.plan.h)
        self.w, self.h = self.plan.w * self.scale, self.plan.h * self.scale

    def shapes(self, x: float, y: float, theme: Theme) -> Iterator[Outline]:
        """Its shapes with the upper left corner there."""

        def put(point: Point) -> Point:
            return x + point[0] * self.scale, y + point[1] * self.scale

        for number, way in self.plan.routes.items():
            dash = "dashed" if self.inner.edges[number].role == "training" else ""
            line = polyline([put(point) for point in way], ROUND * self.scale)
            yield Outline(line, theme.line, width=0.7, dash=dash)
        for box in self.inner.boxes:
            if box.face == "pill":
                continue
            spot = self.plan.boxes[box.id]
            left, top = put((spot.x, spot.y))
            yield from _shapes(box, Spot(left, top, spot.w * self.scale, spot.h * self.scale), theme)


def thumbnail(box: Box, width: float) -> Thumbnail | None:
    """The small picture in a folded box of some width; none where it has none, or it would not be legible."""
    found = Thumbnail(box.inner, width) if box.inner else None
    return found if found and found.scale >= SMALLEST and found.w >= SLIMMEST * found.h else None


def _size(box: Box) -> tuple[float, float]:
    match box.face:
        case "circle":
            return 16, 16
        case "bar":
            return 24, 11
        case "card":
            return ACROSS, MAIN
        case "pill":
            return 1, 1
    return ACROSS, sum(MINOR if row.minor else MAIN for row in box.rows)


def _shapes(box: Box, spot: Spot, theme: Theme) -> Iterator[Outline]:
    if box.face == "circle":
        yield Outline(circle(spot.middle, spot.centre, spot.w / 2), theme.ink, theme.card, 0.7)
        return
    if box.face != "stack":
        fill = theme.ink if box.face == "bar" else theme.card
        dash = "dotted" if box.role == "rest" else ""
        yield Outline(rectangle(spot.x, spot.y, spot.w, spot.h, 1), theme.line, fill, 0.6, dash)
        return
    y = spot.y
    unit = spot.h / sum(MINOR if row.minor else MAIN for row in box.rows)
    for row in box.rows:
        height = unit * (MINOR if row.minor else MAIN)
        yield from row_shapes(row, Spot(spot.x, y, spot.w, height), theme)
        y += height


def row_shapes(row: Row, spot: Spot, theme: Theme) -> Iterator[Outline]:
    """A layer: narrower at its end where it has a stride, in strips where it takes each channel by itself."""
    inset = NARROWER * spot.w if row.strided else 0
    corners = [(spot.x, spot.y), (spot.right, spot.y), (spot.right - inset, spot.bottom), (spot.x + inset, spot.bottom)]
    yield Outline(polyline([*corners, corners[0]], 0), "", FILLS.get(row.kind, theme.card), 0)
    for share in STRIPS if row.depthwise else ():
        x = spot.x + share * spot.w
        yield Outline(polyline([(x, spot.y), (x, spot.bottom)], 0), theme.card, width=0.8)
