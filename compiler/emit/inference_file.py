"""Networks for inference as `.pt2` files, which run without archc.

The engine "kernels" gives torch.export's program of oneDNN's operators. No such file holds packed weights: it holds
plain ones, and packs them at each call, unless what it loads has them folded, which packs them once. The engine
"inductor" gives AOTInductor's package: code compiled for this processor, with packed weights.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from ...dsl.reads import named_in_utf8
from ..ir.graph import Graph
from .agreement import Agreement, agree, attempted, written
from .arguments import checked_dtype
from .check import Run, Trial, check_forward, named, placement
from .export import export, guarded, quiet, refusals, tolerance_of
from .inference import Report, rewritten
from .kernels import unpacked
from .modules import ArchModule
from .private import aot_module, aot_package, fold_constants
from .trials import make_inputs

RUNS_ON = {"inductor": f"processors with the instructions of this one, torch {torch.__version__.partition('+')[0]}"}
"""What a file is bound to, if it is."""


def to_inference(
    module: ArchModule, graph: Graph, path: str | os.PathLike[str], engine: str, dtype: str
) -> tuple[Agreement, Report]:
    """Writes the module, rewritten for inference, as a file that an engine makes; sizes that are open stay open.

    Weights and maps are of type `dtype`, and so are outputs. Floating inputs are of the module's type. Before the file
    is moved into place it is loaded, and computes what the module does at two legal sizes and the smallest ones, up to
    the rounding of `dtype`. Returns what was compared, and what was done. Raises ArchError (E0803, E0805, E0807, E0808,
    E0821 to E0823).
    """
    record = check_forward(module, graph, least=True).in_eval()
    device, takes = placement(module)
    network, report = rewritten(graph, module, device=device, dtype=dtype, engine=engine)
    unpacked(network)
    program = export(network, graph, takes)

    def write(temporary: Path) -> Agreement:
        name, maker = Path(path).name, "AOTInductor" if engine == "inductor" else "torch.export"
        if engine == "inductor" and named_in_utf8(temporary) is None:
            raise OSError(f"{maker} takes no folder whose name is not UTF-8")
        with quiet(), torch.no_grad():
            with refusals(maker):
                _save(program, temporary, engine)
            loaded = attempted(name, "", lambda: _loaded(temporary, engine))

            def runner(trial: Trial) -> Run:
                found = guarded(loaded, make_inputs(graph, trial.sizes, device, takes))
                return Run(trial, {name: _wide(tensor, takes) for name, tensor in named(graph, found, False).items()})

            return agree(graph, record, runner, what=name, tolerance=tolerance_of(checked_dtype(dtype) or takes))

    return written(path, write, ".pt2"), report


def _save(program: ExportedProgram, path: Path, engine: str) -> None:
    if engine == "inductor":
        aot_package(program, str(path))
    else:
        with path.open("wb") as file:
            torch.export.save(program, file)


def _loaded(path: Path, engine: str) -> Callable[..., Any]:
    """What a file computes, as `LOADED_BY` says it is loaded."""
    if engine == "inductor":
        return aot_module(str(path))
    with path.open("rb") as file:
        network = torch.export.load(file).module()
    fold_constants(network)
    return network


def _wide(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Floating numbers in the type in which they are compared."""
    return tensor.to(dtype) if tensor.is_floating_point() else tensor
