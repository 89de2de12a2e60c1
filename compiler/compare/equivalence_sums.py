"""Sums of many terms, each most often another sum and a few terms more."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

Factor = Fraction | int
FEW = 8
"""How many times fewer the terms must be that a sum has more than another one, to be put in one by one."""


@dataclass(frozen=True, slots=True, eq=False)
class Summand:
    """A term of sums, made once: `kind` numbers what it computes, `amount` is how much of that it is, `start` the first
    channel of what it is made of, None where it is made of no tensor, and `order` its place in a sum."""

    term: Any
    kind: int
    amount: int
    start: int | None
    zero: bool
    order: tuple[int, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Total:
    """What a sum comes to: its terms in order, also as a form has them; of each kind with a factor how much; and where
    the first expression begins, and the first of what stands under weights."""

    factors: Mapping[Summand, Factor]
    kept: list[tuple[Factor, Summand]]
    shown: list[tuple[Factor, Any]]
    amounts: dict[tuple[Factor, int], int]
    expression: int | None = None
    weighted: int | None = None

    @property
    def first(self) -> int:
        """Where it begins."""
        return next((start for start in (self.expression, self.weighted) if start is not None), 0)


def total(factors: dict[Summand, Factor], base: Total | None, more: Collection[Summand]) -> Total:
    """The sum of terms with factors; of which all but `more` are those of `base`, if there is one."""
    if base is not None and base.expression is base.weighted is None:
        base = None
    if base is None or FEW * len(more) > len(factors) or any(_changes(s, factors, base) for s in more):
        return _anew(factors)
    kept, shown, amounts = base.kept.copy(), base.shown.copy(), base.amounts.copy()
    for s in more:
        place = bisect_right(kept, _place((factors[s], s)), key=_place)
        kept.insert(place, (factors[s], s))
        shown.insert(place, (factors[s], s.term))
    starts = _starts(more, base.expression, base.weighted)
    return Total(factors, kept, shown, _counted(amounts, factors, more), *starts)


def _changes(s: Summand, factors: Mapping[Summand, Factor], base: Total) -> bool:
    """Whether a term is none that comes to those of another sum."""
    return s.zero or not factors[s] or s in base.factors


def _anew(factors: Mapping[Summand, Factor]) -> Total:
    kept = [(factor, s) for s, factor in factors.items() if factor and not s.zero]
    starts = _starts([s for _, s in kept])
    if starts == (None, None):
        # what cancels, and zeros, still say of what shape the sum is
        kept += [(factor, s) for s, factor in factors.items() if not factor or s.zero]
        starts = _starts([s for _, s in kept])
    kept.sort(key=_place)
    own = {s: factor for factor, s in kept}
    return Total(own, kept, [(factor, s.term) for factor, s in kept], _counted({}, own, own), *starts)


def _starts(
    terms: Collection[Summand], expression: int | None = None, weighted: int | None = None
) -> tuple[int | None, int | None]:
    """Where the first expression begins, and the first of what stands under weights, if not where is given."""
    for s in terms:
        if s.start is None:
            continue
        if isinstance(s.term, int):
            expression = s.start if expression is None else min(expression, s.start)
        else:
            weighted = s.start if weighted is None else min(weighted, s.start)
    return expression, weighted


def _place(pair: tuple[Factor, Summand]) -> tuple[Factor, tuple[int, Any]]:
    return pair[0], pair[1].order


def _counted(
    amounts: dict[tuple[Factor, int], int], factors: Mapping[Summand, Factor], more: Collection[Summand]
) -> dict[tuple[Factor, int], int]:
    for s in more:
        key = factors[s], s.kind
        amounts[key] = amounts.get(key, 0) + s.amount
    return amounts
