"""What is being written at a character: what could follow by the grammar, and the call around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lark import Tree

from ..dsl.build_statements import Builder
from ..dsl.place import Place, tokens_of
from ..dsl.reading import read_up_to
from ..dsl.recover import OPENERS
from ..dsl.source import Source
from ..grammar import Token
from ..grammar.highlight import OPENS
from .words import word_at


@dataclass(frozen=True, slots=True)
class Calling:
    """The call whose arguments are being written: the name of what is called, and what is written of them so far: how
    many stand before the one at hand, the names of those that have one, and that of the one at hand if it has."""

    name: str
    place: int
    named: tuple[str, ...]
    naming: str | None
    declares: bool = False
    """Whether these are the parameters of a declaration."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A character, the `start` of the word that ends there, the kinds of token that may begin there (`expected`), and
    the call around it. `after` is the word or sign before, and `in_body` whether a brace is open."""

    offset: int
    start: int
    expected: frozenset[str]
    calling: Calling | None
    after: str
    in_body: bool
    heading: tuple[str, ...]
    """The last tokens that make no whole yet, such as `use`, a name, `from`."""


def cursor(source: Source, offset: int) -> Cursor:
    """What stands around a character, however broken the text before it is; what comes after it is not looked at."""
    word = word_at(source, offset)
    start = word.start if word is not None and word.start < offset else offset
    try:
        place = read_up_to(Builder(Source(source.text[:start], source.name, source.path), []))
    except RecursionError:
        return Cursor(offset, start, frozenset(), None, "", False, ())
    kinds = tuple(v.type for v in place.values if type(v) is Token)
    after = place.previous.value if place.previous is not None else ""
    return Cursor(offset, start, frozenset(place.expected), _calling(place), after, "LBRACE" in kinds, kinds[-6:])


def _calling(place: Place) -> Calling | None:
    """The innermost call that is open, where nothing but brackets of lists stands between."""
    values = place.values
    depth = 0
    for at in range(len(values) - 1, -1, -1):
        kind = values[at].type if type(values[at]) is Token else ""
        if kind in OPENERS.values():
            depth += 1
        elif kind in OPENERS and depth:
            depth -= 1
        elif kind == "LBRACE":
            return None
        elif kind == "LPAR":
            name = _last_name(values[at - 1]) if at else None
            if name is not None:
                before = values[at - 2] if at > 1 else None
                declares = type(before) is Token and before.value in OPENS
                return _written(name, values[at + 1 :], declares)
    return None


def _last_name(value: Any) -> str | None:
    """The name that is called: of `f`, of `name` trees."""
    if type(value) is Token:
        return value.value if value.type == "NAME" else None
    if type(value) is Tree and value.data in ("name", "postfix"):
        return next((t.value for t in tokens_of(value) if t.type == "NAME"), None)
    return None


def _written(name: str, values: list[Any], declares: bool) -> Calling:
    """How many arguments are whole. A row of them may be one tree or several."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in (t for v in values for t in (tokens_of(v) if type(v) is Tree else (v,))):
        depth += (token.type in OPENERS) - (token.type in OPENERS.values())
        if token.type == "COMMA" and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    names = [part[0].value if len(part) > 1 and part[1].type == "EQUAL" else None for part in parts]
    return Calling(name, len(parts) - 1, tuple(n for n in names[:-1] if n), names[-1], declares)
