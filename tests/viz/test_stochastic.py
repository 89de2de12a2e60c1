"""Parts left out in training, in drawings, JSON and figures: a random number is no data."""

from __future__ import annotations

import json

from archc.api import loads
from archc.compiler.decompile.graph_json import json_text
from archc.viz.build import diagram_of
from archc.viz.paint import painted
from archc.viz.scene import Outline

NET = loads("""
arch Net {
  input image: [N, 3, 8, 8]
  draw column = choice(2, share = 0.5)
  a = image -> a: conv(8, 3) -> bn -> relu -> survive(0.8)
  b = image -> b: conv(8, 3) -> bn -> relu
  c = (a, b) -> drop_mean(0.15, survivor = column)
  output (c, c -> conv(8, 3)) -> freeze_drop_path(cycle = 9)
}
""")


def test_a_draw_stands_apart_with_dashed_arrows_to_its_joins() -> None:
    diagram = diagram_of(NET.ir)
    texts = {box.rows[0].text: box for box in diagram.boxes}
    drawn, join = texts["choice of 2"], texts["drop-mean 0.15"]
    assert [e.source for e in diagram.edges if e.target == drawn.id] == []
    assert [(e.target, e.role, e.shape) for e in diagram.edges if e.source == drawn.id] == [(join.id, "drawn", None)]
    assert join.role == texts["freeze-drop-path cycle 9"].role == "merge"
    assert any(row.text == "survive 0.8" for box in diagram.boxes for row in box.rows)


def test_what_training_leaves_out_is_dashed() -> None:
    diagram = diagram_of(NET.ir)
    random = {box.id for box in diagram.boxes if any(row.stochastic for row in box.rows)}
    assert {row.text for box in diagram.boxes for row in box.rows if row.stochastic} == {
        "choice of 2",
        "survive 0.8",
        "drop-mean 0.15",
        "freeze-drop-path cycle 9",
    }
    boxes = [element for element in painted(diagram).elements if element.kind == "box"]
    dashed = {e.number for e in boxes if any(isinstance(s, Outline) and s.dash == "dashed" for s in e.shapes)}
    assert dashed == random


def test_json_and_figures() -> None:
    nodes = json.loads(json_text(NET.ir))["nodes"]
    (drawn,) = [node for node in nodes if node["op"] == "choice"]
    (join,) = [node for node in nodes if node["op"] == "drop_mean"]
    assert drawn["path"] == "column" and drawn["outputs"][0]["dims"] == [1] and drawn["parameters"]["n"] == 2
    assert join["inputs"][-1] == [drawn["index"], 0] and join["parameters"]["survivor"] == 2
    stats = NET.stats()
    assert (stats.parameters, stats.buffers, stats.depth) == (2 * 232 + 576, 2 * 17 + 1, 2)
