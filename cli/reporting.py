"""`archc list`: what ships with archc, and what a spec defines."""

from __future__ import annotations

import re
from shutil import get_terminal_size
from textwrap import fill
from typing import TYPE_CHECKING, Any

from ..api import open_program
from ..catalog import defined_names, locate, shipped_files
from ..dsl.diagnostics import ArchError
from .terminal import say, say_json, style, table

if TYPE_CHECKING:
    from ..dsl import ast
    from .specs_commands import List

_SENTENCE_END = re.compile(r"(?<!\bal)(?<!\b[A-Z])\.(?:\s|$)")


def run_list(request: List) -> int:
    spec = request.spec
    if spec is None:
        return list_shipped(request.format)
    program = open_program(locate(spec).path)
    if program.errors:
        raise ArchError(program.errors)
    definitions = program.definitions()
    if request.format == "json":
        say_json({"spec": spec, "definitions": [definition_json(d) for d in definitions]})
    else:
        rows = [[d.kind, d.name, parameters_text(d), summary(d.doc)] for d in definitions]
        table(["kind", "name", "parameters", "doc"], rows)
    return 0


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
