"""fx graphs as plain data, for pickling: unpickling a module runs no generated code."""

from __future__ import annotations

from typing import Any

from torch import fx
from torch.fx.node import map_aggregate, map_arg

from ..ir.errors import EmitError
from .names import check_graph
from .targets import resolve, resolved, target_name

RECOMPUTED = "archc_recomputed"
"""The key of a node's `meta` for the number of its part, where that is one that training computes again."""


class _Ref(int):
    """The number of a node, in an encoded graph."""


def encode(graph: fx.Graph) -> list[tuple[Any, ...]]:
    """The graph as rows: functions by the names that lowerings gave them, others as themselves."""
    numbers: dict[fx.Node, int] = {}
    rows = []
    for node in graph.nodes:
        args, kwargs = map_aggregate(
            (node.args, node.kwargs), lambda x: _Ref(numbers[x]) if isinstance(x, fx.Node) else x
        )
        target = _function(node.target) if node.op == "call_function" else node.target
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


def copied(graph: fx.Graph) -> fx.Graph:
    """A graph with nodes of its own."""
    result = fx.Graph()
    value: Any = result.graph_copy(graph, {}, return_output_node=False)
    result.output(value)
    return result


def without_outputs(graph: fx.Graph, names: frozenset[str]) -> fx.Graph:
    """A copy of the graph in which these of its outputs are None (all of them, where they have no names), and nothing
    that only they need is left."""
    full = next(node for node in reversed(graph.nodes) if node.op == "output").args[0]
    kept: Any = {k: None if k in names else v for k, v in full.items()} if isinstance(full, dict) else None
    always, ever = _reached(kept), _reached(full)
    result, values = fx.Graph(), {}
    for node in graph.nodes:
        unused = node not in ever and all(source in values for source in node.all_input_nodes)
        if node.op != "output" and (node.op == "placeholder" or node in always or unused):
            values[node] = result.node_copy(node, lambda n: values[n])
    result.output(map_arg(kept, lambda n: values[n]))
    return result


def _reached(value: Any) -> set[fx.Node]:
    """The nodes that a value is computed from."""
    waiting: list[fx.Node] = []
    map_arg(value, waiting.append)
    seen = set(waiting)
    while waiting:
        for source in waiting.pop().all_input_nodes:
            if source not in seen:
                seen.add(source)
                waiting.append(source)
    return seen


def _function(target: Any) -> Any:
    try:
        return target_name(target)
    except EmitError:
        return target


resolve("operator.getitem")
