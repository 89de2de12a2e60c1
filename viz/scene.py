"""A picture as shapes at places, in points, from the upper left corner; what the writers of SVG and of xdot take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import hypot

Point = tuple[float, float]

HEAD = 4.5
"""The length of an arrow's head."""
CURVE = 0.5523
"""Of the radius: how far the control points of a quarter of a circle stand from its ends."""


@dataclass(frozen=True, slots=True)
class Outline:
    """A path of lines and cubic curves: its start, then three points for each piece. Without a fill it is a line."""

    points: tuple[Point, ...]
    stroke: str
    fill: str = ""
    width: float = 1
    dash: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text. `anchor` is "start", "middle" or "end"; y is its base line."""

    x: float
    y: float
    text: str
    size: float
    color: str
    anchor: str = "start"
    bold: bool = False


@dataclass(slots=True)
class Element:
    """Shapes that belong together: a box, a frame, an arrow. `title` is what the pointer tells."""

    kind: str
    number: int
    title: str = ""
    shapes: list[Outline | Text] = field(default_factory=list)


@dataclass(slots=True)
class Scene:
    """A whole picture. `unit` is the one in which its size is told."""

    width: float
    height: float
    page: str
    label: str
    elements: list[Element] = field(default_factory=list)
    unit: str = "pt"


def shifted(shape: Outline | Text, x: float, y: float) -> Outline | Text:
    if isinstance(shape, Text):
        return replace(shape, x=shape.x + x, y=shape.y + y)
    return replace(shape, points=tuple((a + x, b + y) for a, b in shape.points))


def scaled(scene: Scene, factor: float, unit: str) -> Scene:
    """The picture so many times as large."""

    def shape_of(shape: Outline | Text) -> Outline | Text:
        if isinstance(shape, Text):
            return replace(shape, x=shape.x * factor, y=shape.y * factor, size=shape.size * factor)
        points = tuple((x * factor, y * factor) for x, y in shape.points)
        return replace(shape, points=points, width=shape.width * factor)

    elements = [replace(one, shapes=list(map(shape_of, one.shapes))) for one in scene.elements]
    return replace(scene, width=scene.width * factor, height=scene.height * factor, elements=elements, unit=unit)


def line(start: Point, end: Point) -> list[Point]:
    """The three points of a straight piece."""
    return [_between(start, end, 1 / 3), _between(start, end, 2 / 3), end]


def rectangle(x: float, y: float, w: float, h: float, r: float = 0) -> tuple[Point, ...]:
    """A closed rectangle whose corners have the radius r."""
    r = min(r, w / 2, h / 2)
    corners: list[Point] = [(x, y), (x + w, y), (x + w, y + h), (x, y + h), (x, y)]
    if not r:
        return polyline(corners, 0)
    start = (x + w / 2, y)
    return polyline([start, *corners[1:], start], r)


def circle(x: float, y: float, r: float) -> tuple[Point, ...]:
    return rectangle(x - r, y - r, 2 * r, 2 * r, r)


def polyline(points: Sequence[Point], r: float) -> tuple[Point, ...]:
    """A line through the points, its corners rounded with the radius r or as much as there is room for."""
    path: list[Point] = [points[0]]
    last = len(points) - 3
    for number, (before, corner, after) in enumerate(zip(points, points[1:], points[2:], strict=False)):
        enters, leaves = _far(before, corner), _far(corner, after)
        room = min(r, enters if number == 0 else enters / 2, leaves if number == last else leaves / 2)
        if room < 0.1:
            path += line(path[-1], corner)
            continue
        enter = _between(corner, before, room / _far(before, corner))
        leave = _between(corner, after, room / _far(corner, after))
        path += line(path[-1], enter)
        path += [_between(enter, corner, CURVE), _between(leave, corner, CURVE), leave]
    return (*path, *line(path[-1], points[-1]))


def short_of(before: Point, tip: Point, length: float) -> Point:
    """A point so far before the tip of a straight piece."""
    x, y = heading(before, tip)
    return tip[0] - length * x, tip[1] - length * y


def heading(before: Point, tip: Point) -> Point:
    """Where a straight piece leads, as a step of length 1."""
    x, y = tip[0] - before[0], tip[1] - before[1]
    far = hypot(x, y) or 1
    return x / far, y / far


def sampled(curve: Sequence[Point], steps: int = 12) -> list[Point]:
    """Points along cubic curves: a start, then three points for each piece."""
    found = [curve[0]]
    for (x0, y0), (x1, y1), (x2, y2), (x3, y3) in zip(curve[::3], curve[1::3], curve[2::3], curve[3::3], strict=False):
        for step in range(1, steps + 1):
            t, u = step / steps, 1 - step / steps
            a, b, c, d = u**3, 3 * t * u**2, 3 * t**2 * u, t**3
            found.append((a * x0 + b * x1 + c * x2 + d * x3, a * y0 + b * y1 + c * y2 + d * y3))
    return found


def _far(a: Point, b: Point) -> float:
    return abs(a[0] - b[0]) + abs(a[1] - b[1])


def _between(a: Point, b: Point, share: float) -> Point:
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share
