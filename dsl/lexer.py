"""The contextual lexer, made from the terminals of the grammar."""

from __future__ import annotations

import re
from collections.abc import Container
from functools import cache

from ..grammar import Tables, load


class Token:
    """A terminal as it was met. `kind` is the terminal's name in the grammar."""

    __slots__ = ("end", "kind", "start", "text")

    def __init__(self, kind: str, text: str, start: int, end: int):
        self.kind = kind
        self.text = text
        self.start = start
        self.end = end

    def __repr__(self) -> str:
        return f"Token({self.kind}, {self.text!r})"


class Lexer:
    """Finds the next token, given what the parser can accept there."""

    def __init__(self, tables: Tables):
        patterns = {t.name: t for t in tables.terminals}
        words = {t.word: t.name for t in tables.terminals if t.word is not None}
        self.keywords = {word: name for word, name in words.items() if word.isidentifier()}
        self.operators = {word: name for word, name in words.items() if not word.isidentifier()}
        self._skip = re.compile("(?:" + "|".join(patterns[name].pattern for name in tables.ignored) + ")*+")
        self._name = re.compile(patterns["NAME"].pattern)
        # Terminals with a priority are tried first, and only where the parser accepts them.
        self._contextual = [
            (t.name, re.compile(t.pattern)) for t in tables.terminals if t.priority > 0 and t.word is None
        ]
        free = [t for t in tables.terminals if t.word is None and t.priority == 0 and t.name not in tables.ignored]
        groups = [f"(?P<{t.name}>{t.pattern})" for t in free if t.name != "NAME"]
        symbols = "|".join(re.escape(op) for op in sorted(self.operators, key=len, reverse=True))
        self._master = re.compile("|".join([*groups, "(?P<WORD>[A-Za-z_][A-Za-z0-9_]*)", f"(?P<SYMBOL>{symbols})"]))

    def skip(self, text: str, position: int, end: int) -> int:
        """The offset of the first character from `position` that is neither white space nor comment."""
        match = self._skip.match(text, position, end)
        return match.end() if match else position

    def next(self, text: str, position: int, end: int, accepts: Container[str]) -> Token | None:
        """The token at `position`, which white space does not precede; None where no terminal matches."""
        for name, pattern in self._contextual:
            if name in accepts and (match := pattern.match(text, position, end)):
                return Token(name, match.group(), position, match.end())
        match = self._master.match(text, position, end)
        if match is None:
            return None
        kind, value = match.lastgroup or "", match.group()
        if kind == "WORD":
            kind = self._word(value, accepts)
        elif kind == "SYMBOL":
            kind = self.operators[value]
        return Token(kind, value, position, match.end())

    def _word(self, word: str, accepts: Container[str]) -> str:
        keyword = self.keywords.get(word)
        if keyword is not None and (keyword in accepts or self.is_reserved(word)):
            return keyword
        return "NAME"

    def is_reserved(self, word: str) -> bool:
        return word in self.keywords and not self._name.fullmatch(word)


@cache
def lexer() -> Lexer:
    return Lexer(load())
