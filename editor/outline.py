"""The structure of a text: its symbols, what can be folded, and the kinds of its words."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from ..dsl import ast
from ..dsl.source import Span
from ..dsl.walk import children, walk
from ..grammar.highlight import KINDS
from .document import Document
from .names import Binding, Resolved
from .reference import heading
from .words import tokens
from .workspace import Workspace

_BRACKETS = re.compile(r'#[^\n]*|"""[\s\S]*?(?:"""|\Z)|"(?:[^"\\\n]|\\[^\n])*"?|[()\[\]{}]')
_COMMENTS = re.compile(r"(?:^[ \t]*#[^\n]*(?:\n|\Z)){2,}", re.MULTILINE)
MOST_SYMBOLS = 500
_LONGEST = 100
"""Characters of what a symbol is told to be."""


@dataclass(frozen=True, slots=True)
class Symbol:
    """Something that a text defines or labels: its name, where that stands, and the whole of it. `kind` is that of a
    binding, or "label"."""

    name: str
    kind: str
    detail: str
    name_span: Span
    span: Span
    children: list[Symbol] = field(default_factory=list)


def symbols(document: Document) -> list[Symbol]:
    """What a file defines, and within it what each declaration does; what stands in a statement that cannot be read is
    told by its heading."""
    found = _symbols(document.names) if document.names is not None else []
    text, known = document.source.text, {s.name_span.start for s in found}
    for kind, start, end in tokens(text):
        inside = any(s.span.start <= start < s.span.end for s in found)
        if kind in ("declared", "architecture") and start not in known and not inside and _declares(text, start):
            span = Span(document.source, start, end)
            found.append(Symbol(span.text, "arch" if kind == "architecture" else "block", "", span, span))
    return sorted(found, key=lambda symbol: symbol.span.start)


def _declares(text: str, start: int) -> bool:
    return re.search(r"\b(?:arch|block|fn|extern)\s+\Z", text[max(0, start - 40) : start]) is not None


def _symbols(names: Resolved) -> list[Symbol]:
    """The symbols of a file: what its statements give a name to, and what they label. What a label or a declaration
    holds is below it."""
    given: dict[ast.Syntax, list[Binding]] = {}
    for binding in names.file.all():
        if isinstance(binding.node, ast.Statement) and not isinstance(binding.node, ast.Use):
            given.setdefault(binding.node, []).append(binding)

    def within(outer: ast.Syntax) -> list[Symbol]:
        found: list[Symbol] = []
        pending = children(outer)[::-1]
        while pending:
            node = pending.pop()
            if isinstance(node, ast.Labelled):
                made = [Symbol(node.label.span.text, "label", _line(node.value), node.label.span, node.span)]
            else:
                made = [_named(binding) for binding in given.get(node, [])]
            found += made
            if len(made) == 1 and made[0].span is node.span:
                made[0].children.extend(within(node))
            else:  # what stands in a loop belongs to no variable of it, nor to one of several names
                pending += reversed(children(node))
        return found

    return within(names.file.node)


def _named(binding: Binding) -> Symbol:
    node = binding.node
    detail = _line(heading(node)) if isinstance(node, ast.Declaration) else ""
    span = binding.span if isinstance(node, ast.For) or not node.span.holds(binding.span) else node.span
    return Symbol(binding.name, binding.kind, detail, binding.span, span)


def _line(written: str | ast.Syntax) -> str:
    """A text on one line."""
    line = " ".join((written if isinstance(written, str) else written.span.text).split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def workspace_symbols(workspace: Workspace, folder: Path, query: str) -> list[Symbol]:
    """The declarations of a project's files whose names have the letters of a query in their order."""
    letters = re.compile(".*".join(map(re.escape, query)), re.IGNORECASE)
    found: list[Symbol] = []
    for path in workspace.project(folder / "any.arch"):
        names = workspace.names(path)
        for name, binding in names.file.own.items() if names is not None else ():
            if isinstance(binding.node, ast.Declaration) and letters.search(name):
                found.append(Symbol(name, binding.kind, "", binding.span, binding.node.span))
                if len(found) == MOST_SYMBOLS:
                    return found
    return found


def folds(document: Document) -> list[tuple[int, int, str]]:
    """What can be folded: the first and the last line, counted from 0, and "region", "comment" or "imports"."""
    source, found = document.source, []

    def add(start: int, end: int, kind: str) -> None:
        first, last = source.line_column(start)[0] - 1, source.line_column(end)[0] - 1
        if last > first:
            found.append((first, last, kind))

    opened: list[int] = []
    for match in _BRACKETS.finditer(source.text):
        if match[0] in "([{":
            opened.append(match.start())
        elif match[0] in ")]}":
            if opened:
                add(opened.pop(), match.start(), "region")
        elif match[0].startswith('"""'):
            add(match.start(), match.end() - 1, "comment")
    for match in _COMMENTS.finditer(source.text):
        add(match.start(), match.end() - 2, "comment")
    uses = [s for s in document.statements if isinstance(s, ast.Use)]
    if len(uses) > 1:
        add(uses[0].span.start, uses[-1].span.end, "imports")
    for node, _ in (pair for s in document.statements for pair in walk(s)):
        if isinstance(node, ast.Declaration):
            add(node.span.start, node.span.end, "region")
    return sorted(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Coloured:
    """A word with its type in the protocol of language servers. `given` is whether it is given its meaning there, and
    `brought` whether the language brings it along."""

    start: int
    end: int
    type: str
    given: bool = False
    brought: bool = False


_TYPES = {
    "arch": "class",
    "block": "function",
    "fn": "function",
    "extern": "function",
    "parameter": "parameter",
    "size": "type",
    "input": "variable",
}


def coloured(document: Document) -> list[Coloured]:
    """The words and signs of a text in order, each with what it is; none goes over the end of a line."""
    text = document.source.text
    uses = {span.start: (span, binding) for span, binding in document.names.uses} if document.names is not None else {}
    found = []
    for kind, start, end in tokens(text):
        use = uses.get(start)
        if use is not None and use[0].end == end:
            binding = document.workspace.origin(use[1]) if use[1].kind == "import" else use[1]
            found.append(Coloured(start, end, _TYPES.get(binding.kind, "variable"), use[0] == use[1].span))
        elif type_ := KINDS[kind][2]:
            for line in re.finditer(r"[^\n]+", text[start:end]):
                found.append(Coloured(start + line.start(), start + line.end(), type_, False, kind == "layer"))
    return found
