"""What checks and was likelier meant otherwise, and what is refused where one thing is meant: the hint says it."""

from __future__ import annotations

import re

import pytest
from language_files import mended

import archc

INPUT = "arch A { input x: [N, 4, H, W]\n "
TOKENS = "arch A { input t: tokens [N, 7, 8]\n "
LIST = "[conv(4, 3), relu]"


@pytest.mark.parametrize("body", [f"fs = {LIST} * 2\n output x -> fs", f"output x -> (2 * {LIST})"])
@pytest.mark.parametrize(("hint", "convolutions"), [(0, 2), (1, 1)])
def test_a_list_times_a_whole_number(body: str, hint: int, convolutions: int) -> None:
    text = f"{INPUT}{body}\n expect count(conv) == 1 }}"
    (found,) = archc.check(text=text)
    assert (found.code, found.severity) == ("E0365", "warning")
    fixed = mended(text, found, found.hints[hint]).replace("(conv) == 1", f"(conv) == {convolutions}")
    assert archc.check(text=fixed) == []


def test_a_named_list_times_a_whole_number() -> None:
    text = f"{INPUT}fs = {LIST}\n output x -> (fs * 3) }}"
    (found,) = archc.check(text=text)
    declared, power = re.findall("`([^`]+)`", found.hints[0])
    text = text.replace("fs =", declared.removesuffix(" ...")).replace("fs * 3", power)
    assert archc.check(text=text.replace(" }", "\n expect count(conv) == 3 }")) == []


@pytest.mark.parametrize(
    "body", [f"fs = 0.5 * {LIST}\n output x -> fs", "output 2 * (x -> relu)", "output x -> (2 * relu)"]
)
def test_what_scales_is_no_repetition(body: str) -> None:
    assert archc.check(text=f"{INPUT}{body} }}") == []


def test_a_list_of_numbers_times_a_whole_number() -> None:
    text = f"{INPUT}cs = [4, 8] * 2\n output x -> [conv(c, 3) for c in cs]\n expect count(conv) == 4 }}"
    (found,) = archc.check(text=text)
    assert found.code == "E0325"
    (right,) = re.findall("`([^`]+)`", found.hints[0])
    assert archc.check(text=text.replace("[4, 8] * 2", right)) == []


@pytest.mark.parametrize("map", ["[N, 4, H, W]", "[N, 4, 8, 8]", "[N, 4, L]", "[N, 4, D, H, 6]"])
@pytest.mark.parametrize("merge", ["x * a", "a + x", "x - a"])
def test_a_number_for_each_channel_of_a_map(map: str, merge: str) -> None:
    text = f"arch A {{ input x: {map}\n param a = ones([4])\n output {merge} }}"
    (found,) = archc.check(text=text)
    assert found.code == "E0405"
    (shape,) = re.findall(r"`(\[.*\])`", found.hints[0])
    assert archc.check(text=text.replace("[4]", shape)) == []


@pytest.mark.parametrize("text", ["input x: [N, 4, H, 4]", "input x: [N, H, 4]", "input x: [N, 6, H, W]"])
def test_a_vector_that_is_along_the_last_axis_stays(text: str) -> None:
    assert archc.check(text=f"arch A {{ {text}\n param a = ones([4])\n output x * a }}") == []


@pytest.mark.parametrize(
    ("targets", "layer"),
    [("y, h", "gru(8)"), ("y, h", "rnn(8)"), ("y, h, c", "lstm(8)")],
)
def test_states_under_names_of_their_own(targets: str, layer: str) -> None:
    text = f"{TOKENS}{targets} = t -> {layer}\n output (y, h) }}"
    (found,) = archc.check(text=text)
    assert found.code == "E0323" and "states = true" in found.hints[0]
    assert archc.check(text=text.replace("(8)", "(8, states = true)")) == []


@pytest.mark.parametrize("ordered", ["flatten(2) -> transpose", "permute([0, 2, 3, 1])"])
@pytest.mark.parametrize("layer", ["conv(4, 1)", "bn"])
def test_channels_last_before_a_layer_of_maps(ordered: str, layer: str) -> None:
    text = f"{INPUT}output x -> {ordered} -> {layer} }}"
    (found,) = archc.check(text=text)
    assert found.code == "E0401"
    order = re.findall(r"`((?:transpose|permute).*?)`", found.hints[0])[0]
    assert archc.check(text=text.replace(f"-> {layer}", f"-> {order} -> {layer}")) == []


def test_tokens_and_channels_in_a_sum() -> None:
    text = f"{INPUT}t = x -> flatten(2) -> transpose\n output t + (x -> flatten(2)) }}"
    (found,) = archc.check(text=text)
    assert found.code == "E0405" and "`transpose` behind one" in found.hints[0]
    assert archc.check(text=text.replace("flatten(2))", "flatten(2) -> transpose)")) == []


@pytest.mark.parametrize(
    "choice", ["if c then x -> a: conv(4, 3)", "if c then x -> a: conv(4, 3) else x -> b: conv(4, 1)"]
)
def test_a_label_behind_an_if_of_a_list(choice: str) -> None:
    text = f"{INPUT}c = true\n output sum([{choice}, x]) }}"
    (found,) = archc.check(text=text)
    assert found.code == "E0363"
    whole = re.findall("`([^`]+)`", found.hints[0])[0]
    fixed = text.replace("x -> a: conv(4, 3)", whole)
    assert archc.check(text=fixed) == []
    assert list(archc.loads(fixed).module().state_dict()) == ["a.weight"]
