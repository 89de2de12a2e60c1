"""The process that runs a command: its streams, and the signals that end it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


class Stopped(BaseException):
    """A signal asks the process to end. Raised where the command is, so that it clears away what it began."""

    def __init__(self, number: int):
        self.number = number
        super().__init__(number)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Inside, signals that end a process raise `Stopped`. One that whoever started it handles or ignores stays so."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped(number)

    taken = []
    try:
        for number in ENDING:
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, stop)
                taken.append(number)
    except ValueError:  # signals are the main thread's
        pass
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def open_streams() -> None:
    """Puts something in the place of standard streams that are closed, so that no file which is opened becomes one.

    Writing to an output that was closed fails, as writing to a full device does.
    """
    if None not in (sys.stdin, sys.stdout, sys.stderr):
        return
    flags = (os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)
    for number, mode in enumerate(flags):
        try:
            os.fstat(number)
        except OSError:
            handle = os.open(os.devnull, mode)
            if handle != number:
                os.dup2(handle, number)
                os.close(handle)
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def drop_output() -> None:
    """Forgets what the standard output could not take: Python would try once more when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
