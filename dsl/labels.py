"""Label tokens: `features.stage{i}:`, `denselayer{1..}:`, `"s{i}-x":`."""

from __future__ import annotations

import keyword
import re
from typing import TYPE_CHECKING

from ..grammar import Token, token_at
from . import ast
from .literals import text_parts
from .reading import read_interpolation
from .source import Span

if TYPE_CHECKING:
    from .build import ExpressionBuilder

_PIECE = re.compile(r"\{(?P<inner>[^{}]*)\}|(?P<dot>\.)|(?P<plain>[^{}.]+)")
_RANGE_START = re.compile(r"(?P<first>.*?)\.\.\s*")
_SEGMENT = re.compile(r"[A-Za-z0-9_-]*")

Piece = str | ast.Expr


def label_path(builder: ExpressionBuilder, token: Token) -> ast.LabelPath:
    """The path that a label token writes. What could be no module's name is reported."""
    end = token.start_pos + len(token.value.removesuffix(":").rstrip())
    if token.value.startswith('"'):
        return _quoted(builder, token_at("STRING", token.value, token.start_pos, end))
    segments: list[list[Piece]] = [[]]
    first: ast.Expr | None = None
    for match in _PIECE.finditer(builder.source.text, token.start_pos, end):
        if match.lastgroup == "dot":
            segments.append([])
        elif match.lastgroup == "plain":
            segments[-1].append(match.group())
        else:
            start = _RANGE_START.fullmatch(match.group("inner"))
            if start and match.end() == end:
                first = _inner(builder, match.start("inner"), match.start("inner") + len(start.group("first")))
            elif start:
                message = "a range that numbers elements ends its label"
                builder.error("E0111", message, match.start(), match.end(), "write it last: `block{1..}: fs`")
            else:
                value = _inner(builder, match.start("inner"), match.end("inner"))
                segments[-1] += [value] if value is not None else []
    for segment in segments:
        _check_segment(builder, segment, token.start_pos, end)
    return ast.LabelPath(Span(builder.source, token.start_pos, end), tuple(map(tuple, segments)), first)


def _inner(builder: ExpressionBuilder, start: int, end: int) -> ast.Expr | None:
    value = read_interpolation(builder, start, end)
    if isinstance(value, ast.Range):
        message = "a label numbers its elements from a start: the end follows from their count"
        builder.error("E0111", message, start, end, "write `{1..}` to number from 1")
    return value


def _quoted(builder: ExpressionBuilder, token: Token) -> ast.LabelPath:
    segment = list(text_parts(builder, token))
    if any("." in piece for piece in segment if isinstance(piece, str)):
        message = "a quoted label is one name, and a name has no dots"
        builder.error(
            "E0111", message, token.start_pos, token.end_pos, "write a path without quotes: `features.stage1: f`"
        )
    elif not segment:
        builder.error("E0111", "this label is empty", token.start_pos, token.end_pos, 'name the part: `"block-1": f`')
    else:
        _check_segment(builder, segment, token.start_pos, token.end_pos)
    return ast.LabelPath(Span(builder.source, token.start_pos, token.end_pos), (tuple(segment),), None, True)


def _check_segment(builder: ExpressionBuilder, segment: list[Piece], start: int, end: int) -> None:
    for piece in segment:
        if isinstance(piece, str) and not _SEGMENT.fullmatch(piece):
            message = f"`{piece}` cannot be part of a module's name"
            hint = "a label is made of letters, digits, `_`, `{...}`, and in quotes `-`"
            builder.error("E0111", message, start, end, hint)
    if len(segment) == 1 and isinstance(segment[0], str) and keyword.iskeyword(segment[0]):
        message = f"`{segment[0]}` is a keyword of Python, so no module can have it as its name"
        builder.error("E0111", message, start, end, f"choose another name, such as `{segment[0]}_:`")
