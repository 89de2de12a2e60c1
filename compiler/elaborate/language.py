"""The names that every spec has: layers, functions, initialisers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from ..ir.initialisers import INITIALISERS
from ..ir.op import Op
from ..ir.rewrites import REWRITES, SPELLINGS
from ..ir.sizes import Size
from ..ops import registry
from .callables import Builtin, Combinator, DrawKind, InitialiserKind, Rewriter
from .environment import MISSING
from .networks import IDENTITY, LayerKind
from .values import describe, is_number, key_of


def _number(value: Any) -> Any:
    if not is_number(value):
        raise ValueError(f"takes numbers, and this is {describe(value)}")
    return value


def _round(value: Any, digits: int = 0) -> Any:
    if isinstance(_number(value), Size) or (isinstance(value, int) and digits >= 0):
        return value
    return round(float(value), digits) if digits else round(value)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"takes a list, and this is {describe(value)}")
    return list(value)


def _numbers(values: tuple[Any, ...]) -> list[Any]:
    listed = list(values[0]) if len(values) == 1 and isinstance(values[0], list) else list(values)
    return [_number(v) for v in listed]


def numeric_merge(merge: type[Op], values: list[Any]) -> Any:
    """A merge of plain numbers, such as `max(2, 3)`."""
    assert merge.of_numbers is not None
    return merge.of_numbers(_numbers(tuple(values)))


def _enumerate(values: Any, start: int = 0) -> list[Any]:
    return [[i, v] for i, v in enumerate(_list(values), start)]


def _zip(*lists: Any) -> list[Any]:
    columns = [_list(v) for v in lists]
    if len({len(c) for c in columns}) > 1:
        raise ValueError(f"takes lists of one length, and these have {', '.join(str(len(c)) for c in columns)}")
    return [list(row) for row in zip(*columns, strict=True)]


def _unique(values: Any) -> list[Any]:
    found: dict[Any, Any] = {}
    for value in _list(values):
        found.setdefault(key_of(value), value)
    return list(found.values())


def _whole(rounded: Callable[[Any], int]) -> Callable[[Any], Any]:
    """A function that makes a number whole; sizes are whole."""
    return lambda value: value if isinstance(value, Size) else rounded(_number(value))


def _where(legal: Callable[[Any], bool], wanted: str, function: Callable[[Any], float]) -> Callable[[Any], float]:
    """A function of the numbers that are legal."""

    def checked(value: Any) -> float:
        if not legal(_number(value)):
            raise ValueError(f"takes {wanted}, and this is {describe(value)}")
        return function(value)

    return checked


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "len": lambda values: len(_list(values)),
    "zip": _zip,
    "enumerate": _enumerate,
    "reversed": lambda values: _list(values)[::-1],
    "unique": _unique,
    "count": lambda values, value: sum(key == key_of(value) for key in map(key_of, _list(values))),
    "floor": _whole(math.floor),
    "ceil": _whole(math.ceil),
    "round": _round,
    "abs": lambda value: abs(_number(value)),
    "sqrt": _where(lambda value: value >= 0, "no negative number", math.sqrt),
    "log": _where(lambda value: value > 0, "positive numbers", math.log),
    "exp": lambda value: math.exp(_number(value)),
    "int": lambda value: math.trunc(_number(value)),
    "float": lambda value: float(_number(value)),
}
FORMS = {
    "id": "`id` is the input, unchanged",
    "pi": "`pi` is 3.14159..., the circumference of a circle by its diameter",
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
    "round": "`round(x)` is the nearest whole number, `round(x, 2)` keeps two digits",
    "log": "`log(x)` is the natural logarithm of a positive number",
    "sqrt": "`sqrt(x)` is the root of a number that is not negative",
    "exp": "`exp(x)` is e to the power of a number",
    "abs": "`abs(x)` is a number without its sign",
    "floor": "`floor(x)` rounds a number down to a whole one",
    "ceil": "`ceil(x)` rounds a number up to a whole one",
    "int": "`int(x)` rounds a number towards zero to a whole one",
    "float": "`float(x)` is a number as a floating-point one",
}
"""How what has no reference entry is written, and what it means."""


def form_of(name: str) -> tuple[str, ...]:
    """A hint that shows how a function is called, and what it means."""
    if name in FORMS:
        return (FORMS[name],)
    if (cls := registry.lookup(name)) is not None and cls.of_numbers is not None:
        return (f"`{name}(a, b)` and `{name}(xs)` take numbers, or tensors, or networks",)
    return ()


DRAWN = ("choice",)
"""What a `draw` statement may draw."""
COMBINATORS = ("each", "frozen", "fresh", "recompute")
CONSTANTS: dict[str, Any] = {"pi": math.pi, "id": IDENTITY, "none": None}

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
