"""Parts that training computes again for the backward pass, instead of keeping their tensors (Chen et al. 2016, arXiv
1604.06174).

In the fx graph such a part is a run of nodes that a number in their `meta` marks, so that passes over the graph see
plain nodes. Generated code puts the run into a method, which `recomputed` calls.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from itertools import groupby
from operator import getitem
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils.checkpoint import checkpoint

from ...dsl.diagnostics import ArchError, Diagnostic
from .codec import RECOMPUTED
from .private import parametrized, transforms


def recomputed(part: Callable[..., Any], modules: tuple[str, ...], *inputs: Any) -> Any:
    """Runs a method of a module, of which training keeps the inputs alone. `modules` are the paths of what it calls.

    Outputs, gradients, random draws and running statistics are those of the part itself. A compiled module leaves it to
    the compiler what is kept, and function transforms keep everything.
    """
    owner: nn.Module = part.__self__  # type: ignore[attr-defined]
    keeps = not (owner.training and torch.is_grad_enabled())
    if keeps or torch.compiler.is_compiling() or _transformed() or any(isinstance(x, fx.Proxy) for x in inputs):
        return part(*inputs)
    kept, trained = _AsItWas(owner, modules), [isinstance(x, Tensor) and x.requires_grad for x in inputs]

    def run(*inputs: Any) -> Any:
        return part(*map(_trained, inputs, trained))

    return checkpoint(run, *inputs, use_reentrant=False, context_fn=lambda: (nullcontext(), kept))


def _transformed() -> bool:
    """Whether a transform of torch.func runs: these take no hooks on what autograd saves."""
    stack = transforms()
    return stack is not None and stack() is not None


class _AsItWas:
    """Modules as they are now, for each repetition of what they compute.

    A repetition has the parameters, buffers and mode of the forward pass, whatever the modules have got since: other
    parameters where `torch.func.functional_call` has returned, evaluation mode, frozen parts. What it makes of the
    buffers is dropped: running statistics and counters have taken this batch in once. Parametrised weights that
    `parametrize.cached` kept are not computed again. Sharded parameters are left to what gathers them, in the backward
    pass too. Several backward passes may each enter it.
    """

    def __init__(self, owner: nn.Module, paths: tuple[str, ...]):
        called = [owner.get_submodule(path) for path in paths]
        self.owner = owner
        self.modules = list(dict.fromkeys(inner for module in called for inner in module.modules()))
        self.before = [
            (module.training, module._parameters.copy(), _copied(module._buffers)) for module in self.modules
        ]
        held = [p for _, parameters, _ in self.before for p in parameters.values() if p is not None and not _sharded(p)]
        self.parameters = {p: (p.requires_grad, _version(p)) for p in held}
        enabled, cached = parametrized.cache
        self.cache = enabled, cached.copy()
        self.kept: list[tuple[list[tuple[Any, Any, Any]], tuple[int, Any]]] = []

    def __enter__(self) -> None:
        """Raises ArchError (E0824) where a parameter has got other values in place."""
        used = {p: self._parameter(p, *was) for p, was in self.parameters.items()}
        now = [(module.training, module._parameters, module._buffers) for module in self.modules]
        self.kept.append((now, parametrized.cache))
        parametrized.cache = self.cache[0], self.cache[1].copy()
        for module, (training, parameters, buffers) in zip(self.modules, self.before, strict=True):
            own = module._parameters
            if not any(map(_sharded, parameters.values())):
                own = {name: None if p is None else used[p] for name, p in parameters.items()}
            _give(module, training, own, _copied(buffers))

    def __exit__(self, *error: object) -> None:
        after, parametrized.cache = self.kept.pop()
        for module, state in zip(self.modules, after, strict=True):
            _give(module, *state)

    def _parameter(self, parameter: Tensor, trained: bool, version: int) -> Tensor:
        if _version(parameter) != version:
            message = f"{self._name(parameter)} changed in place before the backward pass, which computes with it again"
            hint = "call backward before the optimizer's step, or leave out `recompute`"
            raise ArchError([Diagnostic("E0824", message, hints=(hint,))])
        return _trained(parameter, trained)

    def _name(self, parameter: Tensor) -> str:
        paths = {module: path for path, module in self.owner.named_modules()}
        for module, (_, parameters, _) in zip(self.modules, self.before, strict=True):
            for name, tensor in parameters.items():
                if tensor is parameter:
                    return f"`{paths[module]}.{name}`" if module in paths else f"`{name}`"
        return "a parameter"


def _trained(value: Any, trained: bool) -> Any:
    """The tensor, as one that gets a gradient or one that gets none; anything else as it is."""
    fits = not isinstance(value, Tensor) or value.requires_grad is trained
    return value if fits else value.detach().requires_grad_(trained)


def _give(module: nn.Module, training: bool, parameters: Any, buffers: Any) -> None:
    module.training, module._parameters, module._buffers = training, parameters, buffers


def _sharded(parameter: Tensor | None) -> bool:
    """Whether torch.distributed has parts of a parameter in several processes."""
    tensor = sys.modules.get("torch.distributed.tensor")
    return tensor is not None and isinstance(parameter, tensor.DTensor)


def _version(tensor: Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version


def _copied(buffers: dict[str, Tensor | None]) -> dict[str, Tensor | None]:
    return {name: None if buffer is None else buffer.clone() for name, buffer in buffers.items()}


def outlined(graph: fx.Graph, prefix: str) -> tuple[fx.Graph, dict[str, fx.Graph]]:
    """The graph with a call for each part that is computed again, and the graphs of these parts by the names of their
    methods."""
    if not any(RECOMPUTED in node.meta for node in graph.nodes):
        return graph, {}
    outer, values, parts = fx.Graph(), dict[fx.Node, fx.Node](), dict[str, fx.Graph]()
    given = [node for node in graph.nodes if node.op in ("placeholder", "get_attr")]
    for node in given:
        values[node] = outer.node_copy(node, values.__getitem__)
    rest = [node for node in graph.nodes if node.op not in ("placeholder", "get_attr")]
    for number, nodes in groupby(rest, lambda node: node.meta.get(RECOMPUTED)):
        if number is None:
            for node in nodes:
                values[node] = outer.node_copy(node, values.__getitem__)
        else:
            name = f"{prefix}{len(parts)}"
            parts[name] = _outline(list(nodes), name, outer, values)
    return outer, parts


def _outline(run: list[fx.Node], name: str, outer: fx.Graph, values: dict[fx.Node, fx.Node]) -> fx.Graph:
    """The graph of a run of nodes. Its call goes into `outer`, and its results into `values`."""
    inside = set(run)
    arguments = list(dict.fromkeys(source for node in run for source in node.all_input_nodes if source not in inside))
    results = [node for node in run if any(user not in inside for user in node.users)]
    part, inner = fx.Graph(), dict[fx.Node, fx.Node]()
    for source in arguments:
        inner[source] = part.placeholder(source.name)
    for node in run:
        inner[node] = part.node_copy(node, inner.__getitem__)
    part.output(inner[results[0]] if len(results) == 1 else tuple([inner[node] for node in results]))
    modules = tuple(dict.fromkeys(str(node.target) for node in run if node.op == "call_module"))
    method = outer.create_node("get_attr", name, name=f"part_{name}")
    given = (method, modules, *[values[source] for source in arguments])
    if len(results) == 1:
        values[results[0]] = outer.create_node("call_function", recomputed, given, name=results[0].name)
    else:
        call = outer.create_node("call_function", recomputed, given, name=name.lstrip("_"))
        values |= {node: outer.call_function(getitem, (call, place)) for place, node in enumerate(results)}
    return part
