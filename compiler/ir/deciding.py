"""What a claim on symbolic sizes asks of the symbols."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd, prod

from .formulas import Formula
from .legal import Legal
from .proofs import prove_at_least, prove_equal, tabulate
from .sizes import Dim, Size, total

_FAR = 2**64

Requirement = bool | Formula | tuple[str, Legal, Formula]
"""A claim: decided, or a formula, or the values of a symbol that meet it, with the formula that says the same."""


def require_equal(a: Dim, b: Dim) -> Requirement:
    known = prove_equal(a, b)
    gap = a - b
    if known is not None or isinstance(gap, int):
        return bool(known)
    formula = _equation(gap)
    table = tabulate(gap)
    if table is None:
        return formula
    if table.rise == 0:
        residues = frozenset((i + 1) % table.period for i, value in enumerate(table.values) if value == 0)
        return table.symbol, Legal.periodic(table.period, residues), formula
    values = frozenset(
        i + 1 - value // table.rise * table.period
        for i, value in enumerate(table.values)
        if value % table.rise == 0 and -value // table.rise >= 0
    )
    return table.symbol, Legal(values=values), formula


def require_at_least(a: Dim, n: Dim) -> Requirement:
    known = prove_at_least(a, n)
    gap = a - n
    if known is not None or isinstance(gap, int):
        return bool(known)
    left, right = _invert(gap, 0)
    formula = Formula(left, ">=", right)
    if len(left.symbols()) != 1:
        return formula
    legal = _legal_at_least(left, right)
    (name,) = left.symbols()
    return formula if legal is None else (name, legal, formula)


def require_several(sizes: Sequence[Dim]) -> Requirement:
    """That one of the sizes is 2 or more."""
    lows: dict[str, int] = {}
    told = True
    for size in sizes:
        found = require_at_least(size, 2) if not isinstance(size, int) else size > 1
        if found is True:
            return True
        if isinstance(found, tuple) and found[1] == Legal(low=found[1].low):
            name, legal, _ = found
            lows[name] = min(legal.low, lows.get(name, legal.low))
        else:
            told = told and found is False
    left = prod(sizes)
    if isinstance(left, int):
        return left > 1
    formula = Formula(left, ">=", 2, least=tuple(lows.items()) if told else ())
    if told and len(lows) == 1:
        ((name, low),) = lows.items()
        return name, Legal(low=low), formula
    return formula if lows or not told else False


def require_divisible(a: Dim, n: Dim) -> Requirement:
    assert isinstance(a, Size) and isinstance(n, int)
    factors = {monomial: factor % n for monomial, factor in a.terms.items() if factor % n}
    common = gcd(n, *factors.values())
    if a.constant % common:
        return False
    modulus = n // common
    if modulus == 1:
        return True
    right = -a.constant // common % modulus
    if len(factors) == 1:
        # A single term: its factor has an inverse.
        ((monomial, factor),) = factors.items()
        right = right * pow(factor // common, -1, modulus) % modulus
        factors = {monomial: common}
    left = total(Size.product(monomial, factor // common) for monomial, factor in factors.items())
    assert isinstance(left, Size)
    formula = Formula(left, "==", right, modulus)
    if left.name is not None:
        return left.name, Legal(modulus=modulus, residues=frozenset((right,))), formula
    table = tabulate(left)
    table = table and tabulate(left, table.period * (modulus // gcd(table.rise, modulus)))
    if table is None:
        return formula
    residues = {(i + 1) % table.period for i, value in enumerate(table.values) if value % modulus == right}
    return (table.symbol, Legal.periodic(table.period, frozenset(residues)), formula) if residues else False


def _equation(gap: Size) -> Formula:
    """`gap == 0` with the terms on the sides where they are positive."""
    common = gcd(*gap.terms.values())
    constant = gap.constant // common
    left = total(Size.product(m, factor // common) for m, factor in gap.terms.items() if factor > 0)
    right = total(Size.product(m, -factor // common) for m, factor in gap.terms.items() if factor < 0)
    if left == 0:
        return Formula(right, "==", constant)
    if right == 0 or constant < 0:
        return Formula(left, "==", right - constant)
    return Formula(left + constant, "==", right)


def _invert(left: Size, right: int) -> tuple[Size, int]:
    """The same as `left >= right`, with what can be undone done to the other side."""
    while True:
        common = gcd(*left.terms.values())
        right = -((left.constant - right) // common)
        shrunk = total(Size.product(monomial, factor // common) for monomial, factor in left.terms.items())
        assert isinstance(shrunk, Size)
        left = shrunk
        division = left.division
        if division is None:
            return left, right
        left, right = division[0], right * division[1]


def _legal_at_least(left: Size, right: int) -> Legal | None:
    """The values of the one symbol where left >= right; None where they are no range, or none is found."""
    if left.name is not None:
        return Legal(low=right)
    gap = left - right
    assert isinstance(gap, Size)
    table = tabulate(gap)
    if table is None:
        return _legal_by_search(gap) if gap.rising else None
    if table.rise == 0:
        residues = frozenset((i + 1) % table.period for i, value in enumerate(table.values) if value >= 0)
        return Legal.periodic(table.period, residues)
    if table.rise > 0:
        # For each residue, the first value from which the claim holds.
        starts = [i + 1 + max(0, -(v // table.rise)) * table.period for i, v in enumerate(table.values)]
        return Legal(low=min(starts)) if min(starts) > max(starts) - table.period else None
    ends = [i + 1 + max(-1, v // -table.rise) * table.period for i, v in enumerate(table.values)]
    return Legal(high=max(ends)) if max(ends) < min(ends) + table.period else None


def _legal_by_search(gap: Size) -> Legal | None:
    """The least value of the one symbol where the rising `gap` is not negative."""
    (name,) = gap.symbols()
    high = 1
    while gap.evaluate({name: high}) < 0:
        high *= 2
        if high > _FAR:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if gap.evaluate({name: middle}) < 0 else (low, middle)
    return Legal(low=high)
