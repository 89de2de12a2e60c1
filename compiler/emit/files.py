"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from ...dsl.diagnostics import ArchError, Diagnostic


def atomic_write(path: str | os.PathLike[str], content: bytes | str | Callable[[Path], None]) -> None:
    """Writes a file beside its target and moves it into place; what stood there survives any failure.

    `content` is the bytes, the text (as UTF-8), or a function that writes the file at the path it is given. Raises
    ArchError (E0805) where the target cannot be written; what the function raises passes through.
    """
    target = Path(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name[:80]}.", suffix=".tmp", dir=target.parent)
    except OSError as error:
        raise _unwritable(target, error) from None
    os.close(handle)
    temporary = Path(name)
    try:
        if callable(content):
            content(temporary)
        else:
            temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        _settle(temporary, target)
    except OSError as error:
        raise _unwritable(target, error) from None
    finally:
        temporary.unlink(missing_ok=True)


def _settle(temporary: Path, target: Path) -> None:
    """Gives the file the target's mode (or a new file's), and moves it there."""
    if target.is_dir():
        raise IsADirectoryError(21, "it is a folder", str(target))
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
    with temporary.open("rb") as written:
        os.fsync(written.fileno())
    temporary.chmod(mode)
    os.replace(temporary, target)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _unwritable(target: Path, error: OSError) -> ArchError:
    reason = error.strerror or str(error)
    hint = "name a file in a writable folder"
    return ArchError([Diagnostic("E0805", f"cannot write {target}: {reason}", hints=(hint,))])
