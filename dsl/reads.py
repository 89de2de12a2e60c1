"""The files that a command reads: specs, what they import, checkpoints, maps. None of them is written over."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import BinaryIO

_reads: ContextVar[set[object] | None] = ContextVar("reads", default=None)


@contextmanager
def recorded() -> Iterator[None]:
    """Records what is read inside, anew. Outside, as for users of the Python interface, nothing is recorded."""
    token = _reads.set(set())
    try:
        yield
    finally:
        _reads.reset(token)


def named_in_utf8(path: Path) -> str | None:
    """The path as text that C++ takes; None where its bytes are no UTF-8."""
    try:
        path.as_posix().encode()
    except UnicodeEncodeError:
        return None
    return str(path)


def note_read(path: str | os.PathLike[str]) -> None:
    """Records a file that is read now, or will be."""
    if (reads := _reads.get()) is not None:
        reads |= _identities(path)


def opened(path: str | os.PathLike[str]) -> BinaryIO:
    """The regular file at a path, open. Raises OSError, which says why, for any other path.

    A pipe or a device is never waited for.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        handle = os.open(path, flags)
    except ValueError as error:
        raise OSError(f"no file has such a name: {error}") from None
    what = kind(os.fstat(handle).st_mode)
    if what is not None:
        os.close(handle)
        raise OSError(f"it is {what}")
    return os.fdopen(handle, "rb")


def kind(mode: int) -> str | None:
    """What a thing in a file system is, by its mode; None for a regular file."""
    if stat.S_ISREG(mode):
        return None
    return next((name for test, name in _KINDS if test(mode)), "no regular file")


_KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISLNK, "a symbolic link that leads to itself"),
)


def reason(error: OSError | ValueError) -> str:
    """Why a file cannot be used, in words of the system or our own."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def was_read(path: str | os.PathLike[str]) -> bool:
    """Whether the path leads to a recorded file, by whatever links."""
    reads = _reads.get()
    return reads is not None and not reads.isdisjoint(_identities(path))


def _identities(path: str | os.PathLike[str]) -> set[object]:
    """A file's resolved path, and its device and inode, so that links of any kind are the same file."""
    found: set[object] = set()
    with suppress(OSError, ValueError):  # no file has such a name
        found.add(os.path.realpath(path))
        status = os.stat(path)
        found.add((status.st_dev, status.st_ino))
    return found
