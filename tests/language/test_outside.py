"""Parameters given from outside of a spec: numbers, texts, and texts that stand for networks."""

from __future__ import annotations

from typing import Any

import pytest

import archc

SPEC = """
block unit(c) = conv(c, 3) -> relu
block wide(c, k = 5) = conv(c, k) -> relu
arch Net(act: network = relu, layer: block = unit, mode: "same" | network = "same", word: str = "a", free = 1) {
  input x: [N, 3, 8, 8]
  default relu = act
  output x -> layer(4) -> relu -> (if mode == "same" then id else mode)
}
arch Narrow = Net(layer = unit)
"""
OWN = 'use nin_cifar from "zoo/nin.arch"\nblock soft = elu(0.5)\narch mine = nin_cifar(drop = 0)'


def kinds(text: str = SPEC, name: str = "Net", **parameters: Any) -> list[str]:
    return [node.op.kind for node in archc.loads(text, name, **parameters).ir.nodes[1:]]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, "conv relu relu"),
        ({"act": "elu"}, "conv elu elu"),
        ({"act": "leakyrelu(0.1)"}, "conv leakyrelu leakyrelu"),
        ({"act": "bn -> silu"}, "conv bn silu bn silu"),
        ({"act": "[bn, silu]"}, "conv bn silu bn silu"),
        ({"act": ["bn", "silu"]}, "conv bn silu bn silu"),
        ({"act": "id"}, "conv"),
        ({"layer": "wide"}, "conv relu relu"),
        ({"layer": "wide", "act": "gelu"}, "conv gelu gelu"),
        ({"mode": "same"}, "conv relu relu"),
        ({"mode": "bn"}, "conv relu relu bn"),
        ({"word": "elu", "free": "elu"}, "conv relu relu"),
    ],
)
def test_what_is_meant(given: dict[str, Any], found: str) -> None:
    assert kinds(**given) == found.split()


def test_settings_of_a_call_count() -> None:
    (first, second) = [n.op for n in archc.loads(SPEC, "Net", act="leakyrelu(slope = 0.3)").ir.nodes[2:]]
    assert (first.slope, second.slope) == (0.3, 0.3)  # type: ignore[attr-defined]


@pytest.mark.parametrize("default", ["relu", "soft"])
def test_a_default_that_is_a_layer_or_a_block_says_that_networks_are_meant(default: str) -> None:
    text = f"block soft = elu(0.5)\narch Net(act = {default}, n = 1) {{ input x: [N, 3]  output x -> act ** n }}"
    assert kinds(text, "Net", act="tanh -> sigmoid", n=2) == ["tanh", "sigmoid"] * 2
    with pytest.raises(archc.ArchError, match="`act` takes a network"):
        archc.loads(text, "Net", act="nothing_like_it")


def test_a_variant_passes_it_on_and_sees_its_own_file() -> None:
    assert kinds(name="Narrow", act="elu") == ["conv", "elu", "elu"]
    found = kinds(OWN, "mine", act="soft")
    assert (found.count("elu"), found.count("relu")) == (9, 0)


@pytest.mark.parametrize("given", [{}, {"act": "leakyrelu(0.1)", "layer": "wide"}, {"act": "bn -> elu"}])
def test_parameters_can_be_given_again(given: dict[str, Any]) -> None:
    net = archc.loads(SPEC, "Net", **given)
    again = archc.loads(SPEC, "Net", **net.parameters)
    assert net.parameters == again.parameters
    assert net.parameters.items() >= given.items()
    assert [n.path for n in net.ir.nodes] == [n.path for n in again.ir.nodes]


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        ({"act": "elo"}, "E0201", "did you mean"),
        ({"act": "3"}, "E0311", "the number 3"),
        ({"act": 3}, "E0311", "the number 3"),
        ({"act": "3 +"}, "E0311", "no expression"),
        ({"act": ""}, "E0311", "no expression"),
        ({"act": "elu("}, "E0311", "no expression"),
        ({"act": "elu relu"}, "E0311", "no expression"),
        ({"act": "elu\x00"}, "E0311", "no expression"),
        ({"act": "(" * 300 + "elu" + ")" * 300}, "E0311", "no expression"),
        ({"act": "Net"}, "E0311", "an arch"),
        ({"act": "conv"}, "E0303", "needs `channels`"),
        ({"act": "leakyrelu(true)"}, "E0303", "slope"),
        ({"act": "in"}, "E0203", "in"),
        ({"layer": "3"}, "E0311", "a block or a layer"),
        ({"mode": "other"}, "E0201", "other"),
    ],
)
def test_what_is_refused(given: dict[str, Any], code: str, words: str) -> None:
    with pytest.raises(archc.ArchError) as refused:
        archc.loads(SPEC, "Net", **given)
    assert [d.code for d in refused.value.diagnostics] == [code]
    assert words in str(refused.value)


def test_a_text_within_the_language_is_a_text() -> None:
    found, *_ = (d for d in archc.check(text=SPEC + 'arch Quoted = Net(act = "elu")') if d.severity == "error")
    assert found.code == "E0311"
    assert "without quotes" in found.hints[0]


def test_on_the_command_line(tmp_path, capsys) -> None:
    from archc.cli import main

    path = tmp_path / "net.arch"
    path.write_text(SPEC)
    assert main(["check", str(path), "Net", "--set", "act=prelu(shared = true)", "--set", "layer=wide"]) == 0
    assert "Net(act = prelu(shared = true), layer = wide)" in capsys.readouterr().out
    assert main(["check", str(path), "Net", "--set", "act=perlu"]) == 1
    error = capsys.readouterr().err
    assert "E0201" in error and "<act>:1:1" in error and "`prelu`" in error
