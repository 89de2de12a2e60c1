"""Positions of the protocol, as lines and code units of a client's encoding, and characters of a text."""

from __future__ import annotations

import re
from bisect import bisect_right

from lsprotocol import types

from ..dsl.source import Span

_END = re.compile(r"\r\n|\n|\r")


class Lines:
    """The lines of a text. `encoding` is "utf-8", "utf-16" or "utf-32": in whose units a client counts."""

    def __init__(self, text: str, encoding: str):
        self.text = text
        self.starts = [0, *(m.end() for m in _END.finditer(text))]
        self.ends = [*(m.start() for m in _END.finditer(text)), len(text)]
        self.encoding = None if text.isascii() or encoding == "utf-32" else encoding

    def offset(self, position: types.Position) -> int:
        """The character at a position; behind the end of a line or of the text, that end."""
        if position.line >= len(self.starts):
            return len(self.text)
        start, end = self.starts[position.line], self.ends[position.line]
        if self.encoding is None:
            return min(start + position.character, end)
        units = 0
        for at in range(start, end):
            if units >= position.character:
                return at
            units += self._units(self.text[at])
        return end

    def position(self, offset: int) -> types.Position:
        line = bisect_right(self.starts, offset) - 1
        start = self.starts[line]
        if self.encoding is None:
            return types.Position(line, offset - start)
        return types.Position(line, sum(map(self._units, self.text[start:offset])))

    def range(self, start: int, end: int) -> types.Range:
        return types.Range(self.position(start), self.position(end))

    def of(self, span: Span) -> types.Range:
        return self.range(span.start, span.end)

    def _units(self, character: str) -> int:
        code = ord(character)
        if self.encoding == "utf-16":
            return 2 if code > 0xFFFF else 1
        return 1 if code < 0x80 else 2 if code < 0x800 else 3 if code < 0x10000 else 4
