"""Between which numbers the values of a size lie, and how they repeat."""

from __future__ import annotations

from math import gcd, lcm, prod
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from .sizes import Dim, Monomial, Size

MAX_PERIOD = 4096
"""Up to this many residues of a symbol are tried in order to decide a claim."""

Interval: TypeAlias = tuple[int | None, int | None]
"""The least and the greatest value, None where there is no bound."""


def step(size: Dim) -> tuple[int, int] | None:
    """(rise, period) as for an Atom."""
    if isinstance(size, int) or len(size.symbols()) != 1:
        return None
    rise, period = 0, 1
    for monomial, factor in size.terms.items():
        each = monomial[0].step
        if len(monomial) != 1 or each is None:
            return None
        both = lcm(period, each[1])
        rise = rise * (both // period) + factor * each[0] * (both // each[1])
        period = both
    return (rise, period) if period <= MAX_PERIOD else None


def atom_step(kind: str, operands: tuple[Dim, ...]) -> tuple[int, int] | None:
    if kind == "symbol":
        return 1, 1
    if kind != "//" or not isinstance(operands[1], int):
        return None
    inner = step(operands[0])
    if inner is None:
        return None
    times = operands[1] // gcd(inner[0], operands[1])
    return (inner[0] * times // operands[1], inner[1] * times) if inner[1] * times <= MAX_PERIOD else None


def interval(size: Size) -> Interval:
    low: int | None = size.constant
    high: int | None = size.constant
    for monomial, factor in size.terms.items():
        least, most = _monomial_interval(monomial)
        if factor < 0:
            least, most = most, least
        low = None if low is None or least is None else low + factor * least
        high = None if high is None or most is None else high + factor * most
    return low, high


def _monomial_interval(monomial: Monomial) -> Interval:
    if len(monomial) == 1:
        return monomial[0].low, monomial[0].high
    lows = [atom.low for atom in monomial if atom.low is not None]
    highs = [atom.high for atom in monomial if atom.high is not None]
    if len(lows) < len(monomial) or min(lows) < 0:
        return None, None
    return prod(lows), prod(highs) if len(highs) == len(monomial) else None


def _bounds(dim: Dim) -> Interval:
    return (dim, dim) if isinstance(dim, int) else dim.interval


def atom_interval(kind: str, operands: tuple[Dim, ...]) -> Interval:
    if kind == "symbol":
        return 1, None
    pairs = [_bounds(d) for d in operands]
    if kind == "//":
        return _quotient_interval(*pairs)
    lows = [low for low, _ in pairs if low is not None]
    highs = [high for _, high in pairs if high is not None]
    if kind == "max":
        return max(lows, default=None), max(highs) if len(highs) == len(pairs) else None
    return min(lows) if len(lows) == len(pairs) else None, min(highs, default=None)


def _quotient_interval(above: Interval, below: Interval) -> Interval:
    least, most = below
    if least is None or least < 1:
        return None, None
    low, high = above
    if most == least:
        return None if low is None else low // least, None if high is None else high // least
    if low is None or low < 0:
        return None, None
    return 0 if most is None else low // most, None if high is None else high // least
