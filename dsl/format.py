"""One layout for every file.

Words and comments stay as they are; spaces and indentation are the formatter's, and a `,` before a bracket that closes
on the same line is left out. An author's line breaks stay where they were made, lines longer than the limit are broken,
and at most one blank line separates statements.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from ..grammar import token_at
from .diagnostics import ArchError
from .parse import read
from .pieces import Piece, pieces_of
from .place import tokens_of
from .source import Source

WIDTH = 120
_STEP = 2
_GAP = "   "
_HEADS = ("ARCH", "BLOCK", "FN", "EXTERN")
_MERGES = ("PLUS", "MINUS", "JOIN", "STAR", "SLASH", "FLOOR", "PERCENT", "AND", "OR", "BAR")


def format_source(source: Source) -> str:
    """The source in the one layout. Raises `ArchError` where it has errors of syntax."""
    text = source.text.replace("\r\n", "\n")
    source = Source(text, source.name, source.path)
    file, diagnostics, _, tree = read(source)
    errors = [d for d in diagnostics if d.severity == "error"]
    if errors or file is None or tree is None:
        raise ArchError(errors)
    tokens = [*tokens_of(tree), token_at("$END", "", len(text), len(text))]
    pieces = pieces_of(text, tokens, file)
    _expand_bodies(pieces)
    while (lines := _Layout(pieces).lines()) is None:
        pass
    _align(lines)
    return "".join(line.text() + "\n" for line in lines)


@dataclass(slots=True)
class Line:
    indent: int
    cells: list[str] = field(default_factory=list)  # statements side by side
    comment: str = ""
    blank_before: bool = False
    widths: list[int] = field(default_factory=list)
    comment_at: int = 0

    def code(self) -> str:
        padded = [cell.ljust(width) for cell, width in zip(self.cells, self.widths, strict=False)]
        return _GAP.join([*padded, *self.cells[len(padded) :]])

    def text(self) -> str:
        code = " " * self.indent + self.code() if self.cells else ""
        if self.comment and self.cells:
            code = code.ljust(self.comment_at) + _GAP + self.comment
        elif self.comment:
            code = " " * self.indent + self.comment
        return ("\n" if self.blank_before else "") + code


def _expand_bodies(pieces: list[Piece]) -> None:
    """A body with a line break or a comment anywhere in it has its statements on lines of their own."""
    breaks = [0]
    for piece in pieces:
        breaks.append(breaks[-1] + (piece.newline or bool(piece.trailing)))
    for i, piece in enumerate(pieces):
        if piece.opens and piece.body and breaks[piece.partner + 1] > breaks[i + 1]:
            _expand(pieces, i)


def _expand(pieces: list[Piece], opener: int) -> None:
    """Put the braces of a body, and those of the other branches of its `if`, on lines of their own."""
    for i in pieces[opener].chain:
        first, last = pieces[i + 1], pieces[pieces[i].partner]
        if first is not last or first.comments:
            first.newline = last.newline = True
            first.blank_before = last.blank_before = False
        if first.comments:
            first.comments[0].blank_before = False


class _Layout:
    def __init__(self, pieces: list[Piece]):
        self.pieces = pieces
        self.ranks = [self._rank(i) if i else None for i in range(len(pieces))]
        self.out: list[Line] = []
        self.base = 0  # the indentation of the statement at hand
        self.expanded = False
        self.broken = [False]  # per open body, whether its latest statement takes several lines
        self.stack: list[tuple[Piece, int, int, int]] = []  # opener, indentation within, at its closing, and base

    def lines(self) -> list[Line] | None:
        """The lines, or None where a body had to be expanded, so that the layout starts anew."""
        pending = deque(self._author_lines())
        while pending:
            start, end = pending.popleft()
            first = self.pieces[start]
            if first.kind == "$END":
                self._comments(first, 0)
                break
            indent = self._indent(first)
            self._comments(first, self._inner(first, indent))
            if (at := self._break(start, end, indent)) != end:
                pending.appendleft((at, end))
                end = at
            if (at := self._emit(start, end, indent)) != end:
                pending.appendleft((at, end))
        return None if self.expanded else self.out

    def _author_lines(self) -> list[tuple[int, int]]:
        starts = [i for i, piece in enumerate(self.pieces) if i == 0 or piece.newline or piece.kind == "$END"]
        return list(zip(starts, [*starts[1:], len(self.pieces)], strict=True))

    def _indent(self, first: Piece) -> int:
        if first.closes:
            return self.stack[-1][2]
        top = self.stack[-1] if self.stack else None
        if first.statement:
            return (top[1] if top else 0) + (_STEP if first.claim else 0)
        if top is not None and not top[0].body:
            return top[1]
        return self.base + _STEP

    def _inner(self, first: Piece, indent: int) -> int:
        return self.stack[-1][1] if first.closes else indent

    def _comments(self, piece: Piece, indent: int) -> None:
        for comment in piece.comments:
            line = Line(indent, comment=comment.text, blank_before=comment.blank_before and bool(self.out))
            self.out.append(line)

    def _emit(self, start: int, end: int, indent: int) -> int:
        """Write a line, up to a statement that stands behind one of several lines; return where it ended."""
        first = self.pieces[start]
        blank = first.blank_before and first.statement and bool(self.out)
        level = len(self.broken)
        cells: list[str] = [""]
        self.broken[-1] |= not first.statement and not first.closes
        for i in range(start, end):
            piece = self.pieces[i]
            if piece.statement and i > start and self.broken[-1]:
                end = i
                break
            if piece.statement:
                self.broken[-1] = False
                self.base = indent if i == start else (self.stack[-1][1] if self.stack else 0)
            if piece.closes:
                self.base = self.stack.pop()[3]
                if piece.body:
                    self.broken.pop()
                    self.broken[-1] |= piece.newline
            if i > start and piece.statement and len(self.broken) == level:
                cells.append("")
            cells[-1] += piece.text if not cells[-1] else self._before(i) + piece.text
            if piece.opens:
                step = 2 * _STEP if self._in_head(i) else _STEP
                within = self.base + _STEP if piece.body else indent + step
                if piece.body:
                    self.broken.append(False)
                self.stack.append((piece, within, self.base if piece.body else indent, self.base))
        comment = self.pieces[end - 1].trailing
        self.out.append(Line(indent, cells, comment, blank))
        return end

    def _in_head(self, i: int) -> bool:
        """Whether this bracket opens a list of parameters, behind which a body may follow."""
        before = self.pieces[i - 1]
        i = before.partner if before.kind == "RPAR" else i
        return self.pieces[i].kind == "LPAR" and i > 1 and self.pieces[i - 2].kind in _HEADS

    def _before(self, i: int) -> str:
        piece = self.pieces[i]
        if piece.statement and not (self.pieces[i - 1].body and self.pieces[i - 1].opens):
            return _GAP
        return " " if piece.space else ""

    def _break(self, start: int, end: int, indent: int) -> int:
        """Where to break a line: at the shallowest place, the last that fits. `end` where it fits, or cannot be broken.

        A body that makes its line too long is expanded instead, for the next layout."""
        places: dict[tuple[int, int], int] = {}
        depth, lowest, column, body = 0, 0, indent, -1
        between = False  # whether it may be broken between two statements of the outermost level
        for i in range(start, end):
            piece = self.pieces[i]
            depth -= piece.closes
            lowest = min(lowest, depth)  # a line that begins with a closing brace goes on further out
            rank = self.ranks[i] if i > start else None
            if rank is not None and not (body >= 0 and i <= self.pieces[body].partner):
                # A break behind an opening bracket is worth no more than one a level deeper.
                outermost = rank == 0 and depth == lowest
                between |= outermost
                places[(lowest - 1, 0) if outermost else (depth + (rank == 5), rank)] = i
            if body < 0 and piece.opens and piece.body and piece.partner < end:
                body = i
            column += len((self._before(i) if i > start else "") + piece.text)
            if column > WIDTH:
                break
            depth += piece.opens
        else:
            return end
        if body >= 0 and not between:
            self._expand(body, indent + _STEP if self.pieces[start].statement else None)
            return end
        return places[min(places)] if places else end

    def _expand(self, opener: int, indent: int | None) -> None:
        """Expands a body. Where it is known how far the statements in it are indented, so are the bodies of those that
        are too long in their turn."""
        self.expanded = True
        _expand(self.pieces, opener)
        for first in self.pieces[opener].chain:
            depth = 0
            for piece in self.pieces[first + 1 : self.pieces[first].partner]:
                piece.newline |= piece.statement and depth == 0
                depth += piece.opens - piece.closes
            inside = [i for i in range(first + 1, self.pieces[first].partner + 1) if self.pieces[i].newline]
            for start, end in pairwise(inside if indent is not None else ()):
                if self.pieces[start].statement:
                    self._break(start, end, (indent or 0) + _STEP * self.pieces[start].claim)

    def _rank(self, i: int) -> int | None:
        """How well a line may begin with this piece: 0 best, None not at all."""
        piece, before = self.pieces[i], self.pieces[i - 1]
        if piece.statement:
            return 0
        if piece.kind in ("ARROW", "ELSE", "WHEN", "AT"):
            return 1
        if before.kind == "COMMA" or piece.kind == "FOR":
            return 2
        if piece.kind in _MERGES and piece.space and self.pieces[i + 1].space:
            return 3
        if (piece.kind == "EQUAL" and before.kind == "RPAR") or before.kind == "FAT_ARROW":
            return 4
        if before.kind in ("LPAR", "LSQB") and not piece.closes and not self._in_head(i - 1):
            return 5
        return None


def _align(lines: list[Line]) -> None:
    """Second statements, and comments, of neighbouring lines begin in one column, where that fits."""
    for group in _groups(lines, lambda line: len(line.cells) > 1):
        width = max(len(line.cells[0]) for line in group)
        if all(line.indent + width + len(line.code()) - len(line.cells[0]) <= WIDTH for line in group):
            for line in group:
                line.widths = [width]
    for group in _groups(lines, lambda line: bool(line.comment and line.cells)):
        column = max(line.indent + len(line.code()) for line in group)
        if all(column + len(_GAP + line.comment) <= WIDTH for line in group):
            for line in group:
                line.comment_at = column


def _groups(lines: list[Line], belongs: Callable[[Line], bool]) -> Iterator[list[Line]]:
    group: list[Line] = []
    for line in lines:
        if belongs(line) and not (group and (line.blank_before or line.indent != group[0].indent)):
            group.append(line)
            continue
        if group:
            yield group
        group = [line] if belongs(line) else []
    if group:
        yield group
