"""Expressions as text."""

from __future__ import annotations

from typing import Any

from ...ir.errors import EmitError
from .expr import Expr, counts, integer, is_identifier, listed

_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
_LEVELS = {
    **dict.fromkeys(_COMPARISONS, 2), "|": 3, "^": 4, "&": 5, "+": 6, "-": 6, "*": 7, "/": 7, "//": 7, "%": 7, "@": 7,
    "unary": 8, "**": 9,
}  # fmt: skip
_ATOM = 10
"""The level of what needs no parentheses."""


def level(expr: Expr) -> int:
    """How tightly the text binds."""
    match expr.kind:
        case "binary":
            return _LEVELS[expr.data]
        case "unary":
            return _LEVELS["unary"]
        case "choice":
            return 1
        case "affine":
            offset, step = map(integer, expr.kids)
            return _LEVELS["+"] if offset != 0 else _LEVELS["*"] if step != 1 else _ATOM
        case "const" if isinstance(expr.data[0], int | float) and literal(expr.data[0]).startswith("-"):
            return _LEVELS["unary"]
        case _:
            return _ATOM


def show(expr: Expr) -> str:
    """The text on one line."""
    return _SHOW[expr.kind](expr)


def _inside(expr: Expr, least: int) -> str:
    shown = show(expr)
    return f"({shown})" if level(expr) < least else shown


def literal(value: Any) -> str:
    """A constant's text: `repr`, with strings in double quotes."""
    match value:
        case str():
            return quoted(value)
        case float() if value != value or value in (float("inf"), float("-inf")):
            return f'float("{value}")'
        case bool() | int() | float() | None:
            return repr(value)
        case tuple():
            return f"({', '.join(map(literal, value))}{',' if len(value) == 1 else ''})"
        case list():
            return f"[{', '.join(map(literal, value))}]"
    raise EmitError(f"{type(value).__name__} is no constant of generated code")


def quoted(value: str) -> str:
    """A string literal on one line, in ASCII and in double quotes."""
    return '"' + ascii(f"{value}'")[1:-2] + '"' if '"' not in value else ascii(value)


def _affine(expr: Expr) -> str:
    offset, step = map(integer, expr.kids)
    size = _inside(expr.kids[1], _LEVELS["*"]) if step is None else str(abs(step))
    term = expr.data if step in (1, -1) else f"{size} * {expr.data}"
    negative = step is not None and step < 0
    if offset == 0:
        return f"-{term}" if negative else term
    first = show(expr.kids[0])
    if negative:
        return f"{first} - {term}"
    if offset is None:
        return f"{first} + {term}"
    return f"{term} - {-offset}" if offset < 0 else f"{term} + {first}" if step == 1 else f"{first} + {term}"


def _call(expr: Expr) -> str:
    function, *args = expr.kids
    return f"{_inside(function, _ATOM)}({', '.join(_arguments(expr.data, args))})"


def _arguments(keywords: tuple[str | None, ...], args: list[Expr]) -> list[str]:
    return [f"{k}={show(a)}" if k else item_text(a) for k, a in zip(keywords, args, strict=True)]


def item_text(expr: Expr) -> str:
    if expr.kind != "loop":
        return show(expr)
    opening, loop, closing = spread(expr)
    return f"{opening}{comprehension(loop)}{closing}"


def spread(expr: Expr) -> tuple[str, Expr, str]:
    """A loop among other items: what opens it, the loop, what closes it. Items of a dict are pairs."""
    if expr.kids[0].kind != "pair":
        return "*[", expr, "]"
    if len(expr.kids) == 1:
        return "**{", expr, "}"
    return "**dict(", Expr("loop", expr.data, tuple([listed(pair.kids, "()") for pair in expr.kids])), ")"


def comprehension(expr: Expr) -> str:
    head = loop_head(expr)
    if len(expr.kids) == 1:
        return f"{show(expr.kids[0])} {head}"
    body = ", ".join(show(kid) for kid in expr.kids)
    return f"m {head} for m in ({body})"


def loop_head(expr: Expr) -> str:
    variable, values = expr.data
    return f"for {variable if counts(expr, variable) else '_'} in {values}"


def _member(expr: Expr) -> str:
    indexed, parts = expr.data
    base, *numbers = expr.kids
    shown = _inside(base, _ATOM)
    if indexed:
        return f"{shown}[{show(numbers[0])}]"
    if all(n.kind == "num" for n in numbers):
        name = _joined(parts, numbers)
        return f"{shown}.{name}" if is_identifier(name) else f'getattr({shown}, "{name}")'
    return f"getattr({shown}, {_name_text(parts, numbers)})"


def _joined(parts: tuple[str, ...], numbers: list[Expr]) -> str:
    pieces = [parts[0]]
    for number, part in zip(numbers, parts[1:], strict=True):
        shown = show(number) if number.kind == "num" else f"{{{show(number)}}}"
        pieces += [shown, part]
    return "".join(pieces)


def _name_text(parts: tuple[str, ...], numbers: list[Expr]) -> str:
    if len(numbers) == 1 and parts == ("", "") and numbers[0].kind == "affine":
        return f"str({show(numbers[0])})"
    prefix = "f" if any(n.kind == "affine" for n in numbers) else ""
    return f'{prefix}"{_joined(parts, numbers)}"'


def _binary(expr: Expr) -> str:
    mine = _LEVELS[expr.data]
    left, right = expr.kids
    if expr.data != "**":
        chains = expr.data in _COMPARISONS  # `a < b < c` is another thing than `(a < b) < c`
        return f"{_inside(left, mine + chains)} {expr.data} {_inside(right, mine + 1)}"
    # Powers group from the right, and an exponent may have a sign.
    blank = "" if all(kid.kind in ("raw", "var", "const") for kid in expr.kids) else " "
    return f"{_inside(left, mine + 1)}{blank}**{blank}{_inside(right, _LEVELS['unary'])}"


def terms(expr: Expr) -> list[tuple[str, str, Expr]]:
    """The terms of a sum, each with its sign, its text and itself; an expression that is none is one term."""
    found: list[tuple[str, str, Expr]] = []
    while expr.kind == "binary" and expr.data in ("+", "-"):
        left, right = expr.kids
        found.append((f"{expr.data} ", _inside(right, _LEVELS[expr.data] + 1), right))
        expr = left
    return [("", _inside(expr, _LEVELS["+"]) if found else show(expr), expr), *reversed(found)]


def _list(expr: Expr) -> str:
    if is_comprehension(expr):
        return f"{expr.data[0]}{comprehension(expr.kids[0])}{expr.data[1]}"
    body = ", ".join(item_text(kid) for kid in expr.kids)
    comma = "," if expr.data == "()" and len(expr.kids) == 1 else ""
    return f"{expr.data[0]}{body}{comma}{expr.data[1]}"


def is_comprehension(expr: Expr) -> bool:
    """Whether a list or dict is one loop."""
    if expr.data not in ("[]", "{}") or [kid.kind for kid in expr.kids] != ["loop"]:
        return False
    return expr.data == "[]" or len(expr.kids[0].kids) == 1


def _choice(expr: Expr) -> str:
    test, yes, no = (_inside(kid, 2) for kid in expr.kids)
    return f"{yes} if {test} else {no}"


def _subscript(expr: Expr) -> str:
    base, *items = expr.kids
    return f"{_inside(base, _ATOM)}[{', '.join(show(item) for item in items)}]"


def _slice(expr: Expr) -> str:
    first, last, step = ("" if kid.kind == "raw" and kid.data == "None" else show(kid) for kid in expr.kids)
    tail = [last, step] if step else [last]
    if all(kid.kind in ("const", "raw") for kid in expr.kids):
        return ":".join((first, *tail))
    return " ".join(part for part in (first, *(f": {part}".rstrip() for part in tail)) if part).replace(": :", "::")


_SHOW: dict[str, Any] = {
    "raw": lambda e: e.data,
    "const": lambda e: literal(e.data[0]),
    "num": lambda e: str(e.data),
    "affine": _affine,
    "call": _call,
    "attr": lambda e: f"{_inside(e.kids[0], _ATOM)}.{e.data}",
    "child": _member,
    "text": lambda e: _name_text(e.data, list(e.kids)),
    "binary": _binary,
    "unary": lambda e: f"{e.data}{_inside(e.kids[0], _LEVELS['unary'])}",
    "list": _list,
    "choice": _choice,
    "subscript": _subscript,
    "slice": _slice,
    "tuple": lambda e: ", ".join(show(kid) for kid in e.kids),
    "pair": lambda e: f"{show(e.kids[0])}: {show(e.kids[1])}",
}
