"""Diagnostics as text for people, and as data for tools."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from .diagnostics import Diagnostic, Label
from .limits import LIMITS
from .source import Source, Span

_WIDTH = 120
_TAB = 4
_STYLES = {
    "error": "1;31",
    "warning": "1;33",
    "note": "1;36",
    "frame": "1;34",
    "bold": "1",
    "label": "36",
    "hint": "1;32",
}


def render(diagnostics: Iterable[Diagnostic], *, color: bool = False) -> str:
    """The diagnostics as text, each with the lines of the source that it speaks of."""
    listed = list(diagnostics)
    shown = listed[: LIMITS.diagnostics_shown]
    blocks = [_Text(color).diagnostic(diagnostic) for diagnostic in shown]
    if len(listed) > len(shown):
        hint = f"`--limit diagnostics_shown={max(len(listed), 2 * len(shown))}` on the command line shows all"
        blocks.append(f"... and {len(listed) - len(shown)} more; {hint}")
    return "\n\n".join(blocks) + "\n" if blocks else ""


def to_json(diagnostic: Diagnostic) -> dict[str, Any]:
    """The diagnostic as plain data: lines and columns from 1, offsets in characters from 0."""
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        **_place(diagnostic.span),
        "labels": [{"text": label.text, **_place(label.span)} for label in diagnostic.labels],
        "chain": [{"text": label.text, **_place(label.span)} for label in diagnostic.chain],
        "hints": list(diagnostic.hints),
    }


def _place(span: Span | None) -> dict[str, Any]:
    if span is None:
        return {"file": None, "start": None, "end": None}
    return {
        "file": str(span.source.path or span.source.name),
        "start": _position(span.source, span.start),
        "end": _position(span.source, span.end),
    }


def _position(source: Source, offset: int) -> dict[str, int]:
    line, column = source.line_column(offset)
    return {"line": line, "column": column, "offset": offset}


class _Text:
    def __init__(self, color: bool):
        self.color = color

    def paint(self, style: str, text: str) -> str:
        return f"\x1b[{_STYLES.get(style, '1')}m{text}\x1b[0m" if self.color and text else text

    def diagnostic(self, diagnostic: Diagnostic) -> str:
        head = self.paint(diagnostic.severity, f"{diagnostic.severity}[{diagnostic.code}]")
        lines = [f"{head}{self.paint('bold', ': ' + escape(diagnostic.message))}"]
        margin = _margin(diagnostic)
        if diagnostic.span is not None:
            lines += self.snippets(diagnostic.span, diagnostic.labels, diagnostic.severity, margin)
        note = " " * margin + self.paint("frame", " = ")
        for call in diagnostic.chain:
            lines.append(f"{note}{escape(call.text)} at {escape(_where(call.span, diagnostic.span))}")
        for hint in diagnostic.hints:
            lines.append(f"{note}{self.paint('hint', 'hint')}: {escape(hint)}")
        return "\n".join(lines)

    def snippets(self, span: Span, labels: Sequence[Label], severity: str, margin: int) -> list[str]:
        """The lines of the source at the span and at the labels, by file, in the order of the text."""
        lines: list[str] = []
        bar = self.paint("frame", "|")
        for source in dict.fromkeys([span.source, *(label.span.source for label in labels)]):
            marks = [(label.span, label.text, "label") for label in labels if label.span.source is source]
            if source is span.source:
                marks.append((span, "", severity))
            first = span if source is span.source else marks[0][0]
            lines.append(" " * margin + self.paint("frame", "--> ") + escape(str(first)))
            lines.append(" " * margin + " " + bar)
            previous = None
            for mark in sorted(marks, key=lambda m: (m[0].start, m[0].end)):
                number = source.line_column(mark[0].start)[0]
                if previous is not None and number > previous + 1:
                    lines.append(self.paint("frame", "..."))
                lines += self.marked_line(source, number, mark, margin, show=number != previous)
                previous = number
        return lines

    def marked_line(
        self, source: Source, number: int, mark: tuple[Span, str, str], margin: int, show: bool
    ) -> list[str]:
        span, text, style = mark
        raw = source.line(number)
        start = source.line_column(span.start)[1] - 1
        end = start + max(span.end - span.start, 1)
        before, marked = printable(raw[:start]), printable(raw[start:end])
        line, shift = _clip(printable(raw), width(before), width(marked))
        carets = ("^" if style != "label" else "-") * max(min(width(marked), _WIDTH - width(before) + shift), 1)
        if span.end - span.start > len(raw) - start and start < len(raw):
            carets += "..."
        gutter = self.paint("frame", f"{number:>{margin}} |")
        shown = [f"{gutter} {line}".rstrip()] if show else []
        note = f"{carets} {escape(text)}".rstrip()
        pad = " " * (width(before) - shift)
        return [*shown, f"{' ' * margin} {self.paint('frame', '|')} {pad}{self.paint(style, note)}"]


def _margin(diagnostic: Diagnostic) -> int:
    spans = [diagnostic.span, *(label.span for label in diagnostic.labels)]
    return max((len(str(span.line)) for span in spans if span is not None), default=1)


def _where(span: Span, main: Span | None) -> str:
    return f"line {span.line}" if main is not None and span.source is main.source else str(span)


def _clip(line: str, start: int, length: int) -> tuple[str, int]:
    """A long line's part around the marked columns, and how many columns were cut on its left."""
    if width(line) <= _WIDTH:
        return line, 0
    left = 0 if start + min(length, 40) < _WIDTH - 8 else start - 20
    cells, column = [], 0
    for character in line:
        if left <= column < left + _WIDTH - 8:
            cells.append(character)
        column += width(character)
    text = "".join(cells)
    if left:
        text = "..." + text
    return (text + "..." if left + _WIDTH - 8 < width(line) else text), left - 3 if left else 0


def printable(text: str) -> str:
    """Source text with tabs made spaces and control characters made visible, so that carets stay below their mark."""
    return "".join(" " * _TAB if c == "\t" else _visible(c) for c in text)


def escape(text: str) -> str:
    """Text with what a terminal would obey made visible; lines stay lines."""
    return "".join(c if c == "\n" else _visible(c) for c in text)


def _visible(character: str) -> str:
    if character.isprintable() or character == " ":
        return character
    return f"\\u{{{ord(character):x}}}"


def width(text: str) -> int:
    """How many columns of a terminal the text takes."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)
