"""lark's parser of the grammar, saved so that starting archc does not compute its tables."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

import lark

GRAMMAR = Path(__file__).with_name("arch.lark")
STORED = Path(__file__).with_name("parser.pickle")
STARTS = ["start", "interpolation"]

if TYPE_CHECKING:

    class Token(lark.Token):
        """A token of a text: it always knows its place."""

        start_pos: int
        end_pos: int

else:
    Token = lark.Token


def token_at(kind: str, text: str, start: int, end: int) -> Token:
    """A token that no lexer found: of the terminal `kind`, at the characters `[start, end)`."""
    return cast(Token, lark.Token(kind, text, start, end_pos=end))


class Everywhere:
    """The terminals that the lexer finds also where none of them can stand (see `postlex` of `lark.Lark`).

    So `==` is never read as `=` twice, nor `forx` as `for x`, and an error is about the token that was written.
    """

    def __init__(self, always_accept: tuple[str, ...]):
        self.always_accept = always_accept

    def process(self, stream: Iterator[lark.Token]) -> Iterator[lark.Token]:
        return stream


@dataclass(frozen=True)
class Words:
    """The fixed strings of the grammar, with the names of their terminals. No name can be a `reserved` word."""

    keywords: dict[str, str]
    operators: dict[str, str]
    reserved: frozenset[str]

    def is_name(self, text: object) -> bool:
        """Whether a spec may give this name to a thing."""
        return isinstance(text, str) and text.isascii() and text.isidentifier() and text not in self.reserved


@cache
def words() -> Words:
    return _words(load())


@cache
def load() -> lark.Lark:
    """The stored parser where it belongs to the grammar and to lark as they are, else one built in memory."""
    try:
        stamp, _, data = STORED.read_bytes().partition(b"\n")
    except OSError:
        return build()
    return lark.Lark.load(io.BytesIO(data)) if stamp == _stamp(data) else build()


def build() -> lark.Lark:
    """A parser made from the grammar. Its start rules are `start`, a file, and `interpolation`, an expression."""
    grammar = GRAMMAR.read_text(encoding="utf-8")
    lexer = lark.Lark(grammar, parser=None, lexer="basic", start=STARTS)
    known = _words(lexer)
    contextual = {name for word, name in known.keywords.items() if word not in known.reserved}
    names = (terminal.name for terminal in lexer.terminals if terminal.priority == 0)
    return lark.Lark(
        grammar,
        parser="lalr",
        lexer="contextual",
        start=STARTS,
        postlex=Everywhere(tuple(name for name in names if name not in contextual)),  # type: ignore[arg-type]
        keep_all_tokens=True,
        maybe_placeholders=False,
    )


def store() -> None:
    """Write the parser that `load` reads."""
    buffer = io.BytesIO()
    build().save(buffer)
    STORED.write_bytes(_stamp(buffer.getvalue()) + b"\n" + buffer.getvalue())


def _words(parser: lark.Lark) -> Words:
    name = re.compile(parser.get_terminal("NAME").pattern.to_regexp())
    fixed = {t.pattern.value: t.name for t in parser.terminals if t.pattern.type == "str"}
    keywords = {word: kind for word, kind in fixed.items() if word.isidentifier()}
    operators = {word: kind for word, kind in fixed.items() if not word.isidentifier()}
    return Words(keywords, operators, frozenset(word for word in keywords if not name.fullmatch(word)))


def _stamp(data: bytes) -> bytes:
    """What a saved parser belongs to: changed data are not loaded, nor those of another grammar or lark."""
    grammar = GRAMMAR.read_bytes().replace(b"\r\n", b"\n")
    digest = hashlib.sha256(grammar + b"\0" + data).hexdigest()
    return f"{lark.__version__} {digest}".encode()
