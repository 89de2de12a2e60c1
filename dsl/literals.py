"""The values of number and string tokens."""

from __future__ import annotations

import re
from math import isinf
from typing import TYPE_CHECKING

from ..grammar import Token
from . import ast
from .limits import LIMITS
from .reading import read_interpolation

if TYPE_CHECKING:
    from .build import ExpressionBuilder

_PIECE = re.compile(r"(?P<escape>\\.)|(?P<brace>\{\{|\}\})|\{(?P<inner>[^{}]*)\}|(?P<stray>[{}])|(?P<plain>[^\\{}]+)")
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}


def number_value(builder: ExpressionBuilder, token: Token) -> int | float:
    digits = token.value.replace("_", "")
    if digits.isdigit():
        # Its length is looked at first: Python refuses to convert very long numbers.
        value = int(digits) if len(digits.lstrip("0")) <= 19 else None
        if value is not None and value.bit_length() <= LIMITS.integer_bits:
            return value
        message = f"this whole number needs more than {LIMITS.integer_bits} bits"
        builder.error(
            "E0903", message, token.start_pos, token.end_pos, f"the largest is {2**LIMITS.integer_bits - 1:_}"
        )
        return 0
    value = float(digits)
    if isinf(value):
        builder.error("E0903", "this number is too large for a double", token.start_pos, token.end_pos)
        return 0
    return value


def text_parts(builder: ExpressionBuilder, token: Token) -> tuple[str | ast.Expr, ...]:
    """The plain and the interpolated parts of a string token."""
    parts: list[str | ast.Expr] = []
    for match in _PIECE.finditer(builder.source.text, token.start_pos + 1, token.end_pos - 1):
        kind, piece = match.lastgroup, match.group()
        if kind == "inner":
            value = read_interpolation(builder, match.start("inner"), match.end("inner"))
            parts += [value] if value is not None else []
            continue
        if kind == "escape":
            piece = _escape(builder, match)
        elif kind == "brace":
            piece = piece[0]
        elif kind == "stray":
            message = f"this `{piece}` has no partner in the string"
            hint = f"write `{piece * 2}` for the character itself, or `{{name}}` to insert a value"
            builder.error("E0117", message, match.start(), match.end(), hint)
        if parts and isinstance(parts[-1], str):
            parts[-1] += piece
        else:
            parts.append(piece)
    return tuple(parts)


def _escape(builder: ExpressionBuilder, match: re.Match[str]) -> str:
    character = match.group()[1:]
    if character not in _ESCAPES:
        message = f"`{match.group()}` is no escape"
        hint = 'the escapes are `\\n`, `\\t`, `\\"` and `\\\\`; write `\\\\` for one backslash'
        builder.error("E0117", message, match.start(), match.end(), hint)
    return _ESCAPES.get(character, character)


def plain_text(builder: ExpressionBuilder, token: Token) -> str:
    """The text of a string that may not interpolate."""
    parts = text_parts(builder, token)
    if all(isinstance(part, str) for part in parts):
        return "".join(str(part) for part in parts)
    message = "the path of an import is fixed text"
    builder.error("E0117", message, token.start_pos, token.end_pos, 'name one file: `use cbr from "inception4.arch"`')
    return ""
