"""Expressions of generated Python.

A tree of one class, so that runs of like expressions can be found by comparing trees: every number, in an argument or
in a name, is a leaf of its own, and a run of trees that differ in numbers which grow evenly becomes a loop.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ...ir.errors import EmitError

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
    """A constant that stands for a module or a tensor made elsewhere: what a second name of something shared is
    assigned."""

    target: Any
    type_name: str = "nn.Module"

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


def registered(owner: Expr, name: Expr, made: Expr) -> Expr:
    """The call that gives a module a member whose name is computed, or is no identifier."""
    if made.kind not in ("call", "make", "inline"):
        return call(raw("setattr"), owner, name, made)
    is_parameter = made.kind == "call" and made.kids[0] == raw("nn.Parameter")
    return call(attr(owner, "register_parameter" if is_parameter else "add_module"), name, made)


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


def rewrite(expr: Expr, change: Callable[[Expr], Expr | None]) -> Expr:
    """The tree with what `change` gives in the place of the nodes, outermost first, that it does not give None for."""
    changed = change(expr)
    if changed is not None or not expr.kids:
        return expr if changed is None else changed
    kids = tuple([rewrite(kid, change) for kid in expr.kids])
    return expr if kids == expr.kids else Expr(expr.kind, expr.data, kids)


def shape(expr: Expr, mark: Callable[[Expr], Any]) -> tuple[Any, ...]:
    """The tree as data, with what `mark` gives in the place of the nodes that it does not give None for."""
    found: list[Any] = []
    stack = [expr]
    while stack:
        item = stack.pop()
        marked = mark(item)
        if marked is not None:
            found.append(marked)
        else:
            found.append((item.kind, item.data, len(item.kids)))
            stack.extend(reversed(item.kids))
    return tuple(found)


def skeleton(expr: Expr) -> tuple[Any, tuple[int, ...]]:
    """What stays of a tree without its numbers, and the numbers. What a loop counts already stays as it is."""
    numbers: list[int] = []

    def mark(item: Expr) -> Any:
        value = integer(item)
        if value is not None:
            numbers.append(value)
            return item.kind, "#"
        if item.kind == "const":
            return item.data, repr(item.data)  # 1.0 and True differ.
        return item if item.kind == "affine" else None

    return shape(expr, mark), tuple(numbers)


def with_steps(expr: Expr, steps: tuple[int, ...], variable: str, start: int) -> Expr:
    """The tree whose n-th number grows by `steps[n]` in each turn of a loop."""
    grows = iter(steps)

    def stepped(item: Expr) -> Expr | None:
        value = integer(item)
        if value is None:
            return item if item.kind == "affine" else None
        step = next(grows)
        return affine(variable, num(value - step * start), num(step)) if step else item

    return rewrite(expr, stepped)
