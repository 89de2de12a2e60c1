"""Whether two graphs are the same architecture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ...ir.graph import Graph, Node, Scope, walk


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """Something in which a graph is not like another, and the node of the first at which it shows, if it is at one."""

    what: str
    node: Node | None = None


def first_discrepancy(a: Graph, b: Graph) -> Discrepancy | None:
    """The first thing in which two graphs are not one architecture, None where they are: the same layers with the same
    settings on the same tensors in the same order, the same types, module paths and order of the checkpoint, the same
    sharing, and the same inputs, outputs, requirements and documentation. What only says where they come from (spans,
    blocks, parameters) is not compared."""
    return next(_discrepancies(a, b), None)


def _discrepancies(a: Graph, b: Graph) -> Iterator[Discrepancy]:
    for what, ours, theirs in (("the name", a.name, b.name), ("the documentation", a.doc, b.doc)):
        if ours != theirs:
            yield Discrepancy(f"{what} is `{theirs}`, not `{ours}`")
    regions: dict[int, object | None] = {}
    for x, y in zip(a.nodes, b.nodes, strict=False):
        yield from (Discrepancy(what, x) for what in _of_nodes(a, x, y))
        if x.recompute is not None and regions.setdefault(id(x.recompute), y.recompute) is not y.recompute:
            yield Discrepancy("another part is recomputed", x)
    if len(a.nodes) != len(b.nodes):
        yield Discrepancy(f"there are {len(b.nodes)} applications, not {len(a.nodes)}")
    regions_of_b = {id(y.recompute) for y in b.nodes if y.recompute is not None}
    if len(regions) != len(regions_of_b):
        yield Discrepancy(f"{len(regions_of_b)} parts are recomputed, not {len(regions)}")
    inputs = [[(i.name, i.node, i.type, i.nominal) for i in graph.inputs] for graph in (a, b)]
    outputs = [[(o.name, o.values, o.when_training) for o in graph.outputs] for graph in (a, b)]
    if inputs[0] != inputs[1]:
        yield Discrepancy("the inputs are others")
    if outputs[0] != outputs[1]:
        yield Discrepancy("the outputs are others")
    if _names(a.root) != _names(b.root):
        yield Discrepancy("the modules are registered under other names, or in another order")
    if a.nominal != b.nominal:
        yield Discrepancy(f"the usual sizes are {b.nominal}, not {a.nominal}")
    if a.requirements.describe() != b.requirements.describe():
        yield Discrepancy("the requirements of the sizes are others")


def _of_nodes(a: Graph, x: Node, y: Node) -> Iterator[str]:
    name = f"`{x.path}`" if x.op.is_module else f"the `{x.op.kind}`"
    if _settings(x) != _settings(y):
        yield f"{name} is another layer, or has other settings"
    elif x.inputs != y.inputs:
        yield f"{name} gets other tensors"
    elif x.outputs != y.outputs:
        yield f"{name} makes a tensor of another type"
    elif x.op.is_module and x.path != y.path:
        yield f"{name} is called `{y.path}`"
    elif x.op.is_module and x.owner != y.owner:
        yield f"{name} shares its parameters with another layer"
    elif (x.recompute is None) != (y.recompute is None):
        yield f"{name} is recomputed in one of the two"
    elif (
        x.owner == x.index
        and x.frozen != y.frozen
        and any(w.learned for w in x.op.weights(tuple(map(a.type_of, x.inputs))))
    ):
        yield f"{name} is frozen in one of the two"


def _settings(node: Node) -> tuple[Any, ...]:
    """What the node's op does. A tensor of the architecture's own is named by its node, whatever it was declared as."""
    return tuple(item for item in node.op.key if item[0] != "name" or not node.op.is_parameter)


def _names(root: Scope) -> list[tuple[str, int | str]]:
    """Every name of the checkpoint, in order, with what it stands for."""
    found = walk(root, second_names=False)
    return [(path, item.index if isinstance(item, Node) else item.path) for path, item in found]
