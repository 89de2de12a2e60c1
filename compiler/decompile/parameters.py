"""The values in which parts that are written once differ, which become parameters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from math import gcd
from typing import Any


def identities(values: Iterable[Any]) -> tuple[Any, ...]:
    """What tells the values from others in a text: `1`, `1.0` and `True` are three."""
    return tuple([(type(value), repr(value)) for value in values])


def differ(values: Iterable[Any]) -> bool:
    return len(set(identities(values))) > 1


def usual(values: Sequence[Any]) -> tuple[Any, ...]:
    """The value that most of several have, to be the default of a parameter; empty where there is none."""
    known = identities(values)
    ((most, count),) = Counter(known).most_common(1)
    return (values[known.index(most)],) if count > 1 and len(values) < 2 * count else ()


def ratio(values: Sequence[Any]) -> tuple[int, tuple[int, ...]] | None:
    """Positive whole numbers as a multiple of others that have no common divisor: columns of a ratio are multiples of
    each other. None for other values."""
    if any(type(value) is not int or value <= 0 for value in values):
        return None
    scale = gcd(*values)
    return scale, tuple([value // scale for value in values])


def multiple_and_shift(values: Sequence[Any], others: Sequence[Any]) -> tuple[int, int] | None:
    """The whole numbers `a > 0` and `b` with which each of the others is `a` times a value and `b`. None where there
    are none, or the values are all equal or no whole numbers."""
    if any(type(value) is not int for value in (*values, *others)) or min(values) == max(values):
        return None
    pairs = sorted(zip(values, others, strict=True))
    (low, first), (high, last) = pairs[0], pairs[-1]
    factor = (last - first) // (high - low)
    shift = first - factor * low
    return (factor, shift) if factor > 0 and all(b == factor * a + shift for a, b in pairs) else None


def square(values: Sequence[Any], others: Sequence[Any]) -> bool:
    """Whether each of the others is the square of a value, for whole numbers that differ."""
    whole = all(type(value) is int for value in (*values, *others))
    return whole and differ(values) and all(b == a * a for a, b in zip(values, others, strict=True))
