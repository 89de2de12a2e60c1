"""Parameters and draws that no output depends on."""

from __future__ import annotations

from ...dsl.diagnostics import fault
from ..ops.stochastic import Choice
from .builder import Builder


def report_unused(builder: Builder) -> None:
    """Reports layers with parameters whose result reaches no output: they would never train. And draws that nothing
    uses."""
    nodes = builder.nodes
    used = builder.graph.ancestors(value for output in builder.graph.outputs for value in output.values)
    reached = {node.owner for node in nodes if used[node.index]}
    for node in nodes:
        if not used[node.index] and node.op.has_weights and node.owner not in reached:
            builder.origin = node.origin
            message = f"this `{node.op.kind}` has parameters, and no output depends on it"
            builder.report(fault("E0509", message, node.span, "use its result, or remove it"))
        elif not used[node.index] and isinstance(node.op, Choice):
            builder.origin = node.origin
            hint = f"a join takes it, as in `drop_mean(0.15, survivor = {node.name})`; or remove it"
            builder.report(fault("E0512", f"`{node.name}` is drawn, and no output depends on it", node.span, hint))
