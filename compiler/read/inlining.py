"""Graphs put in the place of what calls them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import fx

_AUTOCAST = torch.ops.higher_order.wrap_with_autocast
_GRADIENTS = torch.ops.higher_order.wrap_with_set_grad_enabled
REGIONS = {_AUTOCAST: "autocast", _GRADIENTS: "no_grad"}
"""Calls of a graph in a state of torch's, and what people call that."""


def open_regions(module: fx.GraphModule) -> None:
    """Puts the calls of a region in its place, where its state changes nothing: mixed precision that is switched off,
    gradients that are on, or of nothing that has one."""
    for node in list(module.graph.nodes):
        if node.target is _AUTOCAST:
            _, _, enabled, _, part, *inputs = node.args
            is_idle = not enabled
        elif node.target is _GRADIENTS:
            enabled, part, *inputs = node.args
            is_idle = bool(enabled) or not inputs
        else:
            continue
        inner = module.get_submodule(part.target)
        if is_idle and isinstance(inner, fx.GraphModule):
            open_regions(inner)
            _, results = inlined(node, inner.graph, inputs)
            for old in dict.fromkeys([*results, node, part]):
                module.graph.erase_node(old)


def region_of(node: fx.Node) -> str | None:
    """What people call the state in which a call runs a graph, None for other calls."""
    return next((name for target, name in REGIONS.items() if node.target is target), None)


def inlined(
    node: fx.Node, written: fx.Graph, inputs: Sequence[fx.Node]
) -> tuple[list[fx.Node], dict[fx.Node, fx.Node]]:
    """Puts the calls of a graph in the place of one. Returns them, and by what each tensor of before is replaced."""
    made = dict(zip((n for n in written.nodes if n.op == "placeholder"), inputs, strict=True))
    new: list[fx.Node] = []
    for inner in written.nodes:
        if inner.op == "call_function":
            with node.graph.inserting_before(node):
                made[inner] = copy = node.graph.node_copy(inner, made.__getitem__)
            copy.meta = {**node.meta, "val": inner.meta.get("val")}
            new.append(copy)
    returned = next(n for n in written.nodes if n.op == "output").args[0]
    if isinstance(returned, fx.Node):
        results = {node: made[returned]}
    else:
        results = {user: made[returned[user.args[1]]] for user in node.users}  # type: ignore[index]
    for old, value in results.items():
        old.replace_all_uses_with(value)
    return new, results
