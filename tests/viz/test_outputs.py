"""Pictures of networks with several outputs, by what stands in the SVG: nothing lies on anything else, and nothing is
cut off."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations

import pytest
from elaborated_zoo import load
from hypothesis import given, settings
from hypothesis import strategies as st

from archc.api import loads
from archc.compiler.ir.graph import Graph
from archc.viz.draw import Picture as Drawing
from archc.viz.draw import draw
from archc.viz.view import View

from .several_outputs import SPECS, specs

Rectangle = tuple[float, float, float, float]
"""Left, top, right, bottom."""
ABOVE, BELOW = 0.72, 0.21
"""How high capitals stand above the base line, and letters reach below it, in sizes of the font."""
SHIPPED = ("fcn8s_atonce", "stn_svhn_multi", "inception_v3", "fof_tsn")


@dataclass
class Picture:
    """What an SVG draws: boxes with all their outlines, the texts along arrows, and the arrows' lines in pieces."""

    svg: bytes
    boxes: dict[str, Rectangle] = field(default_factory=dict)
    labels: dict[str, Rectangle] = field(default_factory=dict)
    lines: dict[str, list[Rectangle]] = field(default_factory=dict)
    whole: Rectangle = (0, 0, 0, 0)

    def __post_init__(self) -> None:
        root = ElementTree.fromstring(self.svg)
        _, _, width, height = map(float, root.attrib["viewBox"].split())
        self.whole = 0, 0, width, height
        for element in root:
            name, paths = element.get("id", ""), [path.attrib["d"] for path in element.iter(f"{SVG}path")]
            if element.get("class") == "box":
                self.boxes[name] = around([piece for path in paths for piece in pieces(path)])
            elif element.get("class") == "edge":
                self.lines[name] = list(pieces(paths[0]))
                self.labels |= {f"{name} {text.text}": room(text) for text in element.iter(f"{SVG}text")}


SVG = "{http://www.w3.org/2000/svg}"


def pieces(path: str) -> Iterator[Rectangle]:
    """The rectangles around the pieces of a path; a curve is eight."""
    here: tuple[float, ...] = ()
    for command, numbers in re.findall(r"([MLC])([^MLCZ]*)", path):
        points = [*map(float, numbers.split())]
        if command == "M":
            here = (*points,)
            continue
        a, b, c, d = here, points[:2], points[-4:-2], points[-2:]
        for step in range(1, 9) if command == "C" else ():
            t = step / 8
            share = (1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3
            there = tuple(sum(s * p[axis] for s, p in zip(share, (a, b, c, d), strict=True)) for axis in (0, 1))
            yield around([(*here, *here), (*there, *there)])
            here = there
        yield around([(*here, *here), (*d, *d)])
        here = (*d,)


def around(parts: list[Rectangle]) -> Rectangle:
    left, top, right, bottom = zip(*parts, strict=True)
    return min(left), min(top), max(right), max(bottom)


def room(text: ElementTree.Element) -> Rectangle:
    """What a text takes whatever its font is: it has the width that the SVG says."""
    x, y, size, width = (float(text.get(name, 0)) for name in ("x", "y", "font-size", "textLength"))
    assert width or text.text == "±", text.text
    return x, y - ABOVE * size, x + width, y + BELOW * size


def meet(a: Rectangle, b: Rectangle) -> bool:
    return a[0] < b[2] - 0.05 and b[0] < a[2] - 0.05 and a[1] < b[3] - 0.05 and b[1] < a[3] - 0.05


def assert_clear(graph: Graph, view: View) -> None:
    drawing = draw(graph, "svg", view)
    picture = Picture(drawing.content)
    everything = picture.boxes | picture.labels
    for (one, a), (other, b) in combinations(everything.items(), 2):
        assert not meet(a, b), f"{one} lies on {other}"
    left, top, right, bottom = picture.whole
    for name, (west, north, east, south) in everything.items():
        assert left <= west and top <= north and east <= right and south <= bottom, f"{name} is cut off"
    assert_no_line_runs_through(picture.lines, picture.boxes, drawing)
    told = [number for number, edge in enumerate(drawing.diagram.edges) if edge.shape is not None]
    assert {int(name[1:].split()[0]) for name in picture.labels} >= set(told)


def assert_no_line_runs_through(
    lines: dict[str, list[Rectangle]], things: dict[str, Rectangle], drawing: Drawing
) -> None:
    """But through those that an arrow leads from and to."""
    for line, parts in lines.items():
        edge = drawing.diagram.edges[int(line[1:])]
        for other, (left, top, right, bottom) in things.items():
            if other not in (f"n{edge.source}", f"n{edge.target}"):
                inside = left + 0.7, top + 0.7, right - 0.7, bottom - 0.7
                assert not any(meet(part, inside) for part in parts), f"{line} runs through {other}"


@pytest.mark.parametrize("depth", [None, 1, 9])
@pytest.mark.parametrize("name", SPECS)
def test_nothing_lies_on_anything_else(name: str, depth: int | None) -> None:
    assert_clear(loads(SPECS[name]).ir, View(depth))


@pytest.mark.parametrize("depth", [None, 2])
@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_networks_with_heads_are_clear(name: str, depth: int | None) -> None:
    assert_clear(load(name).ir, View(depth))


@settings(max_examples=60)
@given(specs(), st.sampled_from([None, 1, 9]))
def test_random_networks_are_clear(spec: str, depth: int | None) -> None:
    assert_clear(loads(spec).ir, View(depth))


@pytest.mark.parametrize("name", SPECS)
def test_no_line_runs_through_a_text_or_a_box(name: str) -> None:
    drawing = draw(loads(SPECS[name]).ir)
    picture = Picture(drawing.content)
    assert_no_line_runs_through(picture.lines, picture.labels | picture.boxes, drawing)


def test_many_heads_fit_a_page() -> None:
    for name in ("seven", "detector"):
        left, top, right, bottom = Picture(draw(loads(SPECS[name]).ir).content).whole
        assert right - left <= 900 and bottom - top <= 900
