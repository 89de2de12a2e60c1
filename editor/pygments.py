"""`.arch` for Pygments, which colours documents and notebooks: the same tokens as everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from pygments.lexer import Lexer
from pygments.token import Text, Whitespace, string_to_tokentype

from ..compiler.elaborate.language import known_names
from ..grammar.highlight import KINDS, pieces

_TOKENS = {kind: string_to_tokentype(token) for kind, (_, token, _) in KINDS.items()}


class ArchLexer(Lexer):
    """A lexer of Pygments, by the names `arch` and `archc` and for files `*.arch`."""

    name = "arch"
    aliases: ClassVar[list[str]] = ["arch", "archc"]
    filenames: ClassVar[list[str]] = ["*.arch"]
    mimetypes: ClassVar[list[str]] = ["text/x-arch"]

    def get_tokens_unprocessed(self, text: str) -> Iterator[tuple[int, Any, str]]:
        """The tokens in order, with all that stands between them."""
        last = 0
        for kind, start, end in pieces(text, tuple(known_names())):
            if start > last:
                yield last, _between(text[last:start]), text[last:start]
            yield start, _TOKENS[kind], text[start:end]
            last = end
        if last < len(text):
            yield last, _between(text[last:]), text[last:]


def _between(text: str) -> Any:
    return Whitespace if text.isspace() else Text
