"""Layers called as other frameworks call them, and parts of a network that only look so."""

from __future__ import annotations

import re

import pytest
from language_files import mended

import archc
from archc.compiler.ops.registry import lookup
from archc.dsl.frameworks import _CALLED


def hints(body: str) -> str:
    (found,) = archc.check(text=f"arch A {{ input x: [N, 3, 8, 8]\n{body}\n}}")
    return " ".join(found.hints)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Conv2d", "`conv(channels, kernel)`"),
        ("drop_path", "`survive(1 - p"),
        ("AvgPool2d", "`avgpool"),
        ("ReLU", "`relu`"),
        ("swish", "`silu`"),
        ("neg", "`-x`"),
        ("GlobalAveragePooling2D", "`gap`"),
        ("global_max_pool", "`gmp`"),
        ("fc", "`linear(units)`"),
        ("DepthwiseConv2D", "`dwconv(kernel)`"),
        ("Conv2DTranspose", "`upconv(channels, kernel)`"),
    ],
)
def test_a_layer_is_answered_with_the_layer(name: str, meant: str) -> None:
    assert meant in hints(f"output x -> {name}(3)")
    assert meant in hints(f"output x -> nn.{name}(3)")


def test_what_is_offered_is_a_call_of_a_layer() -> None:
    for here in _CALLED:
        for name, arguments in re.findall(r"`(\w+)(?:\(([^)]*)\))?`", here):
            cls = lookup(name)
            assert cls is not None or name == "id", here
            for argument in re.findall(r"[a-z]\w*", re.sub(r"1 - p|per = .*", "p", arguments)) if cls else ():
                assert argument in cls.model_fields, here


def test_a_part_is_answered_with_the_parts() -> None:
    found = hints("order head, fc\noutput x -> head: conv(4, 1) -> fc1: conv(4, 1)")
    assert "`linear" not in found and "`fc1`" in found


def test_a_recurrent_layer_with_torchs_settings() -> None:
    call = "lstm(hidden_size = 4, num_layers = 2, bidirectional = true)"
    found = archc.check(text=f"arch A {{ input x: tokens [N, T, 8]   output x -> {call} }}")
    assert "`lstm(channels = 4, layers = 2, both = true)`" in found[0].hints[0]


@pytest.mark.parametrize("name", ["LSTM", "GRU", "RNN"])
def test_a_recurrent_layer_in_capitals(name: str) -> None:
    text = f"arch A {{ input x: tokens [N, T, 8]   output x -> {name}(4) }}"
    (found,) = archc.check(text=text)
    assert archc.check(text=mended(text, found, found.hints[0])) == []
