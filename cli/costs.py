"""`archc stats`: what an architecture costs."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..architecture import Architecture
from ..compiler.analyses.figures import without
from ..compiler.ir.counts import short
from ..figures import interface, legal_sizes, output_text, shape
from .looking import looked_at
from .options import sizes_of, usage
from .terminal import say, say_json, style, table

if TYPE_CHECKING:
    from ..compiler.analyses.stats import Stats
    from ..compiler.ir.graph import Graph
    from .analysis_commands import Stats as Request

SCOPES = ("scope", "block", "parameters", "buffers", "multiply_adds", "output")
KINDS = ("kind", "count", "parameters", "buffers", "multiply_adds")
TITLES = {"kept": "kept_bytes"}
"""Titles that say a unit, where others count."""
MEMORY = ("activations", "kept")
WORDS = frozenset({"scope", "block", "kind", "output"})


def run_stats(request: Request) -> int:
    from ..compiler.analyses.stats import stats

    given = sizes_of(request.sizes)
    architecture = looked_at(request)
    figures = stats(architecture.ir, checked_sizes_of(architecture, given, request.batch), request.dtype)
    if request.format == "json":
        say_json(stats_json(architecture.ir, figures))
        return 0
    if request.format == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        columns = columns_of(request)
        writer.writerows([columns, *cells(figures, request, columns)])
    else:
        print_table(architecture.ir, figures, request, columns_of(request))
    return 0


def print_table(graph: Graph, figures: Stats, request: Request, columns: Sequence[str]) -> None:
    """The table for people, in which rows that come again are one."""
    from ..compiler.analyses.repeats import table_rows
    from ..compiler.analyses.tables import latex, markdown

    if request.by == "kind":
        rows = [[text_of(cell) for cell in row] for row in cells(figures, request, columns)]
    else:
        rows = table_rows(figures, columns[2:-1], paths=request.format == "md")
    titles, right = [TITLES.get(c, c).replace("_", "-") for c in columns], numeric(columns)
    totals = [f"{getattr(figures, c):,}" if hasattr(figures, c) and c not in WORDS else "" for c in columns]
    totals[0] = "total"
    if request.format == "md":
        lines = markdown(titles, [*rows, totals], right)
    elif request.format == "latex":
        lines = latex(titles, rows, right, totals)
    else:
        say(style(graph.name, "bold"))
        table(titles, [*rows, totals], right)
        say_summary(graph, figures, request)
        return
    for line in lines:
        say(line)


def checked_sizes_of(architecture: Architecture, sizes: dict[str, int], batch: int | None = None) -> dict[str, int]:
    """The sizes that the command line gives, those of the batch among them; or a usage error."""
    from ..compiler.analyses.usual import batch_sizes, checked_sizes

    given = dict(sizes)
    try:
        if batch is not None:
            images = batch_sizes(architecture.ir, batch)
            if images is None:
                raise usage("the batch of this architecture is fixed", "--batch")
            given.update(images)
        checked_sizes(architecture.ir, given)
    except ValueError as error:
        raise usage(str(error), "--size") from None
    return given


def columns_of(request: Request) -> tuple[str, ...]:
    """The titles of the table."""
    more = MEMORY if request.memory else ()
    return (*KINDS, *more) if request.by == "kind" else (*SCOPES[:-1], *more, SCOPES[-1])


def cells(figures: Stats, request: Request, columns: Sequence[str]) -> list[list[Any]]:
    """The rows of the table, one for each kind or scope."""
    if request.by == "kind":
        return [[getattr(row, column) for column in columns] for row in figures.kinds]
    numbers = columns[2:-1]
    return [[r.path, r.block or "", *(getattr(r, c) for c in numbers), shape(r.output)] for r in figures.rows]


def stats_json(graph: Graph, figures: Stats) -> dict[str, Any]:
    totals = ("parameters", "buffers", "multiply_adds", "depth", "frozen", *MEMORY, "dtype", "sizes")
    sums = ("weight_bytes", "gradient_bytes", "inference_bytes", "training_bytes")
    scopes = [
        {"scope": r.path, **{c: getattr(r, c) for c in (*SCOPES[1:-1], *MEMORY)}, "output": list(r.output)}
        for r in figures.rows
    ]
    return {
        "name": graph.name,
        **{key: getattr(figures, key) for key in (*totals, *sums)},
        "lacks": list(figures.lacks),
        **interface(graph),
        "formulas": {key: str(value) for key, value in formulas_of(figures).items()},
        "unknown_memory": list(figures.unknown),
        "scopes": scopes,
        "kinds": [asdict(kind) for kind in figures.kinds],
    }


def formulas_of(figures: Stats) -> dict[str, Any]:
    return {key: getattr(figures.formulas, key) for key in ("multiply_adds", *MEMORY)}


def numeric(columns: Sequence[str]) -> frozenset[int]:
    return frozenset(i for i, column in enumerate(columns) if column not in WORDS)


def text_of(cell: object) -> str:
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


def say_summary(graph: Graph, figures: Stats, request: Request) -> None:
    say()
    inputs = ", ".join(
        f"{i.name} {shape(i.type.dims)} at {shape(at)}" for i, at in zip(graph.inputs, figures.inputs, strict=True)
    )
    spent = f"depth {figures.depth:,}{without(graph, 'depth')}, {short(figures.multiply_adds)} multiply-adds"
    spent += without(graph, "macs")
    outputs = ", ".join(f"{o.name or 'out'} {output_text(graph, o, figures.sizes)}" for o in graph.outputs)
    say(f"{spent}, {inputs} -> {outputs}")
    say(f"legal sizes: {legal_sizes(graph, 'any')}")
    if request.memory:
        show_memory(figures)
    if request.formulas:
        for name, formula in formulas_of(figures).items():
            say(f"{name.replace('_', '-')} = {formula}")


def show_memory(figures: Stats) -> None:
    from ..compiler.analyses.memory import size_text

    again = figures.training_bytes - figures.weight_bytes - figures.gradient_bytes - figures.kept
    say(
        f"memory, {figures.dtype}: weights {size_text(figures.weight_bytes)}; "
        f"inference {size_text(figures.inference_bytes)}; training {size_text(figures.training_bytes)}, with "
        f"{size_text(figures.gradient_bytes)} of gradients and {size_text(figures.kept)} kept for the backward pass"
        + (f", and {size_text(again)} for a part that is computed again" if again else "")
    )
    say_unknown(figures.unknown)


def say_unknown(kinds: Sequence[str]) -> None:
    """Says the kinds of layers whose memory is left out, if there are any."""
    if kinds:
        say(f"the memory of these is not known and left out: {', '.join(kinds)}")
