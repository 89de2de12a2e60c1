"""What the commands print: diagnostics to stderr, results to stdout, colour where a terminal shows it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from .progress import hide

if TYPE_CHECKING:
    from ..dsl.diagnostics import Diagnostic

STYLES = {"green": "32", "red": "31", "cyan": "36", "dim": "2", "bold": "1"}
_MARKS = {name: chr(0xFDD0 + number) for number, name in enumerate((*STYLES, "end"))}
"""Stand for styles until a line is printed, as everything else that a terminal would obey is made visible there."""
_CODES = {_MARKS[name]: f"\x1b[{code}m" for name, code in (*STYLES.items(), ("end", "0"))}


def coloured(stream: TextIO) -> bool:
    """Whether to colour a stream: a terminal, unless NO_COLOR or TERM=dumb says otherwise."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def style(text: str, name: str) -> str:
    """The text in a style, where stdout shows it."""
    return f"{_MARKS[name]}{text}{_MARKS['end']}" if coloured(sys.stdout) else text


def say(text: str = "") -> None:
    """Prints a line to stdout; what its encoding cannot show, or a terminal would obey, is written as an escape."""
    from ..dsl.render import escape

    shown = "".join(_CODES.get(c) or escape(c) for c in text) if coloured(sys.stdout) else escape(text)
    _print(shown, sys.stdout)


def _print(text: str, stream: TextIO) -> None:
    hide()
    encoding = stream.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream)


def say_json(value: Any) -> None:
    say(json.dumps(value, indent=2, ensure_ascii=True, allow_nan=False))


def report(diagnostics: Iterable[Diagnostic]) -> None:
    """Prints diagnostics to stderr."""
    diagnostics = list(diagnostics)
    if not diagnostics:
        return
    from ..dsl.render import render

    sys.stdout.flush()
    _print(render(diagnostics, color=coloured(sys.stderr)).rstrip("\n"), sys.stderr)


def aligned(rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> list[str]:
    """The rows as lines, columns two spaces apart; the columns named in `right` are flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def cell(index: int, text: str) -> str:
        return text.rjust(widths[index]) if index in right else text.ljust(widths[index])

    return ["  ".join(cell(i, text) for i, text in enumerate(row)).rstrip() for row in rows]


def table(header: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> None:
    """Prints a table: with rich on a terminal, as plain aligned columns where something else reads it."""
    hide()
    if not coloured(sys.stdout):
        for line in aligned([header, *rows], right):
            say(line)
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ..dsl.render import escape

    shown = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for index, title in enumerate(header):
        shown.add_column(title, justify="right" if index in right else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(Text(escape(cell)) for cell in row))
    Console().print(shown)


def duration(seconds: float) -> str:
    """Seconds, as people say them."""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"
