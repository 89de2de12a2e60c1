"""The value of each form of expression, and the code where its operands are of a wrong type."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest

from archc.compiler.program import Program

HEAD = """
fn double(n) = 2 * n
fn fact(n) = if n == 0 then 1 else n * fact(n - 1)
fn kind(v) = match v { true => "true", false => "false", 1 => "one", 1.0 => "one point", "1" => "text", 1 / 2 => "half",
  [true] => "list of true", [1] => "list of one", [1.0] => "list of one point", [] => "none", _ => "other" }
block unit(c) = conv(c, 1)
a, *b = [1, 2, 3]
"""

VALUES: dict[str, Any] = {
    # literals
    "3": 3,
    "1_000": 1000,
    "2.5": 2.5,
    "1e3": 1000.0,
    "true": True,
    "false": False,
    '"a{1 + 1}b{len([1])}"': "a2b1",
    "pi": math.pi,
    # arithmetic
    "7 + 2": 9,
    "7 - 9": -2,
    "7 * -2": -14,
    "-(3)": -3,
    "7 / 2": Fraction(7, 2),
    "8 / 2": 4,
    "7 / 2.0": 3.5,
    "1 / 3 + 2 / 3": 1,
    "1 / 2 + 0.5": 1.0,
    "7 // 2": 3,
    "-7 // 2": -4,
    "7 // -2": -4,
    "7.5 // 2": 3.0,
    "7 % 3": 1,
    "-7 % 3": 2,
    "7 % -3": -2,
    "2 ** 10": 1024,
    "2 ** -1": Fraction(1, 2),
    "2 ** 3 ** 2": 512,
    "4 ** 0.5": 2.0,
    "0 ** 0": 1,
    "(-1) ** 5001": -1,
    "10 - 3 - 2": 5,
    "2 + 3 * 4": 14,
    "(2 + 3) * 4": 20,
    # comparisons and logic
    "1 < 2": True,
    "2 <= 2": True,
    "2 > 3": False,
    "3 >= 4": False,
    "1 < 2 < 3": True,
    "1 < 3 < 2": False,
    "1 == 1.0": True,
    "1 / 2 == 0.5": True,
    "1 == true": False,
    "true != 1": True,
    "0 == false": False,
    '1 == "1"': False,
    '"a" == "a"': True,
    "[1, 2] == [1, 2]": True,
    "[1] == [true]": False,
    "[1] == [1, 1]": False,
    "relu == relu": True,
    "relu == gelu": False,
    "conv == relu": False,
    "unit == unit": True,
    "not true": False,
    "true and false": False,
    "false or true": True,
    "false and 1": False,
    "true or 1": True,
    # choices
    "if 1 < 2 then 3 else 4": 3,
    "if 1 > 2 then 3 else 4": 4,
    "match 2 { 1 => 10, 2 | 3 => 20, _ => 30 }": 20,
    "match 4 { 1 => 10, 2 | 3 => 20, _ => 30 }": 30,
    'match "b" { "a" => 1, "b" => 2 }': 2,
    "match relu { gelu => 1, relu => 2 }": 2,
    "match [1, [2]] { [1, [3]] => 1, [1, [2]] => 2 }": 2,
    "kind(1)": "one",
    "kind(1.0)": "one point",
    "kind(true)": "true",
    "kind(false)": "false",
    "kind(0)": "other",
    'kind("1")': "text",
    "kind(1 / 2)": "half",
    "kind(0.5)": "other",
    "kind([1])": "list of one",
    "kind([1.0])": "list of one point",
    "kind([true])": "list of true",
    "kind([])": "none",
    "kind([1, 1])": "other",
    # lists
    "[1, 2.5, true]": [1, 2.5, True],
    "[]": [],
    "[*[1, 2], 3]": [1, 2, 3],
    "[if true then 1, if false then 2, 3]": [1, 3],
    "1..4": [1, 2, 3, 4],
    "0..<3": [0, 1, 2],
    "3..1": [],
    "[n * n for n in 1..3]": [1, 4, 9],
    "[n for n in 1..6 if n % 2 == 0]": [2, 4, 6],
    "[[i, j] for i in 1..2 for j in i..2]": [[1, 1], [1, 2], [2, 2]],
    "[*[n, n] for n in 1..2]": [1, 1, 2, 2],
    "[p + q for p, q in [[1, 2], [3, 4]]]": [3, 7],
    "[r for _, r in zip([1, 2], [3, 4])]": [3, 4],
    "[1, 2, 3][0]": 1,
    "[1, 2, 3][-1]": 3,
    "a": 1,
    "b": [2, 3],
    # functions
    "double(4)": 8,
    "double(n = 4)": 8,
    "fact(5)": 120,
    "len([1, 2])": 2,
    "zip([1, 2], [3, 4])": [[1, 3], [2, 4]],
    'enumerate(["a", "b"])': [[0, "a"], [1, "b"]],
    'enumerate(["a"], 1)': [[1, "a"]],
    "reversed([1, 2])": [2, 1],
    "unique([1, 1.0, true, none, 1 / 2, 0.5, [2], [2.0], none])": [1, True, None, Fraction(1, 2), [2]],
    "count([1, 1.0, true, [1]], 1)": 2,
    "count([[1, 2], [1.0, 2], 1], [1, 2])": 2,
    "floor(-1.5)": -2,
    "ceil(-1.5)": -1,
    "round(2.5)": 2,
    "round(7 / 2)": 4,
    "round(1.256, 2)": 1.26,
    "int(-1.5)": -1,
    "abs(-3)": 3,
    "abs(-1 / 2)": Fraction(1, 2),
    "sqrt(9)": 3.0,
    "log(1)": 0.0,
    "exp(0)": 1.0,
    "float(3)": 3.0,
    "sum([1, 2, 3])": 6,
    "sum(1, 2)": 3,
    "mean([1, 2])": Fraction(3, 2),
    "mean(1, 3)": 2,
    "max(1, 5, 3)": 5,
    "min([4, 2])": 2,
    # names of networks, as they are given from outside
    "relu": "relu",
    "id": "id",
    "unit": "unit",
    "[relu, unit]": ["relu", "unit"],
    "unit(4)": "unit(4)",
    "conv(4, 1) -> relu": "conv(4, 1) -> relu",
}

NETWORKS: dict[str, list[str]] = {
    "x": [],
    "x -> id": [],
    "id(x)": [],
    "x -> relu": ["relu"],
    "relu(x)": ["relu"],
    "x -> conv(4, 1) -> relu": ["conv", "relu"],
    "x -> [relu, gelu]": ["relu", "gelu"],
    "x -> relu ** 3": ["relu", "relu", "relu"],
    "x -> relu ** 0": [],
    "x -> (relu, gelu) -> sum": ["relu", "gelu", "sum"],
    "x -> (relu + gelu)": ["relu", "gelu", "sum"],
    "x + x": ["sum"],
    "x - x": ["sum"],
    "x * x": ["multiply"],
    "x ++ x": ["concat"],
    "2 * x": ["affine"],
    "x / 2": ["affine"],
    "1 - x": ["affine"],
    "-x": ["affine"],
    "x -> max(relu, gelu)": ["relu", "gelu", "max"],
    "max(x, x)": ["max"],
    "(x, x) -> each(relu) -> sum": ["relu", "relu", "sum"],
    "x -> unit(3)": ["conv"],
    "x -> frozen(unit(3))": ["conv"],
    "x -> recompute(unit(3))": ["conv"],
    "x -> fresh(unit(3))": ["conv"],
    "x -> part: relu": ["relu"],
    "x -> (match 1 { true => relu, _ => gelu })": ["gelu"],
    "x -> conv(x.channels + x.width + x.rank + x.shape[1], 1)": ["conv"],
    "x -> (if x.channels == 3 then relu else gelu)": ["relu"],
    "x -> (if x.height >= 1 then relu else gelu)": ["relu"],
    "x -> (if true == x.height then relu else gelu)": ["gelu"],
    "x -> (match x.height { x.height => relu, _ => gelu })": ["relu"],
    "x -> (match x.height { 0 => relu, _ => gelu })": ["gelu"],
    "x -> (match [x.height] { [0] => relu, [true] => selu, _ => gelu })": ["gelu"],
}

WRONG: dict[str, str] = {
    **dict.fromkeys(('1 + "a"', '"a" * 2', "true + 1", "[1] + [2]", "1 ++ 2", "relu // 2", '2 ** "a"'), "E0325"),
    **dict.fromkeys(("1 / 0", "1 // 0", "1 % 0", "0 ** -1"), "E0329"),
    **dict.fromkeys(("2 ** 63", "1e308 * 10", "(-8) ** 0.5", "exp(1000)"), "E0330"),
    **dict.fromkeys(('"a" < "b"', "1 < true", "[1] < [2]", "x == true", "(x, x) == x"), "E0333"),
    **dict.fromkeys(("not 1", "1 and true", "if 1 then 2 else 3", "false or 0"), "E0314"),
    **dict.fromkeys(
        ("match 3 { 1 => 2 }", "match 1 { true => 2 }", "match true { 1 => 2 }", "match 1 { 1.0 => 2 }"), "E0315"
    ),
    **dict.fromkeys(("match [1] { [true] => 2 }", "match 0.5 { 1 / 2 => 2 }", "match 1 { [1] => 2 }"), "E0315"),
    **dict.fromkeys(("match x.height { 8 => 1, _ => 2 }", "match [x.height] { [8] => 1, _ => 2 }"), "E0334"),
    "if x.height == 8 then 1 else 2": "E0334",
    **dict.fromkeys(("1..2.5", "true..3"), "E0316"),
    **dict.fromkeys(("3[0]", '[1]["a"]', "[1][true]", "[1][0.0]"), "E0317"),
    "[1][1]": "E0318",
    **dict.fromkeys(("3.shape", "[1].height"), "E0319"),
    "x.length": "E0320",
    "[*3]": "E0321",
    "[i for i in 3]": "E0322",
    "[p for p, q in [1]]": "E0323",
    "(x, relu)": "E0324",
    **dict.fromkeys(("relu ** 2.5", "relu ** true", "relu ** -1"), "E0332"),
    "x ** 2": "E0331",
    **dict.fromkeys(("x -> concat([])", "x -> multiply([])"), "E0301"),
    '"{1.5}"': "E0312",
    '"{true}"': "E0312",
    **dict.fromkeys(("sqrt(-1)", 'abs("a")', "abs(true)", "len(3)", "zip([1], [1, 2])", "max([])"), "E0338"),
    **dict.fromkeys(("len([1], [2])", "double(1, 2)", "each(relu, relu)"), "E0308"),
    "double()": "E0307",
    "double(m = 1)": "E0309",
    "double(1, n = 1)": "E0310",
    "3(4)": "E0337",
    "relu -> x": "E0313",
    **dict.fromkeys(("x -> 3", "x -> double", "x -> true"), "E0302"),
    "relu()(1)": "E0336",
    "nothing": "E0201",
    "in": "E0203",
}


def spelt(value: Any) -> Any:
    """A value with the types of all that is in it: 1, 1.0 and true are three."""
    return [spelt(v) for v in value] if isinstance(value, list) else (type(value), value)


@pytest.mark.parametrize("expression", VALUES)
def test_value(expression: str) -> None:
    outcome = Program.parse(f"{HEAD}\narch A(v = {expression}) {{ input x: [N, 3, H, 8]   output x }}").elaborate()
    assert outcome.graph is not None, outcome.diagnostics
    assert spelt(outcome.graph.parameters["v"]) == spelt(VALUES[expression])


@pytest.mark.parametrize("expression", NETWORKS)
def test_network(expression: str) -> None:
    outcome = Program.parse(f"{HEAD}\narch A {{ input x: [N, 3, H, 8]   v = {expression}   output v }}").elaborate()
    assert outcome.graph is not None, outcome.diagnostics
    assert [node.op.kind for node in outcome.graph.nodes[1:]] == NETWORKS[expression]


@pytest.mark.parametrize("expression", WRONG)
def test_wrong(expression: str) -> None:
    program = Program.parse(f"{HEAD}\narch A {{ input x: [N, 3, H, 8]   v = {expression}   output x }}")
    found = [*program.diagnostics, *(d for c in program.check() for d in c.elaborated.diagnostics)]
    assert {d.code for d in found} == {WRONG[expression]}
    assert all(d.hints for d in found if d.code != "E0201")


OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "++", "<", "<=", "==", "!=", "and", "or", "..", "->"]
OPERANDS = ["2", "-1", "0", "1 / 2", "0.5", "true", '"a"', "none", "[1]", "x", "(x, x)", "relu", "x.shape", "double"]


@pytest.mark.parametrize("size", ["x.height", "(x.height // 2 - 1)"])
@pytest.mark.parametrize("operator", OPERATORS)
def test_what_an_operator_makes_of_a_size_is_a_value_or_an_error_with_a_code(operator: str, size: str) -> None:
    for other in (*OPERANDS, size):
        for expression in (f"({other}) {operator} {size}", f"{size} {operator} ({other})"):
            text = f"{HEAD}\narch A {{ input x: [N, 3, H, 8]   v = {expression}   output x -> [v, relu] }}"
            outcome = Program.parse(text).elaborate()
            assert (outcome.graph is None) == bool(outcome.diagnostics), expression


TWINS = [("1", "true"), ("1", "1.0"), ("0", "false"), ("[1]", "[true]"), ("1 / 2", "0.5")]


@pytest.mark.parametrize(("first", "second"), TWINS)
def test_a_block_tells_equal_arguments_of_two_types_apart(first: str, second: str) -> None:
    """Its body is evaluated once for each: a body kept for the first would be applied for the second."""
    text = (
        f"block b(v) = match v {{ {first} => relu, {second} => gelu }}\n"
        f"arch A {{ input x: [N, 3, 8, 8]   output x -> b({first}) -> b({second}) -> b({first}) }}"
    )
    graph = Program.parse(text).elaborate().graph
    assert graph is not None
    assert [node.op.kind for node in graph.nodes[1:]] == ["relu", "gelu", "relu"]


@pytest.mark.parametrize(("first", "second"), TWINS)
def test_recursion_tells_equal_arguments_of_two_types_apart(first: str, second: str) -> None:
    text = (
        f"fn f(v) = match v {{ {first} => f({second}), _ => 3 }}\n"
        f"block b(v) = match v {{ {first} => b({second}), _ => relu }}\n"
        f"arch A {{ input x: [N, 3, 8, 8]   output x -> conv(f({first}), 1) -> b({first}) }}"
    )
    assert Program.parse(text).elaborate().graph is not None


@pytest.mark.parametrize(
    "usual",
    ["[true, 3, 8, 8]", "[1, 3.0, 8, 8]", "[1, 3, 8, true]", "[1, 3, 8, 8.0]", "[1, 3, 8, W]", "[1, 3, 8, 2 * W]"],
)
def test_usual_sizes_are_whole_numbers(usual: str) -> None:
    outcome = Program.parse(f"arch A {{ input x: [1, 3, 8, W] = {usual}   output x }}").elaborate()
    assert [d.code for d in outcome.diagnostics] == ["E0350"]


SHAPES = {
    "[N, *[3, 8], 8]": "[N, 3, 8, 8]",
    "[*[N, c], H, H]": "[N, 3, H, H]",
    "[8 for i in 1..3]": "[8, 8, 8]",
    "[N, if c > 2 then c, if c > 3 then 4, 8]": "[N, 3, 8]",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_shape_of_an_input_is_a_list(shape: str) -> None:
    graph = Program.parse(f"arch A(c = 3) {{ input x: {shape}   output x -> relu }}").elaborate().graph
    assert graph is not None
    assert str(graph.inputs[0].type) == SHAPES[shape]


@pytest.mark.parametrize("shape", ["[N, *3, H, W]", "[*N]", "[N, 3, *H, *W]", "int [*N, 3]", "[N, *x, 3]"])
def test_the_shape_of_an_input_spreads_lists_alone(shape: str) -> None:
    outcome = Program.parse(f"arch A {{ input x: {shape}   output x -> relu }}").elaborate()
    assert outcome.diagnostics and {d.code for d in outcome.diagnostics} <= {"E0321", "E0511"}


@pytest.mark.parametrize("sizes", ["(x: [N, *3, H, W]) -> [N, 3, H, W]", "(x: [N, 3, H, W]) -> [N, *3, H, W]"])
def test_the_shapes_of_a_layer_of_the_host_spread_nothing(sizes: str) -> None:
    text = f"extern f(){sizes} {{}}\narch A {{ input x: [N, 3, H, W]   output x -> f() }}"
    assert {d.code for d in Program.parse(text).elaborate().diagnostics} == {"E0348"}
