"""Runs of like expressions become loops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .expr import Expr, affine, binary, const, integer, loop, num, raw, rewrite, skeleton, walk, with_steps
from .show import show

_LONGEST_PERIOD = 8
_VARIABLES = "ijkl"


@dataclass(frozen=True, slots=True)
class Run:
    """Items from `at` on: `period` of them, `turns` times. `steps` is how the numbers of each grow in a turn."""

    at: int
    period: int
    turns: int
    steps: tuple[tuple[int, ...], ...] = ()

    @property
    def length(self) -> int:
        return self.period * self.turns


class Runs:
    """The runs in a list of expressions that differ in evenly growing numbers only."""

    def __init__(self, items: list[Expr], least: int):
        self.items = items
        self.least = least
        shapes: dict[Any, int] = {}
        split = [skeleton(item) for item in items]
        self.shapes = [shapes.setdefault(shape, len(shapes)) for shape, _ in split]
        self.numbers = [numbers for _, numbers in split]

    def found(self) -> list[Run]:
        """The list as runs and single items, in order."""
        result: list[Run] = []
        at = 0
        while at < len(self.items):
            run = self._best(at)
            result.append(run)
            at += run.length
        return result

    def _best(self, at: int) -> Run:
        best = Run(at, 1, 1)
        for period in range(1, _LONGEST_PERIOD + 1):
            if at + period * self.least > len(self.items):
                break
            steps = tuple(_difference(self.numbers[n], self.numbers[n + period]) for n in range(at, at + period))
            turns = self._turns(at, period, steps)
            longer = turns >= self.least and period * turns > (best.length if best.turns > 1 else 0)
            if longer and (turns > 2 or self._equal(at, period)):
                best = Run(at, period, turns, steps)
        return best

    def _equal(self, at: int, period: int) -> bool:
        """Whether all constants of two turns are equal, since two numbers make no progression."""
        return all(_constants(self.items[n]) == _constants(self.items[n + period]) for n in range(at, at + period))

    def _turns(self, at: int, period: int, steps: tuple[tuple[int, ...], ...]) -> int:
        place = at
        while place + period < len(self.items) and self._follows(place, period, steps[(place - at) % period]):
            place += 1
        return (place - at) // period + 1

    def _follows(self, place: int, period: int, steps: tuple[int, ...]) -> bool:
        after = place + period
        return (
            self.shapes[place] == self.shapes[after] and _difference(self.numbers[place], self.numbers[after]) == steps
        )

    def loop(self, run: Run) -> Expr:
        """A run as a loop."""
        body = self.items[run.at : run.at + run.period]
        used = {item.data for expr in body for item in walk(expr) if item.kind == "affine"}
        variable = next((v for v in _VARIABLES if v not in used), f"i{len(used)}")
        start = _start(body, run.steps)
        values = f"range({start}, {start + run.turns})" if start else f"range({run.turns})"
        grown = (with_steps(e, s, variable, start) for e, s in zip(body, run.steps, strict=True))
        return loop(variable, values, *grown)


def _start(body: list[Expr], steps: tuple[tuple[int, ...], ...]) -> int:
    """Where the count starts: at the first number in a name that counts."""
    for expr, grows in zip(body, steps, strict=True):
        numbers = [item for item in _leaves(expr) if integer(item) is not None]
        for item, step in zip(numbers, grows, strict=True):
            if item.kind == "num" and step == 1:
                return item.data
    return 0


def _constants(expr: Expr) -> list[int]:
    return [item.data[0] for item in _leaves(expr) if item.kind == "const" and type(item.data[0]) is int]


def _leaves(expr: Expr) -> list[Expr]:
    """The tree's nodes, but for what loops count."""
    found: list[Expr] = []
    stack = [expr]
    while stack:
        item = stack.pop()
        found.append(item)
        if item.kind != "affine":
            stack.extend(reversed(item.kids))
    return found


def _difference(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(y - x for x, y in zip(a, b, strict=False)) if len(a) == len(b) else ()


def with_loops(items: list[Expr], least: int) -> list[Expr]:
    """The items, with runs of at least `least` turns as loops."""
    if len(items) < least:
        return items
    runs = Runs(items, least)
    return [runs.loop(run) if run.turns > 1 else items[run.at] for run in runs.found()]


# --- loops whose numbers may be parameters -------------------------------------------------------


def repeat(variable: str, start: int, closed: bool, stop: Expr, *body: Expr) -> Expr:
    """The body for the numbers from `start` to `stop`, which is one of them if the range is closed.

    Its `affine` numbers count the turns, from 0 on.
    """
    return Expr("repeat", (variable, start, closed), (stop, *body))


def turns(expr: Expr) -> int | None:
    """How often a repeat does what it does, where that is known."""
    _, start, closed = expr.data
    stop = integer(expr.kids[0])
    return None if stop is None else stop + closed - start


def unrolled(expr: Expr) -> list[Expr]:
    """What a repeat does, turn by turn."""
    count = turns(expr)
    assert count is not None
    return [_at(kid, expr.data[0], turn) for turn in range(count) for kid in expr.kids[1:]]


def _at(expr: Expr, variable: str, turn: int) -> Expr:
    """The expression in one turn of a loop."""

    def counted(item: Expr) -> Expr | None:
        if item.kind != "affine" or item.data != variable:
            return None
        offset, step = item.kids
        first, grows = integer(offset), integer(step)
        if first is not None and grows is not None:
            value = first + grows * turn
            return num(value) if offset.kind == "num" else const(value, offset.data[1])
        grown = step if turn == 1 else binary("*", const(turn), step)
        return binary("+", offset, grown) if turn else offset

    return rewrite(expr, counted)


def as_loop(expr: Expr) -> Expr:
    """A repeat as a loop over a range, which starts where the names of its body do if all else allows it."""
    variable, start, closed = expr.data
    stop, *body = expr.kids
    grown = [item for kid in body for item in walk(kid) if item.kind == "affine" and item.data == variable]
    plain = all(integer(kid) is not None for item in grown for kid in item.kids)
    named = any(item.kids[0].kind == "num" and integer(item.kids[1]) == 1 for item in grown)
    first = start if plain and (named or (turns(expr) is None and not grown)) else 0
    end = show(_plus(stop, closed + first - start))
    values = f"range({first}, {end})" if first else f"range({end})"
    return loop(variable, values, *(_from(kid, variable, first) for kid in body))


def _plus(expr: Expr, more: int) -> Expr:
    known = integer(expr)
    if known is not None:
        return const(known + more)
    if more == 0:
        return expr
    return binary("+", expr, raw(str(more))) if more > 0 else binary("-", expr, raw(str(-more)))


def _from(expr: Expr, variable: str, first: int) -> Expr:
    """The body of a loop whose count starts at `first`."""

    def counted(item: Expr) -> Expr | None:
        if item.kind != "affine" or item.data != variable:
            return None
        offset, step = map(integer, item.kids)
        assert offset is not None and step is not None
        return affine(variable, num(offset - step * first), item.kids[1])

    return rewrite(expr, counted) if first else expr
