"""Parts that training computes again for the backward pass, instead of keeping their tensors (Chen et al. 2016, arXiv
1604.06174).

In the fx graph such a part is a run of nodes that a number in their `meta` marks, so that passes over the graph see
plain nodes. Generated code puts the run into a method, which `recomputed` calls.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from operator import getitem
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils.checkpoint import checkpoint

from .codec import RECOMPUTED


def recomputed(part: Callable[..., Any], modules: tuple[str, ...], *inputs: Any) -> Any:
    """Runs a method of a module, of which training keeps the inputs alone. `modules` are the paths of what it calls.

    Outputs, gradients, random draws and running statistics are those of the part itself. A compiled module leaves it to
    the compiler what is kept, and function transforms keep everything.
    """
    owner: nn.Module = part.__self__  # type: ignore[attr-defined]
    keeps = not (owner.training and torch.is_grad_enabled())
    if keeps or torch.compiler.is_compiling() or _transformed() or any(isinstance(x, fx.Proxy) for x in inputs):
        return part(*inputs)
    called = [owner.get_submodule(path) for path in modules]

    def contexts() -> tuple[Any, Any]:
        holders = dict.fromkeys(inner for module in called for inner in module.modules() if inner._buffers)
        return _Nothing(), _AsItWas(list(holders))

    return checkpoint(part, *inputs, use_reentrant=False, context_fn=contexts)


def _transformed() -> bool:
    """Whether a transform of torch.func runs: these take no hooks on what autograd saves."""
    stack = getattr(getattr(torch._C, "_functorch", None), "peek_interpreter_stack", None)
    return stack is not None and stack() is not None


class _Nothing:
    """A context without effect, which may be entered again."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        pass


class _AsItWas:
    """A repetition starts from the buffers that the forward pass started from, and what it makes of them is dropped:
    running statistics and counters have taken this batch in once. Each further backward pass may enter it again."""

    def __init__(self, holders: list[nn.Module]):
        self.holders = holders
        self.before = [_copied(module._buffers) for module in holders]
        self.kept: list[list[dict[str, Tensor | None]]] = []

    def __enter__(self) -> None:
        self.kept.append([module._buffers for module in self.holders])
        for module, before in zip(self.holders, self.before, strict=True):
            module._buffers = _copied(before)

    def __exit__(self, *error: object) -> None:
        for module, after in zip(self.holders, self.kept.pop(), strict=True):
            module._buffers = after


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
