"""What classes make and do again and again, as loops: so classes that do it another number of times are one.

A *row* is what one class makes, in order. Rows of like classes are read by a common *pattern*, in which a stretch that
comes again stands once; what is left of a row are the numbers: how often, and of each constant where it begins and how
it grows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from .expr import Expr, affine, const, num, rewrite, shape, walk
from .loops import Runs, repeat

Row = list[tuple[str, Expr]]
_VARIABLES = "ijkl"
_MOST_PATTERNS = 16
"""Of how many patterns each is tried on the rows of the others."""


@dataclass(frozen=True, slots=True)
class _Item:
    """One thing that a class makes: its shape, the numbers in its name, its constants."""

    shape: int
    numbers: tuple[int, ...]
    constants: tuple[Any, ...]
    gifts: tuple[Expr, ...]
    """What it passes to optional parameters of the classes that it makes."""


@dataclass(frozen=True, slots=True)
class _Element:
    """What a pattern says: items of these shapes, once or many times, with the numbers in their names."""

    shapes: tuple[int, ...]
    numbers: tuple[tuple[int, ...], ...]
    steps: tuple[tuple[int, ...], ...] | None = None
    grows: tuple[tuple[int, ...], ...] = ()
    """How the constants of each grow from turn to turn."""

    def reads(self, items: list[_Item], at: int, turn: int) -> bool:
        found = items[at : at + len(self.shapes)]
        return (
            len(found) == len(self.shapes)
            and tuple(i.shape for i in found) == self.shapes
            and tuple(i.numbers for i in found) == self.numbers_in(turn)
        )

    def numbers_in(self, turn: int) -> tuple[tuple[int, ...], ...]:
        if not turn or self.steps is None:
            return self.numbers
        pairs = zip(self.numbers, self.steps, strict=True)
        return tuple(tuple(n + s * turn for n, s in zip(*pair, strict=True)) for pair in pairs)


Pattern = tuple[_Element, ...]


@dataclass(slots=True)
class _Reading:
    """A row as a pattern reads it: where each element begins, and how often it is there."""

    row: Row
    items: list[_Item]
    places: list[tuple[int, int]]


class Folder:
    """Folds rows; what is alike in all calls has the same numbers inside."""

    def __init__(self) -> None:
        self._shapes: dict[Any, int] = {}

    def fold(self, rows: list[Row], indexed: bool) -> list[Row]:
        """The rows, each with `repeat` where it does something again. `indexed`: names are the places in a list."""
        split = [[self._item(expr, indexed) for _, expr in row] for row in rows]
        patterns: dict[Pattern, list[int]] = {}
        for numbers in _alike(split):
            pattern = self._common([rows[n] for n in numbers], [split[n] for n in numbers])
            patterns.setdefault(pattern, []).extend(numbers)
        result: list[Row] = [[] for _ in rows]
        for pattern, numbers in _merged(patterns, split):
            readings = [_Reading(rows[n], split[n], _read(pattern, split[n]) or []) for n in numbers]
            for n, folded in zip(numbers, _folded(pattern, readings, indexed), strict=True):
                result[n] = folded
        return result

    def _item(self, expr: Expr, indexed: bool) -> _Item:
        numbers: list[int] = []
        constants: list[Any] = []
        gifts: list[Expr] = []

        def mark(leaf: Expr) -> str | None:
            if leaf.kind == "const":
                constants.append(leaf.data[0])
                return "#"
            if leaf.kind == "given":
                gifts.append(leaf)
                return "?"
            if leaf.kind == "num" and not indexed:
                numbers.append(leaf.data)
                return "n"
            return None

        number = self._shapes.setdefault(shape(expr, mark), len(self._shapes))
        return _Item(number, tuple(numbers), tuple(constants), tuple(gifts))

    def _common(self, rows: list[Row], split: list[list[_Item]]) -> Pattern:
        """The one pattern of rows that differ in constants alone: what one of them repeats, if all can."""
        tried: set[Pattern] = set()
        for row, own in zip(rows, split, strict=True):
            pattern = self._pattern(row, own)
            if pattern not in tried and all(_read(pattern, items) for items in split):
                return pattern
            tried.add(pattern)
            if len(tried) == _MOST_PATTERNS:
                break
        return tuple(_Element((item.shape,), (item.numbers,)) for item in split[0])

    def _pattern(self, row: Row, items: list[_Item]) -> Pattern:
        elements = []
        for run in Runs([expr for _, expr in row], 2).found():
            first = items[run.at : run.at + run.period]
            again = items[run.at + run.period : run.at + 2 * run.period]
            if run.turns > 1:
                pairs = list(zip(first, again, strict=True))
                steps = tuple(tuple(b - a for a, b in zip(p.numbers, q.numbers, strict=True)) for p, q in pairs)
                grows = tuple(
                    tuple(_grows(c) or 0 for c in zip(p.constants, q.constants, strict=True)) for p, q in pairs
                )
                shapes, numbers = tuple(i.shape for i in first), tuple(i.numbers for i in first)
                elements.append(_Element(shapes, numbers, steps, grows))
            else:
                item = items[run.at]
                elements.append(_Element((item.shape,), (item.numbers,)))
        return tuple(elements)


def _alike(split: list[list[_Item]]) -> Iterable[list[int]]:
    """The numbers of the rows, those together that differ in constants alone."""
    groups: dict[Any, list[int]] = {}
    for number, items in enumerate(split):
        groups.setdefault(tuple((item.shape, item.numbers) for item in items), []).append(number)
    return groups.values()


def _merged(patterns: dict[Pattern, list[int]], split: list[list[_Item]]) -> Iterator[tuple[Pattern, list[int]]]:
    """Patterns, each with the rows that it reads: rows that are too short to repeat anything go to those of others."""
    waiting = dict(patterns)
    if len(patterns) <= _MOST_PATTERNS:
        for pattern in sorted(patterns, key=lambda p: -max(len(split[n]) for n in patterns[p])):
            if pattern not in waiting or all(element.steps is None for element in pattern):
                continue
            for other in list(waiting):
                if other != pattern and all(_read(pattern, split[n]) for n in waiting[other]):
                    waiting[pattern] += waiting.pop(other)
    for pattern, numbers in waiting.items():
        yield pattern, sorted(numbers)


def _read(pattern: Pattern, items: list[_Item]) -> list[tuple[int, int]] | None:
    """Where the elements are in a row, and how often; None where it is another row."""
    places: list[tuple[int, int]] = []
    at = 0
    rest = sum(len(element.shapes) for element in pattern)
    for element in pattern:
        length = len(element.shapes)
        rest -= length
        turns = 0
        while at + (turns + 1) * length + rest <= len(items) and element.reads(items, at + turns * length, turns):
            if turns and (element.steps is None or not _goes_on(items, at, length, turns)):
                break
            turns += 1
        if not turns or not _even(element, items, at, turns):
            return None
        places.append((at, turns))
        at += turns * length
    return places if at == len(items) else None


def _goes_on(items: list[_Item], at: int, length: int, turn: int) -> bool:
    """Whether each constant of a loop grows in a turn as it does in the second one."""

    def grown(turn: int) -> list[int | None]:
        last, now = at + (turn - 1) * length, at + turn * length
        pairs = (zip(items[last + n].constants, items[now + n].constants, strict=True) for n in range(length))
        return [_grows(pair) for row in pairs for pair in row]

    return grown(turn) == grown(1)


def _even(element: _Element, items: list[_Item], at: int, turns: int) -> bool:
    """Whether every constant of a loop stays as it is or grows evenly."""
    length = len(element.shapes)
    if element.steps is None:
        return True
    if any(items[n].gifts != items[n + length].gifts for n in range(at, at + (turns - 1) * length)):
        return False
    for body in range(length):
        columns = zip(*(items[at + body + t * length].constants for t in range(turns)), strict=True)
        for column, usual in zip(columns, element.grows[body], strict=True):
            step = _grows(column)
            if step is None or (turns == 2 and step and not usual):
                return False
    return True


def _grows(values: tuple[Any, ...]) -> int | None:
    """By how much a constant grows in each turn, 0 where it stays as it is."""
    first = values[0]
    if all(type(v) is type(first) and v == first for v in values[1:]):
        return 0
    if any(type(v) is not int for v in values):
        return None
    step = values[1] - first
    return step if all(v == first + step * turn for turn, v in enumerate(values)) else None


def _folded(pattern: Pattern, readings: list[_Reading], indexed: bool) -> Iterator[Row]:
    steps = [_steps(number, element, readings) for number, element in enumerate(pattern)]
    first = next((n for n, element in enumerate(pattern) if element.steps is not None), -1)
    for reading in readings:
        row: Row = []
        for n, (element, (at, turns)) in enumerate(zip(pattern, reading.places, strict=True)):
            if element.steps is None:
                row.append(reading.row[at])
                continue
            in_place = n == first and len(element.shapes) == 1
            start = _first(element) if not indexed else at if in_place else 0
            row.append(_repeated(element, reading, at, turns, steps[n], start, indexed))
        yield row


def _steps(number: int, element: _Element, readings: list[_Reading]) -> list[list[int | None]]:
    """For each constant of a loop how it grows where a single turn does not show it; None where it never does."""
    result: list[list[int | None]] = []
    for body in range(len(element.shapes)):
        columns: list[set[int]] = []
        for reading in readings:
            at, turns = reading.places[number]
            turned = [reading.items[at + body + t * len(element.shapes)].constants for t in range(turns)]
            columns = columns or [set() for _ in turned[0]]
            if turns > 1:
                for steps, values in zip(columns, zip(*turned, strict=True), strict=True):
                    steps.add(_grows(values) or 0)
        result.append([min(steps - {0}, key=abs) if steps - {0} else None for steps in columns])
    return result


def _repeated(
    element: _Element,
    reading: _Reading,
    at: int,
    turns: int,
    grown: list[list[int | None]],
    start: int,
    indexed: bool,
) -> tuple[str, Expr]:
    assert element.steps is not None
    length = len(element.shapes)
    names, body = zip(*reading.row[at : at + length], strict=True)
    used = {leaf.data[0] for expr in body for leaf in walk(expr) if leaf.kind == "repeat"}
    variable = next((v for v in _VARIABLES if v not in used), f"i{len(used)}")
    steps = iter([step for row in element.steps for step in row])
    constants = _constants(reading.items, at, length if turns > 1 else 0, grown)

    def change(item: Expr) -> Expr | None:
        if item.kind == "num" and not indexed:
            step = next(steps)
            return affine(variable, item, num(step)) if step else item
        if item.kind == "const":
            step = next(constants)
            return item if step is None else affine(variable, item, const(step, f"{item.data[1]}_step"))
        return item if item.kind == "given" else None

    closed = not indexed and start > 0
    stem = next((s for s in (re.sub(r"[\d_]+\Z", "", name) for name in names) if s), "layer")
    stop = const(start + turns - closed, f"num_{stem}s")
    return stem, repeat(variable, start, closed, stop, *[rewrite(expr, change) for expr in body])


def _constants(items: list[_Item], at: int, length: int, grown: list[list[int | None]]) -> Iterator[int | None]:
    """By how much each constant of a loop grows, None where it does not. In a single turn, of the `length` 0, it grows
    as it does elsewhere."""
    for place, usual in enumerate(grown, at):
        for first, second, step in zip(items[place].constants, items[place + length].constants, usual, strict=True):
            counts = step is not None and type(first) is int
            yield None if not counts else second - first if length else step


def _first(element: _Element) -> int:
    assert element.steps is not None
    for numbers, steps in zip(element.numbers, element.steps, strict=True):
        for number, step in zip(numbers, steps, strict=True):
            if step == 1:
                return number
    return 0
