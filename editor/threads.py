"""Threads in which texts are analysed and questions answered."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from ..compiler.program import recursion_depth

DEBOUNCE = 0.03
"""Seconds for which a text must rest before it is analysed."""
_STACK = 64 * 1024 * 1024
"""Bytes of the stack of a thread: specs may nest as deep there as they may elsewhere."""


def deep_thread(name: str) -> ThreadPoolExecutor:
    """One thread with room for deep recursion. Call it where no other thread is being started: the size of stacks is
    the process's."""
    before = threading.stack_size(_STACK)
    try:
        pool = ThreadPoolExecutor(1, name, initializer=_deep)
        pool.submit(int).result()  # its thread starts here, with such a stack
        return pool
    finally:
        threading.stack_size(before)


def _deep() -> None:
    """The depth that an elaboration needs, once for all threads: each of them sets it, and sets it back."""
    sys.setrecursionlimit(max(sys.getrecursionlimit(), recursion_depth()))


def first_difference(before: str, after: str) -> int:
    """The first character in which two texts differ: where one has been changed into the other."""
    pairs = enumerate(zip(before, after, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(before), len(after)))
