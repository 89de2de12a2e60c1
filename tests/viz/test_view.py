"""What is drawn and what stands open: --depth, --expand, --collapse, --only."""

from __future__ import annotations

import pytest
from elaborated_zoo import load

from archc.api import loads
from archc.dsl.diagnostics import ArchError
from archc.viz.build import diagram_of
from archc.viz.diagram import Diagram
from archc.viz.draw import draw
from archc.viz.view import View

NET = loads("""
block unit(c) = id + (conv(c, 3) -> bn -> relu -> conv(c, 3) -> bn) -> relu
arch Net() {
  input x: [N, 8, 16, 16] = [1, 8, 16, 16]
  output x -> stage1: (unit(8) ** 3) -> stage2: [conv(16, 3), unit(16), unit(16)] -> gap -> fc: linear(10)
}
""")


def of(**view: object) -> Diagram:
    return diagram_of(NET.ir, View(**view))  # type: ignore[arg-type]


def folds(diagram: Diagram) -> list[str]:
    return [box.title for box in diagram.boxes if box.role == "fold"]


def test_depths() -> None:
    assert folds(of(depth=1)) == ["stage1", "stage2"]
    assert folds(of(depth=2)) == ["3 × unit", "2 × unit"]
    assert folds(of(depth=9)) == []
    assert (of(depth=1).depth, of(depth=1).deepest) == (1, 3)


def test_expand_opens_a_scope_and_what_is_around_it() -> None:
    diagram = of(depth=1, expand=("stage2",))
    assert folds(diagram) == ["stage1", "2 × unit"]
    assert folds(of(depth=1, expand=("stage2.1",))) == ["stage1"]


def test_expanding_one_of_equal_units_opens_what_is_drawn_for_all() -> None:
    assert folds(of(depth=1, expand=("stage2.2",))) == folds(of(depth=1, expand=("stage2.1",)))


def test_a_star_stands_for_a_part_of_a_path() -> None:
    assert folds(of(depth=1, expand=("stage*",))) == ["3 × unit", "2 × unit"]
    assert folds(of(depth=1, expand=("stage*.*",))) == []


def test_collapse_beats_depth_and_expand() -> None:
    assert folds(of(depth=9, collapse=("stage1",))) == ["stage1"]
    assert folds(of(depth=9, collapse=("stage1.2",))) == ["3 × unit"]
    assert folds(of(depth=9, expand=("stage1.0",), collapse=("stage1",))) == ["stage1"]


def test_only_draws_a_part_with_where_it_comes_from() -> None:
    diagram = of(only=("stage2",))
    assert diagram.name == "Net: stage2"
    assert [box.rows[0].text for box in diagram.boxes if box.role == "input"] == ["from stage1.2.relu_2"]
    assert [box.rows[0].text for box in diagram.boxes if box.role == "output"] == ["output"]
    row = next(row for row in NET.stats().rows if row.path == "stage2")
    assert (diagram.parameters, diagram.multiply_adds) == (row.parameters, row.multiply_adds)
    assert sum(box.total_parameters for box in diagram.boxes) == row.parameters


def test_several_parts_alone() -> None:
    diagram = of(only=("stage1", "stage2.1"), depth=1)
    assert [group.path for group in diagram.groups if group.parent is None] == ["stage1", "stage2.1"]
    nested = of(only=("stage2", "stage2.1"))
    assert nested.name == "Net: stage2"


def test_only_and_collapse() -> None:
    assert folds(of(only=("stage2",), collapse=("stage2",))) == ["stage2"]


@pytest.mark.parametrize("option", ["expand", "collapse", "only"])
def test_unknown_paths_offer_the_nearest(option: str) -> None:
    with pytest.raises(ArchError) as caught:
        of(**{option: ("stage3",)})
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "E0834" and "`stage3`" in diagnostic.message
    assert "`stage1`" in diagnostic.hints[0] and "`stage2`" in diagnostic.hints[0]


def test_where_there_are_no_scopes_nothing_is_said_of_a_chain() -> None:
    net = loads("arch A { input x: [N, 3, 8, 8]  output (x -> conv(8, 3)) + (x -> conv(8, 1)) }")
    with pytest.raises(ArchError) as caught:
        net.draw(only="conv")
    assert caught.value.diagnostics[0].hints == ("it has no scopes: each of its layers is drawn",)


def test_a_path_is_no_regular_expression() -> None:
    with pytest.raises(ArchError):
        of(expand=("stage.",))


def test_a_dense_block_alone_fans_out() -> None:
    graph = load("densenet121").ir
    diagram = diagram_of(graph, View(only=("features.denseblock1",)))
    (source,) = [box.id for box in diagram.boxes if box.role == "input"]
    joins = {edge.target for edge in diagram.edges if edge.source == source}
    assert len(joins) == 7


def test_what_is_nested_without_end_stays_folded_far_inside() -> None:
    architecture = loads(
        "block nest(d) = if d == 0 then conv(8, 3) else id + inner: (conv(8, 3) -> relu -> nest(d - 1) -> bn)\n"
        "arch Net() { input x: [N, 8, 8, 8] output x -> nest(180) }"
    )
    drawing = draw(architecture.ir, view=View(999))
    assert drawing.diagram.depth == 60 < drawing.diagram.deepest
    assert sum(box.total_parameters for box in drawing.diagram.boxes) == architecture.stats().parameters
