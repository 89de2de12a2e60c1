"""`archc rewrite`: an architecture made of another one, reported or written."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..api import Architecture, opened
from ..catalog import locate
from . import compiling
from .comparing import difference_json, show
from .explaining import indented, say_parameters
from .outputs import ready_for
from .reporting import summary
from .terminal import say, say_json, style

if TYPE_CHECKING:
    from ..compiler.emit.modules import ArchModule
    from ..compiler.ir.graph import Graph


NOTES = {"kendall_tau": "Kendall's tau of the order"}
"""How the notes of rewrites are called in a report."""


@dataclass(frozen=True, slots=True)
class Request:
    """A command line of `archc rewrite`: the rewrite with its settings, and as for `archc compile` what is rewritten
    and written. `weights_out` is where the carried checkpoint goes."""

    rewrite: str
    settings: dict[str, Any]
    compiled: compiling.Request
    weights_out: Path | None
    format: str


def run_rewrite(request: Request) -> int:
    compiled = request.compiled
    place = locate(compiled.spec, compiled.name)
    before = opened(place, compiled.settings)
    after = before.rewrite(request.rewrite, **request.settings)
    if compiled.output is None and request.weights_out is None:
        report(before, after, request.format)
    else:
        write(request, after)
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


def write(request: Request, after: Architecture) -> None:
    """Writes the module, the checkpoint or both: each whole or not at all, and nothing before all has run."""
    compiled, graph = request.compiled, after.ir
    emit = compiling.emit_of(compiled)
    if compiled.output == compiling.STDOUT:
        if compiled.weights is not None:
            raise compiling.usage("'-' is for text alone: with weights, name a file")
        say(compiling.printed(emit, graph, compiled).rstrip("\n"))
        return
    target, kept = targets(request, graph.name, emit)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = None if target is None else compiling.make(emit, graph, compiled, target)
        module = made.module if made is not None else compiling.checked(graph, compiled)
        if kept is not None and module is not None:
            save_carried(graph, compiled, module, kept)
    shown = compiled if kept is None else replace(compiled, weights=compiling.Weights(kept))
    if made is not None:
        plain = shown.weights is not None and module is not None and compiling.loads(shown.weights, module)
        compiling.summarise(graph, shown, replace(made, plain=plain))
    if kept is not None and module is not None:
        say(f"  wrote {kept}: {len(module.state_dict())} tensors, under the names of the result")
    say_notes(after)


def save_carried(graph: Graph, compiled: compiling.Request, module: ArchModule, path: Path) -> None:
    """Writes the checkpoint, in the precision of the one that was given."""
    from ..compiler.emit.fx import to_graph_module
    from ..compiler.emit.weights import load_weights, precision, save_weights

    if compiled.weights is not None:
        module = to_graph_module(graph, dtype=precision(compiled.weights.path), seed=compiled.seed)
        load_weights(module, compiled.weights.path, graph)
    save_weights(module, path)


def targets(request: Request, name: str, emit: str) -> tuple[Path | None, Path | None]:
    """The files to write: the module's and the weights'. Raises ArchError where one cannot be written."""
    compiled = request.compiled
    compiling.note_weights(compiled.weights)
    out = request.weights_out
    target = None if compiled.output is None else compiling.target_path(compiled, name, emit)
    kept = None if out is None else compiling.target_path(replace(compiled, output=str(out)), name, emit)
    ready_for(target, kept)
    return target, kept


# --- the rewrites --------------------------------------------------------------------------


def run_list() -> int:
    """Prints every rewrite with its settings."""
    from ..compiler.ops.reference import reference
    from ..compiler.passes.registry import REWRITES, lookup

    for name in REWRITES:
        entry = reference(lookup(name))
        say(style(entry.signature, "bold"))
        say(indented(f"{summary(entry.doc)}.", 2))
        say_parameters(entry, 4)
    return 0
