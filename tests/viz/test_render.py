"""Drawings as files: DOT that Graphviz takes, SVG that is the same every time and holds no markup of a spec's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from itertools import pairwise

import pytest

from archc.api import load, loads
from archc.dsl.diagnostics import ArchError
from archc.viz import draw as drawing
from archc.viz import render
from archc.viz.build import diagram_of
from archc.viz.diagram import Box, Chip, Diagram, Edge, Group, Row
from archc.viz.dot import to_dot
from archc.viz.draw import draw

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
    text = text[:200]
    svg = render.render(hostile(text)).decode()
    root = ElementTree.fromstring(svg)
    names = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert names <= {"svg", "g", "title", "path", "polygon", "polyline", "ellipse", "text"}
    attributes = {name for element in root.iter() for name in element.attrib}
    assert not {name for name in attributes if name.startswith("on") or name.endswith("href")}
    assert sum(element.get("class") == "node" for element in root.iter()) == 4


def test_long_labels_of_a_spec_are_clipped() -> None:
    label = "x" * 300
    architecture = loads(
        "arch Net() { input x: [N, 8, 4, 4] = [1, 8, 4, 4] "
        f'output x -> "{label}": [conv(8, 3), [conv(8, 3), gap, relu]] }}'
    )
    assert "x" * 100 not in to_dot(diagram_of(architecture.ir, 1))


def test_the_svg_is_tidy() -> None:
    svg = draw(load("resnet50").ir).content.decode()
    ElementTree.fromstring(svg)
    assert "<!--" not in svg and "DOCTYPE" not in svg and "graphviz" not in svg.lower()
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


@pytest.mark.parametrize("depth", [2, 3, 9])
def test_arrows_stay_in_the_outermost_frame_and_do_not_wind(depth: int) -> None:
    root = ElementTree.fromstring(draw(loads(UNET).ir, "svg", depth).content)
    kinds: dict[str, list[list[tuple[float, float]]]] = {"cluster": [], "edge": []}
    for group in root.iter("{http://www.w3.org/2000/svg}g"):
        path = group.find("{http://www.w3.org/2000/svg}path")
        if path is not None and group.get("class") in kinds:
            numbers = [float(text) for text in re.findall(r"-?[0-9.]+", path.attrib["d"])]
            kinds[group.attrib["class"]].append(list(zip(numbers[::2], numbers[1::2], strict=True)))
    right = max(x for points in kinds["cluster"] for x, _ in points)
    assert kinds["edge"] and all(x <= right for points in kinds["edge"] for x, _ in points)
    for points in kinds["edge"]:
        steps = [b[0] - a[0] for a, b in pairwise(points) if abs(b[0] - a[0]) > 1]
        assert sum((a > 0) != (b > 0) for a, b in pairwise(steps)) <= 1


def test_signs_of_a_difference_are_drawn() -> None:
    dot = draw(loads("arch Net() { input a: [N, 3] input b: [N, 3] output a - b }").ir, "dot").content.decode()
    assert dot.count("headlabel=") == 1 and dot.count("−") == 2


def test_png_and_dot() -> None:
    graph = load("resnet18").ir
    assert draw(graph, "png", 2).content.startswith(b"\x89PNG")
    dot = draw(graph, "dot", 2).content.decode()
    assert dot.startswith("digraph archc {") and dot.count("subgraph cluster_g") == 4


def test_the_same_bytes_whatever_the_hash_seed() -> None:
    code = (
        "import sys; from archc.api import load; from archc.viz.draw import draw\n"
        "for depth in (None, 3): sys.stdout.buffer.write(draw(load('resnet18').ir, 'svg', depth).content)"
    )
    outcomes = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("0", "1", "12345")
    }
    assert len(outcomes) == 1


def test_unknown_formats_and_depths() -> None:
    graph = load("resnet18").ir
    for arguments, code in ((("pdf",), "E0830"), (("svg", 0), "E0832")):
        with pytest.raises(ArchError) as caught:
            draw(graph, *arguments)
        assert caught.value.diagnostics[0].code == code


def test_a_drawing_too_large_names_a_depth_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = load("resnet18").ir
    monkeypatch.setattr(drawing, "LARGEST", 20)
    with pytest.raises(ArchError) as caught:
        draw(graph, "svg", 3)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "E0831"
    assert diagnostic.hints == ("at a depth of 2 it has 13: `--depth 2`",)
    assert draw(graph, "dot", 3).content
    monkeypatch.setattr(drawing, "LARGEST", 2)
    with pytest.raises(ArchError) as caught:
        draw(graph, "svg", 3)
    assert "no depth" in caught.value.diagnostics[0].hints[0]


def test_without_graphviz_there_is_a_diagnostic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render.shutil, "which", lambda name: None)
    monkeypatch.setattr(render, "files", lambda name: [])
    with pytest.raises(ArchError) as caught:
        draw(load("resnet18").ir)
    assert caught.value.diagnostics[0].code == "E0833"


def test_the_codes_are_explained() -> None:
    from archc.viz.codes import CODES

    assert all(code.title and code.explanation for code in CODES.values())
