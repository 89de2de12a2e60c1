"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import platform
import secrets
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..dsl.diagnostics import ArchError, refused
from ..dsl.reads import kind, reason, was_read

HINT = "nothing was written; this is a fault of archc and worth a report: `archc compile -o net.json` writes any graph"
"""What to say of a file that is not what was to be written."""


def path_of(path: str | os.PathLike[str]) -> Path:
    """The path. Raises ArchError (E1009) where it is empty: the system takes that for the folder where one is."""
    if not os.fspath(path):
        raise refused("E1009", "the path is empty", "name a file; a variable that is not set may have left it empty")
    return Path(path)


def atomic_write(
    path: str | os.PathLike[str], content: bytes | str | Callable[[Path], None], suffix: str = ".tmp"
) -> None:
    """Writes a file beside its target and moves it into place; what stood there survives any failure.

    `content` is the bytes, the text (as UTF-8, with an escape for what that lacks), or a function that writes the file
    at the path it is given, which ends in `suffix`, and may refuse what it has written. Raises ArchError (E0805) where
    `writable` does or writing fails; what the function raises passes through. Of a symbolic link the target is written.
    """
    target = writable(path)
    with beside(target, suffix) as temporary:
        try:
            temporary.touch(0o600, exist_ok=False)
            if callable(content):
                content(temporary)
            else:
                text = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
                temporary.write_bytes(text)
            _settle(temporary, target)
        except OSError as error:
            raise _unwritable(target, reason(error)) from None


@contextmanager
def beside(target: Path, suffix: str = ".tmp") -> Iterator[Path]:
    """A path in the folder of a target for a file that is gone in the end; where the process is killed, a later one
    that writes there removes it."""
    _clear(target.parent)
    # The name is decided first: an interrupt at any time finds what to remove.
    temporary = target.parent / f"{_PREFIX}{os.getpid()}-{secrets.token_hex(4)}{suffix}"
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


_PREFIX = f".archc-{zlib.crc32(platform.node().encode()):08x}-"
"""How temporary files begin: they tell the machine, and then the process that writes them."""


def _clear(folder: Path) -> None:
    """Removes the temporary files of processes of this machine that were killed."""
    with suppress(OSError):
        for entry in os.scandir(folder):
            process = entry.name.removeprefix(_PREFIX).partition("-")[0]
            if entry.name.startswith(_PREFIX) and process.isdecimal() and not _runs(int(process)):
                with suppress(OSError):
                    os.unlink(entry.path)


def _runs(process: int) -> bool:
    """Whether there is a process of this number; where the system does not tell, there is."""
    try:
        os.kill(process, 0) if os.name == "posix" else None
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


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
    if not os.path.isdir(target.parent):
        raise _unwritable(Path(path), f"there is no folder {shown}")
    if not os.access(target.parent, os.W_OK):
        raise _unwritable(Path(path), f"the folder {shown} is not writable")
    return target


def regular(path: str | os.PathLike[str]) -> Path:
    """The file that a path leads to, which may not exist. Raises ArchError (E0805) if it is no regular file."""
    try:
        target = Path(os.path.realpath(path_of(path)))
        mode = target.lstat().st_mode
    except FileNotFoundError:
        return target
    except (OSError, ValueError) as error:
        raise _unwritable(Path(path), reason(error)) from None
    what = kind(mode)
    if what is None:
        return target
    raise _unwritable(Path(path), f"it is {what}, which a file must not replace")


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


def _unwritable(target: Path, reason: str) -> ArchError:
    return refused("E0805", f"cannot write {target}: {reason}", "name a file in a writable folder")
