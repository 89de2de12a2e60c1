"""Syntax tree nodes of expressions, made of lark's trees.

`EXPRESSIONS` and the methods have a way to make each rule's node, of its children; tokens are among them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lark import Tree

from ..grammar import Token
from . import ast
from .diagnostics import Diagnostic, finding
from .literals import label_path, number_value, text_parts
from .source import Source, Span


@dataclass(slots=True, eq=False)
class Part:
    """A piece of a node that is no node itself: the arguments of a call, a body, a clause."""

    span: Span
    value: Any


def start_of(item: Any) -> int:
    return item.start_pos if type(item) is Token else item.span.start


def end_of(item: Any) -> int:
    return item.end_pos if type(item) is Token else item.span.end


def kind_of(item: Any) -> str | None:
    return item.type if type(item) is Token else None


def nodes(children: list[Any]) -> tuple[Any, ...]:
    return tuple(child for child in children if isinstance(child, ast.Syntax))


def targets(c: list[Any]) -> ast.Targets:
    """What takes values apart: names are tokens, and parts hold a rest or nested targets. Parentheses around all of
    them change nothing: `for (i, x) in xs`."""
    found = tuple(item.value for item in c if isinstance(item, Part) or kind_of(item) == "NAME")
    return found[0] if len(found) == 1 and isinstance(found[0], tuple) else found


def _pairs(c: list[Any]) -> tuple[tuple[str, ast.Expr], ...]:
    """The operators of a row of operands, each with the operand after it."""
    return tuple((c[i].value, c[i + 1]) for i in range(1, len(c), 2))


def _arguments(c: list[Any]) -> tuple[ast.Argument, ...]:
    return tuple(ast.Argument(n.span, None, n) if isinstance(n, ast.Comprehension) else n for n in nodes(c))


def _case(span: Span, c: list[Any]) -> ast.Case:
    patterns = tuple(c[:-2:2])
    others = any(isinstance(p, ast.Name) and p.id == "_" for p in patterns)
    return ast.Case(span, () if others else patterns, c[-1])


def _slice(span: Span, c: list[Any]) -> ast.Slice:
    start = c[0] if isinstance(c[0], ast.Expr) else None
    stop = c[-1] if isinstance(c[-1], ast.Expr) and start is None else None
    return ast.Slice(span, start, stop, c[0 if start is None else 1].type == "THROUGH")


def _bounds(index: ast.Expr | ast.Slice) -> ast.Expr | ast.Slice:
    """A range between the brackets of an index as the bounds of a slice: of these, negative ones count from the end."""
    return ast.Slice(index.span, index.start, index.stop, index.inclusive) if isinstance(index, ast.Range) else index


EXPRESSIONS: dict[str, Callable[[Span, list[Any]], Any]] = {
    "boolean": lambda span, c: ast.Boolean(span, c[0].type == "TRUE"),
    "name": lambda span, c: ast.Name(span, c[0].value),
    "block_input": lambda span, c: ast.In(span),
    "list_display": lambda span, c: ast.ListExpr(span, nodes(c)),
    "tuple_display": lambda span, c: ast.TupleExpr(span, nodes(c)),
    "group": lambda span, c: ast.Group(span, c[1]),
    "splat": lambda span, c: ast.Splat(span, c[1]),
    "chain": lambda span, c: ast.Chain(span, tuple(c[::2])),
    "disjunction": lambda span, c: ast.Logic(span, "or", tuple(c[::2])),
    "conjunction": lambda span, c: ast.Logic(span, "and", tuple(c[::2])),
    "negation": lambda span, c: ast.Not(span, c[1]),
    "comparison": lambda span, c: ast.Compare(span, c[0], _pairs(c)),
    "range": lambda span, c: ast.Range(span, c[0], c[2], c[1].type == "THROUGH"),
    "sum": lambda span, c: ast.Fold(span, c[0], _pairs(c)),
    "product": lambda span, c: ast.Fold(span, c[0], _pairs(c)),
    "negative": lambda span, c: ast.Negative(span, c[1]),
    "power": lambda span, c: ast.Power(span, c[0], c[2]),
    "call": lambda span, c: ast.Call(span, c[0], c[1].value),
    "index": lambda span, c: ast.Index(span, c[0], _bounds(c[2])),
    "slice": _slice,
    "attribute": lambda span, c: ast.Attribute(span, c[0], c[2].value),
    "arguments": lambda span, c: Part(span, _arguments(c)),
    "argument": lambda span, c: ast.Argument(span, c[0].value if len(c) == 3 else None, c[-1]),
    "comprehension": lambda span, c: ast.Comprehension(span, c[0], tuple(c[1:])),
    "rest": lambda span, c: Part(span, f"*{c[1].value}"),
    "nested": lambda span, c: Part(span, targets(c)),
    "for_clause": lambda span, c: ast.ForClause(span, targets(c), c[-1]),
    "if_clause": lambda span, c: ast.IfClause(span, c[1]),
    "if_expression": lambda span, c: ast.If(span, c[1], c[3], c[5]),
    "short_if": lambda span, c: ast.If(span, c[1], c[3], c[5] if len(c) == 6 else None),
    "match": lambda span, c: ast.Match(span, c[1], tuple(x for x in c[2:] if isinstance(x, ast.Case))),
    "case": _case,
    "interpolation": lambda span, c: c[0],
}


class ExpressionBuilder:
    rules = EXPRESSIONS
    """How the node of a rule is made of its span and its children, where that takes no more."""

    def __init__(self, source: Source, diagnostics: list[Diagnostic]):
        self.source = source
        self.diagnostics = diagnostics

    def build(self, tree: Tree[Token]) -> Any:
        """What the tree means. Does not recurse: a tree is as deep as its text is nested."""
        made: list[Any] = []
        pending: list[Any] = [tree]
        while pending:
            item = pending.pop()
            if type(item) is Tree:
                pending.append((item.data, len(item.children)))
                pending += reversed(item.children)
            elif type(item) is tuple:
                rule, size = item
                first = len(made) - size
                children = made[first:]
                del made[first:]
                make = self.rules.get(rule)
                made.append(make(self.span(children), children) if make else getattr(self, rule)(children))
            else:
                made.append(item)
        return made[0]

    def discard(self, values: list[Any]) -> None:
        """Report what is wrong in trees that recovery dropped. Rules whose names begin with `_` make no node."""
        pending = list(values)
        while pending:
            value = pending.pop()
            if type(value) is Tree and value.data.startswith("_"):
                pending += value.children
            elif type(value) is Tree:
                self.build(value)

    # --- helpers

    def span(self, children: list[Any]) -> Span:
        return Span(self.source, start_of(children[0]), end_of(children[-1]))

    def token_span(self, token: Token) -> Span:
        return Span(self.source, token.start_pos, token.end_pos)

    def error(self, code: str, message: str, at: Token | tuple[int, int], *hints: str) -> None:
        """Reports what is wrong with a token, or from one character to another."""
        span = Span(self.source, *at) if isinstance(at, tuple) else self.token_span(at)
        self.diagnostics.append(finding(code, message, span, *hints))

    # --- rules that take the text, or report

    def number(self, c: list[Any]) -> ast.Expr:
        return ast.Number(self.span(c), number_value(self, c[0]))

    def string(self, c: list[Any]) -> ast.Expr:
        return ast.Text(self.span(c), text_parts(self, c[0]))

    def labelled(self, c: list[Any]) -> ast.Expr:
        return ast.Labelled(self.span(c), label_path(self, c[0]), c[1])
