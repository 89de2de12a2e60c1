"""Drawings as files: SVG that is the same every time and holds no markup of a spec's, what Graphviz paints, DOT."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from elaborated_zoo import load

from archc.api import loads
from archc.dsl.diagnostics import ArchError
from archc.viz import draw as drawing
from archc.viz import programs, render
from archc.viz.build import diagram_of
from archc.viz.diagram import Box, Chip, Diagram, Edge, Group, Row
from archc.viz.dot import to_dot
from archc.viz.draw import draw
from archc.viz.paint import painted, placed
from archc.viz.scene import Text
from archc.viz.view import View

ALLOWED = {"svg", "g", "title", "path", "rect", "text"}

HOSTILE = [
    "<script>alert(1)</script>",
    "<B>bold</B>",
    '"]; evil [label="x"];',
    "back\\slash \\N \\G \\l",
    "a & b &amp; c &#60;",
    "line\nbreak\ttab\x00\x1b\x07 \ud800",
    "🙂 ünïcode 中文 \u202e",
    "--> <!-- <![CDATA[ ]]> <?xml ?>",
    "javascript:alert(1)",
    "%s {0} </TD></TR></TABLE>>",
    "x" * 10_000,
]


def hostile(text: str) -> Diagram:
    """A diagram with a text everywhere where a spec's text can stand."""
    row = Row("conv", text, text, 1, 2)
    chips = (Chip("conv", text), Chip("other", text))
    return Diagram(
        text,
        3,
        6,
        1,
        1,
        (
            Box(0, "input", (replace(row, kind="io"),)),
            Box(1, "layer", (row, replace(row, minor=True)), group=0),
            Box(2, "fold", (replace(row, kind="fold"),), title=text, note=text, sketch=chips),
            Box(3, "merge", (replace(row, kind="merge"),), title=text),
        ),
        (Group(0, text, text, text, None, 1, 1, 2),),
        (Edge(0, 1, (3, 4)), Edge(1, 2, None), Edge(2, 3, None), Edge(0, 3, None, "skip")),
    )


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_text_becomes_markup(text: str) -> None:
    root = ElementTree.fromstring(render.render(hostile(text)))
    assert {element.tag.rpartition("}")[2] for element in root.iter()} <= ALLOWED
    attributes = {name for element in root.iter() for name in element.attrib}
    assert not {name for name in attributes if name.startswith("on") or name.endswith("href")}
    assert sum(element.get("class") == "box" for element in root.iter()) == 4


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_graphviz_takes_any_text(text: str) -> None:
    assert render.render(hostile(text), "png").startswith(b"\x89PNG")
    program = shutil.which("dot") or shutil.which("graphviz-pure", path=str(Path(sys.executable).parent))
    assert program
    source = to_dot(hostile(text[:200])).encode()
    laid_out = subprocess.run([program, "-Kdot", "-Tjson0"], input=source, capture_output=True, check=True)
    nodes = [node["name"] for node in json.loads(laid_out.stdout)["objects"]]
    assert sorted(nodes) == ["cluster_g0", "n0", "n1", "n2", "n3"]


def test_texts_stay_in_their_boxes() -> None:
    diagram = hostile("W" * 10_000)
    scene = painted(diagram)
    texts = [s for e in scene.elements if e.kind in ("box", "group", "title") for s in e.shapes if isinstance(s, Text)]
    assert texts and max(len(text.text) for text in texts) < 60
    assert scene.width < 600


@pytest.mark.parametrize("options", [{}, {"direction": "right"}, {"width": "12cm"}])
def test_a_label_stands_below_a_layer_where_it_has_no_room_beside_it(options: dict[str, Any]) -> None:
    towers = ", ".join(f"tower{n}: (x -> conv(64, {n}))" for n in (1, 3, 5))
    text = f"arch Net() {{ input x: [N, 64, 32, 32] = [1, 64, 32, 32] output concat({towers}) }}"
    svg = loads(text).draw(**options).content.decode()
    assert all(f">tower{n}</text>" in svg for n in (1, 3, 5))


def test_long_labels_of_a_spec_are_clipped() -> None:
    label = "x" * 300
    architecture = loads(
        "arch Net() { input x: [N, 8, 4, 4] = [1, 8, 4, 4] "
        f'output x -> "{label}": [conv(8, 3), [conv(8, 3), gap, relu]] }}'
    )
    assert "x" * 100 not in to_dot(diagram_of(architecture.ir, View(1)))


def test_what_the_pointer_tells() -> None:
    svg = draw(load("resnet50").ir).content.decode()
    assert "<title>layer3  1024×14×14  7.10 M · 1.46 G</title>" in svg
    assert 'aria-label="resnet50: 25.6 M parameters"' in svg


UNET = """
block double(c) = [conv(c, 3), bn, relu, conv(c, 3), bn, relu]
block unet(c, depth) = if depth == 0 then mid: double(c)
  else enc: double(c) -> (id ++ (maxpool(2) -> inner: unet(2 * c, depth - 1) -> up: upconv(c, 2))) -> dec: double(c)
arch UNet() {
  input x: [N, 3, 64, 64]
  output x -> unet(8, 3) -> head: conv(2, 1)
}
"""


def test_the_trunk_is_straight_and_shortcuts_nest_beside_it() -> None:
    diagram = diagram_of(loads(UNET).ir, View(9))
    plan = placed(diagram)
    middles = {round(plan.boxes[box.id].middle, 2) for box in diagram.boxes if box.role != "merge"}
    assert len(middles) == 1
    skips = [plan.routes[n] for n, edge in enumerate(diagram.edges) if edge.role == "skip"]
    spans = sorted((max(x for x, _ in points), points[-1][1] - points[0][1]) for points in skips)
    assert len(spans) == 3
    assert [height for _, height in spans] == sorted(height for _, height in spans)


def test_columns_of_a_fractal_end_in_a_bar_across_them() -> None:
    diagram = diagram_of(load("fractalnet").ir, View(depth=9, only=("features.unit1.block",)))
    plan = placed(diagram)
    bars = [box.id for box in diagram.boxes if box.face == "bar"]
    for bar in bars:
        sources = [plan.boxes[edge.source] for edge in diagram.edges if edge.target == bar]
        assert len({round(spot.middle) for spot in sources}) == len(sources)
        assert all(plan.boxes[bar].x < spot.middle < plan.boxes[bar].right for spot in sources)


def test_signs_of_a_difference_are_drawn() -> None:
    graph = loads("arch Net() { input a: [N, 3] input b: [N, 3] output a - b }").ir
    dot = draw(graph, "dot").content.decode()
    assert dot.count("headlabel=") == 1 and dot.count("−") == 2
    assert draw(graph).content.decode().count(">−<") == 1


def test_png_and_dot() -> None:
    graph = load("resnet18").ir
    assert draw(graph, "png", View(2)).content.startswith(b"\x89PNG")
    dot = draw(graph, "dot", View(2)).content.decode()
    assert dot.startswith("digraph archc {") and dot.count("subgraph cluster_g") == 1


def test_png_without_graphviz_is_told_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs.shutil, "which", lambda name: None)
    monkeypatch.setattr(programs, "files", lambda name: [])
    monkeypatch.setattr(drawing, "diagram_of", lambda *_: pytest.fail("it is told before any work"))
    with pytest.raises(ArchError) as caught:
        draw(load("resnet18").ir, "png")
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "E0833" and "pip install graphviz-pure" in diagnostic.hints[0]


def test_the_legend_names_what_is_there() -> None:
    graph = load("resnet18").ir
    svg = draw(graph).content.decode()
    assert all(f">{word}<" in svg for word in ("convolution", "dense layer", "pooling", "sum"))
    assert ">attention<" not in svg and ">convolution<" not in draw(graph, legend=False).content.decode()


def test_themes_differ_in_colours_alone() -> None:
    graph = load("resnet18").ir
    light, dark = (ElementTree.fromstring(draw(graph, theme=theme).content) for theme in ("light", "dark"))
    for one, other in zip(light.iter(), dark.iter(), strict=True):
        assert (one.tag, one.text, one.get("d")) == (other.tag, other.text, other.get("d"))
    assert {e.get("fill") for e in light.iter()} != {e.get("fill") for e in dark.iter()}


def test_the_same_bytes_whatever_the_hash_seed() -> None:
    code = (
        "import sys; from archc.api import load; from archc.viz.draw import draw; from archc.viz.view import View\n"
        "for name in ('densenet121', 'fof'):\n"
        "    for depth in (None, 3): sys.stdout.buffer.write(draw(load(name).ir, 'svg', View(depth)).content)"
    )
    outcomes = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("0", "12345")
    }
    assert len(outcomes) == 1


def test_unknown_formats_themes_and_depths() -> None:
    graph = load("resnet18").ir
    with pytest.raises(ArchError) as caught:
        View(0)
    assert caught.value.diagnostics[0].code == "E0832"
    for arguments, code in ((("gif",), "E0830"), (("svg", View(), "sepia"), "E0830")):
        with pytest.raises(ArchError) as caught:
            draw(graph, *arguments)
        assert caught.value.diagnostics[0].code == code


def test_a_drawing_too_large_names_a_depth_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = load("resnet18").ir
    monkeypatch.setattr(drawing, "LARGEST", 20)
    with pytest.raises(ArchError) as caught:
        draw(graph, "svg", View(9))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "E0831"
    assert diagnostic.hints[0] == "at a depth of 4 it has 20: `--depth 4`"
    assert draw(graph, "dot", View(9)).content
    monkeypatch.setattr(drawing, "LARGEST", 2)
    with pytest.raises(ArchError) as caught:
        draw(graph, "svg", View(3))
    assert "no depth" in caught.value.diagnostics[0].hints[0]


@pytest.mark.slow
def test_polynet_is_laid_out_whole() -> None:
    start = time.process_time()
    drawn = draw(load("polynet").ir, "svg", View(99))
    assert len(drawn.diagram.boxes) > 500
    assert time.process_time() - start < 20


def test_without_graphviz_there_is_a_diagnostic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs.shutil, "which", lambda name: None)
    monkeypatch.setattr(programs, "files", lambda name: [])
    graph = load("resnet18").ir
    with pytest.raises(ArchError) as caught:
        draw(graph, "png")
    assert caught.value.diagnostics[0].code == "E0833"
    assert draw(graph, "svg").content and draw(graph, "dot").content
    assert draw(graph, "pdf").content.startswith(b"%PDF-1.")
