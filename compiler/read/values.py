"""What the calls of an exported module take and make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, fx

from ..emit.private import operator_name
from ..ir.graph import Value
from .trace import State


@dataclass(slots=True)
class Place:
    """Where a node stands: the path that its weights give it, and the modules in whose forward it is applied."""

    path: str
    stack: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Tensors:
    """What a call made: one tensor of the graph for each that it returns."""

    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Moved:
    """A tensor whose batch is the axis `batch` in torch. `value` has it first, and the others in their order."""

    value: Value
    batch: int


def moved(made: Any, batch: int) -> Any:
    """What a call made, with the place of its batch."""
    if isinstance(made, Tensors):
        return Tensors(tuple([moved(value, batch) for value in made.values]))
    return Moved(made, batch) if batch and is_value(made) else made


def unmoved(given: Any) -> Any:
    """The tensors of the graph, wherever torch has their batch."""
    if isinstance(given, list):
        return list(map(unmoved, given))
    return given.value if isinstance(given, Moved) else given


def is_tensor(given: Any) -> bool:
    return isinstance(given, Moved) or is_value(given)


def is_given(given: Any) -> bool:
    """Whether an argument is a tensor, be it one of the module's own."""
    return isinstance(given, State) or is_tensor(given)


def is_value(given: Any) -> bool:
    return isinstance(given, tuple) and len(given) == 2 and all(isinstance(part, int) for part in given)


def is_number(given: Any) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)


def shape_of(node: fx.Node) -> tuple[int, ...]:
    value = node.meta.get("val")
    return tuple(value.shape) if isinstance(value, Tensor) else ()


def function_name(node: fx.Node) -> str | None:
    """The name of a function of torch's on tensors: `conv2d`; None for what is none."""
    made = node.meta.get("val")
    first = made[0] if isinstance(made, list | tuple) and made else made
    return operator_name(node.target) if isinstance(first, Tensor) else None
