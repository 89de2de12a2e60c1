"""Which parts of a tree are sharded and gathered as wholes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

PART = 16
"""A part with more than a sixteenth of the parameters is opened."""

T = TypeVar("T")


def sharded_units(
    root: T, parameters: Callable[[T], int], inner: Callable[[T], Iterable[T]], callable_: Callable[[T], bool]
) -> list[T]:
    """From the root down a part is opened while it holds a sixteenth of the parameters, or cannot be called, and has
    parts with parameters in it; the other callable ones are the units. What is in no unit belongs to the root."""
    most = parameters(root) // PART
    found, stack = list[T](), [root]
    while stack:
        part = stack.pop()
        inside = [child for child in inner(part) if parameters(child)]
        whole = part is not root and callable_(part)
        if inside and (parameters(part) > most or not whole):
            stack += reversed(inside)
        elif whole:
            found.append(part)
    return found
