"""What can be written at a character: names, words, arguments, values, files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ..compiler.elaborate.expressions import ATTRIBUTES
from ..compiler.elaborate.imports import SHIPPED
from ..compiler.elaborate.language import known_names
from ..compiler.elaborate.parameters import NAMED_TYPES
from ..dsl import ast
from ..dsl.codes import explained
from ..grammar import words
from ..grammar.highlight import OPENS
from .cursor import Calling, Cursor, cursor
from .document import Document
from .names import Binding
from .reference import described, documented, fenced, heading, page
from .signatures import Parameter, Signature, signature_of
from .words import literal_at, tokens

_USE = re.compile(r'\buse\s+(?P<names>[^"\n]*?)\bfrom\s*(?P<path>"(?:[^"\n]*)"?)?', re.DOTALL)
_QUOTED = re.compile(r'"[^"\n]*"?')
_IN_FILES = ("USE", "ARCH", "EXTERN")
_IN_BODIES = ("INPUT", "OUTPUT", "SHARED", "PARAM", "BUFFER", "CONST", "DRAW", "DEFAULT", "ORDER", "FOR", "IF")
"""Statements of a file alone, and of a body alone."""
_WORDS = (
    *("ARCH", "BLOCK", "FN", "EXTERN", "USE", "INPUT", "OUTPUT", "SHARED", "PARAM", "BUFFER", "CONST", "DRAW"),
    "DEFAULT",
)


@dataclass(frozen=True, slots=True)
class Completion:
    """Something that can be written in the place of the characters from `start` to `end`. `kind` is a word such as
    "layer", "parameter" or "file"; `detail` a few words beside it, `snippet` whether `text` has places to fill in, and
    `rank` puts what is likelier first."""

    label: str
    kind: str
    detail: str
    start: int
    end: int
    text: str
    snippet: bool = False
    rank: int = 5


def complete(document: Document, offset: int) -> list[Completion]:
    """What can be written at a character, whatever stands around it."""
    text = document.source.text
    literal = literal_at(text, offset)
    if literal is not None and literal[0] != "string":
        return []
    if literal is not None:
        return list(_in_string(document, offset, literal[1]))
    here = cursor(document.source, offset)
    found = [*_importing(document, here), *_arguments(document, here), *_names(document, here), *_words(here)]
    if "NAME" in here.expected and here.after == ".":
        found = [Completion(a, "attribute", "of a tensor", here.start, offset, a) for a in ATTRIBUTES]
    if here.after == ":" and (types := _types(document, here)):
        found = types
    return list({c.label: c for c in reversed(found)}.values())[::-1]


def documentation(document: Document, label: str, offset: int) -> str:
    """What an item of a completion means, as Markdown; empty where nothing is known."""
    binding = document.names.file.at(offset).lookup(label) if document.names is not None else None
    if binding is not None:
        node = document.workspace.origin(binding).node
        return f"{fenced(heading(node))}\n\n{node.doc or ''}" if isinstance(node, ast.Declaration) else ""
    return documented(label) if label in set(known_names()) else page(label) or ""


# --- what is in quotes -----------------------------------------------------------------------------


def _in_string(document: Document, offset: int, quote: int) -> Iterator[Completion]:
    """Files behind `from`, else the words that the argument takes."""
    text = document.source.text
    match = _QUOTED.match(text, quote)
    end = match.end() if match is not None else offset
    closed = match is not None and len(match[0]) > 1 and match[0].endswith('"')
    inside_end = end - closed
    if re.search(r"\bfrom\s*$", text[:quote]):
        for path, detail in _files(document):
            yield Completion(path, "file", detail, quote + 1, inside_end, path, rank=1)
        return
    here = cursor(document.source, quote)
    for parameter in _meant(document, here.calling):
        for word in parameter.words:
            plain = word.strip('"')
            if word.startswith('"'):
                yield Completion(plain, "value", parameter.name, quote + 1, inside_end, plain, rank=1)


def _files(document: Document) -> Iterator[tuple[str, str]]:
    """The paths that an import of a file may name: those of its project from its folder, then what ships with archc."""
    here = document.path.parent
    for path in document.workspace.project(document.path):
        if path != document.path and not path.is_relative_to(SHIPPED):
            yield Path(os.path.relpath(path, here)).as_posix(), "of this project"
    for path in _shipped():
        yield path, "ships with archc"


@cache
def _shipped() -> tuple[str, ...]:
    return tuple(sorted(p.relative_to(SHIPPED).as_posix() for p in SHIPPED.rglob("*.arch")))


def _importing(document: Document, here: Cursor) -> Iterator[Completion]:
    """The names that the file of a `use` defines."""
    if here.heading[-1:] not in (("USE",), ("COMMA",), ("NAME",)) or "USE" not in here.heading:
        return
    text = document.source.text
    start = text.rfind("use", 0, here.start)
    match = _USE.match(text, start) if start >= 0 else None
    if match is None or not match["path"] or not start < here.start <= match.start("path"):
        return
    path = document.workspace.imported(document.path, match["path"].strip('"'))
    names = document.workspace.names(path) if path is not None else None
    for name, binding in names.file.own.items() if names is not None else ():
        if binding.kind != "import":
            yield Completion(name, binding.kind, _detail(binding), here.start, here.offset, name, rank=1)


# --- arguments -------------------------------------------------------------------------------------


def _meant(document: Document, calling: Calling | None) -> list[Parameter]:
    """The parameter for which the argument at hand is, none where that is not certain."""
    signature = _signature(document, calling)
    if signature is None or calling is None:
        return []
    at = signature.at(calling.place, calling.naming)
    return [signature.parameters[at]] if at is not None else []


def _signature(document: Document, calling: Calling | None) -> Signature | None:
    if calling is None or calling.declares:
        return None
    return signature_of(document, calling.name)


def _arguments(document: Document, here: Cursor) -> Iterator[Completion]:
    """Arguments by name, and the values that the argument at hand may have."""
    signature, calling = _signature(document, here.calling), here.calling
    if signature is None or calling is None or "NUMBER" not in here.expected:
        return
    for parameter in _meant(document, calling):
        for word in parameter.words:
            yield Completion(word, "value", parameter.name, here.start, here.offset, word, rank=1)
    if here.after in ("(", ","):
        for number, parameter in enumerate(signature.parameters):
            given = parameter.name in calling.named or (parameter.positional and number < calling.place)
            if not given:
                text = f"{parameter.name} = "
                yield Completion(parameter.name, "argument", parameter.detail, here.start, here.offset, text, rank=2)


def _types(document: Document, here: Cursor) -> list[Completion]:
    """The types of a parameter that is declared."""
    if here.calling is None or not here.calling.declares:
        return []
    return [Completion(t, "type", told, here.start, here.offset, t, rank=1) for t, (told, _) in NAMED_TYPES.items()]


# --- names and words -------------------------------------------------------------------------------


def _names(document: Document, here: Cursor) -> Iterator[Completion]:
    """Every name that has a value here."""
    if "NUMBER" not in here.expected or (here.calling is not None and here.calling.declares and here.after in "(,"):
        return
    flows = here.after == "->"
    visible = document.names.file.at(here.start).visible() if document.names is not None else {}
    for name, binding in visible.items():
        kind = document.workspace.origin(binding).kind if binding.kind == "import" else binding.kind
        rank = 3 if (kind in ("block", "extern")) == flows else 4
        yield Completion(name, kind, _detail(binding), here.start, here.offset, name, rank=rank)
    unread = document.names is None or document.names.file.at(here.start) is document.names.file
    written = _written(document, here.start) - visible.keys() if unread else set()
    for name in sorted(written):
        yield Completion(name, "parameter", "", here.start, here.offset, name, rank=4)
    for name in known_names():
        if name not in visible and name not in written:
            kind, detail = _kind_and_signature(name)
            rank = 3 if flows and kind == "layer" else 6
            yield Completion(name, kind, detail, here.start, here.offset, name, rank=rank)


def _written(document: Document, offset: int) -> set[str]:
    """The names that a declaration gives which cannot be read as it is: its parameters, and what is assigned in it."""
    text, found = document.source.text, set()
    for kind, start, end in reversed([token for token in tokens(text) if token.end <= offset]):
        if kind in ("parameter", "assigned"):
            found.add(text[start:end])
        if kind == "statement" and text[start:end] in OPENS:
            return found
    return set()


@cache
def _kind_and_signature(name: str) -> tuple[str, str]:
    kind, entry = described(name)
    return kind, entry.signature if entry is not None else ""


def _detail(binding: Binding) -> str:
    if isinstance(binding.node, ast.Declaration):
        return " ".join(heading(binding.node).split())
    if isinstance(binding.node, ast.Use):
        return f'from "{binding.node.path}"'
    return binding.kind


SNIPPETS = {
    "arch": "arch ${1:Net} {\n  input ${2:x}: [N, 3, H, W] = [1, 3, 224, 224]\n  output ${2:x} -> $0\n}",
    "block": "block ${1:unit}(${2:c}) = $0",
    "fn": "fn ${1:f}(${2:x}) = $0",
    "use": 'use ${2:name} from "${1:file.arch}"',
    "input": "input ${1:x}: [N, ${2:3}, H, W] = [1, ${2:3}, ${3:224}, ${3:224}]",
    "output": "output $0",
    "expect": "expect ${1:params} == $0",
    "require": 'require ${1:condition}, "${2:why}"',
    "for": "for ${1:i} in ${2:0..<3} {\n  $0\n}",
    "if": "if $1 then $2 else $0",
    "match": "match ${1:value} {\n  $0\n}",
}


def _words(here: Cursor) -> Iterator[Completion]:
    """The words of the grammar that may stand here."""
    statement = "OUTPUT" in here.expected or "ARCH" in here.expected
    for word, kind in words().keywords.items():
        if kind in here.expected and not (statement and kind in (_IN_FILES if here.in_body else _IN_BODIES)):
            snippet = SNIPPETS.get(word) if statement or word in ("if", "match") else None
            title = explained(word).title
            text = snippet or word
            rank = 2 if statement and kind in _WORDS else 7
            yield Completion(word, "word", title, here.start, here.offset, text, snippet is not None, rank)
