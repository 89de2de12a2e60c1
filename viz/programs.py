"""The Graphviz that is there: the package graphviz-pure, which is installed with archc, or the system's."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from time import monotonic
from typing import Any

from ..dsl.diagnostics import ArchError, Diagnostic
from ..dsl.quoting import quoted
from .layout import too_large
from .words import clipped


@dataclass(frozen=True)
class Graphviz:
    """A Graphviz: its program, and whether it has a font with the widths of Helvetica."""

    program: Path
    helvetica: bool


class Failed(Exception):
    """Why a program made nothing."""


LONGEST = 30
"""So many seconds the programs of Graphviz may take for a drawing, all together."""
_ends: ContextVar[float | None] = ContextVar("_ends", default=None)


@contextmanager
def one_drawing() -> Iterator[None]:
    """Inside, all programs have the time of one drawing."""
    if _ends.get() is not None:
        yield
        return
    token = _ends.set(monotonic() + LONGEST)
    try:
        yield
    finally:
        _ends.reset(token)


def run(engine: str, format: str, source: str, graphviz_: Graphviz, **options: Any) -> bytes:
    """What a Graphviz makes of a graph. Raises Failed with its reason, and ArchError (E0831) where it does not end."""
    import graphviz
    from graphviz.backend import dot_command, execute

    usual, dot_command.DOT_BINARY = dot_command.DOT_BINARY, graphviz_.program
    try:
        command = dot_command.command(engine, format, **options)
        ends = _ends.get()
        left = LONGEST if ends is None else max(ends - monotonic(), 0)
        done = execute.run_check(command, input=source.encode(), capture_output=True, quiet=True, timeout=left)
        return done.stdout
    except subprocess.TimeoutExpired:
        raise too_large(f"Graphviz has not ended on this drawing in {LONGEST} seconds") from None
    except (OSError, graphviz.ExecutableNotFound, graphviz.CalledProcessError) as error:
        errors = getattr(error, "stderr", None) or str(error)
        text = errors.decode(errors="replace") if isinstance(errors, bytes) else errors
        raise Failed(quoted(text)) from None
    finally:
        dot_command.DOT_BINARY = usual


def laid_out(format: str, source: str) -> str:
    """What the first Graphviz that does not fail says of a graph that its `dot` lays out. Raises ArchError, with the
    reason of the first, if all do."""
    failures = []
    for program in programs("plain"):
        try:
            return run("dot", format, source, program).decode()
        except Failed as failure:
            failures.append(str(failure))
    raise unusable(f"Graphviz failed: {clipped(failures[0], 200)}", "plain")


def programs(format: str) -> list[Graphviz]:
    """The programs that can make a format, the best first. Raises ArchError where there is none.

    graphviz-pure does the same everywhere and brings a font of Helvetica's widths.
    """
    bundled, system = _bundled(), shutil.which("dot")
    found = [Graphviz(bundled, True)] if bundled else []
    found += [Graphviz(Path(system), False)] if system else []
    if found:
        return found
    raise unusable("there is no Graphviz here", format)


def _bundled() -> Path | None:
    """The program of the package graphviz-pure."""
    found = shutil.which("graphviz-pure")
    if found:
        return Path(found)
    try:
        shipped = files("graphviz-pure") or []
    except PackageNotFoundError:
        return None
    for entry in shipped:
        path = Path(str(entry.locate()))
        if entry.stem == "graphviz-pure" and entry.suffix in ("", ".exe") and path.is_file():
            return path
    return None


def unusable(message: str, format: str) -> ArchError:
    hint = "`pip install graphviz-pure` brings one; `--format dot` needs none, nor SVG where no arrows cross"
    if format == "plain":
        hint = "`pip install graphviz-pure` brings one, which lays out what branches and meets in no simple way"
    return ArchError([Diagnostic("E0833", message, hints=(hint,))])
