"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

from ..dsl.diagnostics import ArchError, refused
from ..dsl.reads import was_read

HINT = "nothing was written; this is a fault of archc and worth a report: `archc compile -o net.json` writes any graph"
"""What to say of a file that is not what was to be written."""


def atomic_write(
    path: str | os.PathLike[str], content: bytes | str | Callable[[Path], None], suffix: str = ".tmp"
) -> None:
    """Writes a file beside its target and moves it into place; what stood there survives any failure.

    `content` is the bytes, the text (as UTF-8), or a function that writes the file at the path it is given, which ends
    in `suffix`, and may refuse what it has written. Raises ArchError (E0805) where `writable` does or writing fails;
    what the function raises passes through. Of a symbolic link the target is written.
    """
    target = writable(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name[:80]}.", suffix=suffix, dir=target.parent)
    except OSError as error:
        raise _unwritable(target, _reason(error)) from None
    os.close(handle)
    temporary = Path(name)
    try:
        if callable(content):
            content(temporary)
        else:
            temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        _settle(temporary, target)
    except OSError as error:
        raise _unwritable(target, _reason(error)) from None
    finally:
        temporary.unlink(missing_ok=True)


def writable(path: str | os.PathLike[str]) -> Path:
    """The file that writing to the path makes or replaces. Raises ArchError (E0805) where that cannot be done.

    It cannot where the path is no regular file (a device, a pipe, a folder), where its folder is missing or not
    writable, and where it is a file that the command reads.
    """
    target = regular(path)
    if was_read(target):
        hint = "write to another file; what is read is never written over"
        raise refused("E0805", f"cannot write {Path(path)}: this command reads it", hint)
    shown = target.parent if Path(path).is_symlink() else Path(path).parent
    if not target.parent.is_dir():
        raise _unwritable(Path(path), f"there is no folder {shown}")
    if not os.access(target.parent, os.W_OK):
        raise _unwritable(Path(path), f"the folder {shown} is not writable")
    return target


def regular(path: str | os.PathLike[str]) -> Path:
    """The file that a path leads to, which may not exist. Raises ArchError (E0805) if it is no regular file."""
    try:
        target = Path(os.path.realpath(path))
        mode = target.lstat().st_mode
    except FileNotFoundError:
        return target
    except (OSError, ValueError) as error:
        raise _unwritable(Path(path), _reason(error)) from None
    if stat.S_ISREG(mode):
        return target
    what = next((name for test, name in _KINDS if test(mode)), "no regular file")
    raise _unwritable(Path(path), f"it is {what}, which a file must not replace")


_KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISLNK, "a symbolic link that leads to itself"),
)


def _settle(temporary: Path, target: Path) -> None:
    """Gives the file the target's mode (or a new file's), and moves it there."""
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
    with temporary.open("rb") as written:
        os.fsync(written.fileno())
    temporary.chmod(mode)
    os.replace(temporary, target)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _unwritable(target: Path, reason: str) -> ArchError:
    return refused("E0805", f"cannot write {target}: {reason}", "name a file in a writable folder")
