"""Counterparts compared: which layers two architectures have in common, and what the rest costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..analyses.figures import numbers_of, spent
from ..analyses.memory import numbers_at
from ..ir.graph import Graph, Node, Value, concrete
from .alignment import align
from .flow import DataFlow
from .items import Item, ItemTree


@dataclass(frozen=True, slots=True)
class Setting:
    """What a layer has another value of: `stride`, 1 before and 2 after.

    Besides the parameters of the layer, `name` may be "layer" (its kind), "inputs" (which tensors it takes), "weights"
    (its own, or those of which other), "frozen", "recompute", and "shape" of an input.
    """

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Costs:
    """Parameters that train, and multiply-adds of evaluation at the usual sizes."""

    parameters: int = 0
    multiply_adds: int = 0


class Comparison:
    """Two graphs, aligned. `before` and `after` are their trees."""

    def __init__(self, before: Graph, after: Graph):
        self.before, self.after = align(before, after)
        self._costs = {id(self.before): _costs(before), id(self.after): _costs(after)}
        self._flow = DataFlow(self.before, self.after)

    def costs(self, one: Item | None, other: Item | None) -> Costs:
        """What a layer costs more than its counterpart; either may be missing."""
        a = self._costs[id(self.before)][one.node.index] if one is not None and one.node else Costs()
        b = self._costs[id(self.after)][other.node.index] if other is not None and other.node else Costs()
        return Costs(b.parameters - a.parameters, b.multiply_adds - a.multiply_adds)

    def settings(self, one: Item, other: Item) -> tuple[Setting, ...]:
        """What differs between two counterparts apart from shapes; nothing where they do the same."""
        a, b = one.node, other.node
        assert a is not None and b is not None
        found = [] if one.structure is other.structure and not a.op.is_input else list(_declared(a, b))
        found += [
            Setting(name, _word(x), _word(y))
            for name, x, y in (
                ("frozen", a.frozen, b.frozen),
                ("recompute", a.recompute is not None, b.recompute is not None),
                ("shape", _interface(self.before.graph, a), _interface(self.after.graph, b)),
            )
            if x != y
        ]
        found += self._sharing(a, b)
        if not self._flow.alike(a.inputs, b.inputs):
            found.append(Setting("inputs", self._sources(self.before, a), self._sources(self.after, b)))
        return tuple(found)

    def is_consequence(self, one: Item, other: Item) -> bool:
        """Whether counterparts that do the same differ in shapes, or in what they cost."""
        a, b = one.node, other.node
        assert a is not None and b is not None
        if self.costs(one, other) != Costs():
            return True
        return any(
            (x.dtype, concrete(x.dims, self.before.graph.nominal))
            != (y.dtype, concrete(y.dims, self.after.graph.nominal))
            for x, y in zip(a.outputs, b.outputs, strict=True)
        )

    def same_outputs(self, ones: tuple[Value, ...], others: tuple[Value, ...]) -> bool:
        """Whether two outputs are counterparts."""
        return self._flow.alike(ones, others)

    def _sharing(self, a: Node, b: Node) -> list[Setting]:
        owners = self.before.graph.nodes[a.owner], self.after.graph.nodes[b.owner]
        if (owners[0] is a) == (owners[1] is b) and (owners[0] is a or self.before.counterpart(a.owner) is owners[1]):
            return []
        whose = zip(owners, (a, b), strict=True)
        return [Setting("weights", *("its own" if o is n else f"those of {o.place or o.op.kind}" for o, n in whose))]

    def _sources(self, tree: ItemTree, node: Node) -> str:
        """The layers whose outputs a node takes, by name within the scope that they have in common with it."""
        nodes = (tree.graph.nodes[source] for source, _ in node.inputs)
        return ", ".join((n.name if n.scope is node.scope else n.place) or n.op.kind for n in nodes)


def _declared(a: Node, b: Node) -> list[Setting]:
    """The parameters of two layers that differ."""
    one, other = a.op.call, b.op.call
    found = [] if one.kind == other.kind else [Setting("layer", one.kind, other.kind)]
    mine, others = dict(one.key[1:]), dict(other.key[1:])
    for name in mine:
        if name in others and mine[name] != others[name]:
            found.append(Setting(name, _word(getattr(one, name)), _word(getattr(other, name))))
    return found


def _interface(graph: Graph, node: Node) -> str:
    """The shape of an input as it is declared."""
    for declared in graph.inputs:
        if declared.node == node.index:
            shape = f"{declared.type}"
            sizes = f"[{', '.join(map(str, declared.nominal))}]"
            return shape if shape == sizes else f"{shape} at {sizes}"
    return ""


def _word(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(_word, value))}]"
    return str(value)


def _costs(graph: Graph) -> list[Costs]:
    """What each node costs. Parameters count where they live, multiply-adds at every application."""
    value, found = numbers_at(graph.nominal), []
    for node, cost in zip(graph.nodes, spent(graph), strict=True):
        parameters = numbers_of(graph, node).parameters if node.owner == node.index else 0
        found.append(Costs(parameters, value(cost)))
    return found
