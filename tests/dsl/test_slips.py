"""Single mistakes: one error each, at its place, with a hint that gives the words."""

from __future__ import annotations

import re

import pytest

from archc.dsl.limits import LIMITS
from archc.dsl.parse import decode, parse
from archc.dsl.source import Source

from .support import codes, errors

BLOCK = "block b(c) {\n  %s\n  output in\n}\nblock fine(c) = relu\n"
ARCH = "arch A {\n  input x: [N, 3, 32, 32]\n  %s\n}\nblock fine(c) = relu\n"


@pytest.mark.parametrize(
    ("text", "code", "at"),
    [
        ("block b(c) {\n  output in -> (conv(3, 3)\n}\n", "E0103", "}"),
        ("block b(c) { output in -> [conv(3, 3) }", "E0103", "}"),
        ("block b(c) {\n  output in -> conv(3 3) -> bn( -> relu\n}\n", "E0101", "3"),
        ("block b(c) {\n  for i in 1..2 {\n    x = (f(i)\n  }\n  output x\n}\n", "E0103", "}"),
        ("block b(c) {\n  if c == 3 { x = (f }\n  output in\n}\n", "E0103", "}"),
        ("block b(c) {\n  x = f(c}\n  output x\n}\nblock fine() = relu", "E0103", "}"),
        ("block b(c) {\n  output match c { 1 => f(3 }\n}\n", "E0103", "}"),
    ],
)
def test_an_unclosed_bracket_is_one_error(text: str, code: str, at: str) -> None:
    for before in ("", "block a() = relu\n"):
        file, found = parse(Source(before + text))
        assert [(d.code, d.span and d.span.text) for d in found] == [(code, at)]
        assert file is None or file.broken == ("b",)


@pytest.mark.parametrize(
    ("text", "code", "number"),
    [
        (ARCH % "output x -> conv(16, 3 -> bn -> relu", "E0103", "3"),
        (BLOCK % "y = in -> [conv(16, stride = 2 -> bn, relu]", "E0103", "stride = 2"),
        (BLOCK % "y = in -> f2(1_6 -> f(c, (3)) -> bn\n  z = y", "E0102", "1_6"),
        ("block b(c) = conv(c * 2, 3 -> bn\nblock fine(c) = relu", "E0102", "3"),
        ("block b(c) = conv(f(3), -1 -> relu", "E0102", "-1"),
    ],
)
def test_a_call_is_closed_behind_its_last_number(text: str, code: str, number: str) -> None:
    """Written where the hint says, the bracket makes the text right."""
    (error,) = errors(text)
    (told,) = re.findall(r"write `\)` behind `(.+?)`", " ".join(error.hints))
    assert (error.code, told) == (code, number)
    assert codes(text.replace(f"{number} ->", f"{number}) ->", 1)) == []


@pytest.mark.parametrize(
    "text", [BLOCK % "y = in -> conv(c -> bn", BLOCK % "y = in -> [3 -> bn", BLOCK % "y = in -> (3 -> bn"]
)
def test_where_a_bracket_is_closed_is_not_guessed(text: str) -> None:
    (error,) = errors(text)
    assert "behind" not in " ".join(error.hints)


@pytest.mark.parametrize(
    ("text", "readings"),
    [
        (
            ARCH % "output x -> conv(8, 3) + id -> relu",
            ["x -> (conv(8, 3) + id) -> relu", "(x -> conv(8, 3)) + (x -> id) -> relu"],
        ),
        (ARCH % "y = x -> bn\n  output x -> conv(8, 3) + y", ["(x -> conv(8, 3)) + y"]),
        (ARCH % "output x -> branch -1", ["x -> (branch -1)", "(x -> branch) - 1"]),
        (ARCH % "output x -> 2 * bn", ["x -> (2 * bn)", "2 * (x -> bn)"]),
        ("f = conv -> bn + id", ["conv -> (bn + id)", "(conv -> bn) + id"]),
        ("block b() { output relu -> bn + in }", ["(in -> relu -> bn) + in"]),
        (
            "f = conv -> [bn, relu] * 3",
            ["conv -> [bn, relu] ** 3", "conv -> ([bn, relu] * 3)", "(conv -> [bn, relu]) * 3"],
        ),
        (
            "block b() = in -> bn ++ relu ++ id",
            ["in -> (bn ++ relu ++ id)", "(in -> bn) ++ (in -> relu) ++ (in -> id)"],
        ),
    ],
)
def test_readings_of_a_merge_are_sound(text: str, readings: list[str]) -> None:
    (error,) = errors(text)
    assert error.code == "E0109"
    assert [hint.split("`")[1] for hint in error.hints] == readings
    for reading in readings:
        assert codes(f"block b() {{ output {reading} }}") == []


def test_a_long_reading_leaves_no_bracket_open() -> None:
    (error,) = errors(f"block b() = in -> conv({', '.join(map(str, range(40)))}) + id")
    assert all(hint.count("(") == hint.count(")") for hint in error.hints)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("output x -> 0: bn", "0"),
        ("output x -> [0: bn, relu]", "0"),
        ("output x -> branch-1: conv(8, 3)", "branch-1"),
        ("output x -> branch-a: conv(8, 3)", "branch-a"),
        ("output x -> conv-1x1: conv(8, 3) -> relu", "conv-1x1"),
        ("output x -> 3x3: conv(8, 3)", "3x3"),
        ("output x -> stem-{i}: bn", "stem-{i}"),
        ("branch-1: conv(8, 3)\n  output x", "branch-1"),
        ("0: bn\n  output x", "0"),
    ],
)
def test_labels_that_need_quotes(text: str, label: str) -> None:
    (error,) = errors(ARCH % text)
    assert error.code == "E0111" and error.span is not None and error.span.text.rstrip(":") == label
    assert f'`"{label}": ...`' in error.hints[0]


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        b"PK\x03\x04" + b"\0" * LIMITS.source_bytes,
        b"\x80\x04\x95\x10",
        b"\x7fELF\x02\x01",
        b"\0\x01\xfe" * 9,
    ],
)
def test_binary_files(data: bytes) -> None:
    source, (error,) = decode(data, "a.pth")
    assert source is None and error.code == "E0905"
    assert error.message == "this looks like a binary file, not a spec"


def test_other_encodings_and_a_stray_nul_are_no_binary_files() -> None:
    assert "not UTF-8" in decode("x = 1".encode("utf-16"), "a.arch")[1][0].message
    assert decode(b"x = 1 # \0", "a.arch")[0] is not None


def test_the_size_is_not_claimed() -> None:
    (error,) = decode(b"#" * (LIMITS.source_bytes + 1), "a.arch")[1]
    assert error.code == "E0901" and "larger than 256 KiB" in error.message


SLIPS = [
    ("x = conv(3, 3);", ";", "delete it"),
    ("f = lambda x: x + 1", "x:", "`fn f(x) = ...`"),
    ("x = in -> nn.Conv2d(3, 8, 3)", "nn.Conv2d", "`conv(channels, kernel)`"),
    ("x = in -> torch.nn.BatchNorm2d(8)", "torch.nn.BatchNorm2d", "`bn`"),
    ("x = F.relu", "F.relu", "`relu`"),
    ("x = F.leaky_relu", "F.leaky_relu", "`leakyrelu`"),
    ("x = in -> nn.AdaptiveAvgPool2d(1)", "nn.AdaptiveAvgPool2d", "`gap` for size 1"),
    ("x = self.conv(in)", "self.conv", "conv1: conv(64, 3)"),
    ("self.conv = conv(3, 3)", "self", "conv1: conv(64, 3)"),
    ("def forward(self, x):\n    x = self.conv(x)\n    return x", "def forward", "block name(p)"),
    ("if c > 3:\n    y = bn\n  else:\n    y = relu", ":", "braces"),
    ("if c: y = 3", ":", "braces"),
    ("for i in 0..<3:\n    x = bn", ":", "braces"),
    ("return in", "return in", "`output e`"),
    ("x := 3", ":", "`=`"),
    ("x = conv(3 3)", "3", "`,`"),
    ("x = [conv(3, 3) bn]", "bn", "`,` or `->`"),
    ("x = f(3,, 4)", ",", "delete"),
    ("x = conv(8, kernel: 3)", "kernel: 3", "`kernel = 3`"),
    ('x = f("relu)', '"relu)', 'end it with `"`'),
    ('x = f"a{c}"', 'f"a{c}"', "delete it"),
    ("x = a && b", "&&", "`and`"),
    ("x = True", "True", "`true`"),
    ("(x, y) = split(in, 2)", "(", "`x, y = ...`"),
    ("x = {1: 2}", "{", "`[a, b]`"),
    ("x = f(**kw)", "**", "`f(a = 1)`"),
    ("x = 2 if c else 3", "2 if c else 3", "`if c then 2 else 3`"),
    ("x = conv(16 if c else 8, 3)", "16 if c else 8", "`if c then 16 else 8`"),
    ("x = relu if c", "if", "`x = if c then a else b`"),
    ("if c then f else g", "then", "`output if c then a else b`"),
    ("x = xs[1:2]", "[1:2]", "slice"),
    ("x = xs[:-1]", "[:-1]", "slice"),
    ("x = c in [1, 2]", "in", "`x == a or x == b`"),
    ("x = c not in [1, 2]", "not", "`x == a or x == b`"),
    ("x = c <> 3", "<>", "`!=`"),
    ("x = match c { 1: relu, 2: bn }", ":", "`=>`"),
    ("x = match c { 1 => relu; 2 => bn }", ";", "delete it"),
    ("x = relu;y = bn", ";", "delete it"),
    ("x = -> relu", "->", "`in -> conv(64, 3)`"),
    ("in_ -> relu", "in_ -> relu", "`output in_ -> relu`"),
    ("x = in -> conv1 = conv(3, 3)", "conv1 =", "`conv1:`"),
    ("print(c)", "print(", "delete it"),
    ("output = in", "=", "`output e`"),
    ("output: in", ":", "`output e`"),
    ("-- comment", "-", "`#`"),
    ("x = relu\n  pass", "pass", "`id`"),
    ("input x = [N, 3]", "=", "`:`"),
    ("input x: (N, 3)", "(N, 3)", "`[N, 3]`"),
    ("input x: [?, 3]", "?", "`input x: [N, 3, H, W]`"),
    ("x = bn >> relu", ">>", "`->`"),
    ("x = f('same')", "'same'", '`"same"`'),
    ("n = 1\n  n += 1", "+", "`n = n + 1`"),
    ("x = in -> conv(3, 3) relu", "relu", "`->`"),
    ("in_ -> relu -> output", "in_ -> relu -> output", "`output in_ -> relu`"),
    ("x = relu // then stop", "then", "`#`"),
    ("share f = conv(3, 3)", "share f", "`shared f = conv(3, 3)`"),
    ("inputs x: [N, 3]", "inputs x", "`input x: [N, 3, H, W]`"),
    ("outputs in", "outputs in", "`output e`"),
    ("x = bn as b1", "as", "`b1: ...`"),
    ("x = in -> nn.LSTM(8)", "nn.LSTM", "`lstm`"),
]


@pytest.mark.parametrize(("text", "at", "hint"), SLIPS, ids=[re.sub(r"\s+", " ", slip[0]) for slip in SLIPS])
def test_one_error_per_slip(text: str, at: str, hint: str) -> None:
    file, found = parse(Source(BLOCK % text))
    assert [d.span and d.span.text for d in found] == [at]
    assert hint in " ".join(found[0].hints)
    assert file is not None and file.broken == ("b",)


@pytest.mark.parametrize(
    "text",
    [
        "block b(c):\n  x = in -> conv(c, 3)\n  output x\n\nblock fine() = relu",
        "class Net(nn.Module):\n  def __init__(self):\n    self.conv = nn.Conv2d(3, 8, 3)\n\nblock fine() = relu",
        "def f(x):\n  return x\n\nblock fine() = relu",
        "// comment\nblock fine() = relu",
        "import torch.nn as nn\nblock fine() = relu",
        "model A {\n  input x: [N, 3]\n  output x\n}\n\nblock fine() = relu",
        "arch A(x: [N, 3]) {\n  output x\n}\n\nblock fine() = relu",
        "fn f(x) {\n  y = x\n  output y\n}\n\nblock fine() = relu",
    ],
)
def test_one_error_per_slip_in_a_file(text: str) -> None:
    file, found = parse(Source(text))
    assert len(found) == 1 and found[0].span is not None and found[0].span.line == 1
    assert file is not None and [s.span.text for s in file.statements] == ["block fine() = relu"]


def test_names_of_ones_own_are_no_slips() -> None:
    assert codes("block b(nn, F) = nn.Conv2d -> F.relu") == []


@pytest.mark.parametrize("digits", ["1", "05", "125"])
def test_a_number_that_begins_with_a_point_is_offered_with_its_digits(digits: str) -> None:
    (error,) = errors(f"a = dropout(.{digits})")
    assert error.code == "E0107" and error.hints == (f"write `0.{digits}`, not `.{digits}`",)


def test_a_layer_of_the_host_has_two_pairs_of_parentheses() -> None:
    (error,) = errors("extern rope(t: [N, T, C]) -> [N, T, C] {}")
    assert error.code == "E0101" and any("`extern rope()(...)`" in str(hint) for hint in error.hints)
    assert not errors("extern rope()(t: [N, T, C]) -> [N, T, C] {}")
