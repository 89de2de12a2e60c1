"""Pictures that Graphviz's `dot` lays out as a whole: with its programs, what it says is where everything stands."""

from __future__ import annotations

from itertools import combinations, pairwise
from math import hypot
from pathlib import Path

import pytest
from elaborated_zoo import load

from archc.api import loads
from archc.compiler.ir.graph import Graph
from archc.dsl.diagnostics import ArchError
from archc.viz import programs
from archc.viz.build import diagram_of
from archc.viz.diagram import Diagram
from archc.viz.draw import draw
from archc.viz.layout import Layout
from archc.viz.paint import placed
from archc.viz.scene import sampled
from archc.viz.sheet import STRAIGHT, Sheet
from archc.viz.view import View

from .clear import assert_nothing_is_run_through
from .crossing import CROSSING
from .test_painters import PROGRAMS
from .test_zoo import overlap, within

SHIPPED = ("resnet18", "yolov8n", "DDPM", "gpt2")


def graph_of(name: str) -> Graph:
    return (loads(CROSSING[name]) if name in CROSSING else load(name)).ir


@pytest.fixture(params=PROGRAMS)
def program(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "programs", lambda format: [programs.Graphviz(Path(request.param), True)])


@pytest.mark.parametrize("direction", STRAIGHT)
@pytest.mark.parametrize("depth", [None, 2])
@pytest.mark.parametrize("name", [*CROSSING, *SHIPPED])
def test_nothing_lies_on_anything_else(name: str, depth: int | None, direction: str) -> None:
    assert_is_clear(name, depth, direction)


@pytest.mark.parametrize("name", ["nested", "yolov8n"])
def test_every_graphviz_lays_out(name: str, program: None) -> None:
    assert_is_clear(name, None, "down")


def assert_is_clear(name: str, depth: int | None, direction: str) -> None:
    diagram = diagram_of(graph_of(name), View(depth))
    plan = placed(diagram, Sheet(direction=direction, layout="dot"))
    assert set(plan.routes) == set(range(len(diagram.edges)))
    for one, other in combinations(plan.boxes.values(), 2):
        assert not overlap(one, other)
    for box in diagram.boxes:
        if box.group is not None:
            assert within(plan.boxes[box.id], plan.frames[box.group])
    for group in diagram.groups:
        if group.parent is not None and group.id in plan.frames:
            assert within(plan.frames[group.id], plan.frames[group.parent])
    assert_arrows_lead(diagram, plan, direction == "right")
    ways = {number: sampled(curve, 60) for number, curve in plan.routes.items()}
    assert_nothing_is_run_through(diagram, Layout(plan.boxes, {}, ways, plan.labels))


def assert_arrows_lead(diagram: Diagram, plan: Layout, turned: bool) -> None:
    """Each from its source to its target, and at the end across the border; those of different tensors apart."""
    tips: dict[int, list[float]] = {}
    for number, edge in enumerate(diagram.edges):
        way = plan.way(number)
        for (x, y), box in ((way[0], edge.source), (way[-1], edge.target)):
            spot = plan.boxes[box]
            if diagram.boxes[box].face == "circle":
                assert abs(hypot(x - spot.middle, y - spot.centre) - spot.w / 2) < 2
            elif turned:
                assert spot.y < y < spot.bottom and x == pytest.approx(spot.right if box == edge.source else spot.x)
            else:
                assert spot.x < x < spot.right and y == pytest.approx(spot.bottom if box == edge.source else spot.y)
        if diagram.boxes[edge.target].face != "circle":
            tips.setdefault(edge.target, []).append(way[-1][int(turned)])
    for places in tips.values():
        assert all(b - a > 1 for a, b in pairwise(sorted(places)))


def test_the_whole_is_as_dot_says() -> None:
    graph = load("yolov8n").ir
    usual, dotted = (placed(diagram_of(graph), Sheet(layout=layout)) for layout in ("archc", "dot"))
    assert usual.boxes != dotted.boxes and {(s.w, s.h) for s in usual.boxes.values()} == {
        (s.w, s.h) for s in dotted.boxes.values()
    }
    assert draw(graph, layout="dot").content == draw(graph, layout="dot").content


@pytest.mark.parametrize("format", ["svg", "png", "tex"])
def test_every_painter(format: str) -> None:
    graph = load("DDPM").ir
    assert draw(graph, format, layout="dot").content != draw(graph, format).content


@pytest.mark.parametrize(
    ("format", "options", "code"),
    [
        ("html", {"layout": "dot"}, "E0839"),
        ("dot", {"layout": "dot"}, "E0839"),
        ("svg", {"layout": "dot", "direction": "u"}, "E0839"),
        ("svg", {"layout": "elk"}, "E0830"),
    ],
)
def test_what_dot_does_not_lay_out(format: str, options: dict[str, str], code: str) -> None:
    with pytest.raises(ArchError) as caught:
        draw(load("unet").ir, format, **options)
    assert caught.value.diagnostics[0].code == code
