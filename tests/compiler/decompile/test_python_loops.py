"""Lists of tensors, loops and counts in generated Python: what repeats is said once, and computes the same."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from python_builder import GraphBuilder
from python_compare import assert_equal_modules, built

import archc
from archc.compiler.decompile.python.file import to_python
from archc.compiler.emit.fx import to_graph_module
from archc.compiler.ir.graph import Graph, Value
from archc.compiler.ir.initialisers import make_initialiser
from archc.compiler.ops.activation import ReLU
from archc.compiler.ops.conv import Conv
from archc.compiler.ops.linear import Linear
from archc.compiler.ops.merge import Add, Concat
from archc.compiler.ops.norm import BatchNorm
from archc.compiler.ops.pool import GlobalAvgPool

HEAD = "  input x: [N, 4, H, W] = [1, 4, 8, 8]\n"


def conv(channels: int, kernel: int = 3, **more: object) -> Conv:
    return Conv(channels=channels, kernel=kernel, **more)


def dense_block(build: GraphBuilder, x: Value, layers: int, growth: int, joined: bool) -> Value:
    """A dense block; the concatenation is the layer's own if `joined`, else the block's."""
    features = [x]
    for number in range(1, layers + 1):
        whole = features if joined else [build.add(Concat(), *features) if len(features) > 1 else x]
        with build.inside(f"layer{number}", "layer"):
            y = build.add(Concat(), *whole) if len(whole) > 1 else whole[0]
            y = build.add(ReLU(), build.add(BatchNorm(), y, name="norm"), name="relu")
            features.append(build.add(conv(growth), y, name="conv"))
    return build.add(Concat(), *features)


@pytest.mark.parametrize("joined", [True, False])
def test_dense_blocks_of_any_length_are_a_class(joined: bool) -> None:
    build = GraphBuilder("dense")
    x = build.input(1, 4, 8, 8)
    for number, (layers, growth) in enumerate([(2, 4), (5, 4), (3, 6), (7, 2)]):
        with build.inside(f"block{number}", "dense_block"):
            x = dense_block(build, x, layers, growth, joined)
        x = build.add(conv(8, 1), x, name=f"transition{number}")
    build.output(x)
    text = assert_equal_modules(build.graph)
    made = [node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    assert made == ["Layer" if joined else "make_layer", "DenseBlock", "Dense"]
    assert ("def forward(self, features: list[Tensor]) -> Tensor:" in text) == joined
    taken = "features" if joined else "torch.cat(features, 1)"
    assert f"        for layer in self.children():\n            features.append(layer({taken}))\n" in text


def test_gradients_go_through_lists() -> None:
    build = GraphBuilder("dense")
    image = build.input(1, 4, 8, 8)
    with build.inside("block", "dense_block"):
        build.output(dense_block(build, image, 4, 4, True))
    ours, theirs = built(build.graph), to_graph_module(build.graph)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 4, 8, 8)
    for module in (ours, theirs):
        (module(x) * torch.arange(8.0)).sum().backward()
    pairs = zip(ours.parameters(), theirs.parameters(), strict=True)
    assert all(torch.equal(a.grad, b.grad) for a, b in pairs)  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.booleans()), min_size=1, max_size=7),
    last=st.integers(0, 3),
)
def test_lists_that_nearly_grow(steps: list[tuple[int, int, bool]], last: int) -> None:
    """Lists lack what was at their beginning or end, results are used elsewhere, or in another order."""
    build = GraphBuilder("lists")
    features = [build.input(1, 2, 4, 4)]
    more: list[Value] = []
    for number, (first, end, again) in enumerate(steps):
        taken = features[first if len(features) > first else 0 :]
        taken = taken[: len(taken) - end] or features
        with build.inside(f"layer{number}", "layer"):
            y = build.add(Concat(), *taken) if len(taken) > 1 else taken[0]
            features.append(build.add(conv(2, 1), y, name="conv"))
        if again:
            more.append(build.add(ReLU(), features[-1], name=f"relu{number}"))
    build.output(build.add(Concat(), *features[last:], *more, features[0]))
    assert_equal_modules(build.graph)


@pytest.mark.parametrize("first", [True, False])
def test_stages_of_any_length_are_a_class(first: bool) -> None:
    build = GraphBuilder("stages")
    x = build.input(1, 4, 8, 8)
    for stage, (count, width) in enumerate([(1 + first, 4), (2, 8), (6, 16), (3, 24)]):
        with build.inside(f"stage{stage}", "stage"):
            for number in range(1, count + 1):
                with build.inside(f"unit{number}", "unit"):
                    y = build.add(BatchNorm(), build.add(conv(width), x, name="conv"), name="bn")
                    if number == 1 and (stage or not first):
                        x = build.add(conv(width, 1), x, name="shortcut")
                    x = build.add(Add(), x, y)
    build.output(x)
    text = assert_equal_modules(build.graph)
    stages = [line for line in text.split("\n") if re.match(r"def make_stage(_\d+)?\(", line)]
    assert len(stages) == 1
    assert "for i in range(2, num_units + 1):" in text


def test_an_optional_part_that_starts_in_its_own_way_starts_so() -> None:
    build = GraphBuilder("start")
    x = build.input(1, 4, 8, 8)
    zeros = make_initialiser("zeros", [], {})
    for number in range(3):
        with build.inside(f"unit{number}", "unit"):
            y = build.add(conv(4), x, name="conv")
            if number == 1:
                x = build.add(conv(4, 1, init=zeros), x, name="shortcut")
            x = build.add(Add(), x, y)
    build.output(x)
    assert_equal_modules(build.graph)
    assert built(build.graph).unit1.shortcut.weight.abs().sum() == 0  # type: ignore[union-attr]


def test_second_names_in_lists() -> None:
    """A module that is in the block under two names is called twice."""
    build = GraphBuilder("twice")
    x = build.input(1, 2, 4, 4)
    with build.inside("block", "block"):
        features = [x]
        for number in range(3):
            owner = build.graph.nodes[features[1][0]] if number == 2 else None
            y = features[-1]
            features.append(
                build.add(owner.op, y, owner=owner.index) if owner else build.add(conv(2), y, name=f"conv{number}")
            )
            if owner:
                build.scope.children["conv2"] = owner
        x = build.add(Concat(), *features)
    build.output(build.add(Linear(units=2), build.add(GlobalAvgPool(), x, name="gap"), name="fc"))
    assert_equal_modules(build.graph)


# --- growth --------------------------------------------------------------------------------------


def spec(body: str, blocks: str = "") -> Graph:
    return archc.loads(f"{blocks}\narch A {{\n{HEAD}  output x -> {body}\n}}").ir


def interleaved(count: int) -> Graph:
    """Scopes that data leaves and comes back to, so that none of them can be called."""
    build = GraphBuilder("interleaved")
    x = build.input(1, 2, 4, 4)
    for number in range(count):
        with build.inside(f"a{number}"):
            y = build.add(conv(2, 1), x, name="first")
        y = build.add(ReLU(), y, name=f"relu{number}")
        with build.inside(f"a{number}"):
            x = build.add(Add(), x, build.add(conv(2, 1), y, name="second"))
    build.output(x)
    return build.graph


UNIT = "block unit() = (conv(4, 3) -> bn -> relu) + id"
SHAPES: dict[str, Callable[[int], Graph]] = {
    "a power": lambda n: spec(f"unit() ** {n}", UNIT),
    "a list of layers": lambda n: spec(f"(conv(4, 3) -> bn -> relu) ** {n}"),
    "named units": lambda n: spec(f"stage: (unit{{1..}}: unit() ** {n})", UNIT),
    "branches": lambda n: spec(f"sum(branch{{i}}: (conv(4, 3) -> bn) for i in 1..{n})"),
    "shared": lambda n: archc.loads(f"{UNIT}\narch A {{\n{HEAD}  shared u = unit()\n  output x -> u ** {n}\n}}").ir,
    "units in no order": lambda n: spec(
        f"[*[if (i * i + i // 3) % 7 < 3 then unit() else other() for i in 1..{n}]]",
        f"{UNIT}\nblock other() = (conv(4, 1) -> relu) + id",
    ),
    "interleaved scopes": interleaved,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_four_times_the_graph_take_four_times_the_work(shape: str) -> None:
    small, large = SHAPES[shape](50), SHAPES[shape](200)
    to_python(small)  # what is made once and kept is no matter of size
    assert calls(small) * 4.6 > calls(large)


def calls(graph: Graph) -> int:
    """How many functions are called to write a graph."""
    count = 0

    def note(frame: object, event: str, value: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        to_python(graph)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.slow
def test_fifty_thousand_layers() -> None:
    text = to_python(spec("unit() ** 12500", UNIT))
    assert len(text.splitlines()) < 50


LEVELS = """
arch A {{
  input x: [N, 4, 8, 8]
  a = x -> conv(4, 3)
  b = a -> conv(4, 3, 2)
  c = b -> conv(4, 3, 2)
  shared head = [conv(6, 3), dropout(0.5)]
  shared other = [conv(6, 1)]
  output rest = c -> other
  output scores = concat({steps}, axis = 1)
}}
"""
EACH = {
    '*[l -> head -> rearrange("n c h w -> n (h w) c") for l in [a, b, c]]': 1,
    "*[(a -> head -> flatten), (b -> head -> flatten), (c -> head -> flatten)]": 1,
    "(a -> head -> flatten), (b -> head -> flatten)": 0,
    "(a -> head -> flatten), (b -> other -> flatten), (c -> head -> flatten)": 0,
    "(a -> head -> clamp(0, 1) -> flatten), (b -> head -> flatten), (c -> head -> flatten)": 0,
    "(a -> head -> flatten), (a -> flatten), (b -> head -> flatten), (c -> head -> flatten)": 0,
}


@pytest.mark.parametrize(("steps", "loops"), EACH.items())
def test_what_a_module_makes_of_each_of_several_tensors_is_a_comprehension(steps: str, loops: int) -> None:
    net = archc.loads(LEVELS.format(steps=steps))
    assert_equal_modules(net.ir)
    assert len(re.findall(r"self\.head\(\w+\).* for \w+ in \(\w+, \w+, \w+\)\]", to_python(net.ir))) == loops
