"""Arithmetic in generated Python: parentheses where Python needs them, for every operator that can be written."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from python_compare import assert_equal_modules

import archc
from archc.compiler.decompile.python.expr import (
    Expr,
    affine,
    attr,
    binary,
    call,
    const,
    num,
    raw,
    subscript,
    unary,
)
from archc.compiler.decompile.python.file import to_python
from archc.compiler.decompile.python.show import show

OPERATORS = {
    "+": ast.Add, "-": ast.Sub, "*": ast.Mult, "/": ast.Div, "//": ast.FloorDiv, "%": ast.Mod, "@": ast.MatMult,
    "**": ast.Pow, "&": ast.BitAnd, "|": ast.BitOr, "^": ast.BitXor, "<": ast.Lt, "<=": ast.LtE, ">": ast.Gt,
    ">=": ast.GtE, "==": ast.Eq, "!=": ast.NotEq,
}  # fmt: skip

numbers = st.one_of(st.integers(-3, 3), st.sampled_from([0.5, -2.5, -0.0]))
trees = st.recursive(
    st.one_of(st.sampled_from(["x", "y", "self.scale"]).map(raw), numbers.map(const)),
    lambda kids: st.one_of(
        st.tuples(st.sampled_from(sorted(OPERATORS)), kids, kids).map(lambda t: binary(*t)),
        kids.map(lambda kid: unary("-", kid)),
        st.tuples(kids, kids, kids).map(lambda t: Expr("choice", None, t)),
        st.tuples(kids, kids).map(lambda t: subscript(binary("+", t[0], t[0]), t[1])),
        kids.map(lambda kid: call(attr(unary("-", kid), "abs"), kid)),
    ),
    max_leaves=12,
)


def meant(expr: Expr) -> Any:
    """What the text should be read as."""
    kids = [meant(kid) for kid in expr.kids]
    match expr.kind:
        case "raw":
            return (".scale", "self") if expr.data == "self.scale" else expr.data
        case "const":
            shown = repr(expr.data[0])
            return ("neg", shown[1:]) if shown.startswith("-") else shown
        case "binary":
            return (expr.data, *kids)
        case "unary":
            return ("neg", *kids)
        case "attr":
            return (f".{expr.data}", *kids)
        case kind:
            return (kind, *kids)


def parsed(node: ast.AST) -> Any:
    """What Python reads the text as."""
    match node:
        case ast.Name():
            return node.id
        case ast.Constant():
            return repr(node.value)
        case ast.BinOp():
            sign = next(sign for sign, kind in OPERATORS.items() if isinstance(node.op, kind))
            return (sign, parsed(node.left), parsed(node.right))
        case ast.Compare(left, [operator], [right]):
            sign = next(sign for sign, kind in OPERATORS.items() if isinstance(operator, kind))
            return (sign, parsed(left), parsed(right))
        case ast.UnaryOp():
            return ("neg", parsed(node.operand))
        case ast.IfExp():
            return ("choice", parsed(node.test), parsed(node.body), parsed(node.orelse))
        case ast.Attribute():
            return (f".{node.attr}", parsed(node.value))
        case ast.Subscript():
            return ("subscript", parsed(node.value), parsed(node.slice))
        case ast.Call():
            return ("call", parsed(node.func), *map(parsed, node.args))
    raise AssertionError(ast.dump(node))


@settings(max_examples=400)
@given(trees)
def test_text_reads_as_the_tree(tree: Expr) -> None:
    shown = show(tree)
    assert parsed(ast.parse(shown, mode="eval").body) == meant(tree), shown


@pytest.mark.parametrize("offset", [-2, 0, 3])
@pytest.mark.parametrize("step", [-2, -1, 1, 2])
@pytest.mark.parametrize("operator", [sign for sign in OPERATORS if sign != "@"])
def test_numbers_that_grow_in_a_loop(offset: int, step: int, operator: str) -> None:
    grows = affine("i", num(offset), num(step))
    for i in (5, 6):
        value = offset + step * i
        before, after = binary(operator, grows, const(2)), binary(operator, const(2), grows)
        assert eval(show(before), {"i": i}) == eval(f"({value}) {operator} 2")
        assert eval(show(after), {"i": i}) == eval(f"2 {operator} ({value})")


# --- specs ---------------------------------------------------------------------------------

Pair = tuple[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]]


def of_one(kind: str, number: int, operand: Pair) -> Pair:
    """An expression of `.arch` made of one, and what it means, by torch."""
    text, f = operand
    made: dict[str, Pair] = {
        "neg": (f"-({text})", lambda x, y: -f(x, y)),
        "power": (f"(({text}) -> power({number}))", lambda x, y: f(x, y) ** number),
        "plus": (f"({text}) + {number}", lambda x, y: f(x, y) + number),
        "from": (f"{number} - ({text})", lambda x, y: number - f(x, y)),
        "times": (f"{number} * ({text})", lambda x, y: number * f(x, y)),
        "over": (f"({text}) / {number}", lambda x, y: f(x, y) / number),
    }
    return made[kind]


def of_two(sign: str, left: Pair, right: Pair) -> Pair:
    (one, f), (other, g) = left, right
    signs: dict[str, Pair] = {
        "+": (f"(({one}) + ({other}))", lambda x, y: f(x, y) + g(x, y)),
        "-": (f"(({one}) - ({other}))", lambda x, y: f(x, y) - g(x, y)),
        "*": (f"(({one}) * ({other}))", lambda x, y: f(x, y) * g(x, y)),
        "?": (
            f"where(({one}) > ({other}) and not (({other}) <= 0), {one}, ({other}) * 2)",
            lambda x, y: torch.where((f(x, y) > g(x, y)) & ~(g(x, y) <= 0), f(x, y), g(x, y) * 2),
        ),
    }
    return signs[sign]


tensors: st.SearchStrategy[Pair] = st.recursive(
    st.sampled_from([("x", lambda x, y: x), ("y", lambda x, y: y)]),
    lambda kids: st.one_of(
        st.builds(
            of_one, st.sampled_from(["neg", "power", "plus", "from", "times", "over"]), st.sampled_from([2, 3]), kids
        ),
        st.builds(of_two, st.sampled_from("+-*?"), kids, kids),
    ),
    max_leaves=7,
)


@settings(max_examples=60)
@given(tensors)
def test_arithmetic_over_tensors(pair: Pair) -> None:
    text, f = pair
    graph = archc.loads(
        f"arch a {{ input x: [N, 3] = [2, 3] input y: [N, 3] = [2, 3] output r = {text}\noutput s = x + y }}"
    ).ir
    x, y = torch.rand(2, 2, 3, dtype=torch.float64) / 2
    assert_equal_modules(graph, [x, y])
    (result, _) = archc.Architecture(graph).module(seed=0)(x, y).values()
    torch.testing.assert_close(result, f(x, y), rtol=1e-9, atol=1e-12)


def test_powers_of_powers() -> None:
    text = to_python(archc.loads("arch a { input x: [N, 3] output x -> power(3) -> power(3) }").ir)
    assert "return (x**3) ** 3" in text
