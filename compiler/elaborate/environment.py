"""Names and what they stand for, scope within scope."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...dsl.frameworks import called_here

MISSING = object()


class Environment:
    """A namespace inside another. `in` is kept beside the names, since it is lexical too."""

    __slots__ = ("names", "parent")

    def __init__(self, parent: Environment | None = None, names: dict[str, Any] | None = None):
        self.parent = parent
        self.names = {} if names is None else names

    def lookup(self, name: str) -> Any:
        """The value of a name, MISSING where nothing has it."""
        scope: Environment | None = self
        while scope is not None:
            value = scope.names.get(name, MISSING)
            if value is not MISSING:
                return value
            scope = scope.parent
        return MISSING

    def __iter__(self) -> Iterator[str]:
        """Every visible name, innermost first."""
        scope: Environment | None = self
        while scope is not None:
            yield from scope.names
            scope = scope.parent


def nearest(name: str, known: list[str]) -> list[str]:
    """Up to three known names that `name` may be a slip of."""
    from difflib import get_close_matches

    return get_close_matches(name, sorted({k for k in known if k.isidentifier()}), n=3, cutoff=0.6)


INPUTS = frozenset({"x", "image", "img", "input", "inputs", "h", "self", "X"})


def did_you_mean(name: str, known: list[str], in_block: bool = False, layers: bool = False) -> tuple[str, ...]:
    """A hint that offers the nearest known names, or none. A name that may be that of a layer is looked up among those
    of other frameworks too."""
    same = [k for k in known if k.lower() == name.lower()]
    here = called_here(name) if layers and not same else None
    if here:
        return (f"here it is {here}",)
    if in_block and name in INPUTS:
        return ("the input of a block is `in`",)
    close = same or nearest(name, known)
    return (f"did you mean {' or '.join(f'`{c}`' for c in close)}?",) if close else ()
