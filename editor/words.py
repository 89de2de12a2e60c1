"""The words of a text that may be names, whether it parses or not."""

from __future__ import annotations

import re
from bisect import bisect_left
from functools import lru_cache

from ..compiler.elaborate.language import known_names
from ..dsl.source import Source, Span
from ..grammar.highlight import Piece, pieces

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LITERAL = re.compile(
    r'(?P<comment>#[^\n]*)|(?P<doc>"""[\s\S]*?(?P<ends>"""|\Z))|(?P<string>"(?:[^"\\\n]|\\[^\n])*(?P<closed>"|(?=\n)|\Z))'
)
_TEXT = ("comment", "doc", "string", "escape")


@lru_cache(maxsize=16)
def tokens(text: str) -> list[Piece]:
    """The tokens of a text, by what they look like."""
    return list(pieces(text, tuple(known_names())))


def literal_at(text: str, offset: int) -> tuple[str, int] | None:
    """The comment, doc string or string in which a character stands: "comment", "doc" or "string", and where it begins.
    None outside of these."""
    for match in _LITERAL.finditer(text):
        if match.start() >= offset:
            break
        closed = match["ends"] if match["doc"] else match["closed"]
        if offset < match.end() or (offset == match.end() and not closed):
            return _kind(match), match.start()
    return None


def _kind(match: re.Match[str]) -> str:
    return next(kind for kind in ("comment", "doc", "string") if match[kind])


def word_at(source: Source, offset: int) -> Span | None:
    """The word that holds a character or ends before it, None where there is none."""
    start, text = offset, source.text
    while start and (text[start - 1].isalnum() or text[start - 1] == "_"):
        start -= 1
    match = _WORD.match(text, start)
    return Span(source, start, match.end()) if match and match.end() >= offset else None


class Words:
    """The words of a source outside of comments and strings, in order."""

    def __init__(self, source: Source):
        self.source = source
        self.found: list[tuple[int, str]] = []
        for kind, start, end in tokens(source.text):
            if kind not in _TEXT:
                self.found += [(m.start(), m.group()) for m in _WORD.finditer(source.text, start, end)]

    def between(self, start: int, end: int) -> list[Span]:
        """The words from one character to another."""
        low, high = (bisect_left(self.found, place, key=lambda word: word[0]) for place in (start, end))
        return [Span(self.source, at, at + len(word)) for at, word in self.found[low:high]]

    def first(self, name: str, start: int, end: int) -> Span:
        """Where a name first stands from one character to another; else the place where it would begin."""
        return next((s for s in self.between(start, end) if s.text == name), Span(self.source, start, start))
