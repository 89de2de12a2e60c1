"""Syntax tree nodes of statements and declarations."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ..grammar import Token
from . import ast
from .assemble import documented
from .build import ExpressionBuilder, Part, end_of, kind_of, start_of
from .labels import label_path
from .literals import plain_text
from .source import Span


class Broken(ast.Statement):
    """Text that was no statement, and has been reported."""


@dataclass(frozen=True, slots=True)
class Body:
    """What stood between braces, or in a file: doc strings are still tokens among the statements."""

    items: tuple[Any, ...]


_BEGINS = re.compile(
    r"\s*(?:(?:arch|block|fn|extern|use|input|output|shared|param|buffer|draw|default|require|expect|order|for|if)\b"
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


class Builder(ExpressionBuilder):
    # --- files and bodies

    def start(self, c: list[Any]) -> Body:
        return Body(_without_cut(c))

    def body(self, c: list[Any]) -> Part:
        return self.part(c, Body(_without_cut(c[1:-1])))

    def broken(self, c: list[Any]) -> ast.Statement:
        return Broken(self.span(c))

    def statements(self, body: Part) -> tuple[Any, ...]:
        """The statements of the body of an `if` or a `for`, which documents nothing."""
        return documented(self, body.value.items, owner=None)[1]

    # --- declarations

    def use(self, c: list[Any]) -> ast.Statement:
        path = c[-1]
        names = tuple(item.value for item in c if isinstance(item, Part))
        return ast.Use(self.span(c), names, plain_text(self, path), self.token_span(path))

    def use_name(self, c: list[Any]) -> Part:
        return self.part(c, (c[0].value, c[-1].value))

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
        members = c[6].value if len(c) == 7 else ()
        return ast.ExternDef(*self._heading(c), c[2].value, None, c[3].value, c[5], members)

    def extern_inputs(self, c: list[Any]) -> Part:
        return self.part(c, self.nodes(c))

    def extern_input(self, c: list[Any]) -> ast.Syntax:
        return ast.ExternInput(self.span(c), c[0].value, c[2])

    def members(self, c: list[Any]) -> Part:
        return self.part(c, self.nodes(c))

    def member(self, c: list[Any]) -> ast.Syntax:
        return ast.ExternMember(self.span(c), c[0].type == "PARAM", c[1].value, c[3])

    def parameters(self, c: list[Any]) -> Part:
        return self.part(c, self.nodes(c))

    def parameter(self, c: list[Any]) -> ast.Parameter:
        rest = kind_of(c[0]) == "STAR"
        annotation = next((item for item in c if isinstance(item, ast.TypeExpr)), None)
        default = c[-1] if isinstance(c[-1], ast.Expr) else None
        return ast.Parameter(self.span(c), c[1 if rest else 0].value, annotation, default, rest)

    def type(self, c: list[Any]) -> ast.TypeExpr:
        return ast.TypeExpr(self.span(c), tuple(x.value if type(x) is Token else x for x in c[::2]))

    def negative_number(self, c: list[Any]) -> ast.Expr:
        return ast.Negative(self.span(c), c[1])

    # --- statements

    def input(self, c: list[Any]) -> ast.Statement:
        lists = [item for item in c if isinstance(item, ast.ListExpr)]
        dtype = c[3].value if kind_of(c[3]) == "NAME" else None
        return ast.Input(self.span(c), c[1].value, lists[0], lists[1] if len(lists) == 2 else None, dtype)

    def output(self, c: list[Any]) -> ast.Statement:
        named = kind_of(c[1]) == "NAME"
        value = next(item for item in c if isinstance(item, ast.Expr))
        return ast.Output(self.span(c), c[1].value if named else None, value, kind_of(c[-1]) == "TRAINING")

    def assign(self, c: list[Any]) -> ast.Statement:
        targets = tuple(
            f"*{item.value}" if isinstance(item, Part) else item.value
            for item in c[:-2]
            if isinstance(item, Part) or item.type == "NAME"
        )
        return ast.Assign(self.span(c), targets, c[-1])

    def starred_name(self, c: list[Any]) -> Part:
        return self.part(c, c[1].value)

    def shared(self, c: list[Any]) -> ast.Statement:
        return ast.Shared(self.span(c), c[1].value, c[3])

    def tensor(self, c: list[Any]) -> ast.Statement:
        return ast.TensorDef(self.span(c), c[0].type == "PARAM", c[1].value, c[3])

    def draw(self, c: list[Any]) -> ast.Statement:
        return ast.Draw(self.span(c), c[1].value, c[3])

    def default(self, c: list[Any]) -> ast.Statement:
        arguments, replacement = (c[2].value, None) if len(c) == 3 else ((), c[3])
        return ast.Default(self.span(c), c[1].value, arguments, replacement)

    def require(self, c: list[Any]) -> ast.Statement:
        return ast.Require(self.span(c), c[1], c[3] if len(c) == 4 else None)

    def expect(self, c: list[Any]) -> ast.Statement:
        operator = next(item for item in c[2:] if type(item) is Token)
        right = c[c.index(operator) + 1]
        extra = {item.value[0]: item for item in c if isinstance(item, Part)}
        places = [item for item in c if isinstance(item, Part) and item.value[0] == "at"]
        if len(places) == 2:
            message = "this `expect` says twice at which sizes it holds"
            self.error("E0101", message, start_of(places[1]), end_of(places[1]), "keep one of the two `at`")
        at, when = (extra[key].value[1] if key in extra else None for key in ("at", "when"))
        return ast.Expect(self.span(c), c[1], operator.value, right, at, when)

    def at(self, c: list[Any]) -> Part:
        return self.part(c, ("at", c[1]))

    def when(self, c: list[Any]) -> Part:
        return self.part(c, ("when", c[1]))

    def order(self, c: list[Any]) -> ast.Statement:
        labels = tuple(label_path(self, item) for item in c[1:] if item.type == "LABEL_PATH")
        return ast.Order(self.span(c), labels)

    def for_statement(self, c: list[Any]) -> ast.Statement:
        names = self.targets(c[: next(i for i, item in enumerate(c) if kind_of(item) == "IN")])
        return ast.For(self.span(c), names, c[-2], self.statements(c[-1]))

    def if_statement(self, c: list[Any]) -> ast.Statement:
        last = c[4] if len(c) == 5 else ()
        otherwise = self.statements(last) if isinstance(last, Part) else (last,) if last else ()
        return ast.IfStatement(self.span(c), c[1], self.statements(c[2]), otherwise)
