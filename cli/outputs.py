"""Where a command writes: never over what it reads, and to the standard output as bytes."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from ..compiler.emit.files import atomic_write
from ..dsl.diagnostics import ArchError, Diagnostic
from .terminal import say


def refuse_over(target: Path, read: Iterable[Path], doing: str) -> None:
    """Raises ArchError (E0805) where the target is a file that is `doing`: being drawn, say."""
    if target.exists() and any(source.exists() and target.samefile(source) for source in read):
        raise ArchError([Diagnostic("E0805", f"cannot write {target}: it is what is being {doing}")])


def put_out(target: Path | None, content: bytes, described: str = "") -> None:
    """Writes the file whole or not at all, and says so; without a target the bytes go to the standard output."""
    if target is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        return
    atomic_write(target, content)
    say(f"wrote {target}{f': {described}' if described else ''}")
