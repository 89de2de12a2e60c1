"""Where reading stopped: what was read, what could follow, and findings about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lark import Tree
from lark.parsers.lalr_interactive_parser import InteractiveParser

from ..grammar import Token
from .diagnostics import Diagnostic, Label
from .recover import open_brackets
from .source import Source, Span


@dataclass(frozen=True, slots=True)
class Place:
    """Where reading stopped. `token` is None where no token could be made of the text at `position`."""

    source: Source
    parser: InteractiveParser
    token: Token | None
    position: int
    previous: Token | None
    margin: int | None = None
    reread: bool = False  # the token was taken for a name at first, and begins a statement
    interpolation: tuple[int, int] | None = None
    expected: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.expected.update(self.parser.accepts())

    @property
    def text(self) -> str:
        return self.source.text

    @property
    def values(self) -> list[Any]:
        """What has been read and makes no whole yet: tokens, and trees of what is whole."""
        return self.parser.parser_state.value_stack

    @property
    def opener(self) -> Token | None:
        """The innermost bracket that is still open."""
        return next(reversed(open_brackets(self.values)), None)

    @property
    def in_brackets(self) -> bool:
        """Whether the innermost bracket that is open is no brace."""
        return self.opener is not None and self.opener.type != "LBRACE"

    @property
    def kind_before(self) -> str:
        return self.previous.type if self.previous else ""

    def latest(self, *kinds: str) -> Token | None:
        """The last token of these kinds among what makes no whole yet."""
        return next((v for v in reversed(self.values) if type(v) is Token and v.type in kinds), None)

    def line_before(self, token: Token) -> str:
        """What precedes a token on its line."""
        return self.text[self.text.rfind("\n", 0, token.start_pos) + 1 : token.start_pos]

    def is_inside(self, token: Token) -> bool:
        """Whether something that is no brace precedes a token on its line."""
        return self.line_before(token).rstrip()[-1:] not in ("", "{", "}")

    def span(self, token: Token) -> Span:
        return Span(self.source, token.start_pos, token.end_pos)

    def says(
        self, code: str, message: str, at: Token | tuple[int, int] | Span, *hints: str, labels: tuple[Label, ...] = ()
    ) -> Diagnostic:
        """A finding at a token, or from one character to another."""
        span = at if isinstance(at, Span) else Span(self.source, *at) if isinstance(at, tuple) else self.span(at)
        return Diagnostic(code, message, span, labels=labels, hints=hints)

    def said_of(self, code: str, message: str, first: Token, *hints: str) -> Diagnostic:
        """A finding from a token to the one that cannot stand here, or up to it where that is on another line."""
        end = self.token.end_pos if self.token is not None else self.position
        if self.previous is not None and "\n" in self.text[first.start_pos : end]:
            end = self.previous.end_pos
        return self.says(code, message, (first.start_pos, end), *hints)


def tokens_of(tree: Tree[Token]) -> Iterator[Token]:
    """The tokens of a tree, in the order of the text."""
    pending: list[Any] = [tree]
    while pending:
        item = pending.pop()
        if type(item) is Tree:
            pending += reversed(item.children)
        else:
            yield item
