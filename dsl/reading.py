"""From text to lark's tree of it, and on after an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

from lark import Tree, UnexpectedCharacters, UnexpectedToken
from lark.parsers.lalr_interactive_parser import InteractiveParser

from ..grammar import Token, load, token_at, words
from . import ast
from .place import Place
from .recover import Recovery, open_brackets
from .unexpected import unexpected

if TYPE_CHECKING:
    from .build import ExpressionBuilder

# Far more than are shown; a text with more is not worth the time.
MOST_ERRORS = 1000


class Stop(NamedTuple):
    """Where lark cannot go on. `token` is None where no token could be made of the text at `position`."""

    token: Token | None
    position: int


def read_file(builder: ExpressionBuilder) -> Tree[Token]:
    """The tree of a file. Every syntax error is reported, and what could not be read stands in it as `broken`."""
    found = _read(builder, whole=True)
    assert isinstance(found, Tree)
    return found


def read_up_to(builder: ExpressionBuilder) -> Place:
    """Where reading stands at the end of a text that goes on: what is open there, and what could follow."""
    found = _read(builder, whole=False)
    assert isinstance(found, Place)
    return found


def _read(builder: ExpressionBuilder, whole: bool) -> Tree[Token] | Place:
    text = builder.source.text
    parser = load().parse_interactive(text, start="start")
    recovery = Recovery(parser, text)
    previous: Token | None = None
    while isinstance(stop := _read_on(parser, len(text), whole), Stop):
        found, position = stop
        previous = _last_token(parser) or previous
        at_end = found is not None and found.type == "$END"
        if at_end and not whole:
            return Place(builder.source, parser, found, position, previous)
        margin = recovery.missing_close() if at_end else None
        if reread := recovery.statement_word(previous) if previous and not at_end else None:
            found, position = reread, reread.start_pos
        place = Place(builder.source, parser, found, position, previous, margin, reread is not None)
        builder.diagnostics.append(unexpected(place))
        if found is None and text[position] == ";":
            # Reads on as though it were not there, or a comma.
            if place.opener is not None and "COMMA" in place.expected and "OUTPUT" not in place.expected:
                parser.feed_token(token_at("COMMA", ";", position, position + 1))
            position += 1
        elif len(builder.diagnostics) >= MOST_ERRORS:
            position = recovery.give_up()
        else:
            position = recovery.resume(position, margin, at_end)
        _move(parser, position)
    builder.discard(recovery.dropped)
    return stop


def read_interpolation(builder: ExpressionBuilder, start: int, end: int) -> ast.Expr | None:
    """The expression in the braces of a label or a string, or None where there is none, which is reported."""
    parser = load().parse_interactive(builder.source.text[:end], start="interpolation")
    _move(parser, start)
    stop = _read_on(parser, end)
    if not isinstance(stop, Stop):
        return builder.build(stop)
    place = Place(builder.source, parser, *stop, _last_token(parser), interpolation=(start, end))
    builder.diagnostics.append(unexpected(place))
    return None


def _read_on(parser: InteractiveParser, end: int, whole: bool = True) -> Tree[Token] | Stop:
    """The tree of the text, which ends at `end`, or the token at which it cannot go on; at the end if it is not the
    whole text."""
    while True:
        try:
            for token in parser.iter_parse():
                if token.type == "LEADING_STAR" and _is_in_brackets(parser):
                    token.type = "STAR"
            return parser.feed_eof() if whole else Stop(token_at("$END", "", end, end), end)
        except UnexpectedCharacters as error:
            return Stop(None, cast(int, error.pos_in_stream))
        except UnexpectedToken as error:
            found = cast(Token, error.token)
        if found.type == "$END":
            return Stop(token_at("$END", "", end, end), end)
        if found.type == "NAME" or found.value not in words().keywords or found.value in words().reserved:
            return Stop(found, found.start_pos)
        # The tables merge contexts, so a word such as `at` may have been taken for a keyword where only a name can be.
        found = cast(Token, found.update(type="NAME"))
        try:
            parser.feed_token(found)
        except UnexpectedToken:
            return Stop(found, found.start_pos)


def _is_in_brackets(parser: InteractiveParser) -> bool:
    brackets = open_brackets(parser.parser_state.value_stack)
    return bool(brackets) and brackets[-1].type != "LBRACE"


def _move(parser: InteractiveParser, position: int) -> None:
    """Let the lexer go on at a character. archc reads no lines of lark's, which are wrong from then on."""
    state: Any = parser.lexer_thread.state
    state.line_ctr.char_pos = position


def _last_token(parser: InteractiveParser) -> Token | None:
    """The token that was read last, None where recovery put another in its place."""
    item: Any = [None, *parser.parser_state.value_stack][-1]
    while type(item) is Tree:
        item = item.children[-1] if item.children else None
    return None if item is None or item.type == "ERROR" or item.value == ";" else item
