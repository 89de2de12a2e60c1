"""From text to tree: feeds the automaton, and goes on after an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..grammar import load
from . import ast
from .automaton import Automaton
from .lexer import Token, lexer
from .recover import Recovery
from .unexpected import Place, unexpected

if TYPE_CHECKING:
    from .build import ExpressionBuilder
    from .build_statements import Body, Builder

# Far more than are shown; a text with more is not worth the time.
MOST_ERRORS = 1000


def read_file(builder: Builder, tokens: list[Token] | None = None) -> Body:
    """The body of a file. Every syntax error is reported, and what could not be read stands in it as `Broken`.

    The tokens are added to `tokens`, if it is given.
    """
    text = builder.source.text
    automaton = Automaton(load(), builder.makers, "start")
    recovery = Recovery(automaton, text)
    position, previous = 0, None
    while not automaton.finished:
        token, position = _next(automaton, text, position, len(text))
        if token is not None and _feed(automaton, token):
            position, previous = token.end, token
            if tokens is not None:
                tokens.append(token)
            continue
        at_end = token is not None and token.kind == "$END"
        margin = recovery.missing_close() if at_end else None
        if reread := recovery.statement_word(previous) if previous and not at_end else None:
            token, position = reread, reread.start
        place = Place(builder.source, automaton, token, position, previous, margin, reread is not None)
        builder.diagnostics.append(unexpected(place))
        if token is None and text[position] == ";":
            # Reads on as though it were not there, or a comma.
            if place.opener is not None and "COMMA" in place.expected and "OUTPUT" not in place.expected:
                automaton.feed(Token("COMMA", ",", position, position + 1))
            position += 1
        elif len(builder.diagnostics) >= MOST_ERRORS:
            position = recovery.give_up()
        else:
            position = recovery.resume(position, margin, at_end)
    return automaton.result


def read_interpolation(builder: ExpressionBuilder, start: int, end: int) -> ast.Expr | None:
    """The expression in the braces of a label or a string, or None where there is none, which is reported."""
    text = builder.source.text
    automaton = Automaton(load(), builder.makers, "interpolation")
    position, previous = start, None
    while not automaton.finished:
        token, position = _next(automaton, text, position, end)
        if token is not None and _feed(automaton, token):
            position, previous = token.end, token
            continue
        place = Place(builder.source, automaton, token, position, previous, interpolation=(start, end))
        builder.diagnostics.append(unexpected(place))
        return None
    return automaton.result


def _next(automaton: Automaton, text: str, position: int, end: int) -> tuple[Token | None, int]:
    position = lexer().skip(text, position, end)
    if position >= end:
        return Token("$END", "", end, end), end
    return lexer().next(text, position, end, automaton.row), position


def _feed(automaton: Automaton, token: Token) -> bool:
    if automaton.feed(token):
        return True
    # The tables merge contexts, so a word such as `at` may have been taken for a keyword where only a name can stand.
    if token.text in lexer().keywords and not lexer().is_reserved(token.text) and token.kind != "NAME":
        token.kind = "NAME"
        return automaton.feed(token)
    return False
