"""What must hold of the symbolic sizes of an architecture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice, takewhile
from math import gcd

from .legal import Legal
from .proofs import column, prove_at_least, prove_equal, tabulate
from .sizes import Dim, Size, evaluate, substitute, symbol, symbols, total

SEARCH_BOUND = 2**20
"""`Requirements.smallest` looks no further than this."""

_CHUNK = 2**14
_FAR = 2**64


@dataclass(frozen=True, slots=True)
class Formula:
    """A requirement that no set of values of one symbol expresses: `left relation right`, both taken modulo `modulus`
    where it is not 0. `relation` is `==` or `>=`."""

    left: Dim
    relation: str
    right: Dim
    modulus: int = 0

    def holds(self, sizes: Mapping[str, int]) -> bool:
        sides = self._sides(sizes)
        return sides is not None and self._compare(*sides)

    def of(self, name: str, names: list[str]) -> Formula:
        """The formula with one symbol in place of each of several."""
        to = dict.fromkeys(names, symbol(name))
        return replace(self, left=substitute(self.left, to), right=substitute(self.right, to))

    def filtered(self, values: list[int]) -> list[int]:
        """Those values of the formula's one symbol at which it holds."""
        try:
            sides = zip(values, column(self.left, values), column(self.right, values), strict=True)
        except ZeroDivisionError:
            (name,) = self.symbols()
            return [value for value in values if self.holds({name: value})]
        return [value for value, left, right in sides if self._compare(left, right)]

    def _sides(self, sizes: Mapping[str, int]) -> tuple[int, int] | None:
        """The values of the sides, None where one divides by 0."""
        try:
            return evaluate(self.left, sizes), evaluate(self.right, sizes)
        except ZeroDivisionError:
            return None

    def _compare(self, left: int, right: int) -> bool:
        left = left % self.modulus if self.modulus else left
        return left >= right if self.relation == ">=" else left == right

    def symbols(self) -> frozenset[str]:
        return symbols(self.left) | symbols(self.right)

    def failure(self, sizes: Mapping[str, int]) -> str:
        """The formula, and the values that its sides have instead."""
        sides = self._sides(sizes)
        if sides is None:
            return f"{self}, but this divides by 0"
        left, right = sides
        text = f"{self}, but {self._left()} = {left % self.modulus if self.modulus else left}"
        return text if isinstance(self.right, int) else f"{text} and {self.right} = {right}"

    def __str__(self) -> str:
        return f"{self._left()} {self.relation} {self.right}"

    def _left(self) -> str:
        if not self.modulus:
            return str(self.left)
        bare = isinstance(self.left, Size) and self.left.name is not None
        return f"{self.left} % {self.modulus}" if bare else f"({self.left}) % {self.modulus}"


class Requirements:
    """The claims on symbolic sizes that could not be decided, and so are required of whoever gives the sizes.

    A claim that needs one symbol narrows the values which that symbol may take; others are kept as formulas.
    """

    def __init__(self) -> None:
        self._answers: dict[tuple[str, Dim, Dim], bool] = {}
        self._legal: dict[str, Legal] = {}
        self._formulas: dict[Formula, None] = {}

    def equal(self, a: Dim, b: Dim) -> bool:
        """Require a == b. False where that never holds, alone or with what is required already."""
        if a is b:
            return True
        if isinstance(a, int) and isinstance(b, int):
            return a == b
        return self._ask("==", a, b, _require_equal)

    def at_least(self, a: Dim, n: Dim) -> bool:
        """Require a >= n. False where that never holds, alone or with what is required already."""
        if isinstance(a, int) and isinstance(n, int):
            return a >= n
        return self._ask(">=", a, n, _require_at_least)

    def divisible(self, a: Dim, n: int) -> bool:
        """Require a to be a multiple of n >= 1. False where it never is, alone or with what is required already."""
        if isinstance(a, int):
            return a % n == 0
        return self._ask("%", a, n, _require_divisible)

    def certainly_equal(self, a: Dim, b: Dim) -> bool:
        """Whether a == b is proved for all sizes. Requires nothing."""
        if a is b:
            return True
        if isinstance(a, int) and isinstance(b, int):
            return a == b
        key = ("is", a, b)
        answer = self._answers.get(key)
        if answer is None:
            answer = self._answers[key] = prove_equal(a, b) is True
        return answer

    @property
    def asked(self) -> int:
        """How many different questions were asked so far: where it has not grown, nothing more is required."""
        return len(self._answers)

    def symbols(self) -> frozenset[str]:
        """The symbols of which something is required."""
        return frozenset(self._legal).union(*(formula.symbols() for formula in self._formulas))

    def describe(self) -> list[str]:
        """The requirements in words, merged: bounds, then what else is asked of one symbol, then of several."""
        bounded: dict[int, list[str]] = {}
        others: list[str] = []
        for name, legal in self._legal.items():
            for text, part in legal.parts(name):
                if part == Legal(low=part.low):
                    bounded.setdefault(part.low, []).append(name)
                else:
                    others.append(text)
        least = [f"{_joined(names)} at least {low}" for low, names in bounded.items()]
        return least + others + [str(formula) for formula in self._formulas]

    def violations(self, sizes: Mapping[str, int]) -> list[str]:
        """What is required and fails at these sizes, with the sizes. Raises ValueError where a symbol has no size."""
        missing = sorted(self.symbols() - sizes.keys())
        if missing:
            raise ValueError(f"no value is given for the size {missing[0]}")
        failures = [f"{name} at least 1, but {name} = {size}" for name, size in sizes.items() if size < 1]
        for name, legal in self._legal.items():
            if sizes[name] >= 1:
                texts = [text for text, part in legal.parts(name) if sizes[name] not in part]
                failures += [f"{text}, but {name} = {sizes[name]}" for text in texts]
        return failures + [formula.failure(sizes) for formula in self._formulas if not formula.holds(sizes)]

    def smallest(self) -> dict[str, int] | None:
        """The smallest value of each symbol that the requirements on it alone allow.

        Symbols required to be equal get one value. Other formulas over several symbols may still fail. None where some
        symbol has no value up to SEARCH_BOUND.
        """
        sizes: dict[str, int] = {}
        for names in self.equal_symbols():
            value = self._smallest(names)
            if value is None:
                return None
            sizes |= dict.fromkeys(names, value)
        return sizes

    def _smallest(self, names: list[str]) -> int | None:
        legals = [self._legal[name] for name in names if name in self._legal] or [Legal()]
        formulas = [formula.of(names[0], names) for formula in self._formulas if formula.symbols() <= set(names)]
        candidates = takewhile(lambda value: value <= SEARCH_BOUND, legals[0].ascending())
        length = 1
        while chunk := list(islice(candidates, length)):
            chunk = [value for value in chunk if all(value in legal for legal in legals[1:])]
            for formula in formulas:
                chunk = formula.filtered(chunk)
            if chunk:
                return chunk[0]
            length = min(2 * length, _CHUNK)
        return None

    def equal_symbols(self, others: Iterable[str] = ()) -> list[list[str]]:
        """The symbols, and `others` of which nothing is required; those together that are required to be equal."""
        groups = {name: [name] for name in sorted(self.symbols().union(others))}
        for formula in self._formulas:
            names = [side.name for side in (formula.left, formula.right) if isinstance(side, Size) and side.name]
            if formula.relation != "==" or len(names) != 2:
                continue
            first, second = (groups[name] for name in names)
            if first is not second:
                first += second
                groups |= dict.fromkeys(second, first)
        return list({id(group): group for group in groups.values()}.values())

    def _ask(self, kind: str, a: Dim, b: Dim, require: Callable[[Dim, Dim], Requirement]) -> bool:
        key = (kind, a, b)
        answer = self._answers.get(key)
        if answer is None:
            answer = self._answers[key] = self._record(require(a, b))
        return answer

    def _record(self, requirement: Requirement) -> bool:
        if isinstance(requirement, bool):
            return requirement
        if isinstance(requirement, Formula):
            self._formulas[requirement] = None
            return True
        name, legal, formula = requirement
        known = self._legal.get(name, Legal())
        both = known.meet(legal)
        if both is None:
            self._formulas[formula] = None
            return True
        if both.least() is None:
            return False
        if both != Legal():
            self._legal[name] = both
        return True


Requirement = bool | Formula | tuple[str, Legal, Formula]
"""A claim: decided, or a formula, or the values of a symbol that meet it, with the formula that says the same."""


def _require_equal(a: Dim, b: Dim) -> Requirement:
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


def _require_at_least(a: Dim, n: Dim) -> Requirement:
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


def _require_divisible(a: Dim, n: Dim) -> Requirement:
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


def _joined(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
