"""Syntax tree nodes of statements and declarations."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..grammar import Token
from . import ast
from .assemble import documented
from .build import EXPRESSIONS, ExpressionBuilder, Part, end_of, kind_of, nodes, start_of, targets
from .literals import label_path, plain_text
from .source import Span


class Broken(ast.Statement):
    """Text that was no statement, and has been reported."""


@dataclass(frozen=True, slots=True)
class Body:
    """What stood between braces, or in a file: doc strings are still tokens among the statements."""

    items: tuple[Any, ...]


_BEGINS = re.compile(
    r"\s*(?:(?:arch|block|fn|extern|use|input|output|shared|param|buffer|const|draw|default|require|expect|order|for|if)\b"
    r"|[A-Za-z_]\w*\s*[,=])"
)


def _without_cut(items: list[Any]) -> tuple[Any, ...]:
    """Takes a statement for broken too where the text that could not be read seems to be its end."""
    result: list[Any] = []
    for item in items:
        before = result[-1] if result else None
        if isinstance(item, Broken) and isinstance(before, ast.Statement) and not _BEGINS.match(item.span.text):
            result[-1] = Broken(before.span)
        result.append(item)
    return tuple(result)


def _input(span: Span, c: list[Any]) -> ast.Statement:
    shape, nominal = [*(item for item in c if isinstance(item, ast.ListExpr)), None][:2]
    return ast.Input(span, c[1].value, shape, nominal, c[3].value if kind_of(c[3]) == "NAME" else None)


def _output(span: Span, c: list[Any]) -> ast.Statement:
    value = next(item for item in c if isinstance(item, ast.Expr))
    return ast.Output(span, c[1].value if kind_of(c[1]) == "NAME" else None, value, kind_of(c[-1]) == "TRAINING")


def _default(span: Span, c: list[Any]) -> ast.Statement:
    arguments, replacement = (c[2].value, None) if len(c) == 3 else ((), c[3])
    return ast.Default(span, c[1].value, arguments, replacement)


def _parameter(span: Span, c: list[Any]) -> ast.Parameter:
    rest = kind_of(c[0]) == "STAR"
    annotation = next((item for item in c if isinstance(item, ast.TypeExpr)), None)
    default = c[-1] if isinstance(c[-1], ast.Expr) else None
    return ast.Parameter(span, c[1 if rest else 0].value, annotation, default, rest)


STATEMENTS: dict[str, Callable[[Span, list[Any]], Any]] = {
    "body": lambda span, c: Part(span, Body(_without_cut(c[1:-1]))),
    "broken": lambda span, c: Broken(span),
    "use_name": lambda span, c: Part(span, (c[0].value, c[-1].value)),
    "extern_inputs": lambda span, c: Part(span, nodes(c)),
    "extern_input": lambda span, c: ast.ExternInput(span, c[0].value, c[-1], c[2].value if len(c) == 4 else None),
    "members": lambda span, c: Part(span, nodes(c)),
    "figure": lambda span, c: ast.ExternFigure(span, c[0].value, c[2]),
    "parameters": lambda span, c: Part(span, nodes(c)),
    "parameter": _parameter,
    "type": lambda span, c: ast.TypeExpr(span, tuple(x.value if type(x) is Token else x for x in c[::2])),
    "negative_number": lambda span, c: ast.Negative(span, c[1]),
    "input": _input,
    "output": _output,
    "assign": lambda span, c: ast.Assign(span, targets(c[:-2]), c[-1]),
    "leading_rest": lambda span, c: Part(span, f"*{c[1].value}"),
    "shared": lambda span, c: ast.Shared(span, c[1].value, c[3]),
    "tensor": lambda span, c: ast.TensorDef(span, c[1].value, c[-1], c[0].value, c[3].value if len(c) > 4 else None),
    "draw": lambda span, c: ast.Draw(span, c[1].value, c[3]),
    "default": _default,
    "require": lambda span, c: ast.Require(span, c[1], c[3] if len(c) == 4 else None),
    "at": lambda span, c: Part(span, ("at", c[1])),
    "when": lambda span, c: Part(span, ("when", c[1])),
}


def _constant(piece: str | ast.Expr) -> str:
    """A piece of a name that is the same wherever it stands; another comes as it is written, which names nothing."""
    match piece:
        case str():
            return piece
        case ast.Number(value=int(value)):
            return str(value)
        case ast.Text(parts=(str(text),)):
            return text
    return f"{{{piece.span.text}}}"


class Builder(ExpressionBuilder):
    rules = EXPRESSIONS | STATEMENTS

    # --- files and bodies

    def start(self, c: list[Any]) -> Body:
        return Body(_without_cut(c))

    def statements(self, body: Part) -> tuple[Any, ...]:
        """The statements of the body of an `if` or a `for`, which documents nothing."""
        return documented(self, body.value.items, owner=None)[1]

    # --- declarations

    def use(self, c: list[Any]) -> ast.Statement:
        path = c[-1]
        names = tuple(item.value for item in c if isinstance(item, Part))
        return ast.Use(self.span(c), names, plain_text(self, path), self.token_span(path))

    def _heading(self, c: list[Any]) -> tuple[Span, str, Span]:
        """The span of a declaration, its name, and where that stands."""
        return self.span(c), c[1].value, self.token_span(c[1])

    def _definition(self, c: list[Any]) -> tuple[str | None, Any]:
        """The doc string and the body of a declaration that ends in `= e` or `{ ... }`."""
        last = c[-1]
        return documented(self, last.value.items, owner=c[0].value) if isinstance(last, Part) else (None, last)

    def _parameters(self, c: list[Any]) -> list[tuple[ast.Parameter, ...]]:
        return [part.value for part in c[2:4] if isinstance(part, Part) and isinstance(part.value, tuple)]

    def arch(self, c: list[Any]) -> ast.Statement:
        parameters = (*self._parameters(c), ())[0]
        return ast.ArchDef(*self._heading(c), parameters, *self._definition(c))

    def block(self, c: list[Any]) -> ast.Statement:
        doc, body = self._definition(c)
        parameters, inputs = (*self._parameters(c), None, None)[:2]
        return ast.BlockDef(*self._heading(c), parameters or (), doc, inputs, body)

    def fn(self, c: list[Any]) -> ast.Statement:
        return ast.FunctionDef(*self._heading(c), c[2].value, None, c[-1])

    def extern(self, c: list[Any]) -> ast.Statement:
        inside = c[-1].value if isinstance(c[-1], Part) else ()
        members = tuple(item for item in inside if isinstance(item, ast.ExternMember))
        figures = tuple(item for item in inside if isinstance(item, ast.ExternFigure))
        at = next(i for i, item in enumerate(c) if isinstance(item, ast.ListExpr))
        word = c[at - 1].value if kind_of(c[at - 1]) == "NAME" else None
        return ast.ExternDef(*self._heading(c), c[2].value, None, c[3].value, c[at], word, members, figures)

    def member(self, c: list[Any]) -> ast.Syntax:
        path = label_path(self, c[1])
        name = ".".join("".join(map(_constant, pieces)) for pieces in path.segments)
        word = c[2].value if len(c) == 4 else None
        return ast.ExternMember(self.span(c), c[0].type == "PARAM", name, c[-1], word)

    # --- statements

    def expect(self, c: list[Any]) -> ast.Statement:
        operator = next(item for item in c[2:] if type(item) is Token)
        right = c[c.index(operator) + 1]
        extra = {item.value[0]: item for item in c if isinstance(item, Part)}
        places = [item for item in c if isinstance(item, Part) and item.value[0] == "at"]
        if len(places) == 2:
            message = "this `expect` says twice at which sizes it holds"
            twice = start_of(places[1]), end_of(places[1])
            self.error("E0101", message, twice, "keep one of the two `at`")
        at, when = (extra[key].value[1] if key in extra else None for key in ("at", "when"))
        return ast.Expect(self.span(c), c[1], operator.value, right, at, when)

    def order(self, c: list[Any]) -> ast.Statement:
        labels = tuple(label_path(self, item) for item in c[1:] if item.type == "LABEL_PATH")
        return ast.Order(self.span(c), labels)

    def for_statement(self, c: list[Any]) -> ast.Statement:
        names = targets(c[: next(i for i, item in enumerate(c) if kind_of(item) == "IN")])
        return ast.For(self.span(c), names, c[-2], self.statements(c[-1]))

    def if_statement(self, c: list[Any]) -> ast.Statement:
        last = c[4] if len(c) == 5 else ()
        otherwise = self.statements(last) if isinstance(last, Part) else (last,) if last else ()
        return ast.IfStatement(self.span(c), c[1], self.statements(c[2]), otherwise)
