"""Sizes and costs as exact arithmetic of other sizes, found from what a module makes at several of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import gcd, prod

Point = tuple[Mapping[str, int], int]
"""Sizes by name, and what the module makes at them."""
FACTORS, DIVISORS = 16, 64
"""The largest factor and the largest divisor of a size that are looked for."""
ENOUGH = 3
"""At so many values of a size its part in another is known."""


@dataclass(frozen=True, slots=True)
class Part:
    """`(factor * name + shift) // divisor`."""

    name: str
    factor: int = 1
    shift: int = 0
    divisor: int = 1

    def at(self, sizes: Mapping[str, int]) -> int:
        return (self.factor * sizes[self.name] + self.shift) // self.divisor

    def __str__(self) -> str:
        text = self.name if self.factor == 1 else f"{self.factor} * {self.name}"
        if self.shift:
            text = f"{text} {'-' if self.shift < 0 else '+'} {abs(self.shift)}"
        if self.divisor == 1:
            return text
        return f"({text}) // {self.divisor}" if self.shift or self.factor != 1 else f"{text} // {self.divisor}"


@dataclass(frozen=True, slots=True)
class Formula:
    """A product of a number and parts of sizes, each of another size."""

    number: int
    parts: tuple[Part, ...] = ()

    def at(self, sizes: Mapping[str, int]) -> int:
        return self.number * prod(part.at(sizes) for part in self.parts)

    def __str__(self) -> str:
        if self.number == 1 and len(self.parts) == 1:
            return str(self.parts[0])
        texts = [text if (text := str(part)).isidentifier() else f"({text})" for part in self.parts]
        return " * ".join([*([str(self.number)] if self.number != 1 or not texts else []), *texts])


def fitted(points: Sequence[Point]) -> Formula | None:
    """The simplest product that gives all points, None where none does. The first point is the base: others tell of the
    sizes in which they differ from it."""
    base, made = points[0]
    parts: list[Part] = []
    for name in base:
        line = {at[name]: size for at, size in points if all(at[n] == base[n] or n == name for n in base)}
        if len({*line.values()}) == 1:
            continue
        part = _part(name, line) if len(line) >= ENOUGH else None
        if part is None:
            return None
        parts.append(part)
    whole = prod(part.at(base) for part in parts)
    formula = Formula(made // whole, tuple(parts)) if whole and made % whole == 0 else None
    return formula if formula is not None and all(formula.at(at) == size for at, size in points) else None


def _part(name: str, line: Mapping[int, int]) -> Part | None:
    """The part that a size has in what is made along a line of its values, up to a number."""
    common = gcd(*line.values())
    numbers = {1, *(common // own for own in range(1, DIVISORS + 1) if common and common % own == 0)}
    found = [part for n in numbers for part in _linear(name, {at: size // n for at, size in line.items()})]
    return min(found, key=_length, default=None)


def _length(part: Part) -> tuple[int, ...]:
    said = bool(part.shift) + (part.divisor > 1) + (part.factor > 1)
    return said, abs(part.shift), part.divisor, part.factor


def _linear(name: str, line: Mapping[int, int]) -> list[Part]:
    found: list[Part] = []
    for factor, divisor in [*((f, 1) for f in range(1, FACTORS + 1)), *((1, d) for d in range(2, DIVISORS + 1))]:
        low = max(size * divisor - factor * at for at, size in line.items())
        high = min(size * divisor - factor * at + divisor - 1 for at, size in line.items())
        if low <= high:
            found.append(Part(name, factor, min(max(low, 0), high), divisor))
    return found
