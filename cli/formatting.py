"""`archc fmt`: files rewritten in the canonical layout, each whole or not at all."""

from __future__ import annotations

import itertools
import os
import sys
from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING

from ..catalog import spec_files
from ..compiler.files import atomic_write
from ..dsl.diagnostics import ArchError, refused
from ..dsl.format import format_source
from ..dsl.limits import LIMITS
from ..dsl.parse import decode, parse
from ..dsl.reads import opened, reason
from ..figures import plural
from .terminal import report, say, style

if TYPE_CHECKING:
    from .specs_commands import Format

STDIN = "-"


def run_fmt(request: Format) -> int:
    paths, looks = request.paths, request.check or request.diff
    if STDIN in paths:
        return format_stdin(request)
    changed = wrong = 0
    found = (spec_files(path) if os.path.isdir(path) else [path] for path in map(Path, paths))
    files = list(dict.fromkeys(itertools.chain.from_iterable(found)))
    for path in files:
        try:
            old = read(path)
            new = formatted(old, str(path), path)
            if new.encode() == old:
                continue
            changed += 1
            if request.diff:
                say_diff(old, new, str(path))
            else:
                say(f"{'would change' if looks else 'changed'} {path}")
            if not looks:
                atomic_write(path, new)
        except ArchError as error:
            wrong += 1
            report(error.diagnostics)
    refused = f", {wrong} refused" if wrong else ""
    summary = f"{plural(len(files), 'file')}, {changed} {'would change' if looks else 'changed'}{refused}"
    if not request.diff:
        say(summary)
    return 1 if wrong or (looks and changed) else 0


def format_stdin(request: Format) -> int:
    old = sys.stdin.buffer.read()
    new = formatted(old, "<stdin>", None)
    if request.diff:
        say_diff(old, new, "<stdin>")
    elif not request.check:
        sys.stdout.write(new)
        return 0
    return int(new.encode() != old)


def say_diff(old: bytes, new: str, name: str) -> None:
    """Prints the change as `patch` and `git apply` take it."""
    colours = {"+": "green", "-": "red", "@": "cyan"}
    for line in unified_diff(lines_of(old.decode()), lines_of(new), name, name):
        colour = colours.get(line[0])
        shown = line.removesuffix("\n")
        say(style(shown, colour) if colour else shown)
        if shown == line:
            say("\\ No newline at end of file")


def lines_of(text: str) -> list[str]:
    *whole, rest = text.split("\n")
    return [*(f"{line}\n" for line in whole), *([rest] if rest else [])]


def read(path: Path) -> bytes:
    try:
        with opened(path) as stream:
            return stream.read(LIMITS.source_bytes + 1)
    except OSError as error:
        raise refused("E0701", f"`{path}` cannot be read: {reason(error).lower()}") from None


def formatted(data: bytes, name: str, path: Path | None) -> str:
    """The text in the canonical layout. Raises ArchError where it is no spec."""
    source, diagnostics = decode(data, name, path)
    if source is not None and not diagnostics:
        _, diagnostics = parse(source)
        if not diagnostics:
            return format_source(source)
    raise ArchError(diagnostics)
