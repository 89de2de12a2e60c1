"""torch.export's .pt2 files and ONNX files, with the spec's symbolic sizes kept."""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from ...dsl.diagnostics import ArchError, Diagnostic
from ...dsl.quoting import quoted
from ...dsl.reads import named_in_utf8
from ..ir.graph import Graph
from ..ir.sizes import Size
from .agreement import Agreement, agree, attempted, distance, otherwise, owner_of, scale, written
from .check import Record, Run, Trial, check_forward, named, placement, running, wanted
from .dynamic_shapes import dynamic_shapes, fixed_axes, inferred, symbols_of
from .memory import is_memory_error
from .modules import ArchModule, flattened
from .onnx_forms import in_onnx_forms
from .private import open_lengths, open_sizes, operators_kept, pytree, refused_dimensions, release_bounds
from .trials import Sizes, larger_sizes, least_sizes, make_inputs, shown

_ROUNDING = 1e-3
_STEPS = 16
USUAL_SIZES = "archc.sizes"
"""Where an ONNX file of archc's says its usual sizes."""
_ONNX_LIMIT = 2**31 - 2**20


def to_pt2(module: nn.Module, graph: Graph, path: str | os.PathLike[str]) -> Agreement:
    """Writes the module in eval as torch.export's format; the spec's symbolic sizes stay symbolic.

    Before the file is moved into place it is loaded, holds the module's tensors, and computes what the module does at
    two legal sizes and the smallest ones. Returns what was compared. Raises ArchError (E0803, E0805, E0807, E0821 to
    E0823).
    """
    record = check_forward(module, graph, least=True)
    program = export(module, graph)

    def write(temporary: Path) -> Agreement:
        with quiet(), refusals("torch.export"), temporary.open("wb") as file:
            torch.export.save(program, file)
        return _agree_in_pt2(module, graph, temporary, record, Path(path).name)

    return written(path, write, ".pt2")


def to_onnx(module: ArchModule, graph: Graph, path: str | os.PathLike[str]) -> Agreement:
    """Writes the module in eval as ONNX.

    Before the file is moved into place onnx has checked it, and onnxruntime computes with it what the module does at
    two legal sizes and the smallest ones, but for rounding. Returns what was compared. Raises ArchError (E0803, E0805,
    E0807, E0820 to E0823).
    """
    require_onnx()
    record = check_forward(module, graph, least=True)
    flat, holder = flattened(module)
    program = export(flat, graph)
    with refusals("ONNX"):
        program = in_onnx_forms(program)

    def write(temporary: Path) -> Agreement:
        with quiet(), refusals("ONNX"), open_lengths(), operators_kept():
            if sum(t.nbytes for t in module.state_dict().values()) > _ONNX_LIMIT:
                raise RuntimeError("it has more than 2 GiB of weights, which one ONNX file cannot hold")
            names = [entry.name for entry in graph.inputs]
            made = torch.onnx.export(
                program, input_names=names, output_names=_output_names(graph, module), dynamo=True, verbose=False
            )
            assert made is not None
            for value, name in zip(made.model.graph.inputs, names, strict=True):
                value.name = name  # torch gives an input that is returned the name of the output
            _restore_names(made.model.graph, f"{holder}.")
            _name_axes(made.model.graph, graph, symbols_of(program, graph))
            usual = {
                str(size): n
                for entry in graph.inputs
                for size, n in zip(entry.type.dims, entry.nominal, strict=True)
                if isinstance(size, Size)
            }
            made.model.metadata_props[USUAL_SIZES] = ",".join(f"{size}={n}" for size, n in usual.items())
            made.save(str(temporary), external_data=False)
        return _agree_in_onnx(module, graph, temporary, record, Path(path).name)

    return written(path, write, ".onnx")


def _agree_in_pt2(module: nn.Module, graph: Graph, path: Path, record: Record, what: str) -> Agreement:
    with quiet(), path.open("rb") as file:
        program = attempted(what, "", lambda: torch.export.load(file))
    ours = dict(module.named_parameters(remove_duplicate=False)) | dict(module.named_buffers(remove_duplicate=False))
    for name, tensor in program.state_dict.items():
        if name not in ours or distance(ours[name].detach(), tensor.detach()):
            raise otherwise(what, f"it holds another `{name}` than the module", owner_of(graph, name))
    network = program.module()
    device, dtype = placement(module)

    def runner(trial: Trial) -> Run:
        with torch.no_grad():
            result = guarded(network, make_inputs(graph, trial.sizes, device, dtype))
        return Run(trial, named(graph, result, training=False))

    return agree(graph, record.in_eval(), runner, what=what, tolerance=tolerance_of(dtype))


def tolerance_of(dtype: torch.dtype) -> float:
    """How far apart numbers may be, relative to the largest: what kernels that add in other orders may differ by."""
    return max(_ROUNDING, _STEPS * torch.finfo(dtype).eps)


def _restore_names(graph: Any, prefix: str) -> None:
    """Takes the prefix from the names of weights that have it, and renames what is computed or stored inside where an
    input, output or weight has the name."""
    ends, weights = [*graph.inputs, *graph.outputs], [v for v in graph.initializers.values() if "." in v.name]
    values = [*graph.initializers.values(), *(value for node in graph for value in node.outputs)]
    names = {value.name for value in ends} | {value.name.removeprefix(prefix) for value in weights}
    known, taken = {id(value) for value in [*ends, *weights]}, names | {value.name for value in values}
    for value in values:
        if value.name in names and id(value) not in known:
            number = next(n for n in count(1) if f"{value.name}_{n}" not in taken)
            value.name = f"{value.name}_{number}"
            taken.add(value.name)
    for value in weights:
        value.name = value.name.removeprefix(prefix)


def export(module: nn.Module, graph: Graph, takes: torch.dtype | None = None) -> ExportedProgram:
    """The module in eval as torch.export's program, which takes floating inputs of a type, the module's unless told.
    Raises ArchError (E0821) if a symbolic size would become fixed, or a legal one left out.

    The exporter is told to assume nothing of sizes that may be 1. Some of torch's functions ask whether one is 1, as
    convolutions of maps in another layout do, and the answer becomes a lower bound. It is taken back where the program
    does the same without it. Attention and recurrent layers are traced with the assumption that no size is 1. Either
    way what is written must run at 1 as well. Sizes are related as the spec says, or else as torch infers.
    """
    device, dtype = placement(module)
    dtype = takes or dtype
    sizes = larger_sizes(graph) or dict(graph.nominal)
    inputs = tuple(make_inputs(graph, sizes, device, dtype))
    refusal: ArchError | None = None
    with quiet(), refusals("torch.export"), running(module, device), torch.no_grad():
        for careful in (True, False):
            for shapes in dynamic_shapes(graph):
                try:
                    with open_sizes(careful), open_lengths():
                        program = torch.export.export(module, inputs, dynamic_shapes=shapes)
                    _check_free(program, graph)
                    if not (careful and _holds(program, module, graph, dtype, least_sizes(graph)[:1])):
                        release_bounds(program)
                        _holds(program, module, graph, dtype, [sizes, *least_sizes(graph)], strict=True)
                except refused_dimensions():
                    continue
                except ArchError as error:
                    refusal = refusal or error
                else:
                    return program
        if refusal is not None:
            raise refusal
        return torch.export.export(module, inputs, dynamic_shapes=inferred(graph))


def _check_free(program: ExportedProgram, graph: Graph) -> None:
    """Raises ArchError (E0821) where a symbolic axis of an input became a number."""
    fixed = fixed_axes(program, graph)
    if fixed:
        raise _fixes(", ".join(fixed))


def _holds(
    program: ExportedProgram,
    module: nn.Module,
    graph: Graph,
    takes: torch.dtype,
    trials: Sequence[Sizes],
    strict: bool = False,
) -> bool:
    """Whether a program does at these sizes what the module does; with `strict` it raises ArchError (E0821) if not."""
    device, dtype = placement(module)
    network = program.module()
    for sizes in trials:
        inputs = make_inputs(graph, sizes, device, takes)
        try:
            expected = pytree.tree_leaves(module(*inputs))
        except ValueError:  # too few values for the module itself
            continue
        try:
            found = pytree.tree_leaves(guarded(network, inputs))
        except (ArchError, RuntimeError):
            if strict:
                raise
            return False
        outputs = zip(expected, found, strict=True)
        pairs = [pair for pair in outputs if isinstance(pair[0], Tensor) and not pair[0].is_meta]
        if not all(distance(ours, theirs) <= tolerance_of(dtype) * scale(ours) for ours, theirs in pairs):
            if strict:
                raise _fixes(f"sizes to others than {shown(sizes)}")
            return False
    return True


def guarded(network: Callable[..., Any], inputs: Sequence[Tensor]) -> Any:
    """What a program computes. Raises ArchError (E0821) where it does not take these sizes."""
    try:
        return network(*inputs)
    except AssertionError as error:
        if "Guard failed" not in str(error):
            raise
        guard = str(error).partition("Guard failed: ")[2].splitlines()[0]
        raise _fixes(f"sizes to those of which `{guard}` holds") from None


def _fixes(what: str) -> ArchError:
    """The error for a size that torch's exporter holds to some values, as where it writes a loop over it out."""
    message = f"torch.export would fix {what}, which the spec leaves symbolic"
    hint = "give the input a fixed size there; `-o net.py` writes the network for all sizes"
    return ArchError([Diagnostic("E0821", message, hints=(hint,))])


@contextmanager
def refusals(what: str) -> Iterator[None]:
    """What an exporter raises, as a diagnostic."""
    try:
        yield
    except ArchError:
        raise
    except Exception as error:  # exporters raise anything
        if is_memory_error(error):
            raise ArchError([Diagnostic("E0807", f"{what} needs more memory than there is")]) from error
        cause: BaseException = error
        while cause.__cause__ is not None and not isinstance(cause.__cause__, ArchError):
            cause = cause.__cause__  # what is around it says how exporters are debugged
        hint = "`--emit py`, `source()` in Python, writes the same network as Python source"
        raise ArchError([Diagnostic("E0821", f"{what} refuses the module: {quoted(cause)}", hints=(hint,))]) from error


@contextmanager
def quiet() -> Iterator[None]:
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


def require_onnx() -> None:
    """Raises ArchError (E0820) without the packages for ONNX."""
    from importlib.util import find_spec

    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
    if missing:
        message = f"ONNX files need the package{'s' if len(missing) > 1 else ''} {', '.join(missing)}"
        raise ArchError([Diagnostic("E0820", message, hints=("pip install 'archc-lang[onnx]'",))])


def _name_axes(made: Any, graph: Graph, names: Mapping[str, str]) -> None:
    """Calls symbolic axes what the spec calls them: of inputs and outputs in its words, inside in terms of them. Axes
    inside that torch has no name for stay so: one name for all of them would say that they are equal."""
    types = [entry.type for entry in graph.inputs] + [graph.type_of(value) for _, value in wanted(graph, False)]
    ends = [*made.inputs, *made.outputs]
    stated = {id(value): kind.dims for value, kind in zip(ends, types, strict=True)}
    for value in [*ends, *(value for node in made for value in node.outputs)]:
        if value.shape is None:
            continue
        found = [re.sub(r"\w+", lambda word: names.get(word[0], word[0]), str(size)) for size in value.shape]
        shown = zip(value.shape, stated.get(id(value), found), strict=True)
        sizes = [size if isinstance(size, int) or name == "None" else str(name) for size, name in shown]
        value.shape = type(value.shape)(sizes)


def _output_names(graph: Graph, module: nn.Module) -> list[str]:
    """The names of the outputs in ONNX, where inputs, weights and outputs have one set of names."""
    taken = {entry.name for entry in graph.inputs} | module.state_dict().keys()
    names: list[str] = []
    for output in graph.outputs:
        name, several = output.name or "out", len(output.values) > 1
        for place in range(0 if output.when_training else len(output.values)):
            found = f"{name}_{place}" if several else name
            while found in taken:
                found = f"{found}_out"
            names.append(found)
            taken.add(found)
    return names


def onnx_session(path: Path) -> Any:
    """The network of an ONNX file in onnxruntime, which raises what it likes."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    source = named_in_utf8(path) or path.read_bytes()
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def _agree_in_onnx(module: nn.Module, graph: Graph, path: Path, record: Record, what: str) -> Agreement:
    import onnx

    attempted(what, "", lambda: onnx.checker.check_model(named_in_utf8(path) or path.read_bytes()))
    with refusals("onnxruntime"):
        session = onnx_session(path)
    known = {entry.name for entry in session.get_inputs()}
    device, dtype = placement(module)

    def runner(trial: Trial) -> Run:
        inputs = make_inputs(graph, trial.sizes, device, dtype)
        with refusals(f"onnxruntime, at {trial},"):
            feeds = {entry.name: x.cpu().numpy() for entry, x in zip(graph.inputs, inputs, strict=True)}
            results = session.run(None, {name: value for name, value in feeds.items() if name in known})
        tensors = [torch.as_tensor(result).to(device) for result in results]
        names = [name for name, _ in wanted(graph, training=False)]
        return Run(trial, dict(zip(names, tensors, strict=True)))

    return agree(graph, record.in_eval(), runner, what=what, tolerance=tolerance_of(dtype))
