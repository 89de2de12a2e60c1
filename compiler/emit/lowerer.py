"""Lowerings as `torch.fx` nodes."""

from __future__ import annotations

import operator
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import fx

from ..ir.errors import EmitError
from ..ir.lowering import In, Ins, Name, Program, Step, WeightRef
from .names import identifier
from .targets import METHODS, resolve

resolve("operator.getitem")


@dataclass
class Lowerer:
    """Adds the steps of one op to an fx graph.

    `values` are the op's inputs, `weight` makes the reference to one of its weights, `name` is what its nodes are
    called. A step that several others use is added once.
    """

    graph: fx.Graph
    values: Sequence[fx.Node]
    weight: Callable[[str], fx.Node]
    name: str
    done: dict[int, fx.Node] = field(default_factory=dict)
    weights: dict[str, fx.Node] = field(default_factory=dict)

    def results(self, program: Program) -> list[Any]:
        """One value for each of the program's results; its last nodes are called by the op's own name."""
        return [self.value(result, last=True) for result in program.results]

    def value(self, item: Any, last: bool = False) -> Any:
        """What an argument of a lowering stands for."""
        if isinstance(item, In):
            return self.values[item.index]
        if isinstance(item, Ins):
            return list(self.values)
        if isinstance(item, Step):
            return self.step(item, last)
        if isinstance(item, WeightRef):
            if item.name not in self.weights:
                self.weights[item.name] = self.weight(item.name)
            return self.weights[item.name]
        if isinstance(item, Name):
            return resolve(item.target)
        if isinstance(item, list):
            return [self.value(part) for part in item]
        if isinstance(item, tuple):
            return tuple([self.value(part) for part in item])
        if isinstance(item, dict):
            return {key: self.value(part) for key, part in item.items()}
        if isinstance(item, slice):
            return slice(self.value(item.start), self.value(item.stop), self.value(item.step))
        if item is None or isinstance(item, int | float | str):
            return item
        raise EmitError(f"{item!r} cannot be an argument of a lowering")

    def step(self, step: Step, last: bool = False) -> fx.Node:
        for earlier in _unfolded([step], self.done):
            if earlier is not step:
                self.step(earlier)
        if id(step) in self.done:
            return self.done[id(step)]
        args = tuple([self.value(arg) for arg in step.args])
        kwargs = {key: self.value(arg) for key, arg in step.kwargs.items()}
        label = self.name if last else identifier(f"{self.name}_{step.target.rpartition('.')[2]}")
        if step.kind == "method":
            if step.target not in METHODS:
                raise EmitError(f"{step.target!r} is not among the methods that a layer may lower to")
            node = self.graph.create_node("call_method", step.target, args, kwargs, name=label)
        else:
            node = self.graph.create_node("call_function", resolve(step.target), args, kwargs, name=label)
        self.done[id(step)] = node
        return node

    def item(self, value: fx.Node, index: int) -> fx.Node:
        """One of several things that a call returned."""
        return self.graph.create_node("call_function", operator.getitem, (value, index), name=f"{self.name}_{index}")


def _unfolded(last: Sequence[Step], done: Container[int]) -> Iterator[Step]:
    """The steps that some need, each after what it needs itself, but for those that are `done` by then.

    Without recursion: a sum of a thousand terms folds a thousand deep.
    """
    stack: list[tuple[Step, bool]] = [(step, False) for step in reversed(last)]
    while stack:
        step, ready = stack.pop()
        if id(step) in done:
            continue
        if ready:
            yield step
        else:
            stack.append((step, True))
            stack.extend((earlier, False) for earlier in reversed(_steps(step)))


def _steps(step: Step) -> list[Step]:
    found: list[Step] = []

    def collect(item: Any) -> None:
        if isinstance(item, Step):
            found.append(item)
        elif isinstance(item, list | tuple | dict | slice):
            for part in _parts(item):
                collect(part)

    collect(step.args)
    collect(step.kwargs)
    return found


def _parts(item: Any) -> Any:
    if isinstance(item, slice):
        return item.start, item.stop, item.step
    return item.values() if isinstance(item, dict) else item


def same(a: Program, b: Program) -> bool:
    """Whether two programs are the same steps with the same arguments."""
    return _signature(a) == _signature(b)


def _signature(program: Program) -> list[str]:
    numbers: dict[int, int] = {}
    lines: list[str] = []

    def shown(item: Any) -> str:
        if isinstance(item, Step):
            return f"%{numbers[id(item)]}"
        if isinstance(item, list | tuple | slice):
            return f"{type(item).__name__}({', '.join(map(shown, _parts(item)))})"
        if isinstance(item, dict):
            return f"{{{', '.join(f'{key}: {shown(part)}' for key, part in item.items())}}}"
        return repr(item)

    for step in _unfolded([result for result in program.results if isinstance(result, Step)], numbers):
        numbers[id(step)] = len(numbers)
        lines.append(f"{step.kind} {step.target} {shown(step.args)} {shown(step.kwargs)}")
    return [*lines, *map(shown, program.results)]
