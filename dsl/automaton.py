"""The LALR automaton: two stacks, driven by the tables of the grammar."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..grammar import Tables
from .lexer import Token

Maker = Callable[[list[Any]], Any]


class Many(list[Any]):
    """Children of a rule that makes no node of its own; they join those of the rule around it."""


def flatten(children: list[Any]) -> list[Any]:
    if not any(type(child) is Many for child in children):
        return children
    flat: list[Any] = []
    for child in children:
        if type(child) is Many:
            flat += child
        else:
            flat.append(child)
    return flat


def merge(children: list[Any]) -> Any:
    """The children of an inlined rule. A repetition's list grows in place, so that long lists cost linear time."""
    if len(children) == 1:
        return children[0]
    if children and type(children[0]) is Many:
        first = children[0]
        for child in children[1:]:
            if type(child) is Many:
                first += child
            else:
                first.append(child)
        return first
    return Many(flatten(children))


def makers(tables: Tables, builder: object) -> list[Maker | None]:
    """Per rule, the method of `builder` that makes its node; None where its children stay as they are."""
    return [None if rule.build is None or rule.transparent else getattr(builder, rule.build) for rule in tables.rules]


class Automaton:
    """`feed` tokens until it is `finished`; `result` is then the node of the start rule."""

    def __init__(self, tables: Tables, makers: Sequence[Maker | None], start: str):
        self.tables = tables
        self.states: list[int] = [tables.start[start]]
        self.values: list[Any] = []
        self.finished = False
        self._end = tables.end[start]
        self._makers = makers

    @property
    def row(self) -> dict[str, int]:
        """The actions of the present state; its keys are what the lexer may offer."""
        return self.tables.states[self.states[-1]]

    @property
    def result(self) -> Any:
        return self.values[-1]

    def feed(self, token: Token) -> bool:
        """Take a token; False where it cannot stand, with the reductions that it allowed done."""
        rows, states, values = self.tables.states, self.states, self.values
        kind = token.kind
        while True:
            action = rows[states[-1]].get(kind)
            if action is None:
                return False
            if action >= 0:
                states.append(action)
                values.append(token)
                return True
            rule = self.tables.rules[-action - 1]
            size = rule.size
            children = values[-size:] if size else []
            if size:
                del values[-size:]
                del states[-size:]
            make = self._makers[-action - 1]
            values.append(make(flatten(children)) if make else merge(children))
            states.append(rows[states[-1]][rule.origin])
            if kind == "$END" and states[-1] == self._end:
                self.finished = True
                return True

    def accepts(self, kind: str, depth: int | None = None) -> bool:
        """Whether a token of this kind could be shifted now (with only `depth` states), or would end the text."""
        rows, states = self.tables.states, self.states[:depth]
        while True:
            action = rows[states[-1]].get(kind)
            if action is None:
                return False
            if action >= 0:
                return True
            rule = self.tables.rules[-action - 1]
            if rule.size:
                del states[-rule.size :]
            states.append(rows[states[-1]][rule.origin])
            if kind == "$END" and states[-1] == self._end:
                return True

    def expected(self) -> set[str]:
        return {kind for kind in self.row if kind.isupper() and self.accepts(kind)}
