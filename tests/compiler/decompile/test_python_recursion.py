"""Generated classes of blocks that hold a smaller one of their kind."""

from __future__ import annotations

import ast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from python_compare import assert_equal_modules

import archc

LEVEL = """block level(c, depth)(x) {{
  a = x -> enter: conv(c, 3) -> relu
  b = a -> conv(c, 3) -> (if depth > 1 then inner: level(c + 2, depth - 1) else {last}) -> leave: conv(c, 3){more}
  output a + b
}}
"""


def text_of(body: str, last: str = "inner: conv(c, 1)", more: str = "", blocks: str = "") -> str:
    """The generated text of an architecture, which is held against its torch.fx module."""
    level = LEVEL.format(last=last, more=more)
    net = f"arch Net {{\n  input x: [N, 4, H, W] = [1, 4, 8, 8]\n  output {body}\n}}"
    return assert_equal_modules(archc.loads(f"{level}{blocks}{net}").ir, [torch.randn(2, 4, 8, 8)])


def classes(text: str) -> list[str]:
    return [node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]


def test_levels_of_any_depth_are_one_class() -> None:
    text = text_of("x -> net: level(4, 5)")
    assert classes(text) == ["Level", "Net"]
    assert "inner: nn.Module" in text and text.count("inner=Level(") == 4


@pytest.mark.parametrize(
    ("last", "names"),
    [
        ("bottom: conv(c, 1)", ["Level", "Level2", "Net"]),
        ("id", ["Level", "Level2", "Net"]),
        ("inner: [conv(c, 1), relu]", ["Level", "Net"]),
    ],
)
def test_the_innermost_holds_something_else(last: str, names: list[str]) -> None:
    assert classes(text_of("x -> net: level(4, 4)", last)) == names


@pytest.mark.parametrize("last", ["inner: conv(c, 1, init = zeros)", "inner: conv(c, 1, bias = constant(2))"])
def test_an_innermost_layer_that_starts_in_its_own_way_starts_so(last: str) -> None:
    text = text_of("x -> net: level(4, 3)", last)
    assert "nn.init." in text


def test_one_level_alone_makes_what_it_holds() -> None:
    assert "inner: nn.Module" not in text_of("x -> net: level(4, 1)")


def test_nets_of_two_depths_in_blocks_of_one_kind() -> None:
    blocks = "block pair(depth) = [net: level(4, depth), conv(4, 3)]\n"
    text = text_of("x -> a: pair(2) -> b: pair(4) -> c: pair(3)", blocks=blocks)
    assert classes(text).count("Level") == 1


def test_many_levels_are_written_too() -> None:
    assert len(classes(text_of("x -> net: level(4, 30)"))) > 2


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=3),
    st.sampled_from(["inner: conv(c, 1)", "bottom: conv(c, 1)", "id", "inner: [conv(c, 3), bn]"]),
    st.sampled_from(["", " -> bn", " -> (if depth > 2 then relu else id)", " -> (if depth > 2 then bn else id)"]),
)
def test_random_levels(depths: list[int], last: str, more: str) -> None:
    text_of(
        "x -> " + " -> ".join(f"net{i}: level(4, {depth}) -> conv(4, 3)" for i, depth in enumerate(depths)), last, more
    )
