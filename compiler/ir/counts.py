"""Counts in few digits."""

from __future__ import annotations

from fractions import Fraction
from math import floor, log10

UNITS = ((10**15, "P"), (10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))
MOST_DIGITS = 60
"""A message tells counts of up to so many digits in full, so that a claim can take them over."""


def short(count: int) -> str:
    """A count to three digits: `4.09 G`."""
    for size, unit in UNITS:
        if count >= size:
            value = count / size
            return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f} {unit}"
    return str(count)


def rounded(count: int, most_digits: int = MOST_DIGITS) -> str:
    """A count in full, to four digits where it is longer than `most_digits`: `1.389e+3010`."""
    if abs(count) < 10**most_digits:
        return f"{count:,}"
    size, sign = abs(count), "-" * (count < 0)
    shift = max(size.bit_length() - 64, 0)
    exponent = floor(log10(size >> shift) + shift * log10(2))
    value = float(Fraction(size, 10**exponent))
    if value >= 10:
        value, exponent = value / 10, exponent + 1
    return f"{sign}{value:.3f}e+{exponent}"
