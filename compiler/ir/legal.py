"""The values that one symbolic size may take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import gcd, lcm

_MAX_PAIRS = 2**14
_MAX_LISTED = 8


@dataclass(frozen=True, slots=True)
class Legal:
    """The values that one symbol may take: those in `values`, or where it is None those in the range and residues."""

    low: int = 1
    high: int | None = None
    modulus: int = 1
    residues: frozenset[int] = frozenset((0,))
    values: frozenset[int] | None = None

    @staticmethod
    def periodic(modulus: int, residues: frozenset[int]) -> Legal:
        """These residues, to the smallest modulus that expresses them."""
        prime = 2
        while prime <= len(residues):
            fewer = (
                frozenset(residue % (modulus // prime) for residue in residues) if modulus % prime == 0 else residues
            )
            if len(fewer) * prime == len(residues):
                modulus, residues = modulus // prime, fewer
            else:
                prime += 1
        return Legal(modulus=modulus, residues=residues)

    def __contains__(self, value: int) -> bool:
        if self.values is not None:
            return value in self.values
        in_range = self.low <= value and (self.high is None or value <= self.high)
        return in_range and value % self.modulus in self.residues

    def ascending(self) -> Iterator[int]:
        """The values in order; endless where there is no greatest."""
        if self.values is not None:
            yield from sorted(self.values)
            return
        start = self.low
        offsets = sorted((residue - start) % self.modulus for residue in self.residues)
        while offsets:
            for offset in offsets:
                if self.high is not None and start + offset > self.high:
                    return
                yield start + offset
            start += self.modulus

    def least(self) -> int | None:
        """The smallest value, None where there is none."""
        return next(self.ascending(), None)

    def meet(self, other: Legal) -> Legal | None:
        """The values in both; None where there are too many residues to list."""
        if self.values is not None or other.values is not None:
            some, rest = (self, other) if self.values is not None else (other, self)
            return Legal(values=frozenset(value for value in some.values or () if value in rest))
        if len(self.residues) * len(other.residues) > _MAX_PAIRS:
            return None
        highs = [high for high in (self.high, other.high) if high is not None]
        modulus, residues = _common_residues(self, other)
        return Legal(max(self.low, other.low), min(highs, default=None), modulus, residues)

    def parts(self, name: str) -> list[tuple[str, Legal]]:
        """The claims that make it up, in words, each with what it allows; a lower bound only where it says more."""
        if self.values is not None or self.high == self.low:
            values = sorted(self.values if self.values is not None else (self.low,))
            return [(f"{name} == {values[0]}" if len(values) == 1 else f"{name} in {_listed(values)}", self)]
        parts: list[tuple[str, Legal]] = []
        if replace(self, low=1).least() != self.least():
            parts.append((f"{name} at least {self.low}", Legal(low=self.low)))
        if self.high is not None:
            parts.append((f"{name} at most {self.high}", Legal(high=self.high)))
        if len(self.residues) < self.modulus:
            parts.append((f"{name} % {self.modulus} {self._residues_text()}", replace(self, low=1, high=None)))
        return parts

    def _residues_text(self) -> str:
        if len(self.residues) == 1:
            return f"== {min(self.residues)}"
        if len(self.residues) > _MAX_LISTED and self.modulus - len(self.residues) <= _MAX_LISTED:
            return f"not in {_listed(sorted(set(range(self.modulus)) - self.residues))}"
        return f"in {_listed(sorted(self.residues))}"


def _common_residues(a: Legal, b: Legal) -> tuple[int, frozenset[int]]:
    common = gcd(a.modulus, b.modulus)
    other = b.modulus // common
    inverse = pow(a.modulus // common, -1, other)
    residues = frozenset(
        r + a.modulus * ((s - r) // common * inverse % other)
        for r in a.residues
        for s in b.residues
        if (s - r) % common == 0
    )
    legal = Legal.periodic(lcm(a.modulus, b.modulus), residues)
    return legal.modulus, legal.residues


def _listed(values: list[int]) -> str:
    return "{" + ", ".join(map(str, values)) + "}"
