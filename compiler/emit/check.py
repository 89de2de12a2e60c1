"""Runs a module, in evaluation and in training, and holds the shapes that come out against the inferred ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ...dsl.diagnostics import ArchError, Diagnostic
from ...dsl.quoting import quoted
from ..analyses.stats import stats
from ..ir.graph import Graph, Value, concrete
from ..ir.sizes import evaluate
from .memory import allocating, is_memory_error, physical
from .trials import Sizes, least_sizes, make_inputs, shown, trial_sizes

_SEED = 0
_TRAINING_WORK = 200 * 10**9
NEEDS_MORE = "Expected more than 1"
_BYTES = 4


@dataclass(frozen=True, slots=True)
class Trial:
    """How a module is run: at which sizes, in training or in evaluation, with gradients or without."""

    sizes: Sizes
    training: bool = False
    gradients: bool = False

    def __str__(self) -> str:
        return f"{shown(self.sizes)}, in {'training' if self.training else 'evaluation'}"


@dataclass(slots=True)
class Run:
    """What a module computed in a trial, each by name: outputs, what the buffers then held, and gradients."""

    trial: Trial
    outputs: dict[str, Tensor]
    buffers: dict[str, Tensor] = field(default_factory=dict)
    gradients: dict[str, Tensor] = field(default_factory=dict)


@dataclass(slots=True)
class Record:
    """The runs of a module, and what was left out and why."""

    runs: list[Run] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def finite(self) -> bool:
        """Whether all outputs and gradients are finite numbers."""
        tensors = [tensor for run in self.runs for tensor in (*run.outputs.values(), *run.gradients.values())]
        return all(bool(tensor.isfinite().all()) for tensor in tensors)

    def in_eval(self) -> Record:
        """The runs in evaluation alone, which is all that exported files do."""
        runs = [run for run in self.runs if not run.trial.training]
        return Record(runs, ["training, which the file does not hold"]) if runs else self


def placement(module: nn.Module) -> tuple[torch.device, torch.dtype]:
    """The device of the module's first tensor and the type of its first floating one; without any, torch's defaults."""
    tensors = [*module.parameters(), *module.buffers()]
    device = tensors[0].device if tensors else torch.device("cpu")
    return device, next((t.dtype for t in tensors if t.is_floating_point()), torch.get_default_dtype())


@contextmanager
def running(module: nn.Module, device: torch.device, training: bool = False) -> Iterator[None]:
    """The module in eval or in training; its modes, its buffers and the random state are as before in the end."""
    modes = {child: child.training for child in module.modules()}
    changed = list(module.buffers()) if training else []
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), restored(changed):
        module.train(training)
        try:
            yield
        finally:
            for child, mode in modes.items():
                child.training = mode


@contextmanager
def restored(tensors: Sequence[Tensor]) -> Iterator[None]:
    """Tensors that have the values of before in the end."""
    kept = [tensor.detach().clone() for tensor in tensors]
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, before in zip(tensors, kept, strict=True):
                tensor.copy_(before)


def check_forward(module: nn.Module, graph: Graph, training: bool | None = None, least: bool = False) -> Record:
    """Runs the module at its nominal sizes and at other legal ones, and compares every output's shape.

    It runs in eval at two sizes, and with `training` also in training at two sizes, once with gradients; by default
    where there are outputs that only training puts out. With `least` it also runs in eval at the smallest legal sizes,
    such as a batch of 1. The module is as before in the end. Returns what was computed. A module on the device meta
    does not run. Raises ArchError (E0803, and E0807 where there is too little memory).
    """
    place, _ = placement(module)
    record = Record()
    if place.type == "meta":
        record.left_out.append("a module on the device meta computes nothing")
        return record
    if training is None:
        training = any(output.when_training for output in graph.outputs)
    sizes = trial_sizes(graph)
    with allocating(graph, f"on {place} to run it at its nominal sizes"):
        record.runs += [_checked(module, graph, Trial(at)) for at in sizes[:2]]
    if least and (at := least_sizes(graph)[0]) not in sizes[:2]:
        try:
            with allocating(graph, f"on {place} to run it at {shown(at)}"):
                record.runs.append(_checked(module, graph, Trial(at)))
        except _TooFew as error:
            record.left_out.append(f"the smallest sizes, {shown(at)}: {error.reason}")
    if training:
        _train(module, graph, sizes, record)
    return record


def _train(module: nn.Module, graph: Graph, sizes: list[Sizes], record: Record) -> None:
    """Adds runs in training at the two cheapest sizes, one with gradients, as far as work and memory allow."""
    costs, left, reason = _Costs(graph), _TRAINING_WORK, ""
    found: list[Run] = []
    for at in sorted(sizes, key=costs.work):
        gradients = not found and costs.gradients_fit(at, left)
        work = costs.run(at, gradients)
        if len(found) == 2 or work > left:
            reason = reason or f"a run takes {costs.work(at):,} multiply-adds"
            continue
        try:
            with allocating(graph, f"to train it at {shown(at)}"):
                found.append(_checked(module, graph, Trial(at, True, gradients)))
            left -= work
        except _TooFew as error:
            reason = error.reason
    record.runs += found
    if found and not any(run.trial.gradients for run in found):
        record.left_out.append("gradients, which take too much time or memory")
    if len(found) < min(2, len(sizes)):
        record.left_out.append(f"training{' at a second size' if found else ''}: {reason}")


class _Costs:
    """What a pair of runs costs, of the module and of the file that is compared with it."""

    def __init__(self, graph: Graph):
        self._graph = graph
        self._stats = stats(graph)

    def work(self, sizes: Sizes) -> int:
        """The multiply-adds of one run."""
        return evaluate(self._stats.formulas.multiply_adds, sizes)

    def run(self, sizes: Sizes, gradients: bool) -> int:
        """The multiply-adds of both runs; a backward pass costs two passes forward."""
        return (6 if gradients else 2) * self.work(sizes)

    def gradients_fit(self, sizes: Sizes, work: int) -> bool:
        """Whether both runs with gradients take at most so much work, and half the memory of the machine."""
        kept = _BYTES * evaluate(self._stats.formulas.activations, sizes)
        needed = 2 * (self._stats.weight_bytes + self._stats.gradient_bytes) + kept
        there = physical()
        return self.run(sizes, True) <= work and (there is None or needed <= there // 2)


class _TooFew(ArchError):
    """A normalisation has too few values to take statistics of: of one image with a single place, say."""

    def __init__(self, trial: Trial, reason: str):
        super().__init__(_mismatch(f"the module fails at {trial}: {reason}").diagnostics)
        self.reason = reason


def _checked(module: nn.Module, graph: Graph, trial: Trial) -> Run:
    """The run, of which the shapes are as inferred. Raises ArchError (E0803), of the class _TooFew where sizes are too
    small for torch."""
    try:
        found = run(module, graph, trial)
    except Exception as error:  # whatever a layer raises is the finding
        if is_memory_error(error):
            raise
        reason = quoted(error)
        if isinstance(error, ValueError) and reason.startswith(NEEDS_MORE):
            raise _TooFew(trial, reason) from None
        raise _mismatch(f"the module fails at {trial}: {type(error).__name__}: {reason}") from error
    for name, value in wanted(graph, trial.training):
        expected = concrete(graph.type_of(value).dims, trial.sizes)
        if tuple(found.outputs[name].shape) != expected:
            what = f"the output `{name}`" if len(found.outputs) > 1 else "the output"
            shape = list(found.outputs[name].shape)
            raise _mismatch(f"{what} has shape {shape} at {trial}, and {list(expected)} was inferred")
    return found


def _mismatch(message: str) -> ArchError:
    hint = "a layer's declared shape and its torch code disagree: see `archc explain E0803`"
    return ArchError([Diagnostic("E0803", message, hints=(hint,))])


def run(module: nn.Module, graph: Graph, trial: Trial) -> Run:
    """What the module computes in a trial, always on the same inputs and with the same random numbers. The module, and
    the random state, are as before in the end. Raises what the module raises."""
    device, dtype = placement(module)
    inputs = make_inputs(graph, trial.sizes, device, dtype)
    with running(module, device, trial.training), torch.set_grad_enabled(trial.gradients):
        torch.manual_seed(_SEED)
        leaves = {entry.name: x for entry, x in zip(graph.inputs, inputs, strict=True) if x.is_floating_point()}
        leaves = {name: x.requires_grad_() for name, x in leaves.items()} if trial.gradients else {}
        outputs = named(graph, module(*inputs), trial.training)
        found = Run(trial, {name: tensor.detach() for name, tensor in outputs.items()})
        if trial.training:
            found.buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}
        if trial.gradients:
            leaves = {f"input {name}": x for name, x in leaves.items()}
            leaves |= {name: p for name, p in module.named_parameters() if p.requires_grad}
            found.gradients = _gradients(outputs, leaves)
    return found


def _gradients(outputs: Mapping[str, Tensor], leaves: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The gradients, at the leaves, of a sum over all numbers of the outputs, each with a random weight of its own."""
    generator = torch.Generator().manual_seed(_SEED)
    losses = []
    for tensor in outputs.values():
        weights = torch.randn(tensor.shape, generator=generator).to(tensor.device, tensor.dtype)
        if tensor.requires_grad:
            losses.append((tensor * weights).sum())
    if not losses or not leaves:
        return {}
    made = torch.autograd.grad(torch.stack(losses).sum(), list(leaves.values()), allow_unused=True)
    return {name: gradient for name, gradient in zip(leaves, made, strict=True) if gradient is not None}


def wanted(graph: Graph, training: bool) -> list[tuple[str, Value]]:
    """The tensors that the module puts out in a mode, with names: an output's, with a number where it has several."""
    found = []
    for output in graph.outputs:
        if training or not output.when_training:
            name, several = output.name or "out", len(output.values) > 1
            found += [(f"{name}[{i}]" if several else name, value) for i, value in enumerate(output.values)]
    return found


def named(graph: Graph, result: Any, training: bool) -> dict[str, Tensor]:
    """The tensors of what a module returned, under the names of `wanted`. Raises ValueError where it is otherwise."""
    several = len(graph.outputs) > 1
    if several and not (isinstance(result, Mapping) and list(result) == [o.name or "out" for o in graph.outputs]):
        raise ValueError(f"it returns {_described(result)}, and not its outputs by name")
    tensors: list[Any] = []
    for output in graph.outputs:
        value = result[output.name or "out"] if several else result
        if output.when_training and not training:
            if value is not None:
                raise ValueError(f"it returns {_described(value)} for an output that only training has")
        else:
            tensors += value if isinstance(value, tuple | list) else [value]
    names = [name for name, _ in wanted(graph, training)]
    if len(names) != len(tensors) or not all(isinstance(tensor, Tensor) for tensor in tensors):
        raise ValueError(f"it returns {', '.join(map(_described, tensors))}, and not {len(names)} tensors")
    return dict(zip(names, tensors, strict=True))


def _described(value: Any) -> str:
    return f"a value of type {type(value).__name__}"
