"""Where a command writes: never over what it reads, and to the standard output as bytes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ..compiler.files import atomic_write, writable
from ..dsl.diagnostics import refused
from .progress import hide
from .terminal import say

STDOUT = "-"


def target_path(output: str | None, name: str) -> Path | None:
    """The file that `-o` asks for, called `name` where it is a folder or not given; None for the standard output."""
    if output == STDOUT:
        return None
    path = Path(output or ".")
    return path / name if os.path.isdir(path) or str(output).endswith(os.sep) else path


def ready_for(*targets: str | Path | None) -> None:
    """Raises ArchError where a target cannot be written (E0805), or is the same file as another (E1060)."""
    files: dict[Path, str | Path] = {}
    for target in targets:
        if target is not None:
            other = files.setdefault(writable(target), target)
            if other is not target:
                raise refused("E1060", f"{target} cannot be two files of one command")


def print_file(text: str) -> None:
    """Prints what a file would hold: the same text, but for what a terminal would obey where it goes to one."""
    if sys.stdout.isatty():
        say(text.rstrip("\n"))
    else:
        put_out(None, text.encode("utf-8", "backslashreplace"))


def put_out(target: Path | None, content: bytes, described: str = "") -> None:
    """Writes the file whole or not at all, and says so; without a target the bytes go to the standard output."""
    if target is None:
        hide()
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        return
    atomic_write(target, content)
    say(f"wrote {target}{f': {described}' if described else ''}")
