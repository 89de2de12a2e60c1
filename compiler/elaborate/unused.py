"""Inputs, parameters and draws that no output depends on."""

from __future__ import annotations

from collections.abc import Iterator

from ...dsl.diagnostics import Fault, fault, warning
from ..ir.graph import Graph, Node
from ..ops.core import Parameter
from ..ops.stochastic import Choice
from .builder import Builder


def report_unused(builder: Builder) -> None:
    """Reports what `unused` finds, and warns of inputs that nothing needs."""
    graph = builder.graph
    used = graph.needed()
    for node, problem in unused(graph, used):
        problem.origin = node.origin
        builder.report(problem)
    for entry in graph.inputs:
        if not used[entry.node] and not builder.diagnostics.errors:
            message = f"no output depends on the input `{entry.name}`"
            builder.report(warning("E0514", message, graph.nodes[entry.node].span, "use it, or remove it"))


def unused(graph: Graph, used: list[bool]) -> Iterator[tuple[Node, Fault]]:
    """Layers with parameters whose result reaches no output, by which nodes are `used`: they would never train. And
    draws that nothing uses."""
    idle = [node for node in graph.nodes if not used[node.index]]
    reached = {node.owner for node in graph.nodes if used[node.index]} if idle else ()
    for node in idle:
        if node.op.has_weights and node.owner not in reached:
            what, hint = f"this `{node.op.kind}` has parameters, and no output depends on it", "use its result"
            if isinstance(node.op, Parameter):
                what, hint = f"no output depends on `{node.op.name}`, a tensor of the network's own", "use it"
            yield node, fault("E0509", what, node.span, f"{hint}, or remove it")
        elif isinstance(node.op, Choice):
            hint = f"a join takes it, as in `drop_mean(0.15, survivor = {node.name})`; or remove it"
            yield node, fault("E0512", f"`{node.name}` is drawn, and no output depends on it", node.span, hint)
