"""Gradients along single paths of a trained module (Veit et al. 2016, arXiv 1605.06431, section 4.3)."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, fx, nn

from ..analyses.inplace import lowerings_of
from ..analyses.path_samples import Path, PathsByLength
from ..analyses.paths import KINDS
from ..analyses.residual import residual_modules
from ..ir.graph import Graph, Node, Value
from ..ir.lowering import Lowering, ModuleCall
from .ablation import check_fits
from .check import placement, running
from .lesions import problem
from .region_code import Code

Loss = Callable[[Any], Tensor]
LISTED = 10_000
"""How many paths are taken one by one when no count is asked for."""


@dataclass(frozen=True)
class PathGradient:
    """The gradient of a loss at an input of the network, through one path alone.

    `modules` are the residual modules that the path goes through, in order, and `input` is the name of the input where
    it starts.
    """

    modules: tuple[str, ...]
    input: str
    gradient: Tensor

    @property
    def norm(self) -> float:
        """The Euclidean norm of all numbers of the gradient."""
        return float(self.gradient.norm())


def path_gradients(
    graph: Graph,
    module: nn.Module,
    inputs: Tensor | Sequence[Tensor] | Mapping[str, Tensor],
    loss: Loss,
    length: int,
    count: int | None = None,
    by: str = "module",
    seed: int = 0,
) -> list[PathGradient]:
    """Gradients along paths of one length; see `archc.ablation.path_gradients`."""
    check_fits(graph, module)
    if by not in KINDS:
        raise problem("E0875", f"lengths are by {' or '.join(KINDS)}, and not by {by!r}"[:120], None)
    known = PathsByLength(graph, by)
    numbers = _numbers(known, length, count, seed)
    with running(module, placement(module)[0]):
        tracer = _Tracer(graph, module, _tensors(graph, inputs), loss)
        return [tracer.gradient(known.path(length, number)) for number in numbers]


def _numbers(known: PathsByLength, length: int, count: int | None, seed: int) -> Sequence[int]:
    """The numbers of the paths that are asked for. Raises ArchError (E0875)."""
    total = known.counts.get(length, 0)
    if not total:
        lengths = list(known.counts)
        there_are = f"lengths go from {lengths[0]} to {lengths[-1]}" if lengths else "no path leads to an output"
        raise problem("E0875", f"no path has the length {length}", None, there_are)
    if count is None:
        if total > LISTED:
            hint = f"draw some of them: `count=100`; up to {LISTED:,} are taken one by one"
            raise problem("E0875", f"{total:,} paths have the length {length}", None, hint)
        return range(total)
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise problem("E0875", f"the count of paths is a whole number from 1, and not {count!r}"[:120], None)
    draws = random.Random(seed)
    return [draws.randrange(total) for _ in range(count)]


def _tensors(graph: Graph, inputs: Tensor | Sequence[Tensor] | Mapping[str, Tensor]) -> dict[int, Tensor]:
    """The inputs by their nodes. Raises ArchError (E0876)."""
    names = [entry.name for entry in graph.inputs]
    if isinstance(inputs, Tensor):
        inputs = [inputs]
    named = dict(inputs) if isinstance(inputs, Mapping) else dict(zip(names, inputs, strict=False))
    if set(named) != set(names) or len(inputs) != len(names):
        raise problem("E0876", f"the inputs are {', '.join(f'`{name}`' for name in names)}, one tensor for each", None)
    for entry in graph.inputs:
        if named[entry.name].is_floating_point() != (entry.type.dtype == "float"):
            what = f"the input `{entry.name}` is {entry.type}, and not of {named[entry.name].dtype}"
            raise problem("E0876", what, graph.nodes[entry.node])
    return {entry.node: named[entry.name].detach() for entry in graph.inputs}


class _Tracer:
    """The module, node by node. `values` has what every node makes of the inputs."""

    def __init__(self, graph: Graph, module: nn.Module, inputs: dict[int, Tensor], loss: Loss):
        self.graph = graph
        self.loss = loss
        self.modules = {place.end: part.path for part in residual_modules(graph) for place in part.places}
        self.runs: dict[int, Callable[..., Any]] = {}
        self.values: dict[Value, Tensor] = {}
        lowerings = lowerings_of(graph)
        with torch.no_grad():
            for node in graph.nodes:
                if node.index in inputs:
                    self.values[node.index, 0] = inputs[node.index]
                    continue
                self.runs[node.index] = _layer_of(graph, lowerings, module, node)
                self._keep(node, self.runs[node.index](*[self.values[value] for value in node.inputs]))

    def _keep(self, node: Node, results: tuple[Tensor, ...]) -> None:
        for port, result in enumerate(results):
            self.values[node.index, port] = result.detach() if isinstance(result, Tensor) else result

    def gradient(self, path: Path) -> PathGradient:
        (start, _), *steps = path.steps
        leaf = self._leaf(start)
        value = self.graph.outputs[path.output[0]].values[path.output[1]]
        ports = [self.graph.nodes[node].inputs[slot][1] for node, slot in steps[1:]] + [value[1]]
        with torch.enable_grad():
            live = leaf
            for (index, slot), port in zip(steps, ports, strict=True):
                taken = [self.values[value] for value in self.graph.nodes[index].inputs]
                taken[slot] = live
                live = self.runs[index](*taken)[port]
            (gradient,) = torch.autograd.grad(self._loss(path, live), leaf, allow_unused=True, materialize_grads=True)
        passed = tuple([self.modules[index] for index, _ in steps if index in self.modules])
        name = next(entry.name for entry in self.graph.inputs if entry.node == start)
        return PathGradient(passed, name, gradient)

    def _leaf(self, start: int) -> Tensor:
        tensor = self.values[start, 0]
        if not tensor.is_floating_point():
            node = self.graph.nodes[start]
            raise problem("E0876", f"the input `{node.name}` is of whole numbers and has no gradient", node)
        return tensor.clone().requires_grad_()

    def _loss(self, path: Path, live: Tensor) -> Tensor:
        """The loss of the outputs as the module returns them, of which only this one, on the path, is alive."""
        results: dict[str, Any] = {}
        for i, output in enumerate(self.graph.outputs):
            parts = [self.values.get(value) for value in output.values]
            if output.when_training:
                results[output.name or "out"] = None
                continue
            if path.output[0] == i:
                parts[path.output[1]] = live
            results[output.name or "out"] = parts[0] if len(parts) == 1 else tuple(parts)
        loss = self.loss(next(iter(results.values())) if len(self.graph.outputs) == 1 else results)
        if not isinstance(loss, Tensor) or loss.numel() != 1 or not loss.is_floating_point():
            raise problem("E0876", "the loss is one floating number, as a tensor", None)
        # A loss that leaves this output alone has no gradient there.
        return loss if loss.requires_grad else loss + 0 * live.sum()


def _layer_of(graph: Graph, lowerings: dict[int, Lowering], module: nn.Module, node: Node) -> Callable[..., Any]:
    """What a node of the graph does, on the layers of a module, as a function from its inputs to all its outputs."""
    outputs = [(node.index, port) for port in range(len(node.outputs))]
    slots = tuple([(-1, slot) for slot in range(len(node.inputs))])
    code = Code(graph, lowerings)
    called = isinstance(lowerings.get(node.index), ModuleCall)
    overwritten = called and getattr(module.get_submodule(code.path(node)), "inplace", False)
    for slot in slots:
        value = code.code.placeholder(f"x{slot[1]}")
        code.values[slot] = code.code.call_method("clone", (value,)) if overwritten else value
    if not node.op.is_parameter:
        code.add(replace(node, inputs=slots))
    code.code.output(tuple([code.value(value) for value in outputs]))
    return fx.Interpreter(module, graph=code.code).run
