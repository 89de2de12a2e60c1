"""Default views: at most 20 boxes, on a page, with arrows that lead around boxes; and what is gathered for that."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from elaborated_zoo import load
from gallery import SHOWN

from archc.api import loads
from archc.catalog import shipped_files
from archc.compiler.ir.graph import Graph
from archc.compiler.program import Program
from archc.viz.build import diagram_of
from archc.viz.diagram import Diagram
from archc.viz.layout import Spot
from archc.viz.paint import placed
from archc.viz.view import View

from .test_diagram import assert_complete

FILES = shipped_files()


SOME = ("resnet152", "fractalnet_caffe", "stn_svhn_single", "fof_tsn", "tsn_fdp", "fcn8s_atonce")


@pytest.mark.parametrize("name", [*SOME, *(name for name in SHOWN.values() if "cifar" not in name)])
def test_overviews_fit_a_page_and_arrows_lead_around_boxes(name: str) -> None:
    assert_overview(load(name).ir)


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_all_overviews_do(path: Path) -> None:
    program = Program.open(path)
    for definition in program.definitions():
        if definition.kind == "arch" and definition.has_defaults:
            graph = program.elaborate(definition.name).graph
            assert graph is not None
            assert_overview(graph)


def assert_overview(graph: Graph) -> None:
    diagram = diagram_of(graph)
    plan = placed(diagram)
    assert len(diagram.boxes) <= 20, graph.name
    assert plan.w <= 870 and plan.h <= 1280, graph.name
    assert not crossings(diagram), graph.name


def crossings(diagram: Diagram) -> list[tuple[int, int]]:
    """Arrows and boxes, by their numbers, where an arrow leads through a box that is not its end."""
    plan = placed(diagram)
    found = []
    for number, way in plan.routes.items():
        ends = (diagram.edges[number].source, diagram.edges[number].target)
        for box, spot in plan.boxes.items():
            if box not in ends and any(passes(a, b, spot) for a, b in pairwise(way)):
                found.append((number, box))
    return found


def passes(a: tuple[float, float], b: tuple[float, float], spot: Spot) -> bool:
    (left, right), (top, bottom) = sorted((a[0], b[0])), sorted((a[1], b[1]))
    return left < spot.right - 1 and right > spot.x + 1 and top < spot.bottom - 1 and bottom > spot.y + 1


GATE = """
arch Gate() {
  input x: [N, 8, 16, 16]
  gate = x -> gate: (conv(8, 1) -> sigmoid)
  f = x -> f: [conv(8, 3), relu, conv(8, 3), relu]
  output gate * f + ((1 - gate) * x)
}
"""


def test_an_arrow_goes_around_a_box_in_its_way() -> None:
    for depth in (1, 2, 3):
        assert not crossings(diagram_of(loads(GATE).ir, View(depth)))


def stem(count: int) -> str:
    convolutions = " -> ".join(f"conv({8 + i}, 3) -> relu" for i in range(count))
    return f"arch Net() {{ input x: [N, 3, 16, 16] output x -> {convolutions} -> maxpool(2) -> gap -> linear(10) }}"


def test_a_long_chain_of_layers_is_stacked_only_where_it_has_to_be() -> None:
    few, many = (diagram_of(loads(stem(count)).ir) for count in (6, 30))
    assert max(len(box.rows) for box in few.boxes) == 2
    assert len(many.boxes) <= 20
    assert max(sum(not row.minor for row in box.rows) for box in many.boxes) > 2
    assert len(diagram_of(loads(stem(30)).ir, View(1)).boxes) > 30, "a depth that is given shows every layer"


def test_what_is_expanded_is_not_gathered() -> None:
    net = loads(UNLIKE)
    diagram = diagram_of(net.ir, View(expand=("unit3",)))
    assert [group.path for group in diagram.groups] == ["unit3"] and len(diagram.boxes) > 24


UNLIKE = """
block unit(c) = id + (conv(c, 1) -> bn -> relu -> conv(in.channels, 3) -> bn) -> relu
block tower(c, k) = concat(a: unit(c), b: (conv(c, 1) -> relu -> conv(c, k)))
arch Net() {
  input x: [N, 8, 16, 16]
  h = x
  for i in 1..24 { h = h -> unit{i}: unit(8 * i) }
  output h -> gap -> linear(10)
}
"""


def test_units_that_differ_in_settings_are_one_box_in_an_overview() -> None:
    net = loads(UNLIKE)
    diagram = diagram_of(net.ir)
    assert_complete(net, diagram)
    (box,) = [box for box in diagram.boxes if box.role == "fold"]
    assert (box.title, box.note, box.count) == ("24 × unit", "unit1 … unit24", 24)
    assert sum(box.role == "fold" for box in diagram_of(net.ir, View(1)).boxes) == 24


HEADS = """
arch Net() {
  input x: [N, 3, 16, 16]
  h = x -> [conv(8, 3), relu] -> gap
  output h -> stack(digit{i}: linear(11) for i in 1..24)
}
"""


def test_equal_layers_side_by_side_are_one_box_in_an_overview() -> None:
    net = loads(HEADS)
    diagram = diagram_of(net.ir)
    assert_complete(net, diagram)
    (box,) = [box for box in diagram.boxes if box.count > 1]
    row = box.rows[0]
    assert (row.text, row.label, row.parameters) == ("24 × linear 11", "digit1 … digit24", 24 * 99)
    assert len([edge for edge in diagram.edges if edge.source == box.id]) == 24


def test_a_recursion_does_not_repeat_what_stands_at_its_ends() -> None:
    text = """
    block double(c) = [conv(c, 3), bn, relu, conv(c, 3), bn, relu]
    block unet(c, depth) = if depth == 0 then mid: double(c)
      else enc: double(c) -> (id ++ (maxpool(2) -> inner: unet(2 * c, depth - 1) -> up: upconv(c, 2))) -> dec: double(c)
    arch UNet() { input x: [N, 3, 64, 64] output x -> unet(8, 3) -> head: conv(2, 1) }
    """
    for depth in (2, 3):
        notes = {box.title: box.note for box in diagram_of(loads(text).ir, View(depth)).boxes if box.role == "fold"}
        assert notes["inner"] == "unet"


def test_figures_of_gathered_views_add_up() -> None:
    for name in ("inception_v3", "fractalnet_caffe", "stn_svhn_multi"):
        net = load(name)
        assert_complete(net, diagram_of(net.ir))


def test_residuals_of_residuals_show_the_arcs_of_every_level() -> None:
    diagram = diagram_of(load("ror3_56_cifar").ir)
    sums = [box for box in diagram.boxes if box.face == "circle"]
    assert len(sums) == 4  # one around each stage, and the root's
    assert_overview(load("ror3_56_cifar").ir)


def test_a_folded_box_counts_units_at_every_level() -> None:
    block = "block mb(c) = [conv(c, 3), bn, relu, conv(c, 1), bn]"
    body = "x -> stem: conv(8, 3) -> s: [mb(16), [mb(16) ** 2]] -> gap"
    diagram = diagram_of(loads(f"{block}\narch A {{ input x: [N, 3, 8, 8]  output {body} }}").ir, View(1))
    assert [box.note for box in diagram.boxes if box.role == "fold"] == ["3 × mb"]
