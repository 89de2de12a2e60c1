"""Parts that some instances of a block lack stand behind a parameter, and values that follow a rule are said by it."""

from __future__ import annotations

import pytest
from arch_again import HEAD, again, body, elaborated

UNIT = """
block unit(c, k, turned) {
  x = in -> (if turned then roll([-1, -1], axes = [2, 3]) else id) -> mix: conv(c, 3) -> act: relu
  y = x -> (if turned then (dw: dwconv(k) -> mid: relu -> pw: conv(c, 1)) else id)
    -> first: conv(2 * c, 1) -> second: conv(2 * c, 3) -> ln: ln -> more: conv(4 * c, 1)
    -> rest: conv(4 * c, 3) -> gelu: gelu -> out: conv(2 * c, 1)
  output y -> (if turned then roll([1, 1], axes = [2, 3]) else id) -> norm: bn
}
"""


@pytest.mark.parametrize("kernels", [(3, 3, 3), (3, 5, 7)], ids=["one kernel", "kernels of their own"])
def test_several_parts_that_some_instances_lack_have_one_parameter(kernels: tuple[int, ...]) -> None:
    units = [f"u{i}: unit({8 + i // 2}, {kernels[i // 2]}, {('false', 'true')[i % 2]})" for i in range(6)]
    text = body(again(elaborated(f"{UNIT}{HEAD} output x -> {' -> '.join(units)} }}")))
    assert text.count("(if turned then ") == 3 and text.count("turned = false") == 1 and text.count("block ") == 1
    assert "u0: unit(8) " in text and "u2: unit(9) " in text  # what lacks the parts says nothing of them


def test_a_stride_tells_of_the_projection() -> None:
    text = """
block unit(c, s, down) {
  f = conv1: conv(c, 3, s) -> bn1: bn -> relu -> conv2: conv(c, 3) -> bn2: bn -> relu -> conv3: conv(c, 3)
  output (if down then proj: [conv(c, 1, 2), bn] else id) + f: f
}
"""
    units = [f"u{i}: unit({8 * 2 ** (i // 2)}, {2 - i % 2}, {('true', 'false')[i % 2]})" for i in range(8)]
    found = body(again(elaborated(f"{text}{HEAD} output x -> {' -> '.join(units)} }}")))
    assert "with_proj" not in found
    assert found.count("block unit") == 1 and "block unit(c, s) = (if s == 2 then proj: " in found


def test_turns_and_rates_follow_one_rule() -> None:
    text = """
block unit(c, p, turned) = id + (norm: ln(axis = -1) -> (if turned then (roll([1], axes = [2]) -> roll([1], axes = [3]))
  else id)
  -> mix: conv(c, 3) -> relu -> last: conv(c, 1) -> survive(p))
"""
    stages = [(0, 1), (2, 3), (4, 9)]
    lists = [f"[unit(3, 1 - 0.2 * i / 9, i % 2 == 1) for i in {a}..{b}]" for a, b in stages]
    found = body(again(elaborated(f"{text}{HEAD} output x -> [{', '.join(lists)}] }}")))
    for a, b in stages:
        assert f"[unit(1 - 0.2 * i / 9, i % 2 == 1) for i in {a}..{b}]" in found


def test_squares_of_a_parameter_are_said_by_it() -> None:
    text = """
block unit(n) = mix: conv(144, 1) -> rearrange("n (a b) h w -> n (b a) h w", a = n) -> act: relu
  -> rearrange("n (a b) h w -> n (b a) h w", a = n ** 2) -> out: conv(144, 1)
"""
    units = " -> ".join(f"u{n}: unit({n})" for n in (2, 3, 6))
    found = body(again(elaborated(f"{text}{HEAD} output x -> {units} }}")))
    assert "block unit(n) " in found and "a = n)" in found and "a = n ** 2)" in found


def test_scales_of_heads_are_roots() -> None:
    found = body(again(elaborated(f"{HEAD} y = 32 ** -0.5 * x   z = 0.125 * y   output 0.3 * z }}")))
    assert "32 ** -0.5 * " in found and "0.125 * " in found and "0.3 * " in found


def test_blocks_that_hold_what_others_of_them_lack() -> None:
    text = """
block s(d) {
  y = in -> c: conv(8, 3)
  z = if d > 0 then (y -> s: s(d - 1) -> bn) else y
  output z -> relu
}
"""
    again(elaborated(f"{text}{HEAD} output x -> a: s(2) -> b: s(1) -> c: s(0) }}"))
