"""Source text, and spans of it."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

_GIVEN = re.compile(r"(?<![=<>!])=(?!=)")
_MARK = re.compile(r'"(?:[^"\\\n]|\\[^\n])*"|[()\[\]{},\n#]| {3,}')


@dataclass(frozen=True, eq=False)
class Source:
    """One `.arch` text. `name` is what diagnostics call it; `path` is where it was read, if anywhere."""

    text: str
    name: str = "<text>"
    path: Path | None = None

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(i + 1 for i, c in enumerate(self.text) if c == "\n")]

    def line_column(self, offset: int) -> tuple[int, int]:
        """The line and column of a character offset, both counted from 1."""
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a line (counted from 1), without its line end."""
        start = self._line_starts[number - 1]
        end = self._line_starts[number] if number < len(self._line_starts) else len(self.text)
        return self.text[start:end].rstrip("\r\n")


def clip(text: str, width: int = 32) -> str:
    """The text, its end left out where it is too long for a message."""
    return text if len(text) <= width else text[: width - 3].rstrip() + "..."


@dataclass(frozen=True, slots=True)
class Span:
    """The half-open range `[start, end)` of characters of a source."""

    source: Source
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    @property
    def line(self) -> int:
        return self.source.line_column(self.start)[0]

    def __str__(self) -> str:
        line, column = self.source.line_column(self.start)
        return f"{self.source.name}:{line}:{column}"

    def __repr__(self) -> str:
        return f"<Span {self}>"

    def holds(self, other: Span) -> bool:
        return self.source is other.source and self.start <= other.start and other.end <= self.end

    def to(self, other: Span) -> Span:
        """The span from the start of this one to the end of `other`."""
        return Span(self.source, self.start, other.end)


def piece_at(text: str, start: int, stops: str = ",\n# ") -> str:
    """The text from a character up to the comma, the closing bracket, the gap or the end of the line that ends it."""
    depth, end = 0, len(text)
    for mark in _MARK.finditer(text, start):
        depth += (mark[0] in "([{") - (mark[0] in ")]}")
        if depth < 0 or (depth == 0 and mark[0][0] in stops):
            end = mark.start()
            break
    return text[start:end]


def piece_before(text: str, end: int) -> str:
    """The text of a line up to a character, from the comma, the opening bracket or the `=` on."""
    line = text[text.rfind("\n", 0, end) + 1 : end]
    depth = 0
    for at in range(len(line) - 1, -1, -1):
        depth += (line[at] in ")]}") - (line[at] in "([{")
        if depth < 0 or (depth == 0 and (line[at] == "," or _GIVEN.match(line, at))):
            return line[at + 1 :].strip()
    return line.strip().removeprefix("output ").strip()
