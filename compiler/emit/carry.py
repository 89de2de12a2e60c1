"""Checkpoints of an architecture, for what a rewrite made of it."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, fx, nn

from ..ir.graph import Graph, WeightMap
from ..ops.lowering import Program
from .errors import EmitError
from .lowerer import Lowerer


def carried(state: dict[str, Tensor], graph: Graph | None) -> dict[str, Tensor]:
    """A checkpoint's tensors as the graph has them, where they are those of an architecture it was rewritten from.

    Tensors that no rewrite changed, and those that have their new form already, are left as they are.
    """
    for weights in graph.weight_maps if graph is not None else ():
        state = _step(state, weights)
    return state


def _step(state: dict[str, Tensor], weights: WeightMap) -> dict[str, Tensor]:
    made: dict[str, Tensor] = {}
    used = set(weights.gone)
    for name, how in weights.made.items():
        has_sources = all(source in state and tuple(state[source].shape) == shape for source, shape in how.sources)
        if has_sources and (how.sources or name not in state):
            used.update(source for source, _ in how.sources)
            made[name] = _run(how.program, [state[source] for source, _ in how.sources])
    return {name: tensor for name, tensor in state.items() if name not in used} | made


def _run(program: Program, tensors: Sequence[Tensor]) -> Tensor:
    graph = fx.Graph()
    inputs = [graph.placeholder(f"x{i}") for i in range(len(tensors))]
    graph.output(Lowerer(graph, inputs, _no_weight, "carried").results(program)[0])
    return fx.Interpreter(nn.Module(), graph=graph).run(*tensors)


def _no_weight(name: str) -> fx.Node:
    raise EmitError(f"{name!r} is no tensor of the architecture before")
