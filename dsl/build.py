"""Syntax tree nodes of expressions, made of lark's trees.

Every method is named after the rule of the grammar whose children it takes; tokens are among them.
"""

from __future__ import annotations

from typing import Any

from lark import Tree

from ..grammar import Token
from . import ast
from .diagnostics import Diagnostic
from .labels import label_path
from .literals import number_value, text_parts
from .source import Source, Span


class Part:
    """A piece of a node that is no node itself: the arguments of a call, a body, a clause."""

    __slots__ = ("end_pos", "start_pos", "value")

    def __init__(self, value: Any, start_pos: int, end_pos: int):
        self.value = value
        self.start_pos = start_pos
        self.end_pos = end_pos


def start_of(item: Any) -> int:
    return item.span.start if isinstance(item, ast.Syntax) else item.start_pos


def end_of(item: Any) -> int:
    return item.span.end if isinstance(item, ast.Syntax) else item.end_pos


def kind_of(item: Any) -> str | None:
    return item.type if type(item) is Token else None


class ExpressionBuilder:
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
                made.append(getattr(self, rule)(children))
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

    def error(self, code: str, message: str, start: int, end: int, *hints: str) -> None:
        self.diagnostics.append(Diagnostic(code, message, Span(self.source, start, end), hints=hints))

    def part(self, children: list[Any], value: Any) -> Part:
        return Part(value, start_of(children[0]), end_of(children[-1]))

    def nodes(self, children: list[Any]) -> tuple[Any, ...]:
        return tuple(child for child in children if isinstance(child, ast.Syntax))

    def fold(self, children: list[Any]) -> tuple[tuple[str, ast.Expr], ...]:
        return tuple((children[i].value, children[i + 1]) for i in range(1, len(children), 2))

    # --- atoms

    def number(self, c: list[Any]) -> ast.Expr:
        return ast.Number(self.span(c), number_value(self, c[0]))

    def string(self, c: list[Any]) -> ast.Expr:
        return ast.Text(self.span(c), text_parts(self, c[0]))

    def boolean(self, c: list[Any]) -> ast.Expr:
        return ast.Boolean(self.span(c), c[0].type == "TRUE")

    def name(self, c: list[Any]) -> ast.Expr:
        return ast.Name(self.span(c), c[0].value)

    def block_input(self, c: list[Any]) -> ast.Expr:
        return ast.In(self.span(c))

    def list_display(self, c: list[Any]) -> ast.Expr:
        return ast.ListExpr(self.span(c), self.nodes(c))

    def tuple_display(self, c: list[Any]) -> ast.Expr:
        return ast.TupleExpr(self.span(c), self.nodes(c))

    def group(self, c: list[Any]) -> ast.Expr:
        return ast.Group(self.span(c), c[1])

    def splat(self, c: list[Any]) -> ast.Expr:
        return ast.Splat(self.span(c), c[1])

    # --- operators

    def chain(self, c: list[Any]) -> ast.Expr:
        return ast.Chain(self.span(c), tuple(c[::2]))

    def disjunction(self, c: list[Any]) -> ast.Expr:
        return ast.Logic(self.span(c), "or", tuple(c[::2]))

    def conjunction(self, c: list[Any]) -> ast.Expr:
        return ast.Logic(self.span(c), "and", tuple(c[::2]))

    def negation(self, c: list[Any]) -> ast.Expr:
        return ast.Not(self.span(c), c[1])

    def comparison(self, c: list[Any]) -> ast.Expr:
        return ast.Compare(self.span(c), c[0], self.fold(c))

    def range(self, c: list[Any]) -> ast.Expr:
        return ast.Range(self.span(c), c[0], c[2], c[1].type == "THROUGH")

    def sum(self, c: list[Any]) -> ast.Expr:
        return ast.Fold(self.span(c), c[0], self.fold(c))

    def product(self, c: list[Any]) -> ast.Expr:
        return ast.Fold(self.span(c), c[0], self.fold(c))

    def negative(self, c: list[Any]) -> ast.Expr:
        return ast.Negative(self.span(c), c[1])

    def power(self, c: list[Any]) -> ast.Expr:
        return ast.Power(self.span(c), c[0], c[2])

    def labelled(self, c: list[Any]) -> ast.Expr:
        return ast.Labelled(self.span(c), label_path(self, c[0]), c[1])

    # --- calls

    def call(self, c: list[Any]) -> ast.Expr:
        return ast.Call(self.span(c), c[0], c[1].value)

    def index(self, c: list[Any]) -> ast.Expr:
        return ast.Index(self.span(c), c[0], c[2])

    def attribute(self, c: list[Any]) -> ast.Expr:
        return ast.Attribute(self.span(c), c[0], c[2].value)

    def arguments(self, c: list[Any]) -> Part:
        values = []
        for node in self.nodes(c):
            values.append(ast.Argument(node.span, None, node) if isinstance(node, ast.Comprehension) else node)
        return self.part(c, tuple(values))

    def argument(self, c: list[Any]) -> ast.Argument:
        return ast.Argument(self.span(c), c[0].value if len(c) == 3 else None, c[-1])

    # --- comprehensions and choices

    def targets(self, c: list[Any]) -> tuple[str, ...]:
        return tuple(item.value for item in c if kind_of(item) == "NAME")

    def comprehension(self, c: list[Any]) -> ast.Expr:
        return ast.Comprehension(self.span(c), c[0], tuple(c[1:]))

    def for_clause(self, c: list[Any]) -> ast.Syntax:
        return ast.ForClause(self.span(c), self.targets(c), c[-1])

    def if_clause(self, c: list[Any]) -> ast.Syntax:
        return ast.IfClause(self.span(c), c[1])

    def if_expression(self, c: list[Any]) -> ast.Expr:
        return ast.If(self.span(c), c[1], c[3], c[5])

    def short_if(self, c: list[Any]) -> ast.Expr:
        return ast.If(self.span(c), c[1], c[3], c[5] if len(c) == 6 else None)

    def match(self, c: list[Any]) -> ast.Expr:
        return ast.Match(self.span(c), c[1], tuple(x for x in c[2:] if isinstance(x, ast.Case)))

    def case(self, c: list[Any]) -> ast.Case:
        patterns = tuple(c[:-2:2])
        others = any(isinstance(p, ast.Name) and p.id == "_" for p in patterns)
        return ast.Case(self.span(c), () if others else patterns, c[-1])

    def interpolation(self, c: list[Any]) -> ast.Expr:
        return c[0]
