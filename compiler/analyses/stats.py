"""Costs by scope and in total."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

from ..ir.graph import Graph, Node, Scope, concrete
from ..ir.sizes import Dim, substitute
from .figures import depth, node_multiply_adds, weights_of


@dataclass(slots=True)
class Row:
    """One scope, or one layer outside any scope, at the usual sizes of the inputs.

    `output` is the shape of the last tensor that the scope makes. Parameters count once, where they live, and
    multiply-adds where they are spent: something shared counts them at every application.
    """

    path: str
    block: str | None
    parameters: int = 0
    frozen: int = 0
    buffers: int = 0
    multiply_adds: int = 0
    output: tuple[int, ...] = ()


@dataclass(slots=True)
class Stats:
    """Totals of an architecture, and its rows in `state_dict` order.

    `parameters` are those that train, `frozen` those that do not; `depth` counts weight layers on the longest path.
    """

    name: str
    parameters: int = 0
    frozen: int = 0
    buffers: int = 0
    multiply_adds: int = 0
    depth: int = 0
    inputs: list[tuple[int, ...]] = field(default_factory=list)
    outputs: list[tuple[int, ...]] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)


def stats(graph: Graph) -> Stats:
    """The costs of a graph."""
    total = Stats(graph.name, depth=depth(graph), inputs=[i.nominal for i in graph.inputs])
    total.outputs = [
        concrete(graph.type_of(v).dims, graph.nominal) for o in graph.outputs if not o.when_training for v in o.values
    ]
    rows = _rows(graph, total)
    costs: dict[tuple[object, ...], int] = {}
    for node in graph.nodes:
        numbers = _numbers(graph, node) if node.owner == node.index and node.op.has_weights else (0, 0, 0)
        spent = _spent(graph, node, costs)
        output = concrete(node.outputs[0].dims, graph.nominal)
        for row in (*_holders(node, rows), total):
            row.parameters += numbers[0]
            row.frozen += numbers[1]
            row.buffers += numbers[2]
            row.multiply_adds += spent
            if isinstance(row, Row):
                row.output = output
    return total


def _rows(graph: Graph, total: Stats) -> dict[Scope | Node, Row]:
    """A row for every scope, and for the layers beside scopes that own something."""
    rows: dict[Scope | Node, Row] = {}
    stack: list[tuple[str, Scope | Node]] = [(name, child) for name, child in reversed(graph.root.children.items())]
    while stack:
        path, item = stack.pop()
        if item in rows:
            continue
        if isinstance(item, Scope):
            rows[item] = Row(path, item.block)
            if any(isinstance(child, Scope) for child in item.children.values()):
                stack.extend((f"{path}.{name}", child) for name, child in reversed(item.children.items()))
        elif item.op.has_weights:
            rows[item] = Row(path, item.op.kind)
        else:
            continue
        total.rows.append(rows[item])
    return rows


def _holders(node: Node, rows: dict[Scope | Node, Row]) -> list[Row]:
    holders = [rows[node]] if node in rows else []
    scope: Scope | None = node.scope
    while scope is not None and scope.parent is not None:
        if scope in rows:
            holders.append(rows[scope])
        scope = scope.parent
    return holders


def _numbers(graph: Graph, node: Node) -> tuple[int, int, int]:
    learned = kept = 0
    for _, shape, is_learned in weights_of(graph, node):
        if is_learned:
            learned += prod(shape)
        else:
            kept += prod(shape)
    return (0, learned, kept) if node.frozen else (learned, 0, kept)


def _spent(graph: Graph, node: Node, costs: dict[tuple[object, ...], int]) -> int:
    key = (node.op, *[id(graph.type_of(v)) for v in node.inputs])
    if key not in costs:
        at: dict[str, Dim] = {**graph.nominal}
        cost = substitute(node_multiply_adds(graph, node), at)
        assert isinstance(cost, int)
        costs[key] = cost
    return costs[key]
