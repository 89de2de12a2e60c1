"""A graph as one of networkx, with everything that it says, so that it can be edited and read again."""

from __future__ import annotations

from typing import Any

import networkx

from ..elaborate.declared import dtype_word
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
    maps, outputs = graph.weight_maps, graph.outputs
    return _given(
        name=graph.name,
        doc=graph.doc,
        parameters=dict(graph.parameters) or None,
        notes=dict(graph.notes) or None,
        outputs=[{"name": o.name, "values": list(o.values), "when_training": o.when_training} for o in outputs],
        modules=_modules(graph.root),
        assumed={name: graph.nominal[name] for name in sorted(graph.assumed)} or None,
        weight_maps={"maps": list(maps), "tensors": graph.tensor_shapes()} if maps else None,
    )


def _attributes(graph: Graph, node: Node, parts: dict[int, int]) -> dict[str, Any]:
    said: dict[str, Any] = {"op": node.op.kind} | {name: _setting(value) for name, value in node.op.call}
    for name in node.op.drawn_parameters:
        said[name] = True if said[name] is not None else None
    return said | _given(
        path=node.path if node.name else None,
        scope=None if node.name else node.scope.path or None,
        types=node.outputs,
        arriving=graph.input_types(node) if isinstance(node.op, Extern) else None,
        shared_with=node.owner if node.owner != node.index else None,
        given=list(node.op.given) or None,
        frozen=node.frozen or None,
        recompute=None if node.recompute is None else parts.setdefault(id(node.recompute), len(parts)),
        origin=node.origin,
        span=node.span,
        names=[*node.names] if node.names else None,
        entries=[*node.entries.items()] if node.entries else None,
        exits=[*node.exits.items()] if node.exits else None,
    )


def _given(**said: Any) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value is not None}


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
    return _given(
        block=scope.block,
        arguments=dict(scope.arguments) or None,
        series=None if scope.series is None else series.setdefault(id(scope.series), len(series)),
        shared=scope.shared or None,
    )
