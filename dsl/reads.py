"""The files that a command reads: specs, what they import, checkpoints, maps. None of them is written over."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar

_reads: ContextVar[set[object] | None] = ContextVar("reads", default=None)


@contextmanager
def recorded() -> Iterator[None]:
    """Records what is read inside, anew. Outside, as for users of the Python interface, nothing is recorded."""
    token = _reads.set(set())
    try:
        yield
    finally:
        _reads.reset(token)


def note_read(path: str | os.PathLike[str]) -> None:
    """Records a file that is read now, or will be."""
    if (reads := _reads.get()) is not None:
        reads |= _identities(path)


def was_read(path: str | os.PathLike[str]) -> bool:
    """Whether the path leads to a recorded file, by whatever links."""
    reads = _reads.get()
    return reads is not None and not reads.isdisjoint(_identities(path))


def _identities(path: str | os.PathLike[str]) -> set[object]:
    """A file's resolved path, and its device and inode, so that links of any kind are the same file."""
    found: set[object] = {os.path.realpath(path)}
    with suppress(OSError, ValueError):
        status = os.stat(path)
        found.add((status.st_dev, status.st_ino))
    return found
