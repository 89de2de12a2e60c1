"""Lowerings as `torch.fx` nodes."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, fx

from ..decompile.python.parts import steps_of
from ..ir.errors import EmitError
from ..ir.lowering import In, Ins, Name, Program, Returned, Step, WeightRef
from .names import identifier
from .targets import METHODS, resolve

resolve("operator.getitem")


class Immediate:
    """Takes the place of an fx graph where steps are computed at once, on tensors."""

    def create_node(self, kind: str, target: Any, args: Any, kwargs: Any = None, name: str | None = None) -> Any:
        call = getattr(args[0], target) if kind == "call_method" else target
        return call(*(args[1:] if kind == "call_method" else args), **(kwargs or {}))


@dataclass
class Lowerer:
    """Adds the steps of one op to an fx graph.

    `values` are the op's inputs, `weight` makes the reference to one of its weights, `name` is what its nodes are
    called. A step that several others use is added once.
    """

    graph: fx.Graph | Immediate
    values: Sequence[Any]
    weight: Callable[[str], fx.Node]
    name: str
    done: dict[int, fx.Node] = field(default_factory=dict)
    weights: dict[str, fx.Node] = field(default_factory=dict)
    returned: fx.Node | None = None

    def results(self, program: Program) -> list[Any]:
        """One value for each of the program's results; its last nodes are called by the op's own name."""
        return [self.value(result, last=True) for result in program.results]

    def value(self, item: Any, last: bool = False) -> Any:
        """What an argument of a lowering stands for."""
        if isinstance(item, In):
            return self.values[item.index]
        if isinstance(item, Returned):
            return self.returned
        if isinstance(item, Ins):
            return list(self.values)
        if isinstance(item, Step):
            for step in steps_of(item) if id(item) not in self.done else ():
                if id(step) not in self.done:
                    self.done[id(step)] = self._call(step, last and step is item)
            return self.done[id(item)]
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

    def _call(self, step: Step, last: bool) -> fx.Node:
        """The node of a step. Those of the steps that it needs are there already."""
        args = tuple([self.value(arg) for arg in step.args])
        kwargs = {key: self.value(arg) for key, arg in step.kwargs.items()}
        label = self.name if last else identifier(f"{self.name}_{step.target.rpartition('.')[2]}")
        if step.kind != "method":
            return self.graph.create_node("call_function", resolve(step.target), args, kwargs, name=label)
        if step.target not in METHODS:
            raise EmitError(f"{step.target!r} is not among the methods that a layer may lower to")
        return self.graph.create_node("call_method", step.target, args, kwargs, name=label)

    def item(self, value: fx.Node, index: int) -> fx.Node:
        """One of several things that a call returned."""
        return self.graph.create_node("call_function", operator.getitem, (value, index), name=f"{self.name}_{index}")


def computed(program: Program, tensors: Sequence[Tensor]) -> list[Any]:
    """The results of a program without weights, on tensors."""

    def weight(name: str) -> Any:
        raise EmitError(f"the program has no weight {name!r}")

    return Lowerer(Immediate(), tensors, weight, "").results(program)


def as_graph(program: Program, inputs: int, name: str) -> fx.Graph:
    """A program on so many inputs, and on weights of the module that runs the graph, as a graph of its own."""
    graph = fx.Graph()
    values = [graph.placeholder(f"x{i}" if inputs > 1 else "x") for i in range(inputs)]
    results = Lowerer(graph, values, graph.get_attr, name).results(program)
    graph.output(results[0] if len(results) == 1 else tuple(results))
    return graph


def same(a: Program, b: Program, inputs: int) -> bool:
    """Whether two programs are the same steps with the same arguments."""
    one, other = (as_graph(program, inputs, "step").python_code("self").src for program in (a, b))
    return one == other
