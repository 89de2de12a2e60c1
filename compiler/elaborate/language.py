"""The names that every spec has: layers, functions, initialisers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..ir.initialisers import INITIALISERS
from ..ir.op import Op
from ..ir.rewrites import REWRITES, SPELLINGS
from ..ops import registry
from .callables import Builtin, Combinator, DrawKind, InitialiserKind, Rewriter
from .environment import MISSING
from .networks import IDENTITY, LayerKind
from .values import describe, is_number, key_of


def _number(value: Any) -> Any:
    if not is_number(value):
        raise ValueError(f"takes numbers, and this is {describe(value)}")
    return value


def _list(value: Any) -> Sequence[Any]:
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"takes a list, and this is {describe(value)}")
    return value


def _numbers(values: tuple[Any, ...]) -> list[Any]:
    listed = list(values[0]) if len(values) == 1 and isinstance(values[0], list) else list(values)
    return [_number(v) for v in listed]


def numeric(cls: type[Op], values: list[Any]) -> Any:
    """A layer's function of plain numbers, such as `max(2, 3)` and `sqrt(2)`."""
    assert cls.of_numbers is not None
    return cls.of_numbers(_numbers(tuple(values)))


def _enumerate(values: Any, start: int = 0) -> list[Any]:
    return [[i, v] for i, v in enumerate(_list(values), start)]


def _zip(*lists: Any) -> list[Any]:
    columns = [_list(v) for v in lists]
    if len({len(c) for c in columns}) > 1:
        raise ValueError(f"takes lists of one length, and these have {', '.join(str(len(c)) for c in columns)}")
    return [list(row) for row in zip(*columns, strict=True)]


def _key(value: Any) -> Any:
    """What is equal for values that `==` calls equal, as 1 and 1.0."""
    if isinstance(value, list):
        return list, *map(_key, value)
    return value if is_number(value) else key_of(value)


def _count(values: Any, value: Any) -> int:
    wanted = _key(value)
    return sum(key == wanted for key in map(_key, _list(values)))


def _unique(values: Any) -> list[Any]:
    found: dict[Any, Any] = {}
    for value in _list(values):
        found.setdefault(_key(value), value)
    return list(found.values())


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "len": lambda values: len(_list(values)),
    "zip": _zip,
    "enumerate": _enumerate,
    "reversed": lambda values: list(reversed(_list(values))),
    "unique": _unique,
    "count": _count,
    "int": lambda value: math.trunc(_number(value)),
    "float": lambda value: float(_number(value)),
}
FORMS = {
    "id": "`id` is the input, unchanged",
    "pi": "`pi` is 3.14159..., the circumference of a circle by its diameter",
    "inf": "`inf` is infinite: `where(mask, x, -inf)` before `softmax` leaves places out",
    "none": "`none` is no value: what an option has that nobody gave, as `stop = none` of `slice`",
    "each": "`each(f)` is f on each of the tensors that stand side by side",
    "frozen": "`frozen(f)` is f with parameters that do not train",
    "fresh": "`fresh(f)`, within something shared, is f with parameters of its own at each application",
    "recompute": "`recompute(f)` is f, of which training keeps the inputs alone and computes the rest again for the "
    "backward pass: less memory, more time",
    "len": "`len(xs)` counts the elements of a list",
    "zip": "`zip(xs, ys)` pairs the elements of lists of one length",
    "enumerate": "`enumerate(xs)` pairs each element with its number from 0, `enumerate(xs, 1)` from 1",
    "reversed": "`reversed(xs)` is the list backwards",
    "unique": "`unique(xs)` has each element once, where it comes first",
    "count": "`count(xs, x)` is how many elements of a list are x",
    "int": "`int(x)` rounds a number towards zero to a whole one",
    "float": "`float(x)` is a number as a floating-point one",
}
"""How what has no reference entry is written, and what it means."""


def form_of(name: str) -> tuple[str, ...]:
    """A hint that shows how a function is called, and what it means."""
    if name in FORMS:
        return (FORMS[name],)
    if (cls := registry.lookup(name)) is not None and cls.of_numbers is not None:
        if cls.is_merge:
            return (f"`{name}(a, b)` and `{name}(xs)` take numbers, or tensors, or networks",)
        return (f"`{name}(x)` takes a number or a tensor; behind a network it is `f -> {name}`",)
    return ()


DRAWN = ("choice",)
"""What a `draw` statement may draw."""
COMBINATORS = ("each", "frozen", "fresh", "recompute")
CONSTANTS: dict[str, Any] = {"pi": math.pi, "inf": math.inf, "id": IDENTITY, "none": None}

_known: dict[str, Any] = {}


def global_value(name: str) -> Any:
    """What a name means where the spec does not define it, MISSING if nothing."""
    value = _known.get(name, MISSING)
    if value is MISSING:
        value = _find(name)
        if value is not MISSING:
            _known[name] = value
    return value


def _find(name: str) -> Any:
    if name in CONSTANTS:
        return CONSTANTS[name]
    if name in COMBINATORS:
        return Combinator(name)
    cls = registry.lookup(name)
    if cls is not None:
        return LayerKind(cls, name)
    if name in DRAWN and (cls := registry.lookup_kind(name)) is not None:
        return DrawKind(cls, name)
    if name in FUNCTIONS:
        return Builtin(name, FUNCTIONS[name])
    if name in INITIALISERS:
        return InitialiserKind(name)
    if name in REWRITES or name in SPELLINGS:
        return Rewriter(name)
    return MISSING


def known_names() -> Iterator[str]:
    """Every name of the language, for suggestions."""
    yield from CONSTANTS
    yield from COMBINATORS
    yield from DRAWN
    yield from REWRITES
    yield from SPELLINGS
    yield from registry.names()
    yield from FUNCTIONS
    yield from INITIALISERS
