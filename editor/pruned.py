"""A tree without the statements that have an error in them, as deep as these stand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..dsl import ast
from ..dsl.build_statements import Broken
from ..dsl.parse import Reading


def pruned(reading: Reading) -> ast.File | None:
    """What can be read of a file: of a body with an error in it the other statements, where `parse` leaves out the
    whole declaration. None where nothing is left."""
    if reading.whole is None:
        return None
    errors = sorted(d.span.start for d in reading.diagnostics if d.span is not None and d.severity == "error")
    statements = _pruned(reading.whole.statements, errors)
    kept = tuple(s for s in statements if isinstance(s, ast.Use | ast.Declaration | ast.Assign))
    return replace(reading.whole, statements=kept) if kept else None


def _pruned(statements: tuple[ast.Statement, ...], errors: list[int]) -> tuple[ast.Statement, ...]:
    kept = []
    for statement in statements:
        inside = [at for at in errors if statement.span.start <= at <= statement.span.end]
        if isinstance(statement, Broken):
            continue
        bodies = _bodies(statement) if inside else {}
        if not all(any(s.span.start <= at <= s.span.end for body in bodies.values() for s in body) for at in inside):
            continue
        kept.append(
            replace(statement, **{name: _pruned(body, inside) for name, body in bodies.items()})
            if inside
            else statement
        )
    return tuple(kept)


def _bodies(statement: ast.Statement) -> dict[str, Any]:
    """The bodies of a statement, by the name of the field."""
    names = ("body", "then", "otherwise", "claims")
    return {name: body for name in names if isinstance(body := getattr(statement, name, None), tuple)}
