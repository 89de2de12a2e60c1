"""The values of number, string and label tokens: `features.stage{i}:`, `denselayer{1..}:`, `"s{i}-x":`."""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence
from math import isinf
from typing import TYPE_CHECKING

from ..grammar import Token, token_at
from . import ast
from .limits import LIMITS
from .reading import read_interpolation
from .source import Span

if TYPE_CHECKING:
    from .build import ExpressionBuilder

_OF_TEXT = re.compile(r"(?P<escape>\\.)|(?P<brace>\{\{|\}\})|\{(?P<inner>[^{}]*)\}|(?P<stray>[{}])|(?P<plain>[^\\{}]+)")
_OF_LABEL = re.compile(r"\{(?P<inner>[^{}]*)\}|(?P<dot>\.)|(?P<plain>[^{}.]+)")
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}
_RANGE_START = re.compile(r"(?P<first>.*?)\.\.\s*")
_SEGMENT = re.compile(r"[A-Za-z0-9_-]*")

Piece = str | ast.Expr


def number_value(builder: ExpressionBuilder, token: Token) -> int | float:
    digits = token.value.replace("_", "")
    if digits.isdigit():
        # Its length is looked at first: Python refuses to convert very long numbers.
        value = int(digits) if len(digits.lstrip("0")) <= 19 else None
        if value is not None and value.bit_length() <= LIMITS.integer_bits:
            return value
        message = f"this whole number needs more than {LIMITS.integer_bits} bits"
        builder.error("E0903", message, token, f"the largest is {2**LIMITS.integer_bits - 1:_}")
        return 0
    value = float(digits)
    if isinf(value):
        builder.error("E0903", "this number is too large for a double", token)
        return 0
    return value


# --- strings


def text_parts(builder: ExpressionBuilder, token: Token) -> tuple[Piece, ...]:
    """The plain and the interpolated parts of a string token."""
    parts: list[Piece] = []
    for match in _OF_TEXT.finditer(builder.source.text, token.start_pos + 1, token.end_pos - 1):
        kind, piece = match.lastgroup, match.group()
        if kind == "inner":
            value = read_interpolation(builder, *match.span("inner"))
            parts += [value] if value is not None else []
            continue
        if kind == "escape":
            piece = _escape(builder, match)
        elif kind == "brace":
            piece = piece[0]
        elif kind == "stray":
            hint = f"write `{piece * 2}` for the character itself, or `{{name}}` to insert a value"
            builder.error("E0117", f"this `{piece}` has no partner in the string", match.span(), hint)
        if parts and isinstance(parts[-1], str):
            parts[-1] += piece
        else:
            parts.append(piece)
    return tuple(parts)


def _escape(builder: ExpressionBuilder, match: re.Match[str]) -> str:
    character = match.group()[1:]
    if character not in _ESCAPES:
        hint = 'the escapes are `\\n`, `\\t`, `\\"` and `\\\\`; write `\\\\` for one backslash'
        builder.error("E0117", f"`{match.group()}` is no escape", match.span(), hint)
    return _ESCAPES.get(character, character)


def plain_text(builder: ExpressionBuilder, token: Token) -> str:
    """The text of a string that may not interpolate."""
    parts = text_parts(builder, token)
    if all(isinstance(part, str) for part in parts):
        return "".join(str(part) for part in parts)
    builder.error(
        "E0117", "the path of an import is fixed text", token, 'name one file: `use cbr from "inception4.arch"`'
    )
    return ""


# --- labels


def label_path(builder: ExpressionBuilder, token: Token) -> ast.LabelPath:
    """The path that a label token writes. What could be no module's name is reported."""
    end = token.start_pos + len(token.value.removesuffix(":").rstrip())
    label = token_at("LABEL", token.value, token.start_pos, end)
    first: ast.Expr | None = None
    segments: list[list[Piece]] = [[]]
    quoted = token.value.startswith('"')
    if quoted:
        segments = [_quoted(builder, label)]
    for match in () if quoted else _OF_LABEL.finditer(builder.source.text, token.start_pos, end):
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
                builder.error("E0111", message, match.span(), "write it last: `block{1..}: fs`")
            else:
                value = _inner(builder, *match.span("inner"))
                segments[-1] += [value] if value is not None else []
    for segment in segments:
        _check_segment(builder, segment, label)
    return ast.LabelPath(Span(builder.source, token.start_pos, end), tuple(map(tuple, segments)), first, quoted)


def _inner(builder: ExpressionBuilder, start: int, end: int) -> ast.Expr | None:
    value = read_interpolation(builder, start, end)
    if isinstance(value, ast.Range):
        message = "a label numbers its elements from a start: the end follows from their count"
        builder.error("E0111", message, (start, end), "write `{1..}` to number from 1")
    return value


def _quoted(builder: ExpressionBuilder, label: Token) -> list[Piece]:
    segment = list(text_parts(builder, label))
    if any("." in piece for piece in segment if isinstance(piece, str)):
        message = "a quoted label is one name, and a name has no dots"
        builder.error("E0111", message, label, "write a path without quotes: `features.stage1: f`")
    elif not segment:
        builder.error("E0111", "this label is empty", label, 'name the part: `"block-1": f`')
    return segment


def _check_segment(builder: ExpressionBuilder, segment: Sequence[Piece], label: Token) -> None:
    for piece in segment:
        if isinstance(piece, str) and "." not in piece and not _SEGMENT.fullmatch(piece):
            hint = "a label is made of letters, digits, `_`, `{...}`, and in quotes `-`"
            builder.error("E0111", f"`{piece}` cannot be part of a module's name", label, hint)
    if len(segment) == 1 and isinstance(segment[0], str) and keyword.iskeyword(segment[0]):
        message = f"`{segment[0]}` is a keyword of Python, so no module can have it as its name"
        builder.error("E0111", message, label, f"choose another name, such as `{segment[0]}_:`")
