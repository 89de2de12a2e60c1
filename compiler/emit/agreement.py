"""Holds what a file computes against what its module computed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from ...dsl.diagnostics import ArchError, Diagnostic
from ...dsl.quoting import quoted
from ..files import HINT, atomic_write
from ..ir.graph import Graph, Node
from .check import Record, Run, Trial, wanted
from .memory import is_memory_error
from .trials import input_shapes

T = TypeVar("T")
Runner = Callable[[Trial], Run]
Locator = Callable[[Trial], Node | None]


@dataclass(slots=True)
class Agreement:
    """The trials in which a file did what its module does, what was left out and why.

    `difference` is the largest, as a share of the largest number of its tensor.
    """

    trials: list[Trial] = field(default_factory=list)
    difference: float = 0.0
    left_out: list[str] = field(default_factory=list)

    @property
    def outcome(self) -> str:
        """How far apart they were: `equal`, or `within 5e-06 of the largest number`."""
        return f"within {self.difference:.1g} of the largest number" if self.difference else "equal"

    def modes(self, graph: Graph) -> list[tuple[str, str]]:
        """The modes in which both ran, each with the shapes of the inputs."""
        found: dict[str, list[str]] = {}
        for trial in self.trials:
            shapes = input_shapes(graph, trial.sizes) + (" with gradients" if trial.gradients else "")
            found.setdefault("train" if trial.training else "eval", []).append(shapes)
        return [(mode, f"at {' and '.join(shapes)}") for mode, shapes in found.items()]


def written(path: str | os.PathLike[str], write: Callable[[Path], Agreement], suffix: str) -> Agreement:
    """Writes a file beside the path, and moves it there where what it does agrees. Raises what `write` does."""
    found: list[Agreement] = []
    atomic_write(path, lambda temporary: found.append(write(temporary)), suffix=suffix)
    return found[0]


def agree(
    graph: Graph, record: Record, runner: Runner, *, what: str, tolerance: float = 0.0, locate: Locator | None = None
) -> Agreement:
    """Runs the file in every trial of the record and compares all that was computed.

    `what` names the file in messages; numbers may differ by `tolerance` times the largest of a tensor, and at 0 not by
    a bit. `locate` finds the layer from which on a run differs. Raises ArchError (E0822, E0823).
    """
    found = Agreement(left_out=list(record.left_out))
    for expected in record.runs:
        made = attempted(what, str(expected.trial), lambda trial=expected.trial: runner(trial))
        for kind, name, ours, theirs in _pairs(expected, made):
            apart = distance(ours, theirs)
            largest = scale(ours)
            if not apart <= tolerance * largest:
                node = locate(expected.trial) if locate else None
                shown = kind if name == "out" else f"{kind} `{name}`"
                how = f"{shown} {_how(ours, theirs, apart)} at {expected.trial}"
                how += f", from `{node.path}` on" if node is not None else ""
                raise otherwise(what, how, node or _source(graph, expected.trial, kind, name))
            found.difference = max(found.difference, apart / largest)
        found.trials.append(expected.trial)
    if not record.finite:
        found.left_out.append("numbers that are infinite or none (NaN), which say nothing of what made them")
    return found


def attempted(what: str, where: str, doing: Callable[[], T]) -> T:
    """What the file gives. Raises ArchError (E0823, E0807) where it fails."""
    try:
        return doing()
    except ArchError:
        raise
    except Exception as error:  # the file may raise anything
        reason = f"{type(error).__name__}: {quoted(error)}"
        if is_memory_error(error):
            raise ArchError([Diagnostic("E0807", f"{what} needs more memory than there is: {reason}")]) from error
        message = f"{what} fails{f' at {where}' if where else ''}: {reason}"
        raise ArchError([Diagnostic("E0823", message, hints=(HINT,))]) from error


def _pairs(expected: Run, made: Run) -> list[tuple[str, str, Tensor | None, Tensor | None]]:
    """The tensors of two runs, side by side."""
    kinds: list[tuple[str, Mapping[str, Tensor], Mapping[str, Tensor]]] = [
        ("the output", expected.outputs, made.outputs),
        ("the buffer", expected.buffers, made.buffers),
        ("the gradient of", expected.gradients, made.gradients),
    ]
    return [
        (kind, name, ours.get(name), others.get(name)) for kind, ours, others in kinds for name in {**ours, **others}
    ]


def distance(ours: Tensor | None, theirs: Tensor | None) -> float:
    """The largest absolute difference, NaN being equal to NaN; infinite where shape or type are others.

    On the device meta there are no numbers, and so no difference.
    """
    if ours is None or theirs is None or ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return float("inf")
    if ours.is_meta or not ours.numel() or torch.equal(ours, theirs):
        return 0.0
    a, b = ours.double().cpu(), theirs.double().cpu()
    apart = torch.where((a == b) | (a.isnan() & b.isnan()), 0.0, (a - b).abs())
    return float(torch.where(apart.isnan(), torch.inf, apart).max())


def scale(tensor: Tensor | None) -> float:
    """The largest finite magnitude in the tensor, 1 at least."""
    if tensor is None:
        return 1.0
    finite = tensor[tensor.isfinite()].double() if tensor.is_floating_point() else tensor.double()
    return max(1.0, float(finite.abs().max())) if finite.numel() else 1.0


def _how(ours: Tensor | None, theirs: Tensor | None, apart: float) -> str:
    if ours is None:
        return "is one that the module has not"
    if theirs is None:
        return "is missing"
    return other_form(ours, theirs) or f"differs from the module's by {apart:.3g}"


def other_form(ours: Tensor, theirs: Tensor) -> str:
    """What a tensor of a file has otherwise than the module's in shape or type; empty where nothing is."""
    if ours.shape != theirs.shape:
        return f"has shape {list(theirs.shape)}, and the module's {list(ours.shape)}"
    if ours.dtype != theirs.dtype:
        return f"is of type {theirs.dtype}, and the module's of {ours.dtype}"
    return ""


def otherwise(what: str, how: str, node: Node | None = None) -> ArchError:
    """The error for a file that is not what its module is, at a place in the spec."""
    span = node.span if node is not None else None
    return ArchError([Diagnostic("E0822", f"{what} computes something else: {how}", span, hints=(HINT,))])


def owner_of(graph: Graph, tensor: str) -> Node | None:
    """The layer that owns a tensor of the checkpoint."""
    path = tensor.rpartition(".")[0]
    return next((node for node in graph.owners() if node.path in (path, tensor)), None)


def _source(graph: Graph, trial: Trial, kind: str, name: str) -> Node | None:
    """The layer that puts the output out, or that owns the tensor."""
    if kind == "the output":
        return graph.nodes[dict(wanted(graph, trial.training))[name][0]]
    return owner_of(graph, name)
