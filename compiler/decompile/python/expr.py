"""Expressions of generated Python, and their text.

A tree of one class, so that runs of like expressions can be found by comparing trees: every number, in an argument or
in a name, is a leaf of its own, and a run of trees that differ in numbers which grow evenly becomes a loop.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ...ir.errors import EmitError

WIDTH = 120
_NAME = re.compile(r"[A-Za-z0-9_-]+\Z")
_DIGITS = re.compile(r"(?<![0-9])(0|[1-9][0-9]{0,8})(?![0-9])")


@dataclass(frozen=True, slots=True)
class Expr:
    """One node. What `data` and `kids` hold for each `kind` stands at the function that makes it."""

    kind: str
    data: Any = None
    kids: tuple[Expr, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class ModuleRef:
    """A constant that stands for a module made elsewhere: what a second name of something shared is assigned."""

    target: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ModuleRef) and other.target is self.target

    def __hash__(self) -> int:
        return id(self.target)

    def __repr__(self) -> str:
        return f"<module {id(self.target)}>"


def identifier(name: str) -> str:
    """The name, if it may stand in Python text as it is."""
    if not is_identifier(name):
        raise EmitError(f"{name!r} is no Python identifier")
    return name


def is_identifier(name: str) -> bool:
    return name.isascii() and name.isidentifier() and not keyword.iskeyword(name)


def raw(text: str) -> Expr:
    """Text that is known to be safe: made here, or checked by `identifier`."""
    return Expr("raw", text)


def const(value: Any, role: str = "value") -> Expr:
    """A constant of an argument; `role` is the argument's name."""
    return Expr("const", (value, role))


def num(value: int) -> Expr:
    """A number in a name."""
    return Expr("num", value)


def var(key: Any) -> Expr:
    """A tensor; it has its name when the statements around it are known."""
    return Expr("var", key)


def call(function: Expr, *args: Expr, **kwargs: Expr) -> Expr:
    """A call. `data` has the keyword of each argument, None for a positional one."""
    names = (*[None] * len(args), *map(identifier, kwargs))
    return Expr("call", names, (function, *args, *kwargs.values()))


def attr(base: Expr, name: str) -> Expr:
    return Expr("attr", identifier(name), (base,))


def _split(name: str) -> tuple[tuple[str, ...], tuple[Expr, ...]]:
    if not _NAME.match(name):
        raise EmitError(f"{name!r} cannot name a module")
    parts = _DIGITS.split(name)
    return tuple(parts[::2]), tuple(num(int(digits)) for digits in parts[1::2])


def child(base: Expr, name: str, indexed: bool = False) -> Expr:
    """A module's child; `indexed` where the module is a list."""
    parts, numbers = _split(name)
    return Expr("child", (indexed, parts), (base, *numbers))


def text(name: str) -> Expr:
    """A string literal that is a module's name."""
    parts, numbers = _split(name)
    return Expr("text", parts, numbers)


def binary(operator: str, left: Expr, right: Expr) -> Expr:
    return Expr("binary", operator, (left, right))


def unary(operator: str, operand: Expr) -> Expr:
    return Expr("unary", operator, (operand,))


def listed(items: tuple[Expr, ...], brackets: str = "[]") -> Expr:
    return Expr("list", brackets, items)


def subscript(base: Expr, *items: Expr) -> Expr:
    return Expr("subscript", None, (base, *items))


def loop(variable: str, values: str, *body: Expr) -> Expr:
    """Several items of a list, or statements, one after the other for each of the values, as `range(3)`."""
    return Expr("loop", (variable, values), body)


def affine(variable: str, offset: Expr, step: Expr) -> Expr:
    """The number `offset + step * variable`."""
    return Expr("affine", variable, (offset, step))


def integer(expr: Expr) -> int | None:
    """The whole number that a leaf is, None for anything else."""
    value = expr.data[0] if expr.kind == "const" else expr.data if expr.kind == "num" else None
    return value if type(value) is int else None


def counts(expr: Expr, variable: str) -> bool:
    """Whether the loop's variable is in the expression."""
    return any(item.kind == "affine" and item.data == variable for item in walk(expr))


def walk(expr: Expr) -> Iterator[Expr]:
    """The tree, in the order of its text."""
    stack = [expr]
    while stack:
        item = stack.pop()
        yield item
        stack.extend(reversed(item.kids))


def rewrite(expr: Expr, change: Any) -> Expr:
    """The tree with `change` applied to every leaf that it does not return None for."""
    if not expr.kids:
        changed = change(expr)
        return expr if changed is None else changed
    kids = tuple(rewrite(kid, change) for kid in expr.kids)
    return expr if kids == expr.kids else Expr(expr.kind, expr.data, kids)


def skeleton(expr: Expr) -> tuple[Any, tuple[int, ...]]:
    """What stays of a tree without its numbers, and the numbers. What a loop counts already stays as it is."""
    numbers: list[int] = []
    shape: list[Any] = []
    stack = [expr]
    while stack:
        item = stack.pop()
        value = integer(item)
        if value is not None:
            numbers.append(value)
            shape.append((item.kind, "#"))
        elif item.kind == "affine":
            shape.append(item)
        else:
            shape.append((item.kind, _typed(item.data), len(item.kids)))
            stack.extend(reversed(item.kids))
    return tuple(shape), tuple(numbers)


def _typed(data: Any) -> Any:
    """Data such that 1, 1.0 and True differ."""
    return (data, repr(data)) if isinstance(data, tuple) else data


def with_steps(expr: Expr, steps: tuple[int, ...], variable: str, start: int) -> Expr:
    """The tree whose n-th number grows by `steps[n]` in each turn of a loop."""
    return _stepped(expr, iter(steps), variable, start)


def _stepped(expr: Expr, steps: Iterator[int], variable: str, start: int) -> Expr:
    value = integer(expr)
    if value is not None:
        step = next(steps)
        return affine(variable, num(value - step * start), num(step)) if step else expr
    if expr.kind == "affine" or not expr.kids:
        return expr
    kids = tuple(_stepped(kid, steps, variable, start) for kid in expr.kids)
    return expr if kids == expr.kids else Expr(expr.kind, expr.data, kids)


# --- text --------------------------------------------------------------------------------------

_LEVELS = {"+": 4, "-": 4, "*": 5, "/": 5, "//": 5, "%": 5, "@": 5, "**": 7, "unary": 6}


def level(expr: Expr) -> int:
    """How tightly the text binds: 9 for what needs no parentheses."""
    match expr.kind:
        case "binary":
            return _LEVELS[expr.data]
        case "unary":
            return _LEVELS["unary"]
        case "choice":
            return 1
        case "affine":
            offset, step = map(integer, expr.kids)
            return 4 if offset != 0 else 5 if step != 1 else 9
        case "const" if isinstance(expr.data[0], int | float) and literal(expr.data[0]).startswith("-"):
            return 6
        case _:
            return 9


def show(expr: Expr, names: dict[Any, str]) -> str:
    """The text on one line."""
    return _SHOW[expr.kind](expr, names)


def _inside(expr: Expr, least: int, names: dict[Any, str]) -> str:
    shown = show(expr, names)
    return f"({shown})" if level(expr) < least else shown


def _const(expr: Expr, names: dict[Any, str]) -> str:
    return literal(expr.data[0])


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


def _affine(expr: Expr, names: dict[Any, str]) -> str:
    offset, step = map(integer, expr.kids)
    size = _inside(expr.kids[1], 5, names) if step is None else str(abs(step))
    term = expr.data if step in (1, -1) else f"{size} * {expr.data}"
    negative = step is not None and step < 0
    if offset == 0:
        return f"-{term}" if negative else term
    first = show(expr.kids[0], names)
    if negative:
        return f"{first} - {term}"
    if offset is None:
        return f"{first} + {term}"
    return f"{term} - {-offset}" if offset < 0 else f"{term} + {first}" if step == 1 else f"{first} + {term}"


def _call(expr: Expr, names: dict[Any, str]) -> str:
    function, *args = expr.kids
    return f"{_inside(function, 9, names)}({', '.join(_arguments(expr.data, args, names))})"


def _arguments(keywords: tuple[str | None, ...], args: list[Expr], names: dict[Any, str]) -> list[str]:
    return [f"{k}={show(a, names)}" if k else item_text(a, names) for k, a in zip(keywords, args, strict=True)]


def item_text(expr: Expr, names: dict[Any, str]) -> str:
    if expr.kind != "loop":
        return show(expr, names)
    opening, loop, closing = spread(expr)
    return f"{opening}{comprehension(loop, names)}{closing}"


def spread(expr: Expr) -> tuple[str, Expr, str]:
    """A loop among other items: what opens it, the loop, what closes it. Items of a dict are pairs."""
    if expr.kids[0].kind != "pair":
        return "*[", expr, "]"
    if len(expr.kids) == 1:
        return "**{", expr, "}"
    return "**dict(", Expr("loop", expr.data, tuple([listed(pair.kids, "()") for pair in expr.kids])), ")"


def comprehension(expr: Expr, names: dict[Any, str]) -> str:
    head = loop_head(expr)
    if len(expr.kids) == 1:
        return f"{show(expr.kids[0], names)} {head}"
    body = ", ".join(show(kid, names) for kid in expr.kids)
    return f"m {head} for m in ({body})"


def loop_head(expr: Expr) -> str:
    variable, values = expr.data
    return f"for {variable if counts(expr, variable) else '_'} in {values}"


def _member(expr: Expr, names: dict[Any, str]) -> str:
    indexed, parts = expr.data
    base, *numbers = expr.kids
    shown = _inside(base, 9, names)
    if indexed:
        return f"{shown}[{show(numbers[0], names)}]"
    if all(n.kind == "num" for n in numbers):
        name = _joined(parts, numbers, names)
        return f"{shown}.{name}" if is_identifier(name) else f'getattr({shown}, "{name}")'
    return f"getattr({shown}, {_name_text(parts, numbers, names)})"


def _joined(parts: tuple[str, ...], numbers: list[Expr], names: dict[Any, str]) -> str:
    pieces = [parts[0]]
    for number, part in zip(numbers, parts[1:], strict=True):
        shown = show(number, names) if number.kind == "num" else f"{{{show(number, names)}}}"
        pieces += [shown, part]
    return "".join(pieces)


def _name_text(parts: tuple[str, ...], numbers: list[Expr], names: dict[Any, str]) -> str:
    if len(numbers) == 1 and parts == ("", "") and numbers[0].kind == "affine":
        return f"str({show(numbers[0], names)})"
    prefix = "f" if any(n.kind == "affine" for n in numbers) else ""
    return f'{prefix}"{_joined(parts, numbers, names)}"'


def _binary(expr: Expr, names: dict[Any, str]) -> str:
    mine = _LEVELS[expr.data]
    left, right = expr.kids
    if expr.data != "**":
        return f"{_inside(left, mine, names)} {expr.data} {_inside(right, mine + 1, names)}"
    # Powers group from the right, and an exponent may have a sign.
    blank = "" if all(kid.kind in ("raw", "var", "const") for kid in expr.kids) else " "
    return f"{_inside(left, mine + 1, names)}{blank}**{blank}{_inside(right, _LEVELS['unary'], names)}"


def _list(expr: Expr, names: dict[Any, str]) -> str:
    if is_comprehension(expr):
        return f"{expr.data[0]}{comprehension(expr.kids[0], names)}{expr.data[1]}"
    body = ", ".join(item_text(kid, names) for kid in expr.kids)
    comma = "," if expr.data == "()" and len(expr.kids) == 1 else ""
    return f"{expr.data[0]}{body}{comma}{expr.data[1]}"


def is_comprehension(expr: Expr) -> bool:
    """Whether a list or dict is one loop."""
    if expr.data not in ("[]", "{}") or [kid.kind for kid in expr.kids] != ["loop"]:
        return False
    return expr.data == "[]" or len(expr.kids[0].kids) == 1


def _choice(expr: Expr, names: dict[Any, str]) -> str:
    test, yes, no = (_inside(kid, 2, names) for kid in expr.kids)
    return f"{yes} if {test} else {no}"


def _subscript(expr: Expr, names: dict[Any, str]) -> str:
    base, *items = expr.kids
    return f"{_inside(base, 9, names)}[{', '.join(show(item, names) for item in items)}]"


def _slice(expr: Expr, names: dict[Any, str]) -> str:
    first, last, step = ("" if kid.kind == "raw" and kid.data == "None" else show(kid, names) for kid in expr.kids)
    tail = [last, step] if step else [last]
    if all(kid.kind in ("const", "raw") for kid in expr.kids):
        return ":".join((first, *tail))
    return " ".join(part for part in (first, *(f": {part}".rstrip() for part in tail)) if part)


_SHOW: dict[str, Any] = {
    "raw": lambda e, names: e.data,
    "const": _const,
    "num": lambda e, names: str(e.data),
    "var": lambda e, names: names[e.data],
    "affine": _affine,
    "call": _call,
    "attr": lambda e, names: f"{_inside(e.kids[0], 9, names)}.{e.data}",
    "child": _member,
    "text": lambda e, names: _name_text(e.data, list(e.kids), names),
    "binary": _binary,
    "unary": lambda e, names: f"{e.data}{_inside(e.kids[0], 6, names)}",
    "list": _list,
    "choice": _choice,
    "subscript": _subscript,
    "slice": _slice,
    "tuple": lambda e, names: ", ".join(show(kid, names) for kid in e.kids),
    "pair": lambda e, names: f"{show(e.kids[0], names)}: {show(e.kids[1], names)}",
}
