"""`archc list`: what ships with archc, and what a spec defines."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from shutil import get_terminal_size
from textwrap import fill
from typing import TYPE_CHECKING, Any

from ..api import open_program
from ..catalog import defined_names, locate, shipped_files, spec_files
from ..dsl.diagnostics import ArchError, refused
from .terminal import report, say, say_json, style, table

if TYPE_CHECKING:
    from ..dsl import ast
    from ..dsl.diagnostics import Diagnostic
    from .specs_commands import List

COLUMNS = ["kind", "name", "parameters", "doc"]
_SENTENCE_END = re.compile(r"(?<!\bal)(?<!\b[A-Z])\.(?:\s|$)")


def run_list(request: List) -> int:
    words = request.specs or []
    if not words:
        return list_shipped(request.format)
    if len(words) == 1 and not os.path.isdir(path := locate(words[0]).path):
        definitions = definitions_of(path)
        if request.format == "json":
            say_json({"spec": words[0], "definitions": [definition_json(d) for d in definitions]})
        else:
            table(COLUMNS, [row(d) for d in definitions])
        return 0
    return list_several(words, request.format)


def list_several(words: Sequence[str], format: str) -> int:
    """What specs and those under folders define; those that cannot be read are reported, and the others listed."""
    found: dict[str, Sequence[ast.Declaration]] = {}
    wrong: list[Diagnostic] = []
    for word in words:
        try:
            path = locate(word).path
            files = specs_under(path) if os.path.isdir(path) else [path]
        except ArchError as error:
            wrong += error.diagnostics
            continue
        for path in files:
            try:
                found[str(path)] = definitions_of(path)
            except ArchError as error:
                wrong += error.diagnostics
    report(wrong)
    if format == "json":
        listed = [{"spec": path, "definitions": list(map(definition_json, found[path]))} for path in found]
        say_json({"specs": listed} if len(words) > 1 else {"folder": words[0], "specs": listed})
    elif found:
        table(["file", *COLUMNS], [[path, *row(d)] for path, definitions in found.items() for d in definitions])
    return int(bool(wrong))


def specs_under(folder: Path) -> list[Path]:
    """The specs under a folder. Raises ArchError (E1002) where there are none."""
    files = spec_files(folder)
    if not files:
        raise refused("E1002", f"there is no .arch file in {folder}")
    return files


def definitions_of(path: Path) -> Sequence[ast.Declaration]:
    """What a spec defines. Raises ArchError where it cannot be read."""
    program = open_program(path)
    if program.errors:
        raise ArchError(program.errors)
    return program.definitions()


def row(definition: ast.Declaration) -> list[str]:
    return [definition.kind, definition.name, parameters_text(definition), summary(definition.doc)]


def list_shipped(format: str) -> int:
    """The zoo's index, from the same cheap scan that finds a name."""
    entries = []
    for path in shipped_files():
        text = path.read_text(encoding="utf-8")
        doc = text[3:].partition('"""')[0] if text.startswith('"""') else ""
        entries.append((path.stem, defined_names(text), summary(doc)))
    if format == "json":
        say_json({"shipped": [{"file": file, "architectures": names, "doc": doc} for file, names, doc in entries]})
        return 0
    width = text_width()
    for file, names, doc in entries:
        say(f"{style(file, 'bold')}  {style(fill(doc, width - len(file) - 2, subsequent_indent='  '), 'dim')}".rstrip())
        say(fill(" ".join(names), width, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False))
    return 0


def text_width() -> int:
    return min(get_terminal_size((100, 24)).columns, 120)


def definition_json(definition: ast.Declaration) -> dict[str, Any]:
    return {
        "kind": definition.kind,
        "name": definition.name,
        "parameters": parameters_text(definition),
        "doc": definition.doc,
        "line": definition.name_span.line,
    }


def parameters_text(definition: ast.Declaration) -> str:
    return ", ".join(parameter.span.text for parameter in definition.parameters)


def summary(doc: str | None) -> str:
    """The first sentence, without its full stop."""
    text = " ".join((doc or "").strip().partition("\n\n")[0].split())
    return _SENTENCE_END.split(text, maxsplit=1)[0]
