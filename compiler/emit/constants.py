"""What weights alone decide, computed once: position biases that are looked up, weights that are standardised."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import Tensor, fx


def settle(code: fx.Graph, fixed: Collection[fx.Node], at: Callable[[str], Any]) -> dict[str, Tensor]:
    """Computes the `fixed` calls of a graph, whose results depend on tensors of the module alone, and refers to the
    results. Returns these by name. `at` gives a module or tensor of the root."""
    values: dict[fx.Node, Any] = {}
    made: dict[str, Tensor] = {}
    with torch.no_grad():
        for node in list(code.nodes):
            if node.op == "get_attr":
                values[node] = at(str(node.target))
            elif node in fixed and all(source in values for source in node.all_input_nodes):
                values[node] = _computed(node, values, at)
    for node in [node for node in values if node.op != "get_attr"]:
        found = values[node]
        if isinstance(found, Tensor) and any(user not in values for user in node.users):
            name = f"settled_{len(made)}"
            made[name] = found
            with code.inserting_before(node):
                referred = code.create_node("get_attr", name, name=name)
            node.replace_all_uses_with(referred, delete_user_cb=lambda user: user not in values)
    for node in reversed([node for node in values if not node.users]):
        code.erase_node(node)
    return made


def _computed(node: fx.Node, values: dict[fx.Node, Any], at: Callable[[str], Any]) -> Any:
    args = fx.map_arg(node.args, values.__getitem__)
    kwargs = fx.map_arg(node.kwargs, values.__getitem__)
    if node.op == "call_method":
        return getattr(args[0], str(node.target))(*args[1:], **kwargs)
    call: Any = at(str(node.target)) if node.op == "call_module" else node.target
    return call(*args, **kwargs)
