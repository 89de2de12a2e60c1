"""What can be reached from somewhere."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T", bound=Hashable)


def reached(starts: Iterable[T], following: Callable[[T], Iterable[T]]) -> Iterator[T]:
    """These and all that follows from them, each once, depth first."""
    stack = list(dict.fromkeys(starts))
    seen = set(stack)
    while stack:
        yield (item := stack.pop())
        for other in following(item):
            if other not in seen:
                seen.add(other)
                stack.append(other)
