"""What of a module the language cannot say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...dsl.diagnostics import ArchError, refused

LISTED = 40
"""How many of the calls that the language has nothing for a message lists."""


class Unsayable(Exception):
    """A call has no counterpart in the language; the text says why."""


def handled(name: str, make: Callable[[Any], Any], call: Any) -> Any:
    """What a handler makes of a call. Raises Unsayable also where it does not foresee the form of the call."""
    try:
        return make(call)
    except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise Unsayable(f"`{name}` as it is called here") from error


class Poisoned(Exception):
    """Stops what depends on something that is missing already."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A call that the language has nothing for."""

    what: str
    module: str
    line: str

    def __str__(self) -> str:
        where = f" in `{self.module}`" if self.module else ""
        return f"{self.what}{where}{f', {self.line}' if self.line else ''}"


def missing(what: str, calls: Sequence[Missing], *hints: str) -> ArchError:
    """The error (E1204) that lists the calls of a module that the language has nothing for."""
    listed = list(dict.fromkeys(map(str, calls)))
    rows = [*listed[:LISTED], *([f"and {len(listed) - LISTED} more"] if len(listed) > LISTED else [])]
    return refused("E1204", "\n  ".join([f"{what} does what the language cannot say:", *rows]), *hints)
