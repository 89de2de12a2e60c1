"""From a name to what gives it, to everywhere that it stands, and to another name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..compiler.elaborate.environment import MISSING
from ..compiler.elaborate.imports import SHIPPED
from ..compiler.elaborate.language import global_value
from ..dsl import ast
from ..dsl.parse import read
from ..dsl.source import Source, Span
from ..dsl.walk import walk
from ..grammar import words
from .document import Document
from .names import Binding, Resolved
from .words import literal_at, word_at
from .workspace import Workspace


class Refused(Exception):
    """Why something cannot be renamed."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A new text in the place of an old one."""

    span: Span
    text: str


def _meant(document: Document, offset: int) -> Binding | None:
    """What the name at a character is where it is defined, in whatever file."""
    names = document.names
    if names is None:
        return None
    keyword = names.keyword_at(offset)
    if keyword is not None:
        return document.workspace.origin(keyword[1]).parameters.get(keyword[2])
    use = names.at(offset)
    return document.workspace.origin(use[1]) if use is not None else None


def definition(document: Document, offset: int) -> Span | None:
    """Where the name at a character is given; of the path of an import, the beginning of the file."""
    for node in document.statements:
        if isinstance(node, ast.Use) and node.path_span.start <= offset <= node.path_span.end:
            path = document.workspace.imported(document.path, node.path)
            source = document.workspace.source(path) if path is not None else None
            return Span(source, 0, 0) if source is not None else None
    names = document.names
    use = names.at(offset) if names is not None else None
    found = _meant(document, offset)
    if found is None:
        return None
    if use is not None and found is use[1] and found.kind == "value":
        # Of several statements that give it, the one that holds here.
        node = found.giver(use[0].start)
        return next((s for s in found.places if node.span.holds(s)), found.span)
    return found.span


def references(document: Document, offset: int) -> list[Span]:
    """Everywhere that the name at a character stands, in this file and in those of its project."""
    found = _meant(document, offset)
    return list(dict.fromkeys(_places(document.workspace, found))) if found is not None else []


def highlights(document: Document, offset: int) -> list[Span]:
    """The same in this file alone."""
    names = document.names
    use = names.at(offset) if names is not None else None
    return use[1].places if use is not None else []


def _places(workspace: Workspace, binding: Binding, aliases: bool = True) -> Iterator[Span]:
    """Where a name of a file stands, there and in the files that import it, also under the names that it has there."""
    yield from binding.places
    path = binding.span.source.path
    owner = binding.owner
    exported = binding if binding.scope.outer is None else owner
    if path is None or exported is None or exported.scope.outer is not None:
        return
    for other in workspace.project(path):
        names = workspace.names(other) if other != path else None
        if names is None:
            continue
        for here in names.file.own.values():
            if here.kind == "import" and workspace.origin(here) is exported:
                if owner is not None:
                    yield from (s for s, callee, name in names.keywords if callee is here and name == binding.name)
                else:
                    yield from _imports(here, names, aliases)


def _imports(here: Binding, names: Resolved, aliases: bool) -> Iterator[Span]:
    """Where an imported name stands: in the import, and where it has no other name here, in what uses it."""
    if here.there == here.name:
        yield from here.places
        return
    node = here.node
    found = names.words.between(node.span.start + 3, here.span.start)
    yield from (span for span in found[-2:] if span.text == here.there)
    yield from here.places if aliases else ()


# --- another name ----------------------------------------------------------------------------------


def renamable(document: Document, offset: int) -> Span:
    """The name at a character that can be another one. Raises Refused."""
    if literal_at(document.source.text, offset) is not None:
        raise Refused("only names can be renamed")
    word = word_at(document.source, offset)
    if word is None:
        raise Refused("there is no name here")
    names = document.names
    known = names is not None and (names.at(offset) is not None or names.keyword_at(offset) is not None)
    if not known:
        nodes = (node for statement in document.statements for node, _ in walk(statement))
        if any(isinstance(node, ast.LabelPath) and node.span.holds(word) for node in nodes):
            why = "with another one, checkpoints of the network no longer load"
            raise Refused(f"`{word.text}` is a label, which names tensors: {why}")
        raise Refused(f"`{word.text}` is a word of the language, or a name that nothing here gives")
    return word


def rename(document: Document, offset: int, new: str) -> list[Edit]:
    """The edits that give what is named at a character another name, in all files. Raises Refused where the name cannot
    be one, or where something would then mean something else."""
    word = renamable(document, offset)
    if not words().is_name(new) or new == "_":
        raise Refused(
            f"`{new}` cannot be a name: names are made of letters, digits and `_`, and no words of the language"
        )
    names = document.names
    use = names.at(offset) if names is not None else None
    binding = use[1] if use is not None and use[1].kind == "import" and use[1].there != use[1].name else None
    if binding is not None:
        spans = binding.places  # an alias of this file alone
    else:
        found = _meant(document, offset)
        if found is None:
            raise Refused(f"the file that defines `{word.text}` cannot be read")
        spans = list(dict.fromkeys(_places(document.workspace, found, aliases=False)))
    if new == word.text:
        return []
    edits = [Edit(span, new) for span in spans if span.text == word.text]
    _check_writable(edits, document)
    for source in dict.fromkeys(edit.span.source for edit in edits):
        _check_meaning(document.workspace, source, [e for e in edits if e.span.source is source], new)
    return edits


def _check_writable(edits: list[Edit], document: Document) -> None:
    inside = document.path.is_relative_to(SHIPPED)
    for edit in edits:
        path = edit.span.source.path
        if path is not None and path.is_relative_to(SHIPPED) and not inside:
            raise Refused(f"`{edit.span.text}` is defined in {path.name}, which ships with archc")


def _check_meaning(workspace: Workspace, source: Source, edits: list[Edit], new: str) -> None:
    """Raises Refused unless every name of a text means after the edits what it meant before."""
    before = workspace.resolved(workspace.reading(source))
    after_source = Source(applied(source.text, edits), source.name, source.path)
    reading = read(after_source)
    if before is None or reading.whole is None:
        raise Refused("this text cannot be read")
    brought = global_value(new) is not MISSING
    if brought and any(span.text == new for span in before.words.between(0, len(source.text))):
        raise Refused(f"`{new}` is a name of the language, and this file uses it")
    shift = _shifts(edits)
    then = {(shift(s.start), shift(b.span.start)) for s, b in before.uses}
    now = {(s.start, b.span.start) for s, b in Resolved(reading.whole).uses}
    if then != now:
        raise Refused(f"`{new}` is taken: something else has that name where this one is given or used")


def _shifts(edits: list[Edit]) -> Callable[[int], int]:
    """From a character before edits to the same one after them."""
    ordered = sorted(edits, key=lambda edit: edit.span.start)

    def shift(at: int) -> int:
        return at + sum(len(e.text) - (e.span.end - e.span.start) for e in ordered if e.span.start < at)

    return shift


def applied(text: str, edits: list[Edit]) -> str:
    """A text after edits, which do not overlap."""
    for edit in sorted(edits, key=lambda edit: -edit.span.start):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    return text
