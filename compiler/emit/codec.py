"""fx graphs as plain data, for pickling: unpickling a module runs no generated code."""

from __future__ import annotations

from collections.abc import Collection
from copy import deepcopy
from typing import Any

from torch import fx
from torch.fx.node import map_aggregate

from .names import check_graph
from .targets import resolve, resolved, target_name

RECOMPUTED = "archc_recomputed"
"""The key of a node's `meta` for the number of its part, where that is one that training computes again."""


class _Ref(int):
    """The number of a node, in an encoded graph."""


resolve("operator.getitem")


def encode(graph: fx.Graph) -> list[tuple[Any, ...]]:
    """The graph as rows: functions by the names that lowerings gave them, others as themselves."""
    numbers: dict[fx.Node, int] = {}
    rows = []
    for node in graph.nodes:
        args, kwargs = map_aggregate(
            (node.args, node.kwargs), lambda x: _Ref(numbers[x]) if isinstance(x, fx.Node) else x
        )
        target = target_name(node.target) if node.op == "call_function" else node.target
        rows.append((node.op, node.name, target, args, kwargs, node.meta.get(RECOMPUTED)))
        numbers[node] = len(numbers)
    return rows


def decode(rows: list[tuple[Any, ...]]) -> fx.Graph:
    """The graph of `encode`. Raises EmitError where a name or target could not be pasted into code."""
    graph = fx.Graph()
    nodes: list[fx.Node] = []

    others = set()
    for op, name, target, args, kwargs, part in rows:
        if op == "call_function" and isinstance(target, str):
            target = resolve(target)
        elif op == "call_function":
            others.add(target)
        args, kwargs = map_aggregate((args, kwargs), lambda x: nodes[x] if isinstance(x, _Ref) else x)
        node = graph.create_node(op, target, args, kwargs, name=name)
        if part is not None:
            node.meta[RECOMPUTED] = part
        nodes.append(node)
    check_graph(graph, resolved() | others)
    return graph


def without_outputs(graph: fx.Graph, names: Collection[str]) -> fx.Graph:
    """A copy of the graph in which these of its outputs are None (all of them, where they have no names), and nothing
    that only they need is left."""
    result = deepcopy(graph)
    *nodes, output = result.nodes
    used = [node for node in nodes if node.users and node.op != "placeholder"]
    full: Any = output.args[0]
    output.args = ({k: None if k in names else v for k, v in full.items()} if isinstance(full, dict) else None,)
    for node in reversed(used):
        if not node.users:
            result.erase_node(node)
    return result
