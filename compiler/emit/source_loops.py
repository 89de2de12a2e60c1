"""Runs of like expressions become loops."""

from __future__ import annotations

from typing import Any

from .source_expr import Expr, loop, skeleton, walk, with_steps

_LONGEST_PERIOD = 8
_VARIABLES = "ijkn"


class Runs:
    """The runs in a list of expressions that differ in evenly growing numbers only."""

    def __init__(self, items: list[Expr], least: int):
        self.items = items
        self.least = least
        shapes: dict[Any, int] = {}
        split = [skeleton(item) for item in items]
        self.shapes = [shapes.setdefault(shape, len(shapes)) for shape, _ in split]
        self.numbers = [numbers for _, numbers in split]

    def compressed(self) -> list[Expr]:
        """The list, with a `loop` in the place of each run."""
        result: list[Expr] = []
        at = 0
        while at < len(self.items):
            period, turns = self._best(at)
            if turns:
                result.append(self._loop(at, period, turns))
                at += period * turns
            else:
                result.append(self.items[at])
                at += 1
        return result

    def _best(self, at: int) -> tuple[int, int]:
        best, covered = (1, 0), 0
        for period in range(1, _LONGEST_PERIOD + 1):
            turns = self._turns(at, period)
            if turns >= self.least and period * turns > covered:
                best, covered = (period, turns), period * turns
        return best

    def _turns(self, at: int, period: int) -> int:
        if at + 2 * period > len(self.items):
            return 1
        steps = self._steps(at, period)
        place = at
        while place + period < len(self.items) and self._follows(place, period, steps[(place - at) % period]):
            place += 1
        return (place - at) // period + 1

    def _steps(self, at: int, period: int) -> list[tuple[int, ...]]:
        return [_difference(self.numbers[n], self.numbers[n + period]) for n in range(at, at + period)]

    def _follows(self, place: int, period: int, steps: tuple[int, ...]) -> bool:
        after = place + period
        return (
            self.shapes[place] == self.shapes[after] and _difference(self.numbers[place], self.numbers[after]) == steps
        )

    def _loop(self, at: int, period: int, turns: int) -> Expr:
        body = self.items[at : at + period]
        steps = self._steps(at, period)
        used = {item.data[2] for expr in body for item in walk(expr) if item.kind == "affine"}
        variable = next(v for v in _VARIABLES if v not in used) if len(used) < len(_VARIABLES) else "index"
        start = self._start(body, steps)
        return loop(
            variable, start, turns, *(with_steps(e, s, variable, start) for e, s in zip(body, steps, strict=True))
        )

    def _start(self, body: list[Expr], steps: list[tuple[int, ...]]) -> int:
        """Where the count starts: at the first number in a name that counts."""
        for expr, grows in zip(body, steps, strict=True):
            numbers = [item for item in walk(expr) if _counts(item)]
            for item, step in zip(numbers, grows, strict=True):
                if item.kind == "num" and step == 1:
                    return item.data
        return 0


def _counts(item: Expr) -> bool:
    return item.kind == "num" or (item.kind == "const" and type(item.data[0]) is int)


def _difference(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(y - x for x, y in zip(a, b, strict=False)) if len(a) == len(b) else ()


def with_loops(items: list[Expr], least: int) -> list[Expr]:
    """The items, with runs of at least `least` turns as loops."""
    return Runs(items, least).compressed() if len(items) >= least else items
