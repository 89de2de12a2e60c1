"""`archc rewrite`: an architecture made of another one, reported or written."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..api import Architecture
from . import compiling
from .comparing import difference_json, show
from .explaining import indented, say_parameters
from .looking import asked_for
from .making_commands import Compile
from .options import needs, settings_of
from .outputs import STDOUT, ready_for, target_path
from .reporting import summary
from .terminal import say, say_json, style

if TYPE_CHECKING:
    from ..compiler.emit.modules import ArchModule
    from ..compiler.ir.graph import Graph
    from .making_commands import Rewrite as RewriteRequest


NOTES = {"kendall_tau": "Kendall's tau of the order"}
"""How the notes of rewrites are called in a report."""


def run_rewrite(request: RewriteRequest) -> int:
    output, weights, kept = request.output, request.weights, request.weights_out
    needs("--weights-out", "--weights", kept is None or weights is not None)
    needs("--weights", "-o or --weights-out", weights is None or output is not None or kept is not None)
    options = settings_of(request.options, "--with")
    before = asked_for(request)
    after = before.rewrite(request.rewrite, **options)
    if output is None and request.emit is None and kept is None:
        report(before, after, request.format)
    else:
        target = "." if output is None and request.emit is not None else output
        asked = Compile(request.spec, request.name, target, request.emit, weights)
        write(replace(asked, device=request.device, seed=request.seed), after, kept)
    return 0


def report(before: Architecture, after: Architecture, format: str) -> None:
    """Prints what the rewrite changed."""
    difference = before.diff(after)
    if format == "json":
        say_json({**difference_json(difference), "notes": after.notes})
        return
    show(difference)
    say_notes(after)


def say_notes(after: Architecture) -> None:
    for name, value in after.notes.items():
        shown = f"{value:.4g}" if isinstance(value, float) else str(value)
        say(f"{NOTES.get(name, name)}: {shown}")


def write(request: Compile, after: Architecture, weights_out: Path | None) -> None:
    """Writes the module, the checkpoint or both: each whole or not at all, and nothing before all has run."""
    graph, emit = after.ir, compiling.emit_of(request)
    if request.output == STDOUT:
        if request.weights is not None:
            raise compiling.usage("'-' is for text alone: with weights, name a file")
        say(compiling.printed(emit, graph, request).rstrip("\n"))
        return
    compiling.note_weights(request)
    name = graph.name + compiling.SUFFIXES[emit]
    target = None if request.output is None else target_path(request.output, name)
    kept = None if weights_out is None else target_path(str(weights_out), name)
    ready_for(target, kept)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = None if target is None else compiling.make(emit, graph, request, target)
        module = made.module if made is not None else compiling.checked(graph, request)
        if kept is not None and module is not None:
            save_carried(graph, request, module, kept)
    shown = request if kept is None else replace(request, weights=kept)
    if made is not None:
        plain = shown.weights is not None and module is not None and compiling.loads(shown.weights, module)
        compiling.summarise(graph, shown, replace(made, plain=plain))
    if kept is not None and module is not None:
        say(f"  wrote {kept}: {len(module.state_dict())} tensors, under the names of the result")
    say_notes(after)


def save_carried(graph: Graph, request: Compile, module: ArchModule, path: Path) -> None:
    """Writes the checkpoint, in the precision of the one that was given."""
    from ..compiler.emit.fx import to_graph_module
    from ..compiler.emit.weights import load_weights, precision, save_weights

    if request.weights is not None:
        module = to_graph_module(graph, dtype=precision(request.weights), seed=request.seed)
        load_weights(module, request.weights, graph)
    save_weights(module, path)


# --- the rewrites --------------------------------------------------------------------------


def run_list() -> int:
    """Prints every rewrite with its settings."""
    from ..compiler.ir.rewrites import REWRITES
    from ..compiler.ops.reference import reference
    from ..compiler.passes.registry import lookup

    for name in REWRITES:
        entry = reference(lookup(name))
        say(style(entry.signature, "bold"))
        say(indented(f"{summary(entry.doc)}.", 2))
        say_parameters(entry, 4)
    return 0
