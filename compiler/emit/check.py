"""Runs a module forward, and holds the shapes that come out against the inferred ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ...dsl.diagnostics import ArchError, Diagnostic
from ..ir.graph import Graph, GraphOutput, concrete
from ..ir.sizes import symbols
from .memory import allocating, is_memory_error

_DTYPES = {"int": torch.int64, "bool": torch.bool}


def sizes_to_check(graph: Graph) -> list[dict[str, int]]:
    """The nominal sizes, and the same with another batch size where it is symbolic and such a batch is legal."""
    found = [dict(graph.nominal)]
    batches = [entry.type.dims[0] for entry in graph.inputs if entry.type.dims]
    for name in sorted({name for dim in batches for name in symbols(dim)}):
        other = {**graph.nominal, name: 2 if graph.nominal[name] != 2 else 3}
        if not graph.requirements.violations(other):
            found.append(other)
    return found


def make_inputs(graph: Graph, sizes: Mapping[str, int], device: torch.device | str, dtype: torch.dtype) -> list[Tensor]:
    """One tensor for each input of the arch at these sizes: floats are normal, the same on every call, others 0."""
    generator = torch.Generator().manual_seed(0)
    made = []
    for entry in graph.inputs:
        shape = concrete(entry.type.dims, dict(sizes))
        if entry.type.dtype == "float":
            made.append(torch.randn(shape, generator=generator).to(device, dtype))
        else:
            made.append(torch.zeros(shape, dtype=_DTYPES[entry.type.dtype], device=device))
    return made


def placement(module: nn.Module) -> tuple[torch.device, torch.dtype]:
    """The device of the module's first tensor and the type of its first floating one; without any, torch's defaults."""
    tensors = [*module.parameters(), *module.buffers()]
    device = tensors[0].device if tensors else torch.device("cpu")
    return device, next((t.dtype for t in tensors if t.is_floating_point()), torch.get_default_dtype())


@contextmanager
def evaluating(module: nn.Module, device: torch.device) -> Iterator[None]:
    """The module in eval, without grad; its modes and the random state are as before in the end."""
    modes = {child: child.training for child in module.modules()}
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), torch.no_grad():
        module.eval()
        try:
            yield
        finally:
            for child, mode in modes.items():
                child.training = mode


def check_forward(module: nn.Module, graph: Graph, device: torch.device | str | None = None) -> None:
    """Runs the module at the nominal sizes and at another batch size, and compares every output's shape.

    It runs in eval on `device` (moving the module there; by default where the module is), and leaves its modes as they
    were. Outputs that only training puts out are computed too, with every layer in eval. Raises ArchError (E0803, and
    E0807 where there is too little memory).
    """
    if device is not None:
        module.to(device)
    place, dtype = placement(module)
    if place.type == "meta":
        return
    with allocating(graph, f"on {place} to run it at its nominal sizes"), evaluating(module, place):
        for sizes in sizes_to_check(graph):
            inputs = make_inputs(graph, sizes, place, dtype)
            _compare(graph, sizes, _run(module, inputs, sizes), _always(graph.outputs))
            if any(output.when_training for output in graph.outputs):
                module.training = True
                _compare(graph, sizes, _run(module, inputs, sizes), graph.outputs)
                module.training = False


def _always(outputs: list[GraphOutput]) -> list[GraphOutput]:
    return [output for output in outputs if not output.when_training]


def _run(module: nn.Module, inputs: list[Tensor], sizes: Mapping[str, int]) -> Any:
    try:
        return module(*inputs)
    except Exception as error:  # whatever a layer raises is the finding
        if is_memory_error(error):
            raise
        reason = str(error).strip().partition("\n")[0]
        raise _mismatch(f"the module fails at {shown(sizes)}: {type(error).__name__}: {reason}") from error


def _compare(graph: Graph, sizes: Mapping[str, int], result: Any, outputs: list[GraphOutput]) -> None:
    several = len(graph.outputs) > 1
    for output in outputs:
        value = result[output.name or "out"] if several else result
        tensors = value if isinstance(value, tuple) else (value,)
        for tensor, source in zip(tensors, output.values, strict=True):
            expected = concrete(graph.type_of(source).dims, dict(sizes))
            if tuple(tensor.shape) != expected:
                what = f"the output `{output.name}`" if output.name else "the output"
                found = f"{what} has shape {list(tensor.shape)} at {shown(sizes)}"
                raise _mismatch(f"{found}, and {list(expected)} was inferred")


def shown(sizes: Mapping[str, int]) -> str:
    """The sizes, for messages."""
    return ", ".join(f"{name} = {size}" for name, size in sorted(sizes.items())) or "its fixed sizes"


def _mismatch(message: str) -> ArchError:
    hint = "a layer's declared shape and its torch code disagree: see `archc explain E0803`"
    return ArchError([Diagnostic("E0803", message, hints=(hint,))])


def larger_sizes(graph: Graph, least: int = 2) -> dict[str, int] | None:
    """Legal sizes near the nominal ones but others, every symbol at least `least`; None where none are found."""
    names = sorted(graph.nominal)
    for step in range(1, 65):
        for scale in (1, 2):
            trial = {name: max(least, scale * graph.nominal[name] + step) for name in names}
            if trial != graph.nominal and not graph.requirements.violations(trial):
                return trial
    for name in names:
        for step in range(1, 65):
            trial = {**graph.nominal, name: graph.nominal[name] + step}
            if min(trial.values()) >= least and not graph.requirements.violations(trial):
                return trial
    return None
