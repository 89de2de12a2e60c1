"""Symmetries of a network: exchanges of its tensors that leave the function as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..ir.graph import Graph, Node
from ..ops.merge import Add
from .places import TensorPlaces


class Symmetries:
    """Tells which exchanges of places change nothing.

    The outputs are written as expressions over the inputs and the tensors, every expression once and by number, and
    the terms of sums without order. An exchange is a symmetry if the outputs stay the same expressions.
    """

    def __init__(self, graph: Graph, places: TensorPlaces):
        self.graph = graph
        self.places = places
        self.numbers: dict[Any, int] = {}
        self.terms: dict[int, tuple[Any, ...]] = {}
        self.keys: dict[int, Any] = {}
        self.outputs = self._outputs({})

    def holds(self, moved: Mapping[int, int]) -> bool:
        """Whether the network computes the same, up to rounding, when what place i holds is put into `moved[i]`."""
        return self._outputs(moved) == self.outputs

    def _outputs(self, moved: Mapping[int, int]) -> list[Any]:
        values: list[int] = []
        for node in self.graph.nodes:
            values.append(self._expression(node, values, moved))
        return [[(values[node], port) for node, port in out.values] for out in self.graph.outputs]

    def _expression(self, node: Node, values: list[int], moved: Mapping[int, int]) -> int:
        inputs = [(values[source], port) for source, port in node.inputs]
        held = tuple([moved.get(i, i) for i in self.places.owned.get(node.owner, ())])
        if isinstance(node.op, Add):
            return self._sum(node.op.signs or (1,) * len(inputs), inputs)
        if node.op.is_commutative:
            inputs.sort()
        which = node.index if node.op.is_input else None
        return self._number((self._key(node), which, held, node.frozen, tuple(inputs)))

    def _sum(self, signs: tuple[int, ...], inputs: list[tuple[int, int]]) -> int:
        terms: list[tuple[int, int, int]] = []
        for sign, (value, port) in zip(signs, inputs, strict=True):
            terms.extend((sign * s, v, p) for s, v, p in self.terms.get(value, ((1, value, port),)))
        whole = tuple(sorted(terms))
        number = self._number(("sum", whole))
        self.terms[number] = whole
        return number

    def _number(self, key: Any) -> int:
        return self.numbers.setdefault(key, len(self.numbers))

    def _key(self, node: Node) -> Any:
        """The op as a key, worked out once for each of the ops, which many nodes share."""
        if id(node.op) not in self.keys:
            self.keys[id(node.op)] = self._number(node.op.key)
        return self.keys[id(node.op)]
