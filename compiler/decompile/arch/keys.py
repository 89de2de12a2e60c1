"""What two parts of an architecture's text have in common, and the values in which they differ."""

from __future__ import annotations

from typing import Any

from .terms import Term, walk
from .units import Unit


class Keys:
    """A number for each structure: parts with equal numbers are equal but for their values."""

    def __init__(self) -> None:
        self._known: dict[Any, int] = {}
        self._values: dict[int, list[Any]] = {}

    def settle(self, unit: Unit) -> None:
        """Gives a unit whose text is final its key."""
        unit.key = self.of_text(unit, unit.written)
        self._values[id(unit)] = [value for term in unit.written for value in self.values(term)]

    def of_text(self, unit: Unit, terms: list[Term]) -> int:
        """The key that a unit would have if these were its terms."""
        *terms, result = terms
        statements = tuple(
            (tuple(s.targets), s.opening, self.of(t)) for s, t in zip(unit.statements, terms, strict=True)
        )
        shape = None if unit.network else (len(unit.inputs), len(unit.outputs), tuple(unit.order))
        return self._known.setdefault((shape, statements, self.of(result)), len(self._known))

    def of(self, term: Term) -> Any:
        """The structure of a term."""
        inner = term.unit.key if term.unit is not None else None
        return term.tag, term.data, len(term.values), inner, tuple([self.of(part) for part in term.parts])

    def values(self, term: Term) -> list[Any]:
        """Every value in a term and in the units in it, in order."""
        found: list[Any] = []
        for item in walk(term):
            found += item.values
            if item.unit is not None:
                found += self._values[id(item.unit)]
        return found

    def of_unit(self, unit: Unit) -> list[Any]:
        """Every value in a unit."""
        return self._values[id(unit)]

    def alike(self, a: Unit, b: Unit) -> bool:
        """Whether two units are the same text."""
        return a.key == b.key and repr(self.of_unit(a)) == repr(self.of_unit(b))

    def equal(self, a: Term, b: Term) -> bool:
        """Whether two terms are the same text."""
        return self.of(a) == self.of(b) and repr(self.values(a)) == repr(self.values(b))
