"""A graph as one of networkx, with everything that it says, so that it can be edited and read again."""

from __future__ import annotations

from typing import Any

import networkx

from ..elaborate.inputs import dtype_word
from ..ir.graph import Graph, Node, Scope, walk
from ..ir.initialisers import Initialiser
from ..ops.core import Extern


def to_networkx(graph: Graph) -> networkx.MultiDiGraph:
    """The graph for networkx, nodes by index. The package's docstring tells the attributes."""
    view = networkx.MultiDiGraph(**_whole(graph))
    parts: dict[int, int] = {}
    for node in graph.nodes:
        view.add_node(node.index, **_attributes(graph, node, parts))
        for slot, (source, port) in enumerate(node.inputs):
            view.add_edge(source, node.index, port=port, slot=slot)
    for entry in graph.inputs:
        stated = {} if entry.type.symbols & graph.assumed else {"nominal": list(entry.nominal)}
        shape = [dim if isinstance(dim, int) or dim.name is None else dim.name for dim in entry.type.dims]
        view.nodes[entry.node].update(shape=shape, dtype=dtype_word(entry.type), **stated)
    return view


def _whole(graph: Graph) -> dict[str, Any]:
    said: dict[str, Any] = {"name": graph.name}
    said["outputs"] = [
        {"name": output.name, "values": list(output.values), "when_training": output.when_training}
        for output in graph.outputs
    ]
    said["modules"] = _modules(graph.root)
    said |= {"doc": graph.doc} if graph.doc is not None else {}
    said |= {"parameters": dict(graph.parameters)} if graph.parameters else {}
    said |= {"notes": dict(graph.notes)} if graph.notes else {}
    said |= {"assumed": {name: graph.nominal[name] for name in sorted(graph.assumed)}} if graph.assumed else {}
    if graph.weight_maps:
        said["weight_maps"] = {"maps": list(graph.weight_maps), "tensors": graph.tensor_shapes()}
    return said


def _attributes(graph: Graph, node: Node, parts: dict[int, int]) -> dict[str, Any]:
    said: dict[str, Any] = {"op": node.op.kind} | {name: _setting(value) for name, value in node.op}
    for name in node.op.drawn_parameters:
        said[name] = True if said[name] is not None else None
    if node.name:
        said["path"] = node.path
    elif node.scope.path:
        said["scope"] = node.scope.path
    said["types"] = node.outputs
    if isinstance(node.op, Extern):
        said["arriving"] = graph.input_types(node)
    if node.owner != node.index:
        said["shared_with"] = node.owner
    if node.frozen:
        said["frozen"] = True
    if node.recompute is not None:
        said["recompute"] = parts.setdefault(id(node.recompute), len(parts))
    said |= {"origin": node.origin} if node.origin is not None else {}
    said |= {"span": node.span} if node.span is not None else {}
    return said


def _setting(value: Any) -> Any:
    return (value.kind, value.settings) if isinstance(value, Initialiser) else value


def _modules(root: Scope) -> dict[str, dict[str, Any]]:
    """What is said of each path, in registration order."""
    found: dict[str, dict[str, Any]] = {}
    series: dict[int, int] = {}
    for path, item in walk(root, second_names=False):
        if item.path != path:
            found[path] = {"same_as": item.path}
        else:
            found[path] = _said(item, series) if isinstance(item, Scope) else {}
    return found if found[""] else {path: said for path, said in found.items() if path}


def _said(scope: Scope, series: dict[int, int]) -> dict[str, Any]:
    said: dict[str, Any] = {"block": scope.block} if scope.block is not None else {}
    said |= {"arguments": dict(scope.arguments)} if scope.arguments else {}
    said |= {"series": series.setdefault(id(scope.series), len(series))} if scope.series is not None else {}
    return said | ({"shared": True} if scope.shared else {})
