"""Written `.arch` is in the words of the source: its names of tensors and parameters, its lists, its blocks."""

from __future__ import annotations

import re

import pytest
import torch
from arch_again import HEAD, again, body, elaborated
from torch import nn

import archc

# --- names of parameters -------------------------------------------------------------------


def test_parameters_have_the_names_of_what_they_are() -> None:
    source = """
    block se(r) = id * fc: [gap, conv(in.channels // r, 1), relu, conv(in.channels, 1), sigmoid]
    block ir(c, t, k) = [conv(t, 1), bn, relu, conv(t, k), squeeze: se(if t == 36 then 3 else 4), conv(c, 1), bn]
    """
    text = body(again(elaborated(f"{source}{HEAD} output x -> [ir(8, 16, 3), ir(16, 36, 5), ir(24, 64, 3)] }}")))
    assert "block se(width, channels) = id * fc: [gap, conv(width, 1), relu, conv(channels, 1), sigmoid]" in text
    assert "block ir(t, width, c, k = 3)" in text and "[ir(16, 4, 8), ir(36, 12, 16, 5), ir" in text


def test_parameters_have_the_names_of_what_is_drawn_and_of_blocks_inside() -> None:
    source = """
    block part(c, keep, column) = conv: conv(c, 3) -> bn -> dropout(keep)
      -> (id, relu) -> drop_mean(0.1, survivor = column)
    """
    settings = ((1, 8, 0.1), (2, 16, 0.3), (3, 4, 0.2))
    units = " -> ".join(f"u{i}: (relu -> p: part({c}, {k}, column) -> relu -> s: bn)" for i, c, k in settings)
    text = body(again(elaborated(f"{source}{HEAD} draw column = choice(2) output x -> {units} }}")))
    assert "block part(c, keep, column)" in text
    assert "block u(c, keep, column) = relu -> p: part(c, keep, column) -> relu -> s: bn" in text


# --- parts that callers give ---------------------------------------------------------------

RESIDUAL = """block basic(c, s = 1) = (conv1: conv(c, 3, s) -> bn1: bn -> relu -> conv2: conv(c, 3) -> bn2: bn)
  + down: (if s == 1 then id else PART) -> relu
"""
UNITS = "a: basic(8) -> b: basic(12, 2) -> c: basic(12) -> d: basic(16, 2) -> e: basic(16) ** 2"


@pytest.mark.parametrize(
    ("part", "argument"),
    [
        ("[conv(c, 1, s), bn]", "[conv(12, 1, 2), bn]"),
        ("conv(c, 1, s)", "conv(12, 1, 2)"),
        ("(maxpool(2) -> conv(c, 1))", "maxpool(2) -> conv(12, 1)"),
        ("(maxpool(2) -> l{1..}: conv(c, 1) ** 2)", "maxpool(2) -> l{1..}: conv(12, 1) ** 2"),
        ("frozen(conv(c, 1, s))", "frozen(conv(12, 1, 2))"),
        ("-conv(c, 1, s)", "-conv(12, 1, 2)"),
    ],
)
def test_a_part_that_some_instances_lack_is_given(part: str, argument: str) -> None:
    text = body(again(elaborated(f"{RESIDUAL.replace('PART', part)}{HEAD} output x -> s: conv(8, 3) -> {UNITS} }}")))
    assert text.count("block ") == 1 and "down = id)" in text and "+ down: down -> relu" in text
    assert f"b: basic(12, 2, {argument}) -> c: basic(12) -> d" in text


def test_a_part_that_makes_the_text_longer_or_uses_what_the_block_declares_is_not_given() -> None:
    part = "(conv(c, 1, s) -> (conv(c, 1), conv(c, 3)) -> sum -> (conv(c, 1), conv(c, 3)) -> sum -> bn -> bn -> bn)"
    text = again(elaborated(f"{RESIDUAL.replace('PART', part)}{HEAD} output x -> s: conv(8, 3) -> {UNITS} }}"))
    assert "down = id" not in text
    drawn = RESIDUAL.replace("= (conv1", "{ draw k = choice(2) output (conv1").replace("relu\n", "relu }\n")
    drawn = drawn.replace("PART", "(conv(c, 1, s) -> (id, bn) -> drop_mean(0.1, survivor = k))")
    drawn = drawn.replace("bn1: bn", "(id, bn1: bn) -> drop_mean(0.1, survivor = k)")
    text = again(elaborated(f"{drawn}{HEAD} output x -> s: conv(8, 3) -> {UNITS} }}"))
    assert "down = id" not in text


LEVEL = """block double(c) = [conv(c, 3), bn, relu, conv(c, 3), bn, relu]
block level(c, d) {
  skip = in -> enc: double(c)
  deep = skip -> maxpool(2) -> inner: (if d == 1 then double(2 * c) else level(2 * c, d - 1)) -> up: upconv(c)
  output skip ++ deep -> dec: double(c)
}
"""


def test_levels_of_a_recursive_block_are_one_block() -> None:
    text = body(again(elaborated(f"{LEVEL}{HEAD} output x -> a: level(8, 3) -> b: level(4, 2) }}")))
    assert text.count("block ") == 2 and "block level(c, inner) {" in text and "-> inner: inner -> up:" in text
    assert "a: level(8, level(16, level(32, double(64)))) -> b: level(4, level(8, double(16)))" in text
    plain = "block f(d) = c: conv(3, 3) -> (id + (inner: (if d == 0 then relu else f(d - 1)) -> e: bn)) -> bn\n"
    text = body(again(elaborated(f"{plain}{HEAD} output x -> a: f(3) -> b: f(1) -> c: f(0) ** 3 }}")))
    assert "a: f(f(f(f(relu)))) -> b: f(f(relu)) -> c: f(relu) ** 3" in text


def test_recursion_that_no_part_says_is_the_same_again() -> None:
    for head, depth in (
        ("c1: conv(c, 3) -> bn -> inner: (if d == 0 then relu else lev(c + 1, d - 1)) -> c2: bn", 14),
        ("[conv(c, 3), inner: (if d == 0 then relu else lev(c + 1, d - 1)), conv(c, 1), bn]", 3),
        ("if d == 0 then conv(c, 3) else (l: conv(c, 3), lev(c, d - 1) -> r: lev(c, d - 1)) -> mean", 3),
    ):
        units = f"a: lev(3, {depth}) -> b: lev(3, {depth})"
        again(elaborated(f"block lev(c, d) = {head}\n{HEAD} output x -> {units} }}"))


# --- names of tensors ----------------------------------------------------------------------


def test_tensors_have_the_names_of_the_source() -> None:
    text = """arch Net {
  input words: int [N, T] = [2, 9]
  param table = tok.weight: normal([50, 16], std = 0.02)
  states = words -> embedding(50, 16, weight = table) -> encoder: gru(12)
  weights = states -> score: [linear(12), tanh, linear(1)] -> softmax(1)
  output logits = matmul(weights -> transpose, states) -> squeeze(1) -> fc: linear(4)
  output weights = weights -> squeeze(2)
  output aux = states -> tagger: linear(50) when training
}
"""
    assert again(elaborated(text)) == text.replace("-> embedding", "-> tok: embedding")


def test_a_word_of_the_source_stays_in_a_block() -> None:
    text = """block gate(c)(skip, g) {
  alpha = (skip -> w_x: conv(c, 1)) + (g -> w_g: conv(c, 1)) -> relu -> psi: conv(1, 1) -> sigmoid
  output skip * alpha
}

arch Net {
  input x: [N, 4, 8, 8]
  left = x -> stem: conv(4, 3)
  right = left -> relu
  output (left, right) -> a: gate(2), (left, right) -> b: gate(4)
}
"""
    again_text = again(elaborated(text.replace("output (left", "output ((left").replace("gate(4)", "gate(4))")))
    assert again_text.startswith(text[: text.index("arch Net")])
    assert "left = x -> stem: conv(4, 3)" in again_text and "right = left -> relu" in again_text


def test_a_name_is_given_again_where_its_tensor_is_used_up() -> None:
    ups = "g = x -> up: conv(3, 3)\n" + "".join(f"g = ((g, x) -> d{i}: fuse) * g -> u{i}: conv(3, 3)\n" for i in (1, 2))
    graph = elaborated(f"block fuse()(a, b) = (a -> conv(3, 1)) * b\n{HEAD}{ups}output g * x }}")
    text = body(again(graph))
    assert "g = x -> up: conv(3, 3) g = ((g, x) -> d1: fuse) * g -> u1: conv(3, 3)" in text
    downs = "".join(f"h = h -> down{i}: conv(3, 3)\nkept = [*kept, h]\n" for i in range(3))
    text = body(again(elaborated(f"{HEAD}h = x kept = []\n{downs}output sum(*kept) }}")))
    assert "down0 = x -> down0: conv(3, 3) down1 = down0 -> down1: conv(3, 3)" in text and "h" not in text.split()


def test_usual_sizes_are_said_once() -> None:
    text = """arch A {
  input x: [N, 3, H, 16] = [2, 3, 32, 16]
  input y: [N, T, H]
  output a = x -> conv(3, 3)
  output b = y -> relu
}
"""
    assert again(elaborated(text, "A")) == text


def test_a_label_stays_where_the_layer_has_no_name_without_it() -> None:
    source = f"{HEAD} param k = ones([4, 3, 1, 1])\n y = 2 * k\n output x -> conv: conv(4, 1, weight = y) -> bn: bn }}"
    assert "x -> conv: conv(4, 1, weight = y) -> bn }" in body(again(elaborated(source)))


def test_names_of_tensors_are_no_other_names() -> None:
    part = "(conv(3, 3) -> bn -> relu -> conv(3, 1))"
    statements = f"""
  param y = emb.weight: normal([3, 3, 1, 1])
  param stem = ones([3, 1, 1])
  stem2 = x * stem -> stem1: {part} -> stem2: {part}
  keep = stem2 -> a: conv(3, 1, weight = y) -> relu
  output stem = stem2 * keep
  output stem2 = keep - x
  output keep = (x, keep, stem2) -> mean
"""
    text = body(again(elaborated(f"{HEAD}{statements}}}")))
    assert "keep = stem2 ->" in text and "param stem = ones" in text and "output stem2 = keep - x" in text


def test_outputs_stand_where_they_are_made() -> None:
    outputs = """  b = x -> b: conv(8, 3)
  output first = b -> relu
  output second = b
  output third = b -> c: conv(8, 3)
"""
    text = again(elaborated(f"{HEAD}{outputs}}}"))
    assert text == f"{HEAD}{outputs}}}\n"


# --- lists ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        "[conv(8, 5, 2), relu, flatten, linear(16), l2norm]",
        "[conv(8, 3), l2norm -> exp, conv(8, 3), abs, exp]",
        "[exp, conv(8, 3)]",
        "[abs -> exp, conv(8, 3), bn]",
        "[relu, exp, relu, conv(8, 3)]",
        "[one: conv(8, 3), relu, two: conv(8, 3), l2norm, three: conv(8, 3)]",
        "(abs -> exp -> [conv(8, 3), bn])",
        "([conv(8, 3), bn] -> relu -> u: bn -> relu)",
        "(conv(8, 3) -> relu -> [id, id, bn, relu])",
        "[conv(8, 3), id, id, bn]",
        '("2": conv(8, 3) -> relu)',
        "[conv(8, 3), l2norm + exp, abs, bn]",
    ],
)
def test_functions_are_elements_of_lists(value: str) -> None:
    assert f"output x -> f: {value} -> exp }}" in body(again(elaborated(f"{HEAD}  output x -> f: {value} -> exp\n}}")))


@pytest.mark.parametrize("called", ["Block", "If", "Shared", "Training", "Unit"])
def test_no_block_is_called_by_a_word_of_the_language(called: str) -> None:
    class Part(nn.Module):
        def __init__(self, ins: int, outs: int) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(ins, outs, 3, padding=1), nn.BatchNorm2d(outs)
            self.more, self.last = nn.Conv2d(outs, outs, 1), nn.BatchNorm2d(outs)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(self.more(torch.relu(self.norm(self.conv(x))))).tanh()

    Part.__name__ = Part.__qualname__ = called
    net = nn.Sequential(Part(3, 8), nn.MaxPool2d(2), Part(8, 16), nn.MaxPool2d(2), Part(16, 4))
    text = archc.from_torch(net, (1, 3, 16, 16)).source()
    (name,) = re.findall(r"block (\w+)\(", text)
    assert name == "unit" and archc.check(text=text) == []
    assert archc.loads(text).module(weights=net).state_dict().keys() == net.state_dict().keys()
