"""The tokens of a file as the formatter sees them: with their comments, their roles, and the space before them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise

from ..grammar import Token
from . import ast
from .walk import walk

_COMMENT = re.compile(r"#[^\n]*|\n")
_OPEN = ("LPAR", "LSQB", "LBRACE")
_CLOSE = ("RPAR", "RSQB", "RBRACE")
_ENDS_OPERAND = {"NAME", "NUMBER", "STRING", "TRUE", "FALSE", "RPAR", "RSQB", "LABEL_PATH"}


@dataclass(slots=True)
class Comment:
    text: str
    blank_before: bool


@dataclass(slots=True)
class Piece:
    """A token. `newline` is whether a line begins with it; `claim`, whether it begins a claim of a variant."""

    kind: str
    text: str
    start: int
    space: bool = False
    newline: bool = False
    blank_before: bool = False
    statement: bool = False
    claim: bool = False
    body: bool = False  # a brace around statements
    partner: int = -1  # where the other bracket of a pair is
    chain: list[int] = field(default_factory=list)  # where the bodies of an `if` and its `else`s open
    comments: list[Comment] = field(default_factory=list)  # on lines of their own, before it
    trailing: str = ""  # a comment after it, on its line

    @property
    def opens(self) -> bool:
        return self.kind in _OPEN

    @property
    def closes(self) -> bool:
        return self.kind in _CLOSE


def pieces_of(text: str, tokens: list[Token], file: ast.File) -> list[Piece]:
    """The pieces of a file; the last is its end, which holds the comments there. A `,` is none where a bracket closes
    behind it on the same line, unless it makes a tuple of one item."""
    lone = {n.span.end - 1 for n, _ in walk(file) if isinstance(n, ast.TupleExpr) and len(n.items) == 1}
    needless = [
        token.type == "COMMA"
        and after.type in _CLOSE
        and after.start_pos not in lone
        and not text[token.end_pos : after.start_pos].strip(" \t")
        for token, after in pairwise(tokens)
    ]
    tokens = [token for token, left_out in zip(tokens, [*needless, False], strict=True) if not left_out]
    pieces = [Piece(t.type, _text(t), t.start_pos) for t in tokens]
    _read_gaps(text, tokens, pieces)
    _find_statements(file, pieces)
    _pair_brackets(pieces)
    for_open, statement = 0, ""
    for i, piece in enumerate(pieces):
        for_open += piece.kind == "FOR"
        if piece.kind == "IN" and for_open:
            for_open -= 1
            piece.kind = "FOR_IN"
        if i:
            piece.space = _space(pieces, i, statement)
        statement = piece.kind if piece.statement else statement
    return pieces


def _text(token: Token) -> str:
    return token.value[:-1].rstrip() + ":" if token.type == "LABEL" else token.value


def _read_gaps(text: str, tokens: list[Token], pieces: list[Piece]) -> None:
    end = 0
    for i, token in enumerate(tokens):
        lines = 0
        for match in _COMMENT.finditer(text, end, token.start_pos):
            if match.group() == "\n":
                lines += 1
            elif lines == 0 and i:
                pieces[i - 1].trailing = match.group().rstrip()
            else:
                pieces[i].comments.append(Comment(match.group().rstrip(), lines > 1))
                lines = 0
        pieces[i].newline = lines > 0 or bool(pieces[i].comments) or bool(i and pieces[i - 1].trailing)
        pieces[i].blank_before = lines > 1
        end = token.end_pos


def _find_statements(file: ast.File, pieces: list[Piece]) -> None:
    starts: dict[int, bool] = {}
    for node, _ in walk(file):
        if isinstance(node, ast.Statement | ast.ExternMember | ast.ExternFigure):
            starts.setdefault(node.span.start, False)
        if isinstance(node, ast.ArchDef):
            starts.update((claim.span.start, True) for claim in node.claims)
    for i, piece in enumerate(pieces):
        after = pieces[i - 1].kind if i else ""
        if piece.kind == "DOC" or after == "DOC":
            piece.newline = bool(i)
        if piece.kind == "DOC" or (piece.start in starts and not (piece.kind == "IF" and after == "ELSE")):
            piece.statement = True
            piece.claim = starts.get(piece.start, False)


def _pair_brackets(pieces: list[Piece]) -> None:
    open_at: list[int] = []
    chains: dict[int, list[int]] = {}  # by depth, that of the `if` whose `else` was met
    for i, piece in enumerate(pieces):
        if piece.opens:
            open_at.append(i)
        elif piece.closes:
            first = open_at.pop()
            opener = pieces[first]
            opener.partner, piece.partner = i, first
            if opener.kind == "LBRACE" and (pieces[first + 1].statement or i == first + 1):
                opener.body = piece.body = True
                opener.chain = chains.pop(len(open_at), [])
                opener.chain.append(first)
                if pieces[i + 1].kind == "ELSE":
                    chains[len(open_at)] = opener.chain


def _ends_operand(pieces: list[Piece], i: int) -> bool:
    kind = pieces[i].kind
    return kind in _ENDS_OPERAND or kind == "IN"


def _space(pieces: list[Piece], i: int, statement: str) -> bool:
    """Whether a space is before a piece of a statement that begins with a token of this kind."""
    before, piece = pieces[i - 1].kind, pieces[i].kind
    if before in ("LPAR", "LSQB", "DOT", "THROUGH", "UNTIL"):
        return False
    if piece in ("RPAR", "RSQB", "COMMA", "DOT", "COLON", "THROUGH", "UNTIL"):
        return False
    if before == "LEADING_STAR" or (before == "LBRACE" and piece == "RBRACE"):
        return False
    if before in ("MINUS", "STAR") and not (i > 1 and _ends_operand(pieces, i - 2)):
        return False
    if piece in ("LPAR", "LSQB"):
        return _after_type(pieces, i, statement) or not _ends_operand(pieces, i - 1)
    return True


def _after_type(pieces: list[Piece], i: int, statement: str) -> bool:
    """Whether this is the shape in `input tokens: int [N, T]`, in `buffer b.c: int []`, or in what an extern takes and
    gives."""
    before = [piece.kind for piece in pieces[max(i - 3, 0) : i]]
    if before[-2:] == ["ARROW", "NAME"]:
        return statement == "EXTERN"
    return before[-2:] == ["COLON", "NAME"] or before in (["PARAM", "LABEL", "NAME"], ["BUFFER", "LABEL", "NAME"])
