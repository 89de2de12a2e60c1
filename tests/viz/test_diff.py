"""The difference of two architectures as a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import archc
from archc.compiler.compare.difference import Difference, difference
from archc.viz.diagram import Diagram
from archc.viz.diff import diagram_of_difference, draw_difference

Run = Callable[..., Any]


def between(one: str, other: str) -> Difference:
    spec = "arch A {{ input x: [N, 8, 8, 8]  output x -> {} }}"
    return difference(*(archc.loads(spec.format(body)).ir for body in (one, other)))


def rows(diagram: Diagram) -> list[tuple[str, str]]:
    return [(row.kind, row.text) for box in diagram.boxes for row in box.rows]


def arrows(diagram: Diagram) -> set[tuple[str, str, str]]:
    texts = [box.rows[0].text for box in diagram.boxes]
    return {(texts[edge.source], texts[edge.target], edge.status) for edge in diagram.edges}


def test_what_is_no_different_goes_into_one_box() -> None:
    diagram = diagram_of_difference(between("conv(8, 3) -> bn -> relu", "conv(8, 3) -> bn -> dropout(0.2) -> relu"))
    assert rows(diagram) == [
        ("io", "x"),
        ("", "conv, bn"),
        ("added", "+ dropout 0.2"),
        ("", "relu"),
        ("io", "output"),
    ]
    assert arrows(diagram) == {
        ("x", "conv, bn", ""),
        ("conv, bn", "+ dropout 0.2", "added"),
        ("+ dropout 0.2", "relu", "added"),
        ("relu", "output", ""),
    }


def test_what_was_removed_is_shown_where_it_was() -> None:
    diagram = diagram_of_difference(between("conv(8, 3) -> bn -> relu", "conv(8, 3) -> relu"))
    assert rows(diagram)[2] == ("removed", "− batch norm")
    assert arrows(diagram) == {
        ("x", "conv", ""),
        ("conv", "− batch norm", "removed"),
        ("− batch norm", "relu", "removed"),
        ("conv", "relu", "added"),
        ("relu", "output", ""),
    }
    assert diagram.boxes[2].parameters == 16


def test_settings_and_consequences() -> None:
    diagram = diagram_of_difference(between("conv(8, 3) -> bn", "conv(8, 3, 2) -> bn"))
    assert rows(diagram)[1:3] == [("changed", "~ stride 1 → 2"), ("consequence", "= bn")]


def test_shortcuts_of_a_residual_network() -> None:
    found = difference(archc.load("resnet", "plain34").ir, archc.load("resnet", "resnet34").ir)
    diagram = diagram_of_difference(found)
    kinds = Counter(kind for kind, _ in rows(diagram))
    assert kinds == {"added": 7 + 3, "": 2 + 2 * 7, "io": 2}
    assert sum(box.times for box in diagram.boxes for row in box.rows if row.text == "+ sum") == 16
    assert [group.count for group in diagram.groups if group.count > 1] == [3, 3, 5, 2]
    assert sum(box.parameters * box.times for box in diagram.boxes) == found.parameters


def test_a_scope_that_data_leaves_and_comes_back_to() -> None:
    spec = """arch A {{
      input x: [N, 8, 8, 8]
      y = x -> unit.first: conv(8, 3) -> {}
      output y -> unit.second: conv(8, 1) -> relu
    }}"""
    found = difference(*(archc.loads(spec.format(middle)).ir for middle in ("bn", "bn -> dropout(0.2)")))
    drawn = arrows(diagram_of_difference(found))
    assert ("unit, bn", "+ dropout 0.2", "added") in drawn
    assert ("unit, bn", "relu", "") in drawn


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("resnet", "resnet50"), ("resnet", "resnet101")),
        (("vgg", "vgg11"), ("vgg", "vgg13_bn")),
        (("densenet", "densenet121"), ("densenet", "densenet169")),
        (("inception_v3", None), ("inception_v4", None)),
        (("fractalnet", None), ("resnet", "resnet18")),
    ],
)
def test_every_difference_can_be_drawn(one: tuple[str, str | None], other: tuple[str, str | None]) -> None:
    found = difference(archc.load(*one).ir, archc.load(*other).ir)
    diagram = diagram_of_difference(found)
    assert all(edge.source < edge.target for edge in diagram.edges)
    assert [box.id for box in diagram.boxes] == list(range(len(diagram.boxes)))
    reached = {edge.target for edge in diagram.edges}
    lonely = [box for box in diagram.boxes if box.id not in reached and box.role != "input"]
    assert not [box.rows for box in lonely if box.role == "output"]
    drawing = draw_difference(found)
    assert drawing.content.startswith(b"<?xml")
    assert drawing.content == draw_difference(found).content


@pytest.mark.parametrize(("name", "start"), [("a.svg", b"<?xml"), ("a.png", b"\x89PNG"), ("a.dot", b"digraph")])
def test_the_ending_decides(archc: Run, small: Path, name: str, start: bytes) -> None:
    outcome = archc("diff", "small.arch:small", "small.arch:wide", "-o", name)
    assert outcome.status == 0, outcome.err
    assert outcome.out.startswith(f"wrote {name}: ")
    assert (small.parent / name).read_bytes().startswith(start)


@pytest.mark.parametrize(("output", "code"), [("a.gif", "E0830"), ("nowhere/a.svg", "E0805"), ("small.arch", "E0830")])
def test_what_cannot_be_written(archc: Run, small: Path, output: str, code: str) -> None:
    before = small.read_bytes()
    outcome = archc("diff", "small.arch:small", "small.arch:wide", "-o", output)
    assert outcome.status == 1
    assert code in outcome.err
    assert small.read_bytes() == before
