"""The graph as JSON. It needs no torch."""

from __future__ import annotations

import json
import os
from dataclasses import fields
from typing import Any

from pydantic import BaseModel

from ..files import atomic_write
from ..ir.graph import Graph, GraphInput, GraphOutput, Node, Origin, Scope, outwards
from ..ir.op import Weight
from ..ir.types import TensorType

SCHEMA = 2
"""The version of the schema; it grows when a reader of the last one would misread."""


def to_json(graph: Graph) -> dict[str, Any]:
    """The graph as plain data, the same for the same graph: nodes in application order, sizes as numbers or text.

    `schema` is its version. A node has `op`, `parameters`, `inputs` as [node, port], `outputs` as types, its module
    `path`, `owner` (the node whose weights it uses), `weights`, `origin` (the blocks it comes from, innermost first)
    and `line`. `modules` is the tree of names in state_dict order, its leaves the numbers of nodes.
    """
    return {
        "schema": SCHEMA,
        "name": graph.name,
        "doc": graph.doc,
        "parameters": _plain(graph.parameters),
        "inputs": _plain(graph.inputs),
        "outputs": _plain(graph.outputs),
        "sizes": dict(sorted(graph.nominal.items())),
        "requirements": graph.requirements.describe(),
        "nodes": [_node(graph, node) for node in graph.nodes],
        "modules": _modules(graph.root),
    }


def write_json(graph: Graph, path: str | os.PathLike[str]) -> None:
    """Writes `to_json(graph)`, with a newline at the end. Raises ArchError (E0805)."""
    atomic_write(path, json_text(graph))


def json_text(graph: Graph) -> str:
    """`to_json(graph)` as text, with a newline at the end."""
    return json.dumps(to_json(graph), indent=1, ensure_ascii=False) + "\n"


def _node(graph: Graph, node: Node) -> dict[str, Any]:
    types = tuple([graph.type_of(value) for value in node.inputs])
    owns = node.op.has_weights and node.owner == node.index
    return {
        "index": node.index,
        "op": node.op.kind,
        "parameters": _plain(node.op.call) | ({"given": list(node.op.given)} if node.op.given else {}),
        "inputs": _plain(node.inputs),
        "outputs": _plain(node.outputs),
        "path": node.path if node.name else None,
        "owner": node.owner,
        "frozen": node.frozen,
        "recomputed": node.recompute is not None,
        "weights": _plain(list(node.op.weights(types))) if owns else [],
        "origin": _origin(node.origin),
        "line": node.span.line if node.span else None,
    }


def _origin(origin: Origin | None) -> list[str]:
    return [str(call) for call in outwards(origin)]


def _modules(root: Scope) -> dict[str, Any]:
    """The tree of names. Built without recursion, as scopes may nest deeply; a second name of a scope repeats it."""
    tree: dict[str, Any] = {}
    stack: list[tuple[Scope, dict[str, Any]]] = [(root, tree)]
    while stack:
        scope, holder = stack.pop()
        for name, child in scope.children.items():
            if isinstance(child, Node):
                holder[name] = child.index
            else:
                holder[name] = {}
                stack.append((child, holder[name]))
    return tree


def _plain(value: Any) -> Any:
    """A parameter's value as JSON has it; what JSON lacks as text."""
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, BaseModel):
        return {name: _plain(item) for name, item in value}
    if isinstance(value, TensorType):
        return {"dims": _plain(value.dims), "dtype": value.dtype, "roles": [role.value for role in value.roles]}
    if isinstance(value, GraphInput | GraphOutput):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Weight):
        return {name: _plain(getattr(value, name)) for name in ("name", "shape", "learned", "dtype", "init")}
    return str(value)
