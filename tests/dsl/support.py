"""What the tests of the language share."""

from __future__ import annotations

from archc.dsl import ast
from archc.dsl.diagnostics import Diagnostic
from archc.dsl.parse import parse
from archc.dsl.source import Source, Span


def parsed(text: str) -> ast.File:
    """The tree of a text without errors."""
    file, diagnostics = parse(Source(text))
    assert file is not None and not diagnostics, [(d.code, d.message, str(d.span)) for d in diagnostics]
    return file


def errors(text: str) -> list[Diagnostic]:
    return parse(Source(text))[1]


def codes(text: str) -> list[str]:
    return [d.code for d in errors(text)]


def value(text: str) -> ast.Expr:
    """The tree of an expression."""
    statement = parsed(f"x = {text}").statements[0]
    assert isinstance(statement, ast.Assign)
    return statement.value


def shape(item: object) -> object:
    """A tree as plain data, without spans: equal for texts that differ only in their layout."""
    if isinstance(item, ast.Syntax):
        names = [name for kind in type(item).__mro__ for name in getattr(kind, "__slots__", ())]
        kept = [name for name in names if name != "source" and not isinstance(getattr(item, name), Span)]
        return (type(item).__name__, *((name, shape(getattr(item, name))) for name in sorted(kept)))
    return tuple(map(shape, item)) if isinstance(item, tuple) else item
