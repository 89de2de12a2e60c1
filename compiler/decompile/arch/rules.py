"""Values that follow a rule from one element of a list to the next, as the rates of stochastic depth do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

LEAST = 3
"""How many elements make a rule."""
STEPS = 400
"""The most layers that a rate is spread over."""


class Rate(NamedTuple):
    """`0.1 * i / 17`, or that less than 1 where `base` is 1."""

    base: int
    rate: float
    count: int

    def at(self, place: int) -> float:
        value = self.rate * place / self.count
        return self.base - value if self.base else value

    def first(self, values: Sequence[Any]) -> int | None:
        """The first `i` of values in a row, where the rule gives each to the last bit."""
        if not all(type(value) is float for value in values):
            return None
        first = round(abs(self.base - values[0]) * self.count / self.rate)
        return first if [self.at(first + place) for place in range(len(values))] == list(values) else None

    def text(self, name: str) -> str:
        rule = f"{self.rate} * {name} / {self.count}" if self.count > 1 else f"{self.rate} * {name}"
        return f"1 - {rule}" if self.base else rule


def rising(values: Sequence[Any]) -> Rate | None:
    """The rule by which values rise or fall from each to the next."""
    if len(values) < LEAST or not all(type(value) is float for value in values):
        return None
    for base in (1, 0):
        rates = [base - value if base else value for value in values]
        step = (rates[-1] - rates[0]) / (len(rates) - 1)
        for count in range(1, STEPS) if step > 0 and round(rates[0] / step) >= 0 else ():
            rate = Rate(base, float(f"{step * count:.3g}"), count)
            if rate.first(values) is not None:
                return rate
    return None


def alternating(values: Sequence[Any], name: str, first: int) -> str | None:
    """Truth values that change with each element, where `name` counts these from `first`."""
    odd = int(values[0] is False) if first % 2 == 0 else int(values[0] is True)
    rows = [place % 2 == odd for place in range(first, first + len(values))]
    return f"{name} % 2 == {odd}" if all(a is b for a, b in zip(rows, values, strict=True)) else None
