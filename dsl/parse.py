"""Text to syntax tree.

1. `scan` refuses a text before it is parsed: for its size, its characters, the depth of its brackets, an open quote.
2. `reading` lets lark make its tree. `build` and `build_statements` make nodes of it, flat where programs are long: no
   step recurses over them.
3. Where a token cannot stand, which is a `place`, `unexpected` says so and what to do, `slips` knows how other
   languages write it, and `recover` finds the next statement, where lark's interactive parser goes on.
4. `assemble` gives doc strings and claims to their declarations. `checks` and `misreadings` refuse what parses and is
   wrong, or reads otherwise than it is meant.

Statements with an error are left out of the tree. `File.broken` names what they would have defined, so that what uses
them is not reported as well.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

from . import ast
from .assemble import documented, with_claims
from .build_statements import Broken, Builder
from .checks import check
from .diagnostics import Diagnostic, Diagnostics
from .garbage import uncollected
from .reading import read_file, read_interpolation
from .scan import decode, scan
from .source import Source, Span

if TYPE_CHECKING:
    from lark import Tree

    from ..grammar import Token

__all__ = ["Reading", "decode", "parse", "parse_expression", "read"]

_DEFINES = re.compile(
    r"\s*(?:(?:arch|block|fn|extern)\s+(?P<declared>[A-Za-z_]\w*)|use\s+(?P<used>[^\"]*)|(?P<set>[^=({]*)=)"
)


class Reading(NamedTuple):
    """What a text is read as: the tree without the statements that have an error in them, None where nothing is left;
    what is wrong; and the tree with all that could be read, and lark's, None where the text is refused as it stands."""

    file: ast.File | None
    diagnostics: list[Diagnostic]
    whole: ast.File | None
    tree: Tree[Token] | None


def parse(source: Source) -> tuple[ast.File | None, list[Diagnostic]]:
    """The syntax tree of a source, and what is wrong with it.

    Statements with an error in them are left out of the tree; `File.broken` names what they define.
    """
    return read(source)[:2]


def read(source: Source) -> Reading:
    """The same, with the tree of all that could be read."""
    refused = scan(source)
    if refused:
        return Reading(None, refused, None, None)
    with uncollected():
        tree, found, doc, statements = _read(source)
    span = Span(source, 0, len(source.text))
    whole = ast.File(span, source, doc, statements)
    if not statements and not found:
        hint = "declare a block or an architecture: `block basic(c) = conv(c, 3) -> bn -> relu`"
        found.append(Diagnostic("E0119", "this file declares nothing", Span(source, 0, 0), hints=(hint,)))
    ordered = Diagnostics()
    for diagnostic in sorted(found, key=lambda d: d.span.start if d.span else -1):
        ordered.add(diagnostic)
    diagnostics = list(ordered)
    good, broken = _split(statements, diagnostics)
    return Reading(ast.File(span, source, doc, good, broken) if good else None, diagnostics, whole, tree)


def _read(source: Source) -> tuple[Tree[Token], list[Diagnostic], str | None, tuple[ast.Statement, ...]]:
    """Lark's tree of a source, what is wrong with it, its doc string, and its statements, `Broken` ones among them."""
    found: list[Diagnostic] = []
    builder = Builder(source, found)
    tree = read_file(builder)
    body = builder.build(tree)
    doc, statements = documented(builder, body.items, owner="file")
    statements = with_claims(statements)
    found += check(statements)
    return tree, found, doc, statements


def _split(
    statements: tuple[ast.Statement, ...], diagnostics: list[Diagnostic]
) -> tuple[tuple[ast.Statement, ...], tuple[str, ...]]:
    """The statements without an error in them, and the names that the others define."""
    errors = [d.span.start for d in diagnostics if d.span]
    good: list[ast.Statement] = []
    broken: list[str] = []
    for statement in statements:
        span = statement.span
        at = bisect_left(errors, span.start)
        if isinstance(statement, Broken) or (at < len(errors) and errors[at] <= span.end):
            broken += _names(span.text)
        elif isinstance(statement, ast.Use | ast.Declaration | ast.Assign):
            good.append(statement)
    return tuple(good), tuple(dict.fromkeys(broken))


def _names(text: str) -> list[str]:
    match = _DEFINES.match(text)
    if match is None:
        return []
    if match["declared"]:
        return [match["declared"]]
    if match["used"]:
        clauses = re.split(r"\bfrom\b", match["used"])[0].split(",")
        return [words[-1] for clause in clauses if (words := clause.split())]
    return re.findall(r"[A-Za-z_]\w*", match["set"] or "")


def parse_expression(source: Source) -> ast.Expr | None:
    """The expression that a text is, None where it is none."""
    if scan(source):
        return None
    found: list[Diagnostic] = []
    end = len(source.text)
    value = read_interpolation(Builder(source, found), 0, end)
    if value is not None:
        found += check((ast.Assign(Span(source, 0, end), ("value",), value),))
    return None if found else value
