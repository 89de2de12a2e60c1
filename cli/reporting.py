"""`archc stats`, `archc list`, `archc explain`: tables and texts."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from shutil import get_terminal_size
from textwrap import fill
from typing import TYPE_CHECKING, Any

from ..api import elaborated, open_program
from ..catalog import DEFINITION, locate, shipped_files
from ..compiler.ir.counts import short
from ..figures import interface, legal_sizes, output_text, shape
from .terminal import say, say_json, style, table

if TYPE_CHECKING:
    from ..compiler.analyses.stats import Stats
    from ..compiler.ir.graph import Graph
    from ..compiler.program import Definition

COLUMNS = ("scope", "block", "parameters", "buffers", "multiply_adds", "output")
NUMBERS = frozenset({2, 3, 4})


def run_stats(spec: str, name: str | None, settings: dict[str, Any], format: str) -> int:
    place = locate(spec, name)
    graph = elaborated(open_program(place.path), place.name, settings).ir
    from ..compiler.analyses.stats import stats

    figures = stats(graph)
    if format == "json":
        say_json(stats_json(graph, figures))
    elif format == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows([COLUMNS, *(cells(row) for row in figures.rows)])
    elif format == "md":
        show_markdown([list(map(str, cells(row))) for row in figures.rows])
    else:
        show_stats(graph, figures)
    return 0


def cells(row: Any) -> list[Any]:
    return [row.path, row.block or "", row.parameters, row.buffers, row.multiply_adds, shape(row.output)]


def stats_json(graph: Graph, figures: Stats) -> dict[str, Any]:
    totals = {key: getattr(figures, key) for key in ("parameters", "buffers", "multiply_adds", "depth")}
    rows = [dict(zip(COLUMNS, [*cells(row)[:5], list(row.output)], strict=True)) for row in figures.rows]
    return {"name": graph.name, **totals, **interface(graph), "scopes": rows}


def show_markdown(rows: Sequence[Sequence[str]]) -> None:
    say("| " + " | ".join(COLUMNS) + " |")
    say("| " + " | ".join("---:" if i in NUMBERS else "---" for i in range(len(COLUMNS))) + " |")
    for row in rows:
        say("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |")


def show_stats(graph: Graph, figures: Stats) -> None:
    rows = []
    for row in figures.rows:
        path, block, *numbers, output = cells(row)
        indent = "  " * path.count(".")
        rows.append([indent + path.rpartition(".")[2], block, *(f"{n:,}" for n in numbers), output])
    total = ["total", "", f"{figures.parameters:,}", f"{figures.buffers:,}", f"{figures.multiply_adds:,}", ""]
    say(style(graph.name, "bold"))
    table([c.replace("_", "-") for c in COLUMNS], [*rows, total], NUMBERS)
    say()
    inputs = ", ".join(f"{i.name} {shape(i.type.dims)} at {shape(i.nominal)}" for i in graph.inputs)
    outputs = ", ".join(f"{o.name or 'out'} {output_text(graph, o)}" for o in graph.outputs)
    say(f"depth {figures.depth:,}, {short(figures.multiply_adds)} multiply-adds, {inputs} -> {outputs}")
    say(f"legal sizes: {'; '.join(legal_sizes(graph)) or 'any'}")


def run_list(spec: str | None, format: str) -> int:
    if spec is None:
        return list_shipped(format)
    definitions = open_program(locate(spec).path).definitions()
    if format == "json":
        say_json({"spec": spec, "definitions": [definition_json(d) for d in definitions]})
    else:
        rows = [[d.kind, d.name, parameters_text(d), first_line(d.doc)] for d in definitions]
        table(["kind", "name", "parameters", "doc"], rows)
    return 0


def list_shipped(format: str) -> int:
    """The zoo's index, from the same cheap scan that finds a name."""
    entries = []
    for path in shipped_files():
        text = path.read_text(encoding="utf-8")
        doc = text[3:].partition('"""')[0] if text.startswith('"""') else ""
        entries.append((path.stem, list(dict.fromkeys(DEFINITION.findall(text))), first_line(doc)))
    if format == "json":
        say_json({"shipped": [{"file": file, "architectures": names, "doc": doc} for file, names, doc in entries]})
        return 0
    width = text_width()
    for file, names, doc in entries:
        say(f"{style(file, 'bold')}  {style(doc, 'dim')}".rstrip())
        say(fill(" ".join(names), width, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False))
    return 0


def text_width() -> int:
    return min(get_terminal_size((100, 24)).columns, 120)


def wrapped(text: str) -> str:
    """The text with its paragraphs filled; indented ones are code and stay."""
    paragraphs = text.strip().split("\n\n")
    return "\n\n".join(p if p.startswith(" ") else fill(p, text_width(), break_on_hyphens=False) for p in paragraphs)


def definition_json(definition: Definition) -> dict[str, Any]:
    return {
        "kind": definition.kind,
        "name": definition.name,
        "parameters": parameters_text(definition),
        "doc": definition.doc,
        "line": definition.span.line if definition.span else None,
    }


def parameters_text(definition: Definition) -> str:
    return ", ".join(map(str, definition.parameters))


def first_line(doc: str | None) -> str:
    return (doc or "").strip().partition("\n")[0]


def run_explain(code: str | None) -> int:
    from .codes import all_codes

    codes = all_codes()
    if code is None:
        table(["code", "meaning"], [[key, entry.title] for key, entry in sorted(codes.items())])
        return 0
    known = codes.get(code.upper())
    if known is None:
        from difflib import get_close_matches

        from typer import BadParameter

        near = ", ".join(get_close_matches(code.upper(), codes, n=3))
        raise BadParameter(f"there is no code {code}" + (f"; near it are {near}" if near else ""), param_hint="'CODE'")
    say(f"{style(code.upper(), 'bold')}: {known.title}\n")
    say(wrapped(known.explanation))
    return 0
