"""Runs generated source, and holds it against the torch.fx module of the same graph."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from archc.compiler.decompile.python.file import class_name, to_python
from archc.compiler.emit.fx import to_graph_module
from archc.compiler.ir.graph import Graph


def load_source(text: str, name: str) -> Any:
    """The class that the text defines."""
    space: dict[str, Any] = {"__name__": "generated"}
    exec(compile(text, "<generated>", "exec"), space)
    return space[name]


def built(graph: Graph) -> nn.Module:
    return load_source(to_python(graph), class_name(graph))()


def assert_equal_modules(graph: Graph, inputs: list[torch.Tensor] | None = None) -> str:
    """The generated source does what the torch.fx module of the graph does. Gives the text."""
    text = to_python(graph)
    inputs = inputs or [torch.randn(2, *entry.nominal[1:]) for entry in graph.inputs]
    assert_same_function(to_graph_module(graph), [load_source(text, class_name(graph))()], inputs)
    return text


def assert_same_function(expected: nn.Module, others: list[nn.Module], inputs: list[torch.Tensor]) -> None:
    """Equal names, shapes and order of state and of what is trained. With the same weights outputs, and the state after
    a forward in training, are equal bit for bit; gradients but for the order in which they are summed."""
    start = {name: value.clone() for name, value in expected.state_dict().items()}
    wanted = _results(expected, start, inputs)
    for module in others:
        state = module.state_dict()
        assert list(state) == list(start)
        assert [(v.shape, v.dtype) for v in state.values()] == [(v.shape, v.dtype) for v in start.values()]
        ours, theirs = dict(module.named_parameters()), dict(expected.named_parameters())
        assert [(k, v.requires_grad) for k, v in ours.items()] == [(k, v.requires_grad) for k, v in theirs.items()]
        for what, found in _results(module, start, inputs).items():
            (mine, structure), (other, its) = pytree.tree_flatten(found), pytree.tree_flatten(wanted[what])
            assert structure == its
            rtol, atol = (1e-4, 1e-5 * _largest(other)) if what == "gradients" else (0.0, 0.0)
            for a, b in zip(mine, other, strict=True):
                torch.testing.assert_close(a, b, rtol=rtol, atol=atol, equal_nan=True)


def _largest(gradients: list[torch.Tensor | None]) -> float:
    """The largest of the gradients, at least 1. Where large terms have a small sum, the error is of their size."""
    found = [g.abs().max().item() for g in gradients if g is not None and g.numel()]
    return max([1.0, *(x for x in found if math.isfinite(x))])


def _results(module: nn.Module, start: dict[str, torch.Tensor], inputs: list[torch.Tensor]) -> dict[str, Any]:
    """What a module returns in training, the gradients of all that and the state afterwards, and what it returns in
    evaluation."""
    module.load_state_dict(start, strict=True)
    taken = [x.clone().requires_grad_(x.is_floating_point()) for x in inputs]
    module.train()
    torch.manual_seed(0)
    trained = module(*[x * 1 for x in taken])
    leaves = [x for x in pytree.tree_leaves(trained) if isinstance(x, torch.Tensor) and x.requires_grad]
    sources = [*taken, *module.parameters()]
    grown = [x for x in sources if x.requires_grad]
    gradients = torch.autograd.grad([x.square().sum() for x in leaves], grown, allow_unused=True) if leaves else ()
    state = {name: value.clone() for name, value in module.state_dict().items()}
    module.eval()
    with torch.no_grad():
        evaluated = module(*[x.clone() for x in inputs])
    return {"trained": trained, "gradients": gradients, "state": state, "evaluated": evaluated}
