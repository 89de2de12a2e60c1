"""What a reader takes from a picture: all parameters, what tells boxes apart, shared weights, order, recomputation."""

from __future__ import annotations

import pytest

from archc.api import loads
from archc.architecture import Architecture
from archc.viz.diagram import Box
from archc.viz.measure import text_width
from archc.viz.paint import painted, placed
from archc.viz.scene import Outline, Text
from archc.viz.style import RINGS

from .several_outputs import SPECS


def texts_of(architecture: Architecture) -> list[str]:
    scene = painted(architecture.draw().diagram)
    return [shape.text for element in scene.elements for shape in element.shapes if isinstance(shape, Text)]


def test_a_parameter_of_the_spec_tells_its_figures() -> None:
    net = loads("""
arch Net {
  input x: tokens [N, 8, 16]
  param pos = normal([1, 8, 16], std = 0.02)
  param still = zeros([1, 8, 16])
  buffer mask = ones([1, 8, 16])
  output (x + pos + still) * mask -> lin: linear(4)
}
""")
    texts = texts_of(net)
    assert texts.count("128") == 2 and texts[texts.index("pos") + 1] == "128"
    assert texts[texts.index("mask") + 1] == "×" or not texts[texts.index("mask") + 1].isdigit()
    assert sum(box.total_parameters for box in net.draw().diagram.boxes) == net.stats().parameters


def test_what_tells_boxes_apart_is_never_cut() -> None:
    branches = ", ".join(f"conv(128, 3, dilation = {rate})" for rate in (6, 12, 18))
    net = loads(f"arch Net {{ input x: [N, 64, 32, 32] output x -> concat(conv(128, 1), {branches}) -> dwconv(3, 2) }}")
    assert {f"conv 3×3, 128, dilation {rate}" for rate in (6, 12, 18)} < set(texts_of(net))
    assert "depthwise conv 3×3, stride 2" in texts_of(net)


def test_a_sketch_tells_stride_and_dilation() -> None:
    body = "conv(8, 3, 2) -> relu -> conv(8, 3, dilation = 2) -> relu -> conv(8, 1)"
    net = loads(f"arch Net {{ input x: [N, 3, 32, 32] output x -> stem: conv(8, 3) -> f: ({body}) -> gap }}")
    (fold,) = [box for box in net.draw(depth=1).diagram.boxes if box.role == "fold"]
    assert [chip.text for chip in fold.sketch] == ["3×3, 8 /2", "3×3, 8, dilation 2", "1×1, 8"]


def test_a_sketch_of_named_and_unnamed_parts_tells_the_layers() -> None:
    net = loads("""
block se() = id * [gap, conv(2, 1), relu, conv(in.channels, 1), sigmoid]
block unit(c) = [[conv(c, 1), bn, relu], [dwconv(3, 2), bn, relu], se(), [conv(c, 1), bn]]
arch Net { input x: [N, 3, 32, 32] output x -> stem: conv(8, 3) -> f: unit(16) -> gap }
""")
    (fold,) = [box for box in net.draw(depth=1).diagram.boxes if box.role == "fold"]
    assert [chip.text for chip in fold.sketch] == ["1×1, 16", "dw 3×3 /2", "global average pool", "…", "1×1, 16"]


@pytest.mark.parametrize(
    ("sizes", "layers", "chips"),
    [
        ("16", "conv(8, 3, [2]), conv(8, 3, 1), dwconv(3)", ["3, 8 /2", "3, 8", "dw 3"]),
        ("8, 16, 16", "conv(8, 3, [1, 2, 2]), conv(8, 3, [1, 1, 1])", ["3×3×3, 8 /1×2×2", "3×3×3, 8"]),
        ("8, 16, 16", "conv(8, 3, [2, 2, 2]), maxpool(2)", ["3×3×3, 8 /2", "max pool 2×2×2"]),
    ],
)
def test_a_sketch_tells_the_axes_of_space(sizes: str, layers: str, chips: list[str]) -> None:
    net = loads(f"arch Net {{ input x: [N, 3, {sizes}] output x -> f: [{layers}] -> gap }}")
    (fold,) = [box for box in net.draw(depth=1).diagram.boxes if box.role == "fold"]
    assert [chip.text for chip in fold.sketch] == chips


def test_a_sketch_tells_the_settings_of_a_layer_with_a_given_weight() -> None:
    net = loads("""
arch Net {
  input x: [N, 3, 16, 16]
  param k = normal([3, 1, 1, 3])
  param w = normal([8, 3])
  output x -> f: [dwconv([1, 3], [1, 2], weight = k), gap, linear(8, weight = w)] -> relu
}
""")
    (fold,) = [box for box in net.draw(depth=1).diagram.boxes if box.role == "fold"]
    assert [chip.text for chip in fold.sketch] == ["dw 1×3 /1×2", "global average pool", "8"]


def test_no_sign_of_the_legend_runs_into_its_meaning() -> None:
    net = loads("""
arch Net {
  input x: [N, 3, 8, 16, 16]
  output x -> stage: [conv(8, 3, [1, 2, 2]), conv(8, 3)] -> gap
}
""")
    scene = painted(net.draw(depth=1).diagram)
    texts = [shape for element in scene.elements for shape in element.shapes if isinstance(shape, Text)]
    (sign,) = [text for text in texts if text.text == "/1×2×2"]
    (meaning,) = [text for text in texts if text.text == "stride 1×2×2"]
    assert sign.x + text_width(sign.text, sign.size) + 3 < meaning.x


FRESH = """
block unit() = id + (conv(8, 3) -> bn -> relu -> last: conv(8, 3) -> fresh(bn))
arch Net {
  input x: [N, 8, 16, 16]
  shared part = unit()
  output x -> a: part -> maxpool(3, 1, padding = 1) -> b: part
}
"""


def rings(box: Box, architecture: Architecture, depth: int) -> int:
    """How many borders of shared weights a box has."""
    scene = painted(architecture.draw(depth=depth).diagram)
    (element,) = [e for e in scene.elements if (e.kind, e.number) == ("box", box.id)]
    return sum(isinstance(shape, Outline) and shape.stroke in RINGS for shape in element.shapes)


def test_a_border_of_shared_weights_encloses_these_alone() -> None:
    net = loads(FRESH)
    boxes = [box for box in net.draw(depth=9).diagram.boxes if box.rows[0].kind == "conv"]
    shared = [[bool(row.shared) for row in box.rows] for box in boxes]
    assert shared == [[True, True, False], [True, False]] * 2
    assert [rings(box, net, 9) for box in boxes] == [2, 1] * 2


def test_a_folded_part_with_weights_of_its_own_says_that_it_shares_some() -> None:
    for text, note, borders in ((FRESH, "unit, some weights shared", 0), (FRESH.replace("fresh(bn)", "bn"), "unit", 1)):
        net = loads(text)
        folds = [box for box in net.draw(depth=1).diagram.boxes if box.role == "fold"]
        assert [box.note for box in folds] == [note] * 2
        assert [rings(box, net, 1) for box in folds] == [borders] * 2


def test_what_is_subtracted_ends_apart_from_what_is_not() -> None:
    for body in ("x - (x -> conv(8, 3))", "(x -> conv(8, 3)) - x", "(x -> a: conv(8, 3) -> b: conv(8, 3)) - x - a"):
        names = "a = x -> a: conv(8, 3)\n" if body.endswith("a") else ""
        body = body.replace("x -> a: conv(8, 3)", "a") if names else body
        diagram = loads(f"arch Net {{ input x: [N, 8, 16, 16]\n{names} output {body} }}").draw().diagram
        plan = placed(diagram)
        ends = [way[-1] for n, way in plan.routes.items() if diagram.boxes[diagram.edges[n].target].face == "circle"]
        assert len(set(ends)) == len(ends) > 1
        assert {sign for sign, _ in plan.signs.values()} == {"−"}


def test_inputs_that_may_not_change_places_are_numbered() -> None:
    diagram = loads(SPECS["ordered"]).draw().diagram
    products = [box.id for box in diagram.boxes if box.rows[0].text == "matmul"]
    for box in products:
        assert [edge.sign for edge in diagram.edges if edge.target == box] == ["1", "2"]
    plan = placed(diagram)
    for box in products:
        ends = [plan.routes[n][-1] for n, edge in enumerate(diagram.edges) if edge.target == box]
        assert len(set(ends)) == 2 and all(
            n in plan.signs for n, edge in enumerate(diagram.edges) if edge.target == box
        )


@pytest.mark.parametrize(("order", "signs"), [("a, b", set()), ("b, a", {"1", "2"})])
def test_a_join_in_order_needs_no_numbers(order: str, signs: set[str]) -> None:
    net = loads(f"""
arch Net {{
  input a: [N, 8, 16, 16]
  input b: [N, 8, 16, 16]
  output o = (a, b) -> stack
  output p = ({order}) -> concat
}}
""")
    assert {sign for sign, _ in placed(net.draw().diagram).signs.values()} == signs


UNITS = "block unit(c) = id + (conv(c, 3) -> bn -> relu -> conv(c, 3) -> bn) -> relu\n"


@pytest.mark.parametrize(
    ("body", "depth", "said"),
    [
        ("a: recompute(unit(8))", 1, ["unit, recomputed"]),
        ("a: recompute(unit(8))", 9, ["1.18 k · 295 k, recomputed"]),
        ("recompute(unit(8) ** 3)", 1, ["recomputed together"]),
        ("recompute(unit(8)) ** 3", 1, ["recomputed"]),
        ("a: [recompute(unit(8)), conv(8, 1), recompute(unit(8))]", 1, ["2 × unit, recomputed in part"]),
        ("recompute(bn)", 9, ["recomputed"]),
        ("unit(8)", 9, []),
    ],
)
def test_parts_that_are_recomputed_say_so(body: str, depth: int, said: list[str]) -> None:
    net = loads(f"{UNITS}arch Net {{ input x: [N, 8, 16, 16] output x -> stem: conv(8, 3) -> {body} -> gap }}")
    scene = painted(net.draw(depth=depth).diagram)
    texts = [shape.text for element in scene.elements for shape in element.shapes if isinstance(shape, Text)]
    assert [text for text in texts if "recomputed" in text] == said


def test_units_of_which_one_is_recomputed_are_not_equal() -> None:
    net = loads(
        f"{UNITS}arch Net {{ input x: [N, 8, 4, 4] output x -> [recompute(unit(8)), unit(8), unit(8)] -> gap }}"
    )
    assert [box.count for box in net.draw(depth=1).diagram.boxes if box.role == "fold"] == [1, 2]
