"""What a diagram holds: boxes and their figures, levels, shapes on arrows."""

from __future__ import annotations

from itertools import pairwise

import pytest
from elaborated_zoo import load
from hypothesis import given
from hypothesis import strategies as st

from archc.api import loads
from archc.architecture import Architecture
from archc.viz.build import diagram_of
from archc.viz.diagram import Box, Diagram
from archc.viz.view import View

RESIDUAL = """
block unit(c) = id + (conv(c, 3) -> bn -> relu -> conv(c, 3) -> bn) -> relu
arch Net() {
  input x: [N, 8, 16, 16] = [1, 8, 16, 16]
  output x -> stage: (unit(8) ** 3)
}
"""
BRANCHES = """
block tower(c) = conv(c, 1) -> relu -> conv(c, 3) -> relu
block gate() = id * (gap -> conv(in.channels, 1) -> sigmoid)
block mixed(c) = concat(a: tower(c), b: conv(c, 1), c: (maxpool(3, 1, padding = 1) -> conv(c, 1)))
arch Net() {
  input x: [N, 8, 16, 16] = [1, 8, 16, 16]
  output x -> m1: mixed(4) -> m2: gate
}
"""


def of(architecture: Architecture, depth: int | None = None) -> Diagram:
    return diagram_of(architecture.ir, View(depth))


def assert_complete(architecture: Architecture, diagram: Diagram) -> None:
    """The boxes' figures add up to the total, and the arrows join boxes in order."""
    total = architecture.stats()
    assert (diagram.parameters, diagram.multiply_adds) == (total.parameters, total.multiply_adds)
    assert sum(box.total_parameters for box in diagram.boxes) == total.parameters
    assert sum(box.total_multiply_adds for box in diagram.boxes) == total.multiply_adds
    assert all(box.total_multiply_adds == box.multiply_adds * box.times for box in diagram.boxes)
    assert [box.id for box in diagram.boxes] == list(range(len(diagram.boxes)))
    assert all(0 <= edge.source < edge.target < len(diagram.boxes) for edge in diagram.edges)
    reached = {edge.target for edge in diagram.edges} | {box.id for box in diagram.boxes if box.role == "input"}
    assert reached == set(range(len(diagram.boxes)))


def test_the_default_view_of_resnet50_has_a_box_for_each_stage() -> None:
    diagram = of(load("resnet50"))
    assert len(diagram.boxes) <= 13
    stages = [box for box in diagram.boxes if box.role == "fold"]
    assert [(box.title, box.note) for box in stages] == [
        ("layer1", "3 × bottleneck"),
        ("layer2", "4 × bottleneck"),
        ("layer3", "6 × bottleneck"),
        ("layer4", "3 × bottleneck"),
    ]
    assert stages[2].shape == (1024, 14, 14)
    assert [chip.text for chip in stages[2].sketch] == ["1×1, 256", "3×3, 256", "1×1, 1024", "+"]
    assert stages[2].parameters == 7_098_368


@pytest.mark.parametrize(
    ("name", "boxes"), [("resnet18", 10), ("resnet152", 10), ("vgg16", 9), ("densenet121", 14), ("inception_v4", 15)]
)
def test_default_views_are_overviews(name: str, boxes: int) -> None:
    assert len(of(load(name)).boxes) == boxes


def test_calls_of_blocks_fold_where_they_open_no_scope() -> None:
    titles = [box.title for box in of(load("vgg16")).boxes if box.role == "fold"]
    assert titles[:5] == ["stage(64, 2)", "stage(128, 2)", "stage(256, 3)", "stage(512, 3)", "stage(512, 3)"]


@pytest.mark.parametrize("scope", ["stage: (unit(8) ** 3)", "a: (unit(8) -> b: (unit(8) ** 3))", "unit(8)"])
def test_a_network_has_the_same_levels_whichever_are_open(scope: str) -> None:
    net = loads(RESIDUAL.replace("stage: (unit(8) ** 3)", scope))
    diagrams = [of(net, depth) for depth in range(1, 6)]
    deepest = diagrams[0].deepest
    assert {diagram.deepest for diagram in (*diagrams, of(net))} == {deepest}
    assert [diagram.depth for diagram in diagrams] == [min(depth, deepest) for depth in range(1, 6)]
    assert of(net) == of(net, of(net).depth)
    assert len(diagrams[deepest - 2].boxes) < len(diagrams[deepest - 1].boxes) == len(diagrams[-1].boxes)


def test_layers_of_one_convolution_are_one_box() -> None:
    stem = of(load("resnet50")).boxes[1]
    assert [(row.kind, row.text) for row in stem.rows] == [
        ("conv", "conv 7×7, 64, stride 2"),
        ("norm", "batch norm"),
        ("activation", "ReLU"),
    ]


def test_equal_units_are_drawn_once_with_their_number() -> None:
    architecture = loads(RESIDUAL)
    diagram = of(architecture, 3)
    assert_complete(architecture, diagram)
    (group,) = diagram.groups
    assert (group.title, group.note, group.count) == ("stage", "3 × unit", 3)
    assert {box.times for box in diagram.inside(0)} == {3}
    sums = [box for box in diagram.boxes if box.role == "merge"]
    assert [box.title for box in sums] == ["sum"]
    assert [edge.source for edge in diagram.edges if edge.role == "skip"] == [0]


def test_units_that_take_other_shapes_are_not_equal() -> None:
    architecture = loads(
        "block unit(c) = conv(4, 1) -> relu -> conv(c, 3) -> relu\n"
        "arch Net() { input x: [N, 16, 8, 8] output x -> units: [unit(32) ** 4] }"
    )
    for depth in (1, 2, 3):
        assert_complete(architecture, of(architecture, depth))
    groups = of(architecture, 3).groups
    assert [group.count for group in groups if group.count > 1] == [3]


def test_branches_meet_in_glyphs() -> None:
    architecture = loads(BRANCHES)
    diagram = of(architecture, 9)
    assert_complete(architecture, diagram)
    assert [box.title for box in diagram.boxes if box.role == "merge"] == ["concat", "multiply"]
    concat = next(box.id for box in diagram.boxes if box.title == "concat")
    assert sum(edge.target == concat for edge in diagram.edges) == 3


def test_what_is_shared_counts_once() -> None:
    architecture = loads(
        "arch Net() { input x: [N, 8, 4, 4] = [1, 8, 4, 4] shared f = conv(8, 3) -> relu output x -> f -> f -> f }"
    )
    for depth in (1, 2, 3):
        assert_complete(architecture, of(architecture, depth))


def test_outputs_of_training_and_several_outputs() -> None:
    architecture = loads(
        "arch Net() { input x: [N, 8, 4, 4] = [1, 8, 4, 4] h = x -> conv(4, 3) "
        "output aux = h -> conv(2, 1) when training output main = h -> relu }"
    )
    diagram = of(architecture)
    assert_complete(architecture, diagram)
    assert [box.rows[0].text for box in diagram.boxes if box.role == "output"] == ["aux", "main"]
    assert sum(edge.role == "training" for edge in diagram.edges) == 1


THREE = "arch Net() {{ input a: [N, 8, 4, 4] input b: [N, 8, 4, 4] input c: [N, 8, 4, 4] output {} }}"


@pytest.mark.parametrize(
    ("text", "title", "signs"),
    [
        ("a + b", "sum", {}),
        ("a - b", "difference", {"b": "−"}),
        ("b - a", "difference", {"a": "−"}),
        ("a - b + c", "signed sum", {"b": "−"}),
        ("a - b - c", "signed sum", {"b": "−", "c": "−"}),
    ],
)
def test_subtraction_is_told_from_addition(text: str, title: str, signs: dict[str, str]) -> None:
    diagram = of(loads(THREE.format(text)))
    assert [box.title for box in diagram.boxes if box.role == "merge"] == [title]
    names = {box.id: box.rows[0].text for box in diagram.boxes}
    assert {names[edge.source]: edge.sign for edge in diagram.edges if edge.sign} == signs


def test_a_sketch_tells_subtraction_from_addition() -> None:
    body = "id {} (conv(8, 3) -> relu -> conv(8, 3))"
    for sign, glyph in (("+", "+"), ("-", "−")):
        architecture = loads(
            f"arch Net() {{ input x: [N, 8, 4, 4] output x -> f: ({body.format(sign)}) -> g: [conv(4, 1), gap] }}"
        )
        fold = next(box for box in of(architecture, 1).boxes if box.role == "fold")
        assert fold.sketch[-1].text == glyph


UNITS = """
block unit(c) {
  body = conv: [conv(2 * c, 1), bn, relu, conv(c, 1), bn]
  output if in.channels == c then id + body else body
}
arch Net() {
  input x: [N, 3, 32, 32]
  output x -> features: [unit(8), unit(8), unit(16)] -> gap -> fc: linear(10)
}
"""


def test_numbered_units_have_their_number_and_their_block() -> None:
    diagram = of(loads(UNITS), 2)
    folds = [(box.title, box.note, box.path) for box in diagram.boxes if box.role == "fold"]
    assert folds == [(f"features.{i}", "unit", f"features.{i}") for i in range(3)]


def test_labels_stand_beside_layers_that_they_tell_more_of() -> None:
    architecture = loads(
        "arch Net() { input x: [N, 3, 8, 8] output x -> stem: [conv(8, 3), bn] -> conv1: conv(8, 3) -> n: bn"
        " -> proj: conv(8, 1) -> conv(8, 1) -> gap -> fc: linear(10) }"
    )
    rows = [row for box in of(architecture).boxes for row in box.rows]
    assert [row.label for row in rows if row.kind in ("conv", "dense")] == ["stem", "", "proj", "", "fc"]
    assert not any(row.label for row in rows if row.minor)


def test_a_folded_scope_says_how_many_units_are_further_inside() -> None:
    architecture = loads(
        "block layer(h) = (id + (ln -> attention(h))) -> (id + (ln -> [linear(64), gelu, linear(in.channels)]))\n"
        "block encoder(h, n) = dropout(0.1) -> layers: (layer(h) ** n) -> ln\n"
        "arch Net() { input x: tokens [N, 16, 32] output x -> encoder: encoder(4, 3) -> head: linear(10) }"
    )
    (fold,) = [box for box in of(architecture, 1).boxes if box.role == "fold"]
    assert (fold.title, fold.note) == ("encoder", "3 × layer")


def fold(diagram: Diagram, title: str) -> Box:
    (found,) = [box for box in diagram.boxes if box.title == title]
    return found


def test_a_dense_block_says_what_it_is() -> None:
    block = fold(of(load("densenet121")), "denseblock1")
    assert block.note == "6 × denselayer, growth 32"
    assert [chip.text for chip in block.sketch] == ["1×1, 128", "3×3, 32"]


PATHS = """
block path() = conv(4, 1) -> bn -> relu -> conv(4, 3) -> bn -> relu -> conv(8, 1)
arch Net() {
  input x: [N, 8, 16, 16] = [1, 8, 16, 16]
  output x -> sum(path() for _ in 1..32) -> relu
}
"""


def test_of_many_equal_branches_the_first_and_the_last_are_drawn() -> None:
    architecture = loads(PATHS)
    for depth in (1, 2):
        diagram = of(architecture, depth)
        assert_complete(architecture, diagram)
        (rest,) = [box for box in diagram.boxes if box.role == "rest"]
        assert (rest.title, rest.count) == ("… 30 more", 30)
        (join,) = [box for box in diagram.boxes if box.role == "merge"]
        assert sum(edge.target == join.id for edge in diagram.edges) == 3
    assert sum(box.role == "fold" for box in of(architecture, 1).boxes) == 2


def test_different_branches_are_all_drawn() -> None:
    architecture = loads(PATHS.replace("path() for _ in 1..32", "conv(8, 2 * i + 1) for i in 0..6"))
    diagram = of(architecture)
    assert_complete(architecture, diagram)
    assert sum(row.kind == "conv" for box in diagram.boxes for row in box.rows) == 7


def test_resnext_forms_name_their_paths() -> None:
    boxes = of(load("resnext", form="a"), 9).boxes
    assert sum(box.title == "… 30 more" for box in boxes) == 8
    rows = [row.text for box in of(load("resnext", form="c"), 9).boxes for row in box.rows]
    assert sum("32 groups" in text for text in rows) == 8


def test_what_looks_alike_and_is_written_twice_is_drawn_twice() -> None:
    body = "[conv(8, 3), bn, relu, conv(8, 3), bn, relu]"
    architecture = loads(
        "arch Net() { input x: [N, 8, 4, 4] = [1, 8, 4, 4] "
        f"output x -> a: {body} -> b: {body} -> c: ({body.replace('8', '4')} ** 2) }}"
    )
    folds = [(box.title, box.count) for box in of(architecture, 1).boxes if box.role == "fold"]
    assert folds == [("a", 1), ("b", 1), ("c", 1)]


def test_units_that_alternate_with_a_layer_are_one_run() -> None:
    architecture = loads(
        "block unit() = id + (conv(8, 3) -> bn -> relu -> conv(8, 3))\n"
        "arch Net() { input x: [N, 8, 4, 4] = [1, 8, 4, 4] x = x -> conv(8, 3)\n"
        "for i in 1..5 { x = x -> relu -> unit{i}: unit() } output x }"
    )
    diagram = of(architecture, 1)
    assert_complete(architecture, diagram)
    assert [(box.title, box.count) for box in diagram.boxes if box.role == "fold"] == [("5 × unit", 5)]


FRACTAL = """
use fractal from "std/fractal.arch"
arch Net() {
  input x: [N, 8, 4, 4] = [1, 8, 4, 4]
  fn unit(end, column) = conv(8, 3) -> relu
  output x -> stem: conv(8, 3) -> body: fractal(3, unit, mean) -> mean
}
"""


def test_a_recursion_is_one_part_with_its_columns_side_by_side() -> None:
    diagram = of(loads(FRACTAL), 9)
    assert len(diagram.groups) <= 1
    assert [box.face for box in diagram.boxes if box.role == "merge"] == ["bar", "bar"]
    assert sum(row.kind == "conv" for box in diagram.boxes for row in box.rows) == 8


def test_a_folded_part_with_branches_has_a_small_picture() -> None:
    boxes = {box.title: box for box in of(load("inception_v4")).boxes}
    inner = boxes["4 × inception_a"].inner
    assert inner is not None
    assert sum(row.kind == "conv" for box in inner.boxes for row in box.rows) == 7
    assert all(box.inner is None for box in of(load("resnet50")).boxes)


TIED = """
block unit() = id + (fresh(bn) -> relu -> conv(8, 3))
arch Net() {
  input x: [N, 8, 4, 4] = [1, 8, 4, 4]
  shared cell = unit()
  output x -> cell -> maxpool(1) -> cell -> conv(8, 3)
}
"""


def test_shared_weights_are_marked_where_they_are_used() -> None:
    architecture = loads(TIED)
    diagram = of(architecture, 9)
    assert_complete(architecture, diagram)
    marked = [row for box in diagram.boxes for row in box.rows if row.shared]
    assert {row.shared for row in marked} == {1} and len(marked) == 2
    assert [row.sharing for row in marked] == ["", "shared with cell.conv"]


def test_a_recurrence_says_that_its_steps_share_weights() -> None:
    text = TIED.replace("x -> cell -> maxpool(1) -> cell", "x -> cell ** 4")
    architecture = loads(text)
    for depth in (1, 9):
        assert_complete(architecture, of(architecture, depth))
    (box,) = [box for box in of(architecture, 1).boxes if box.role == "fold"]
    assert (box.title, box.note) == ("4 × unit", "shared weights")
    marked = [row for box in of(architecture, 9).boxes for row in box.rows if row.shared]
    assert [row.sharing for row in marked] == ["the same 4 times"]


def test_frozen_layers_say_so() -> None:
    architecture = loads(
        "arch Net() { input x: [N, 8, 4, 4] = [1, 8, 4, 4] output x -> frozen(conv(8, 3)) -> relu -> conv(8, 3) }"
    )
    rows = [row.frozen for box in of(architecture).boxes for row in box.rows if row.kind == "conv"]
    assert rows == [True, False]


def test_a_box_shows_its_layers_where_it_has_room_for_all() -> None:
    found = diagram_of(load("densenet121").ir, View(only=("features.denseblock1",)))
    boxes = [box for box in found.boxes if box.role == "fold"]
    assert len(boxes) == 6
    assert all([chip.text for chip in box.sketch][-2:] == ["1×1, 128", "3×3, 32"] for box in boxes)


PARTS = "block unit() = conv(8, 3) -> bn -> relu\nblock long() = unit -> unit -> maxpool(3, 1, padding = 1) -> unit\n"


@given(st.integers(2, 7), st.sets(st.integers(0, 6), max_size=3), st.sampled_from(["unit", "long"]))
def test_a_row_ends_where_an_output_is_taken(count: int, taken: set[int], block: str) -> None:
    """A part that gives an output is the last of its row: no box stands for parts of which one alone gives it."""
    units = [f"h{n + 1} = h{n} -> u{n}: {block}" for n in range(count)]
    places = sorted({n for n in taken if n < count} | {count - 1})
    outputs = [f"output o{n} = h{n + 1}" for n in places]
    architecture = loads(
        f"{PARTS}arch Net() {{\n  input h0: [N, 8, 8, 8] = [1, 8, 8, 8]\n  " + "\n  ".join([*units, *outputs]) + "\n}"
    )
    fewest = 3 if block == "unit" else 2
    rows = [end - start for start, end in pairwise([-1, *places])]
    drawn_once = [row for row in rows if row >= fewest]
    for depth in (1, 2, 4):
        diagram = of(architecture, depth)
        assert_complete(architecture, diagram)
        assert [box.rows[0].text for box in diagram.boxes if box.role == "output"] == [f"o{n}" for n in places]
        if depth > 1:
            assert [group.count for group in diagram.groups if group.count > 1] == drawn_once
        else:
            assert [int(box.title.split(" ×")[0]) for box in diagram.boxes if " ×" in box.title] == drawn_once


@given(st.integers(5, 8), st.none() | st.integers(0, 7))
def test_equal_branches_are_told_apart_by_an_output(count: int, taken: int | None) -> None:
    """Of five equal branches and more, the first and the last are drawn; those are others where one is an output."""
    branches = [f"b{n} = x -> p{n}: unit" for n in range(count)]
    sums = ", ".join(f"b{n}" for n in range(count))
    middle = taken is not None and taken < count
    output = f"output tap = b{taken}" if middle else ""
    architecture = loads(
        f"{PARTS}arch Net() {{\n  input x: [N, 8, 8, 8] = [1, 8, 8, 8]\n  "
        + "\n  ".join([*branches, f"output main = ({sums}) -> concat", output])
        + "\n}"
    )
    diagram = of(architecture, 4)
    assert_complete(architecture, diagram)
    beside = [taken, count - taken - 1] if middle and taken is not None else [count]
    expected = sum(3 if row >= 5 else row for row in beside) + middle
    boxes = [box for box in diagram.boxes if box.role in ("layer", "rest", "fold")]
    assert len(boxes) == expected + 1 - any(box.title == "concat" and box.role == "merge" for box in diagram.boxes)
