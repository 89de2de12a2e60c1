"""The files that a command reads: specs, what they import, checkpoints, maps. None of them is written over."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(slots=True)
class Reads:
    """Files by their resolved paths, and by device and inode, so that links of any kind are the same file."""

    paths: set[str] = field(default_factory=set)
    identities: set[tuple[int, int]] = field(default_factory=set)


_reads: ContextVar[Reads | None] = ContextVar("reads", default=None)


@contextmanager
def recorded() -> Iterator[None]:
    """Records what is read inside, anew. Outside, as for users of the Python interface, nothing is recorded."""
    token = _reads.set(Reads())
    try:
        yield
    finally:
        _reads.reset(token)


def note_read(path: str | os.PathLike[str]) -> None:
    """Records a file that is read now, or will be."""
    reads = _reads.get()
    if reads is None:
        return
    reads.paths.add(os.path.realpath(path))
    with suppress(OSError, ValueError):
        reads.identities.add(_identity(path))


def was_read(path: str | os.PathLike[str]) -> bool:
    """Whether the path leads to a recorded file, by whatever links."""
    reads = _reads.get()
    if reads is None:
        return False
    with suppress(OSError, ValueError):
        if _identity(path) in reads.identities:
            return True
    return os.path.realpath(path) in reads.paths


def _identity(path: str | os.PathLike[str]) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino
