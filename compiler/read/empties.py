"""Tensors without numbers, as slices of no places: what they are joined to is as it was."""

from __future__ import annotations

from math import prod
from typing import Any

from torch import fx

from .trace import Trace
from .values import function_name, shape_of

JOINS = ("cat", "concat")


def leave_out(trace: Trace) -> None:
    """Takes tensors without numbers out of what joins tensors, and what is then unused."""
    for node in trace.nodes:
        if function_name(node) in JOINS and not _is_empty(node):
            parts: Any = node.args[0]
            node.args = ([part for part in parts if not _adds_nothing(part, node)], *node.args[1:])
    returned = {node for _, node in trace.outputs}
    for node in reversed(list(trace.nodes)):
        if _is_empty(node) and not node.users and node not in returned:
            trace.nodes.remove(node)
            node.graph.erase_node(node)


def _is_empty(node: fx.Node) -> bool:
    return prod(shape_of(node)) == 0


def _adds_nothing(part: fx.Node, whole: fx.Node) -> bool:
    return _is_empty(part) and part.meta["val"].dtype == whole.meta["val"].dtype
