"""Names that nothing else has."""

from __future__ import annotations

from collections.abc import Iterable


class FreeNames:
    """Gives out names, each once: `name`, then `name_2`, and so on."""

    def __init__(self, taken: Iterable[str] = ()):
        self.taken = set(taken)
        self._numbers: dict[str, int] = {}

    def is_taken(self, name: str) -> bool:
        return name in self.taken

    def new(self, name: str, glue: str = "_") -> str:
        """The name, or with a number behind `glue` where it is taken. It is taken from now on."""
        number = self._numbers.get(name, 1)
        while self.is_taken(found := name if number == 1 else f"{name}{glue}{number}"):
            number += 1
        self._numbers[name] = number
        self.taken.add(found)
        return found

    def release(self, found: Iterable[str], names: Iterable[str]) -> None:
        """Gives back what `new` gave for some names."""
        self.taken.difference_update(found)
        for name in names:
            self._numbers.pop(name, None)
