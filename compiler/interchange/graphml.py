"""The graph as GraphML, for programs that lay graphs out and measure them: Gephi, yEd, Cytoscape, igraph."""

from __future__ import annotations

import io
import os

import networkx

from ..analyses.figures import numbers_of, spent
from ..analyses.memory import numbers_at
from ..files import atomic_write
from ..ir.graph import Graph
from ..ir.words import say


def to_graphml(graph: Graph) -> networkx.MultiDiGraph:
    """The flow of tensors with attributes that are numbers and texts. It is not read back: `Architecture.graph` is.

    A node has its `label`, `op`, `settings`, `path`, `scope`, the `block` it is applied in, `shape` with open sizes,
    `parameters`, which shared weights have once, and `multiply_adds` at the usual sizes. An edge says its `tensor`,
    and by `port` and `slot` which output it is and which input.
    """
    number_of = numbers_at(graph.nominal)
    view = networkx.MultiDiGraph(name=graph.name, doc=graph.doc or "")
    for node, multiply_adds in zip(graph.nodes, spent(graph), strict=True):
        settings = ", ".join(f"{name} = {say(value)}" for name, value in node.op.call)
        view.add_node(
            node.index,
            label=node.name or node.op.kind,
            op=node.op.kind,
            settings=settings,
            path=node.place,
            scope=node.scope.path,
            block=node.scope.block or "",
            shape=", ".join(map(str, node.outputs)),
            parameters=sum(numbers_of(graph, node)[:2]) if node.owner == node.index else 0,
            multiply_adds=number_of(multiply_adds),
        )
        for slot, value in enumerate(node.inputs):
            view.add_edge(value[0], node.index, tensor=str(graph.type_of(value)), port=value[1], slot=slot)
    return view


def write_graphml(graph: Graph, path: str | os.PathLike[str]) -> None:
    """Writes `to_graphml(graph)`. Raises ArchError (E0805)."""
    written = io.BytesIO()
    networkx.write_graphml(to_graphml(graph), written, named_key_ids=True)
    atomic_write(path, written.getvalue())
