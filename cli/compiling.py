"""`archc compile`: a spec to a file, which is moved into place only after it has run."""

from __future__ import annotations

import json
import os
import warnings
from dataclasses import dataclass, replace
from keyword import iskeyword
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ..compiler.ir.counts import short
from ..compiler.program import sized
from ..dsl.diagnostics import ArchError
from ..figures import legal_sizes, output_text, plural, shape
from .costs import checked_sizes_of
from .looking import asked_for
from .options import needs, sizes_of, usage
from .outputs import STDOUT, print_file, ready_for, target_path
from .progress import phase
from .terminal import aligned, say, style
from .weights import note_weights, taken

if TYPE_CHECKING:
    from ..architecture import Architecture
    from ..compiler.emit.agreement import Agreement
    from ..compiler.emit.inference import Report
    from ..compiler.emit.modules import ArchModule
    from ..compiler.ir.graph import Graph
    from .making_commands import Compile
    from .weights import Taken

SUFFIXES = {"py": ".py", "pt2": ".pt2", "onnx": ".onnx", "json": ".json", "arch": ".arch", "graphml": ".graphml"}
TEXTS = ("json", "arch", "graphml")
"""What says the graph itself, and so needs no module."""


RUN_BY = {
    "pt2": "net = torch.export.load({path}).module()",
    "onnx": "net = onnxruntime.InferenceSession({path})",
}
"""How files that run are loaded without archc, by what they are."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a compilation made: the file, and what is worth saying of it. `device` is None where nothing was run."""

    emit: str
    device: str | None
    target: Path
    agreement: Agreement | None = None
    given: Taken | None = None
    module: ArchModule | None = None
    report: Report | None = None


def run_compile(request: Compile) -> int:
    emit = emit_of(request)
    needs("--engine", "--optimize", request.optimize or request.engine is None)
    needs("--optimizer", "--fit", request.fit is not None or request.optimizer is None)
    for name in ("dtype", "batch", "sizes"):
        asked = request.optimize or request.fit is not None or getattr(request, name) is None
        needs(f"--{'size' if name == 'sizes' else name}", "--optimize or --fit", asked)
    if request.optimize and request.fit is not None:
        raise usage("--optimize writes a network for inference, and training has to fit", "--fit")
    sizes = sizes_of(request.sizes)
    architecture = asked_for(request)
    written(replace(request, output=request.output or "."), emit, _graph_of(architecture, request, sizes))
    return 0


def _graph_of(architecture: Architecture, request: Compile, sizes: dict[str, int]) -> Graph:
    """The graph to compile: with modules that training computes again, or with the sizes that are fixed."""
    if request.fit is None:
        return sized(architecture.ir, checked_sizes_of(architecture, sizes, request.batch))
    told = {"batch": request.batch, "dtype": request.dtype, "optimizer": request.optimizer}
    given: dict[str, Any] = {name: value for name, value in told.items() if value is not None}
    given |= checked_sizes_of(architecture, sizes)
    return architecture.fit(request.fit, **given).ir


def written(
    request: Compile, emit: str, graph: Graph, weights_out: str | None = None, before: Graph | None = None
) -> None:
    """Writes the file, the checkpoint or both: each whole or not at all, and nothing before all has run. Without an
    output the module only runs. The weights may be of the graph `before` a rewrite."""
    name = graph.name + SUFFIXES[emit]
    target = None if request.output is None else target_path(request.output, name)
    kept = None if weights_out is None else target_path(weights_out, name)
    note_weights(request)
    ready_for(target, request.write_map, kept)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given = taken(request, graph, before)
        if request.output == STDOUT:
            print_file(printed(emit, graph, request, given))
            return
        made = None if target is None else make(emit, graph, request, target, given)
        module = made.module if made is not None else checked(graph, request, given)
        if kept is not None and module is not None:
            save_carried(graph, request, module, kept, given)
    if made is not None:
        summarise(graph, request if kept is None else replace(request, weights=str(kept)), made)
    if kept is not None and module is not None:
        say(f"  wrote {kept}: {len(module.state_dict())} tensors, under the names of the result")


def save_carried(graph: Graph, request: Compile, module: ArchModule, path: Path, given: Taken | None) -> None:
    """Writes the checkpoint, in the precision of the one that was given."""
    from ..compiler.emit.checkpoint import precision
    from ..compiler.emit.fx import to_graph_module
    from ..compiler.emit.weights import load_weights, save_weights

    if given is not None:
        module = to_graph_module(graph, dtype=precision(given.checkpoint), seed=request.seed)
        load_weights(module, given.checkpoint, graph)
    save_weights(module, path)


def make(emit: str, graph: Graph, request: Compile, target: Path, given: Taken | None) -> Made:
    """Builds the module where the file or the weights need one, writes the file whole or not at all, and after it the
    map of names."""
    if emit in TEXTS and request.weights is None:
        write_artifact(emit, graph, None, target, True)
        return Made(emit, None, target)
    module, device = built(graph, request, given)
    phase(f"compile: {target.name} is written and run beside the module")
    report = None
    if request.optimize:
        from ..compiler.emit.inference_file import to_inference

        agreement, report = to_inference(module, graph, target, *inference_of(request))
    else:
        agreement = write_artifact(emit, graph, module, target, request.weights is None)
    if given is not None:
        given.save_map()
    return Made(emit, device, target, agreement, given, module, report)


def inference_of(request: Compile) -> tuple[str, str]:
    """The engine and the type of a file for inference."""
    return request.engine or "kernels", request.dtype or "float32"


def loads(weights: str, module: ArchModule | None) -> bool:
    """Whether the module loads the file of weights without archc."""
    from ..compiler.emit.weights import loads_as_it_is

    return module is not None and loads_as_it_is(Path(weights), module)


def emit_of(request: Compile) -> str:
    """What to make: `--emit`, or what the output's ending says, else Python. Raises a usage error if they disagree."""
    output, emit = request.output or "", request.emit
    if request.optimize:
        if emit not in (None, "pt2"):
            raise usage(f"'--emit {emit}' contradicts --optimize, which writes pt2", "--emit")
        emit = "pt2"
    if output == STDOUT:
        if emit in ("pt2", "onnx"):
            raise usage(f"'-' is for text, and {emit} is not: name a file, as in '-o net.{emit}'", "--output")
        return emit or "py"
    suffix = "" if output.endswith(os.sep) or os.path.isdir(output) else Path(output).suffix.lower()
    meant = next((kind for kind, known in SUFFIXES.items() if known == suffix), None)
    if emit and meant and emit != meant:
        said = "--optimize, which writes pt2," if request.optimize else f"'--emit {emit}'"
        raise usage(f"{said} contradicts '{output}', whose ending says {meant}", "--output")
    if not emit and not meant and suffix:
        raise usage(
            f"'{suffix}' says nothing of what to make: end it in {', '.join(SUFFIXES.values())}, or add --emit",
            "--output",
        )
    return emit or meant or "py"


def built(graph: Graph, request: Compile, given: Taken | None) -> tuple[ArchModule, str]:
    """The module with its weights, on the device."""
    from ..compiler.emit.fx import to_graph_module
    from ..compiler.emit.weights import load_weights

    phase(f"compile: building the module{'' if given is None else ' and loading the weights'}")
    device = usable_device() if request.device == "auto" else request.device
    module = to_graph_module(graph, device=device, seed=request.seed)
    if given is not None:
        load_weights(module, given.checkpoint, graph)
    return module, device


def checked(graph: Graph, request: Compile, given: Taken | None) -> ArchModule:
    """The module with its weights, after it has run."""
    from ..compiler.emit.check import check_forward

    module, _ = built(graph, request, given)
    check_forward(module, graph)
    return module


def usable_device() -> str:
    from ..compiler.emit.fx import check_device

    try:
        check_device("cuda")
    except ArchError:
        return "cpu"
    return "cuda"


def printed(emit: str, graph: Graph, request: Compile, given: Taken | None) -> str:
    """The artifact for the standard output: written to a file that is run like any other, and read."""
    with TemporaryDirectory() as folder:
        target = Path(folder) / f"{graph.name}{SUFFIXES[emit]}"
        make(emit, graph, request, target, given)
        return target.read_text(encoding="utf-8")


def write_artifact(emit: str, graph: Graph, module: ArchModule | None, target: Path, fresh: bool) -> Agreement | None:
    """Writes the file, whole or not at all, after it has run. Returns what it was compared in, where it can be run.
    `fresh` says that the module has its initial values."""
    if emit in TEXTS:
        if module is not None:
            from ..compiler.emit.check import check_forward

            check_forward(module, graph)
        if emit == "arch":
            from ..compiler.emit.spec_file import to_arch

            to_arch(graph, target)
        elif emit == "graphml":
            from ..compiler.interchange.graphml import write_graphml

            write_graphml(graph, target)
        else:
            from ..compiler.decompile.graph_json import write_json

            write_json(graph, target)
        return None
    assert module is not None
    if emit == "py":
        from ..compiler.emit.python_file import to_py

        return to_py(module, graph, target, fresh)
    from ..compiler.emit.export import to_onnx, to_pt2

    return to_pt2(module, graph, target) if emit == "pt2" else to_onnx(module, graph, target)


def summarise(graph: Graph, request: Compile, made: Made) -> None:
    """Prints what was made."""
    from ..compiler.analyses.figures import totals, without

    plain = request.weights is not None and loads(request.weights, made.module)
    figures = totals(graph)
    rows = [
        ("parameters", f"{figures['parameters']:,}"),
        ("multiply-adds", f"{figures['multiply_adds']:,} ({short(figures['multiply_adds'])}){without(graph, 'macs')}"),
        ("depth", f"{figures['depth']:,}{without(graph, 'depth')}"),
    ]
    for entry in graph.inputs:
        at = "" if shape(entry.type.dims) == shape(entry.nominal) else f" at {shape(entry.nominal)}"
        rows.append(("input", f"{entry.name} {shape(entry.type.dims)}{at}"))
    for output in graph.outputs:
        name = f"{output.name} " if output.name else ""
        rows.append(("output", name + output_text(graph, output) + (" when training" if output.when_training else "")))
    if graph.nominal:
        rows.append(("legal sizes", legal_sizes(graph, "any")))
    if request.weights is not None:
        held = "" if made.emit in ("pt2", "onnx") else f"; {made.target.name} does not hold them"
        if held and not plain:
            held += ", nor load this file without archc; `-o net.pt2` holds them"
        how = ""
        if made.given is not None and made.given.names is not None:
            how = ", by the map below" if made.given.map_rows() else ", by the names"
        others = made.given.rows(graph) if made.given is not None else []
        which = "all other tensors in their places" if others else "every tensor in its place"
        rows.append(("weights", f"{request.weights}, {which}{how}{held}"))
        rows.extend(others)
    rows.extend(optimizations(made, request))
    rows.extend(fitted(graph))
    rows.extend(ran(graph, made))
    rows.append(("wrote", f"{made.target} ({short(made.target.stat().st_size)}B)"))
    rows.extend(("use", text) for text in use_of(graph, request, plain, made))
    rows.extend(made.given.map_rows() if made.given is not None else ())
    headline = (graph.doc or "").strip().partition("\n")[0]
    say(style(graph.name, "bold") + (f"  {headline}" if graph.doc else ""))
    for line in aligned(rows):
        say(f"  {line}")


def ran(graph: Graph, made: Made) -> list[tuple[str, str]]:
    """What was run before the file was moved into place, and what was not."""
    if made.agreement is None:
        run = "the module, with the shapes inferred"
        rows = [] if made.device is None else [("ran", f"{run}, on {made.device}")]
        return [*rows, ("read", "again, and it is the same architecture")] if made.emit == "arch" else rows
    agreement, rows = made.agreement, []
    if agreement.trials:
        rows = [("ran", f"{made.target.name} against the module on {made.device}: {agreement.outcome}")]
    return [*rows, *agreement.modes(graph), *[("left out", text) for text in agreement.left_out]]


def optimizations(made: Made, request: Compile) -> list[tuple[str, str]]:
    """What was done to a network for inference, what was not, and where it runs."""
    if made.report is None:
        return []
    from ..compiler.emit.inference_file import RUNS_ON

    bound = [("runs on", RUNS_ON[engine]) for engine in inference_of(request) if engine in RUNS_ON]
    done = [("done", f"{what}: {number}") for what, number in made.report.done.items()]
    refused = [("not done", f"{path}: {why}" if path else why) for path, why in made.report.refused.items()]
    return [*done, *refused, *bound]


def fitted(graph: Graph) -> list[tuple[str, str]]:
    """What training computes again so that it fits into memory."""
    from ..compiler.analyses.memory import size_text
    from ..compiler.ir.words import few

    found = graph.notes.get("fit")
    if found is None:
        return []
    share = f"{plural(len(found.modules), 'module')}, {found.again:.0%} of the forward's multiply-adds"
    memory = f"{size_text(found.bytes)}, {size_text(found.before)} before"
    return [("training", memory), ("again", f"{share}: {few(found.modules, 4)}")]


def use_of(graph: Graph, request: Compile, plain: bool, made: Made) -> list[str]:
    """How to use a file that runs, or a Python file, with weights if these load without archc (`plain`)."""
    path = json.dumps(str(made.target), ensure_ascii=False)
    if made.report is not None:
        from ..compiler.emit.private import LOADED_BY

        return [text.format(path=path) for text in LOADED_BY[inference_of(request)[0]]]
    if made.emit in RUN_BY:
        return [RUN_BY[made.emit].format(path=path)]
    weights = request.weights if plain else None
    stem = made.target.stem
    if made.emit != "py" or made.target.suffix != ".py" or not stem.isidentifier() or iskeyword(stem):
        return []
    from ..compiler.decompile.python.file import class_name

    name = class_name(graph)
    line = f"from {stem} import {name}"
    if weights is None:
        return [line]
    path = json.dumps(weights, ensure_ascii=False)
    if weights.endswith(".safetensors"):
        return [f"{line}; from safetensors.torch import load_file; {name}().load_state_dict(load_file({path}))"]
    return [f"{line}; {name}().load_state_dict(torch.load({path}))"]
