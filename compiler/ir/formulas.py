"""Claims on symbolic sizes as formulas."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass, replace

from .legal import Legal
from .proofs import column
from .sizes import Dim, Size, evaluate, substitute, symbol, symbols

_RELATIONS = {"==": operator.eq, ">=": operator.ge, "<=": operator.le}


@dataclass(frozen=True, slots=True)
class Formula:
    """A requirement: `left relation right`, the left taken modulo `modulus` where it is not 0. `relation` is `==`, `>=`
    or `<=`. `least` says the same where it is not empty: one of these symbols is at least so large."""

    left: Dim
    relation: str
    right: Dim
    modulus: int = 0
    least: tuple[tuple[str, int], ...] = ()

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
        return _RELATIONS[self.relation](left, right)

    def symbols(self) -> frozenset[str]:
        return symbols(self.left) | symbols(self.right)

    def implies(self, other: Formula) -> bool:
        """Whether the other holds wherever this does, as far as `least` tells."""
        lows = dict(other.least)
        return bool(self.least) and all(name in lows and lows[name] <= low for name, low in self.least)

    def failure(self, sizes: Mapping[str, int]) -> str:
        """The formula, and the values that its sides have instead."""
        sides = self._sides(sizes)
        if sides is None:
            return f"{self}, but this divides by 0"
        if self.least:
            return f"{self}, but {' and '.join(f'{name} = {sizes[name]}' for name, _ in self.least)}"
        left, right = sides
        text = f"{self}, but {self._left()} = {left % self.modulus if self.modulus else left}"
        return text if isinstance(self.right, int) else f"{text} and {self.right} = {right}"

    def __str__(self) -> str:
        if self.least:
            return _one_of(self.least)
        return f"{self._left()} {self.relation} {self.right}"

    def _left(self) -> str:
        if not self.modulus:
            return str(self.left)
        bare = isinstance(self.left, Size) and self.left.name is not None
        return f"{self.left} % {self.modulus}" if bare else f"({self.left}) % {self.modulus}"


def as_formulas(name: str, legal: Legal) -> list[Formula] | None:
    """The values that a symbol may take, as formulas; None where some of the values need one of their own."""
    size, values = symbol(name), legal.values
    if values is not None:
        return [Formula(size, "==", value) for value in values] if len(values) == 1 else None
    if len(legal.residues) > 1:
        return None
    found = [Formula(size, ">=", legal.low)] if legal.low > 1 else []
    found += [] if legal.high is None else [Formula(size, "<=", legal.high)]
    return found + ([Formula(size, "==", min(legal.residues), legal.modulus)] if legal.modulus > 1 else [])


def _one_of(least: tuple[tuple[str, int], ...]) -> str:
    names: dict[int, list[str]] = {}
    for name, low in least:
        names.setdefault(low, []).append(name)
    return ", or ".join(f"{_either(of)} at least {low}" for low, of in names.items())


def _either(names: list[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
