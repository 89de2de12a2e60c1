"""Values that rise by a rule from one element of a list to the next, as the rates of stochastic depth do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

LEAST = 3
"""How many elements make a rule."""
STEPS = 400
"""The most layers that a rate is spread over."""


def linear(values: Sequence[Any], name: str) -> tuple[str, int] | None:
    """The values as `0.1 * i / 17` or `1 - 0.1 * i / 17`, and the first `i`, where that gives each to the last bit."""
    if len(values) < LEAST or not all(type(value) is float for value in values):
        return None
    for base in (1, 0):
        rates = [base - value if base else value for value in values]
        step = (rates[-1] - rates[0]) / (len(rates) - 1)
        first = round(rates[0] / step) if step > 0 else -1
        for count in range(1, STEPS) if first >= 0 else ():
            rate = float(f"{step * count:.3g}")
            found = [rate * i / count for i in range(first, first + len(rates))]
            if [base - value if base else value for value in found] == list(values):
                rule = f"{rate} * {name} / {count}" if count > 1 else f"{rate} * {name}"
                return (f"1 - {rule}" if base else rule), first
    return None
