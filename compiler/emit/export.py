"""torch.export's .pt2 files and ONNX files, with the spec's symbolic sizes kept."""

from __future__ import annotations

import io
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch._dynamo.exc import UserError
from torch.export import Dim as ExportDim
from torch.export import ExportedProgram
from torch.fx.experimental import _config as config

from ...dsl.diagnostics import ArchError, Diagnostic
from ..ir.graph import Graph
from ..ir.sizes import symbols
from .check import check_forward, evaluating, larger_sizes, make_inputs, placement, shown
from .files import atomic_write
from .memory import is_memory_error
from .modules import ArchModule, flattened

_TOLERANCE = 1e-3
_ONNX_LIMIT = 2**31 - 2**20


def to_pt2(module: nn.Module, graph: Graph, path: str | os.PathLike[str]) -> None:
    """Writes the module in eval as torch.export's format; the spec's symbolic sizes stay symbolic.

    The module has run forward before. Raises ArchError (E0803, E0805, E0821).
    """
    check_forward(module, graph)
    program = export(module, graph)
    content = io.BytesIO()
    torch.export.save(program, content)
    atomic_write(path, content.getvalue())


def to_onnx(module: ArchModule, graph: Graph, path: str | os.PathLike[str]) -> float:
    """Writes the module in eval as ONNX, after onnxruntime has computed the same at the nominal and other legal sizes.

    Returns the largest absolute difference of an output. Raises ArchError (E0803, E0805, E0820 to E0822).
    """
    _require_onnx()
    check_forward(module, graph)
    program = export(flattened(module), graph)
    worst = 0.0

    def write(temporary: Path) -> None:
        nonlocal worst
        with _quiet(), _refusals("ONNX"):
            external = sum(t.nbytes for t in module.state_dict().values()) > _ONNX_LIMIT
            if external:
                raise RuntimeError("it has more than 2 GiB of weights, which one ONNX file cannot hold")
            names = [entry.name for entry in graph.inputs]
            made = torch.onnx.export(
                program, input_names=names, output_names=_output_names(graph), dynamo=True, verbose=False
            )
            assert made is not None
            _rename_inner(made.model.graph)
            made.save(str(temporary), external_data=False)
        worst = _check_onnx(module, graph, temporary)

    atomic_write(path, write)
    return worst


def _rename_inner(graph: Any) -> None:
    """Renames what is computed or stored inside where an input or output has the name already."""
    ends = [*graph.inputs, *graph.outputs]
    values = [*graph.initializers.values(), *(value for node in graph for value in node.outputs)]
    taken = {value.name for value in [*ends, *values]}
    names, known = {value.name for value in ends}, {id(value) for value in ends}
    for value in values:
        if value.name in names and id(value) not in known:
            number = next(n for n in count(1) if f"{value.name}_{n}" not in taken)
            value.name = f"{value.name}_{number}"
            taken.add(value.name)


def export(module: nn.Module, graph: Graph) -> ExportedProgram:
    """The module in eval as torch.export's program. Raises ArchError (E0821) if a symbolic size would become fixed."""
    device, dtype = placement(module)
    sizes = larger_sizes(graph) or dict(graph.nominal)
    inputs = tuple(make_inputs(graph, sizes, device, dtype))
    # without it the exporter assumes that no size inside the network is ever 1
    oblivious = cast(Any, config).patch(backed_size_oblivious=True)
    with _quiet(), _refusals("torch.export"), evaluating(module, device), oblivious:
        program = _export(module, graph, inputs)
        fixed = _fixed(program, graph)
    if fixed:
        message = f"torch.export would fix {', '.join(fixed)}, which the spec leaves symbolic"
        raise ArchError([Diagnostic("E0821", message, hints=("give the input fixed sizes, or report the layer",))])
    return program


def _export(module: nn.Module, graph: Graph, inputs: tuple[Tensor, ...]) -> ExportedProgram:
    """With the sizes as the spec relates them; where torch infers sharper bounds than the spec states, with torch's."""
    try:
        return torch.export.export(module, inputs, dynamic_shapes=_dynamic_shapes(graph))
    except UserError:
        shapes = {
            entry.name: {axis: ExportDim.AUTO for axis, dim in enumerate(entry.type.dims) if symbols(dim)}
            for entry in graph.inputs
        }
        return torch.export.export(module, inputs, dynamic_shapes=shapes)


def _dynamic_shapes(graph: Graph) -> dict[str, dict[int, Any]]:
    """torch's name for each symbolic axis: a dimension, a multiple of one plus a number, or its own to find."""
    known: dict[str, Any] = {}
    return {
        entry.name: {axis: _dimension(dim, known) for axis, dim in enumerate(entry.type.dims) if symbols(dim)}
        for entry in graph.inputs
    }


def _dimension(dim: Any, known: dict[str, Any]) -> Any:
    names = sorted(symbols(dim))
    if len(names) != 1:
        return ExportDim.AUTO
    (name,) = names
    at = [dim.evaluate({name: value}) for value in (1, 2, 5)]
    factor, offset = at[1] - at[0], 2 * at[0] - at[1]
    if factor < 1 or at[2] != 5 * factor + offset:
        return ExportDim.AUTO
    base = known.setdefault(name, ExportDim(name))
    scaled = base if factor == 1 else factor * base
    return scaled if offset == 0 else scaled + offset


def _fixed(program: ExportedProgram, graph: Graph) -> list[str]:
    """The symbolic axes of inputs that became numbers."""
    found = []
    user = set(program.graph_signature.user_inputs)
    placeholders = [n for n in program.graph.nodes if n.op == "placeholder" and n.name in user]
    for entry, node in zip(graph.inputs, placeholders, strict=True):
        for axis, dim in enumerate(entry.type.dims):
            if symbols(dim) and isinstance(node.meta["val"].shape[axis], int):
                found.append(f"axis {axis} of `{entry.name}` ({dim})")
    return found


@contextmanager
def _refusals(what: str) -> Iterator[None]:
    """What an exporter raises, as a diagnostic."""
    try:
        yield
    except ArchError:
        raise
    except Exception as error:  # exporters raise anything
        if is_memory_error(error):
            raise ArchError([Diagnostic("E0807", f"{what} needs more memory than there is")]) from error
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = (lines or [type(error).__name__])[0][:300]
        hint = "`--emit py` writes the same network as Python source"
        raise ArchError([Diagnostic("E0821", f"{what} refuses the module: {reason}", hints=(hint,))]) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporters' warnings and logs, which are about their own insides."""
    loggers = [logging.getLogger(name) for name in ("torch", "torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


# --- ONNX ----------------------------------------------------------------------------------


def _require_onnx() -> None:
    from importlib.util import find_spec

    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
    if missing:
        message = f"ONNX files need the package{'s' if len(missing) > 1 else ''} {', '.join(missing)}"
        raise ArchError([Diagnostic("E0820", message, hints=("pip install 'archc[onnx]'",))])


def _output_names(graph: Graph) -> list[str]:
    """The names of the ONNX outputs; one that an input has too gets `_out`, as ONNX names each value once."""
    names = []
    for output in graph.outputs:
        if not output.when_training:
            name = output.name or "out"
            several = len(output.values) > 1
            names += [f"{name}_{i}" for i in range(len(output.values))] if several else [name]
    taken = {entry.name for entry in graph.inputs}
    return [f"{name}_out" if name in taken else name for name in names]


def _check_onnx(module: nn.Module, graph: Graph, path: Path) -> float:
    """The largest difference of onnxruntime from the module. Raises ArchError (E0822) if it is more than rounding."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    with _refusals("onnxruntime"):
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    device, dtype = placement(module)
    worst = 0.0
    for sizes in [dict(graph.nominal), *filter(None, [larger_sizes(graph)])]:
        inputs = make_inputs(graph, sizes, device, dtype)
        with evaluating(module, device):
            expected = _flat(module(*inputs))
        feeds = {entry.name: value.cpu().numpy() for entry, value in zip(graph.inputs, inputs, strict=True)}
        with _refusals(f"onnxruntime at {shown(sizes)}"):
            wanted = {entry.name for entry in session.get_inputs()}
            results = session.run(None, {name: value for name, value in feeds.items() if name in wanted})
        worst = max(
            [worst, *(_difference(a, torch.as_tensor(b), sizes) for a, b in zip(expected, results, strict=True))]
        )
    return worst


def _flat(result: Any) -> list[Tensor]:
    if isinstance(result, Tensor):
        return [result]
    items = result.values() if isinstance(result, Mapping) else result
    return [tensor for item in items or () for tensor in _flat(item)]


def _difference(expected: Tensor, found: Tensor, sizes: Mapping[str, int]) -> float:
    expected = expected.cpu()
    if expected.shape != found.shape:
        message = f"onnxruntime puts out {list(found.shape)} at {shown(sizes)}, and the module {list(expected.shape)}"
        raise ArchError([Diagnostic("E0822", message)])
    if not expected.numel():
        return 0.0
    difference = float((expected.double() - found.double()).abs().max())
    bound = _TOLERANCE * max(1.0, float(expected.double().abs().max()))
    if not difference <= bound:
        message = f"onnxruntime's output differs from the module's by {difference:.3g} at {shown(sizes)}"
        raise ArchError([Diagnostic("E0822", message)])
    return difference
