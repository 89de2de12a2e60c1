"""`archc compile`: a spec to a module on disk, written only after it has run."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..api import elaborated, open_program
from ..catalog import Place, locate
from ..compiler.ir.counts import short
from ..dsl.diagnostics import ArchError, Diagnostic
from ..figures import legal_sizes, output_text, shape
from .terminal import aligned, say, style

if TYPE_CHECKING:
    from ..compiler.emit.modules import ArchModule
    from ..compiler.ir.graph import Graph

SUFFIXES = {"py": ".py", "pt2": ".pt2", "onnx": ".onnx", "json": ".json"}


@dataclass(frozen=True, slots=True)
class Request:
    """A command line of `archc compile`."""

    spec: str
    name: str | None
    settings: dict[str, Any]
    output: str | None
    emit: str | None
    weights: Path | None
    device: str
    seed: int


def run_compile(request: Request) -> int:
    place = locate(request.spec, request.name)
    emit = request.emit or emit_by_suffix(request.output)
    graph = elaborated(open_program(place.path), place.name, request.settings).ir
    target = target_path(request, graph.name, emit)
    refuse_inputs(target, place, request.weights)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module, device = built(graph, request)
        remark = write_artifact(emit, graph, module, target)
    summarise(graph, request, device, target, remark)
    return 0


def emit_by_suffix(output: str | None) -> str:
    """What an output's ending asks for: `net.onnx` is ONNX; else Python."""
    suffix = Path(output or "").suffix
    return next((emit for emit, known in SUFFIXES.items() if known == suffix), "py")


def target_path(request: Request, name: str, emit: str) -> Path:
    """The file to write. Raises ArchError where it cannot be one, before anything is computed."""
    text = request.output or "."
    path = Path(text)
    if path.is_dir() or text.endswith(os.sep):
        path /= name + SUFFIXES[emit]
    reason = None
    if not path.parent.is_dir():
        reason = f"there is no folder {path.parent}"
    elif path.is_dir():
        reason = "it is a folder"
    elif not os.access(path.parent, os.W_OK):
        reason = f"the folder {path.parent} is not writable"
    if reason:
        raise ArchError(
            [Diagnostic("E0805", f"cannot write {path}: {reason}", hints=("name a file in a writable folder",))]
        )
    return path


def refuse_inputs(target: Path, place: Place, weights: Path | None) -> None:
    """Refuses to write over what is read."""
    for source in (place.path, weights):
        if source is not None and target.exists() and source.exists() and target.samefile(source):
            raise ArchError([Diagnostic("E0805", f"cannot write {target}: it is what is being compiled")])


def built(graph: Graph, request: Request) -> tuple[ArchModule, str]:
    """The module with its weights, after it has run forward on the device with the shapes inferred."""
    from ..compiler.emit.check import check_forward
    from ..compiler.emit.fx import to_graph_module
    from ..compiler.emit.weights import load_weights

    device = usable_device() if request.device == "auto" else request.device
    module = to_graph_module(graph, device=device, seed=request.seed)
    if request.weights is not None:
        load_weights(module, request.weights, graph)
    check_forward(module, graph)
    return module, device


def usable_device() -> str:
    from ..compiler.emit.fx import check_device

    try:
        check_device("cuda")
    except ArchError:
        return "cpu"
    return "cuda"


def write_artifact(emit: str, graph: Graph, module: ArchModule, target: Path) -> str:
    """Writes the file, whole or not at all. Returns what is worth saying of it."""
    if emit == "py":
        from ..compiler.emit.files import atomic_write
        from ..compiler.emit.source import to_python

        atomic_write(target, to_python(graph))
        return ""
    if emit == "json":
        from ..compiler.emit.graph_json import write_json

        write_json(graph, target)
        return ""
    from ..compiler.emit.export import to_onnx, to_pt2

    if emit == "pt2":
        to_pt2(module, graph, target)
        return ""
    return f", within {to_onnx(module, graph, target):.1g} of onnxruntime's outputs"


def summarise(graph: Graph, request: Request, device: str, target: Path, remark: str) -> None:
    """Prints what was made."""
    from ..compiler.analyses.stats import stats

    figures = stats(graph)
    rows = [
        ("parameters", f"{figures.parameters:,}"),
        ("multiply-adds", f"{figures.multiply_adds:,} ({short(figures.multiply_adds)})"),
        ("depth", f"{figures.depth:,}"),
    ]
    for entry in graph.inputs:
        at = "" if shape(entry.type.dims) == shape(entry.nominal) else f" at {shape(entry.nominal)}"
        rows.append(("input", f"{entry.name} {shape(entry.type.dims)}{at}"))
    for output in graph.outputs:
        name = f"{output.name} " if output.name else ""
        rows.append(("output", name + output_text(graph, output) + (" when training" if output.when_training else "")))
    if graph.nominal:
        rows.append(("legal sizes", "; ".join(legal_sizes(graph)) or "any"))
    if request.weights is not None:
        rows.append(("weights", f"{request.weights}, every tensor in its place"))
    rows.append(("ran", f"forward on {device}, with the shapes inferred"))
    rows.append(("wrote", f"{target} ({short(target.stat().st_size)}B){remark}"))
    say(style(graph.name, "bold") + (f"  {headline(graph.doc)}" if graph.doc else ""))
    for line in aligned(rows):
        say(f"  {line}")


def headline(doc: str) -> str:
    return doc.strip().partition("\n")[0]
