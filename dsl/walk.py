"""The children of a syntax node, and how deep they nest. Nothing here recurses: trees may be wide and deep."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from functools import cache
from typing import Any

from . import ast

_BRACKETED = (ast.Group, ast.ListExpr, ast.TupleExpr, ast.For, ast.Match, ast.Declaration)
_POSTFIX = (ast.Call, ast.Index, ast.Attribute)
_PREFIX = (ast.Negative, ast.Labelled)
_CHOICE = (ast.If, ast.IfStatement)


@cache
def _child_fields(kind: type[ast.Syntax]) -> tuple[str, ...]:
    skipped = ("Span", "Source", "str", "bool", "str | None", "int | float", "tuple[str, ...]", "Targets")
    return tuple(f.name for f in fields(kind) if f.type not in skipped)


def children(node: ast.Syntax) -> list[ast.Syntax]:
    """The nodes directly below this one, in the order of the text."""
    found: list[ast.Syntax] = []
    _collect([getattr(node, name) for name in _child_fields(type(node))], found)
    return found


def _collect(values: Iterable[Any], found: list[ast.Syntax]) -> None:
    for value in values:
        if isinstance(value, ast.Syntax):
            found.append(value)
        elif type(value) is tuple:
            _collect(value, found)


def walk(root: ast.Syntax) -> Iterator[tuple[ast.Syntax, int]]:
    """Every node from `root` on, and how many brackets, labels, signs and choices stand around it."""
    pending = [(root, 0)]
    while pending:
        node, depth = pending.pop()
        yield node, depth
        for child in reversed(children(node)):
            pending.append((child, depth + _step(node, child)))


def _step(node: ast.Syntax, child: ast.Syntax) -> bool:
    """Whether `child` is nested one deeper than `node`: by a bracket, or because their kind repeats."""
    if isinstance(node, _BRACKETED):
        return True
    if isinstance(node, _POSTFIX):
        return isinstance(child, (*_POSTFIX, ast.Argument)) or (isinstance(node, ast.Index) and child is node.index)
    if isinstance(node, _PREFIX):
        return isinstance(child, _PREFIX)
    if isinstance(node, ast.Power):
        return child is node.exponent and isinstance(child, ast.Power | ast.Negative)
    if isinstance(node, ast.Not):
        return isinstance(child, ast.Not)
    return isinstance(node, _CHOICE) and isinstance(child, (*_CHOICE, ast.Statement))
