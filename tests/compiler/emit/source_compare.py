"""Runs generated source, and holds it against the torch.fx module of the same graph."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from archc.compiler.emit.fx import to_graph_module
from archc.compiler.emit.source import class_name, to_python
from archc.compiler.ir.graph import Graph


def load_source(text: str, name: str) -> Any:
    """The class that the text defines."""
    space: dict[str, Any] = {"__name__": "generated"}
    exec(compile(text, "<generated>", "exec"), space)
    return space[name]


def built(graph: Graph) -> nn.Module:
    return load_source(to_python(graph), class_name(graph))()


def assert_equal_modules(graph: Graph, inputs: list[torch.Tensor] | None = None) -> str:
    """Equal names, shapes and order of state, and outputs equal bit for bit in both modes. Gives the text."""
    text = to_python(graph)
    made = load_source(text, class_name(graph))()
    expected = to_graph_module(graph)
    ours, theirs = made.state_dict(), expected.state_dict()
    assert list(ours) == list(theirs)
    assert [(v.shape, v.dtype) for v in ours.values()] == [(v.shape, v.dtype) for v in theirs.values()]
    made.load_state_dict(theirs, strict=True)
    assert [p.requires_grad for p in made.parameters()] == [p.requires_grad for p in expected.parameters()]
    inputs = inputs or [torch.randn(2, *entry.nominal[1:]) for entry in graph.inputs]
    for training in (True, False):
        results = []
        for module in (made, expected):
            module.train(training)
            torch.manual_seed(0)
            with torch.no_grad():
                results.append(pytree.tree_flatten(module(*(x.clone() for x in inputs))))
        (mine, structure), (other, wanted) = results
        assert structure == wanted
        for a, b in zip(mine, other, strict=True):
            assert (a is None and b is None) or torch.equal(a, b)
    state = expected.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in made.state_dict().items())
    return text
