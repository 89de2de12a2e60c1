"""Doc strings and claims find the declarations to which they belong."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from ..grammar import Token
from . import ast

if TYPE_CHECKING:
    from .build import ExpressionBuilder


def doc_text(token: Token) -> str:
    return textwrap.dedent(token.value[3:-3].replace("\r\n", "\n")).strip()


def documented(
    builder: ExpressionBuilder, items: tuple[Any, ...], owner: str | None
) -> tuple[str | None, tuple[ast.Statement, ...]]:
    """The doc string of the owner of these items, and the statements among them, each with its own.

    The first doc string is the owner's, if there is an owner; any other must stand before a declaration.
    """
    own: str | None = None
    pending: Token | None = None
    statements: list[ast.Statement] = []
    for i, item in enumerate(items):
        if type(item) is not Token:
            statements.append(_with_doc(builder, item, pending))
            pending = None
        elif i == 0 and owner is not None:
            own = doc_text(item)
        else:
            _stray(builder, pending)
            pending = item
    _stray(builder, pending)
    return own, tuple(statements)


def _with_doc(builder: ExpressionBuilder, statement: ast.Statement, doc: Token | None) -> ast.Statement:
    if doc is None:
        return statement
    if isinstance(statement, ast.Declaration) and statement.doc is None:
        return replace(statement, doc=doc_text(doc))
    _stray(builder, doc)
    return statement


def _stray(builder: ExpressionBuilder, doc: Token | None) -> None:
    if doc is not None:
        hint = "a doc string opens a file, stands before a declaration, or comes first in its braces; else use `#`"
        builder.error("E0116", "this doc string documents nothing", doc, hint)


def with_claims(statements: tuple[ast.Statement, ...]) -> tuple[ast.Statement, ...]:
    """Statements of a file, where the `require`s and `expect`s that follow a variant have become its claims."""
    result: list[ast.Statement] = []
    for is_claim, group in groupby(statements, lambda statement: isinstance(statement, ast.Require | ast.Expect)):
        found = tuple(group)
        variant = result[-1] if result else None
        if is_claim and isinstance(variant, ast.ArchDef) and isinstance(variant.body, ast.Expr):
            result[-1] = replace(variant, span=variant.span.to(found[-1].span), claims=found)
        else:
            result += found
    return tuple(result)
