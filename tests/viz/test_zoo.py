"""Every shipped architecture at every depth: figures add up, nothing overlaps."""

from __future__ import annotations

from itertools import combinations, pairwise
from pathlib import Path

import pytest
from elaborated_zoo import load

from archc.architecture import Architecture
from archc.catalog import shipped_files
from archc.compiler.program import Program
from archc.viz.build import diagram_of
from archc.viz.builder import Source
from archc.viz.diagram import Diagram
from archc.viz.layout import Layout, Spot
from archc.viz.paint import placed
from archc.viz.view import View

from .test_diagram import assert_complete

FILES = shipped_files()
SOME = (
    "resnet18",
    "densenet121",
    "inception_v4",
    "fractalnet",
    "fof_tsn",
    "ror3_56_cifar",
    "polynet",
    "tied_resnet_cifar",
    "stochastic_depth",
    "fcn8s_atonce",
    "stn_mnist",
    "exclusive_gating_cifar",
)


def architectures(path: Path) -> list[Architecture]:
    graphs = [checked.elaborated.graph for checked in Program.open(path).check()]
    found = {graph.name: Architecture(graph) for graph in graphs if graph is not None}
    assert found
    return list(found.values())


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_figures_add_up_at_every_depth(path: Path) -> None:
    for architecture in architectures(path):
        source = Source(architecture.ir)
        deepest = diagram_of(source, View(1)).deepest
        for depth in (None, *range(1, deepest + 2)):
            diagram = diagram_of(source, View(depth))
            assert_complete(architecture, diagram)
            deepest = max(deepest, diagram.deepest)


@pytest.mark.parametrize("name", SOME)
@pytest.mark.parametrize("depth", [None, 3])
def test_some_add_up_and_nothing_overlaps(name: str, depth: int | None) -> None:
    architecture = load(name)
    diagram = diagram_of(architecture.ir, View(depth))
    assert_complete(architecture, diagram)
    assert_tidy(diagram, placed(diagram))


def assert_tidy(diagram: Diagram, plan: Layout) -> None:
    """Boxes lie apart and within their frames, and arrows run down."""
    for one, other in combinations(plan.boxes.values(), 2):
        assert not overlap(one, other)
    for box in diagram.boxes:
        assert within(plan.boxes[box.id], Spot(0, 0, plan.w, plan.h))
        if box.group is not None:
            assert within(plan.boxes[box.id], plan.frames[box.group])
    for group in diagram.groups:
        if group.parent is not None and group.id in plan.frames:
            assert within(plan.frames[group.id], plan.frames[group.parent])
    for way in plan.routes.values():
        assert all(a[1] <= b[1] + 0.1 for a, b in pairwise(way))
        assert all(a[0] == b[0] or a[1] == b[1] for a, b in pairwise(way))


def overlap(a: Spot, b: Spot) -> bool:
    return a.x < b.right - 0.1 and b.x < a.right - 0.1 and a.y < b.bottom - 0.1 and b.y < a.bottom - 0.1


def within(inner: Spot, outer: Spot) -> bool:
    return (
        inner.x >= outer.x - 0.1
        and inner.right <= outer.right + 0.1
        and inner.y >= outer.y - 0.1
        and inner.bottom <= outer.bottom + 0.1
    )
