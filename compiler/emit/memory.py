"""Memory that a network needs and the machine lacks."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ...dsl.diagnostics import ArchError, Diagnostic
from ..analyses.memory import size_text
from ..ir.graph import Graph

_BYTES = {"float": 4, "int": 8, "bool": 1}
_SIGNS = (
    "enforce fail at alloc",
    "not enough memory",
    "out of memory",
    "can't allocate memory",
    "storage size calculation overflowed",
    "overflow when unpacking",
    "numel: integer multiplication overflow",
)


def weight_bytes(graph: Graph) -> int:
    """What the parameters and buffers take, as they start."""
    weights = (w for node in graph.owners() if node.op.has_weights for w in node.op.weights(graph.input_types(node)))
    return sum(math.prod(weight.shape) * _BYTES[weight.dtype] for weight in weights)


def check_memory(graph: Graph) -> None:
    """Raises ArchError (E0807) where the weights alone are more than the machine's memory."""
    needed, there = weight_bytes(graph), physical()
    if there is not None and needed > there:
        raise _lacking(graph, f"this machine has {size_text(there)} of memory")


@contextmanager
def allocating(graph: Graph, place: str) -> Iterator[None]:
    """What torch raises where it gets no memory, as a diagnostic (E0807)."""
    try:
        yield
    except Exception as error:
        if not is_memory_error(error):
            raise
        raise _lacking(graph, f"there is not enough memory {place}") from error


def is_memory_error(error: BaseException) -> bool:
    """Whether an exception says that memory could not be had."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(sign in text for sign in _SIGNS)


def physical() -> int | None:
    """The memory of the machine in bytes, None where it does not say."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
    return total if total > 0 else None


def _lacking(graph: Graph, reason: str) -> ArchError:
    message = f"the weights of `{graph.name}` take {size_text(weight_bytes(graph))}, and {reason}"
    hint = "make the network or its inputs smaller; `archc stats` shows where the parameters are"
    return ArchError([Diagnostic("E0807", message, hints=(hint,))])
