"""Arrows can be followed: each has its head, none runs through a box or a text, none on one of another source."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from elaborated_zoo import load
from hypothesis import given, settings
from hypothesis import strategies as st

from archc.api import loads
from archc.catalog import shipped_files
from archc.compiler.program import Program
from archc.viz.build import diagram_of
from archc.viz.builder import Source
from archc.viz.sheet import STRAIGHT
from archc.viz.view import View

from .clear import assert_arrows_are_clear
from .crossing import CROSSING, dags
from .several_outputs import SPECS, specs
from .test_zoo import assert_tidy

SHIPPED = ("yolov8n", "unet", "fof", "gpt2", "deeplabv3_resnet50", "clip_vit_b_32", "densenet_cifar", "DDPM")
LARGEST, MANY = 150, 8
"""Boxes of the largest diagram that is looked at here; arrows into a box, whose side has no room for more."""


@pytest.mark.parametrize("direction", STRAIGHT)
@pytest.mark.parametrize("depth", [None, 1, 9])
@pytest.mark.parametrize("name", [*CROSSING, *SPECS])
def test_what_crosses_can_be_followed(name: str, depth: int | None, direction: str) -> None:
    assert_arrows_are_clear(diagram_of(loads((CROSSING | SPECS)[name]).ir, View(depth)), direction)


@pytest.mark.parametrize("direction", STRAIGHT)
@pytest.mark.parametrize("depth", [None, 2])
@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_networks_can_be_followed(name: str, depth: int | None, direction: str) -> None:
    assert_arrows_are_clear(diagram_of(load(name).ir, View(depth)), direction)


@settings(max_examples=30)
@given(st.one_of(dags(), specs()), st.sampled_from([None, 1, 9]), st.sampled_from(STRAIGHT))
def test_random_networks_can_be_followed(spec: str, depth: int | None, direction: str) -> None:
    assert_arrows_are_clear(diagram_of(loads(spec).ir, View(depth)), direction)


@pytest.mark.slow
@pytest.mark.parametrize("path", shipped_files(), ids=lambda path: path.stem)
def test_all_shipped_networks_can_be_followed(path: Path) -> None:
    for graph in (checked.elaborated.graph for checked in Program.open(path).check()):
        assert graph is not None
        source = Source(graph)
        for depth in (None, 1, 2, 3, 99):
            diagram = diagram_of(source, View(depth))
            if len(diagram.boxes) <= LARGEST:
                ins = Counter(edge.target for edge in diagram.edges)
                for direction in STRAIGHT if max(ins.values()) <= MANY else ("down",):
                    plan = assert_arrows_are_clear(diagram, direction)
                    if direction == "down":
                        assert_tidy(diagram, plan)


def test_skips_of_a_pyramid_stand_apart_and_the_trunk_is_straight() -> None:
    diagram = diagram_of(loads(CROSSING["pyramid"]).ir, View(1))
    plan = assert_arrows_are_clear(diagram)
    box = {box.title: box.id for box in diagram.boxes}
    way = {(edge.source, edge.target): plan.routes[number] for number, edge in enumerate(diagram.edges)}
    straight = [(box["s3"], box["s4"]), (box["l4"], box["l3"])]
    assert all(len(way[ends]) == 2 for ends in straight)
    lateral = [way[box["s3"], box["l3"]], way[box["s4"], box["l4"]]]
    assert all(points[-2][0] == points[-1][0] for points in lateral)


SIBLINGS = """
block mixture(ks)(x) {
  w = x -> gap -> router: linear(len(ks)) -> split(len(ks))
  output sum(*[(x -> conv(8, k)) * (w[i] -> reshape([1, 1, 1])) for i, k in enumerate(ks)])
}
arch Net() {
  input x: [N, 8, 16, 16]
  output y = x -> mixture([ORDER])
}
"""
HEADS = """
arch Net() {
  input x: [N, 8, 32, 32]
  a = x -> a: conv(8, 3, 2)
  b = a -> b: conv(8, 3, 2)
  c = b -> c: conv(8, 3, 2)
  q = (b -> conv(8, 1)) + (c -> upsample(2))
  p = (a -> conv(8, 1)) + (q -> upsample(2))
  shared box = conv(4, 3)
  shared cls = conv(9, 3)
  output p1 = (p -> conv(8, 3) -> cls, p -> box)
  ys = [y -> conv(8, 3) for y in [p, q, c]]
  output p2 = (ys[0] -> cls, ys[0] -> box)
  output p3 = (ys[1] -> cls, ys[1] -> box)
  output p4 = (ys[2] -> cls, ys[2] -> box)
}
"""


@pytest.mark.parametrize("order", ["1, 3, 5", "5, 3, 1", "1, 3, 5, 7", "7, 1, 5, 3"])
def test_branches_stand_in_the_order_in_which_a_sum_takes_them(order: str) -> None:
    diagram = diagram_of(loads(SIBLINGS.replace("ORDER", order)).ir, View(9))
    plan = assert_arrows_are_clear(diagram)
    windows = {box.id: box.rows[0].text for box in diagram.boxes if box.rows[0].text.startswith("conv")}
    found = [windows[box][5] for box in sorted(windows, key=lambda box: plan.boxes[box].x)]
    assert found == order.split(", ")


def test_outputs_that_come_from_the_same_stand_in_their_order() -> None:
    diagram = diagram_of(loads(HEADS).ir, View(1))
    plan = assert_arrows_are_clear(diagram)
    place = {box.rows[0].text: plan.boxes[box.id].x for box in diagram.boxes if box.role == "output"}
    assert all(place[f"p{n} 1"] < place[f"p{n} 2"] for n in (2, 3, 4))
