"""Types of a graph's nodes, inferred in order: for the elaborator, and for rewrites that make a graph anew."""

from __future__ import annotations

from typing import Any

from ..ir.graph import Graph, Value
from ..ir.op import LayerError, Op
from ..ir.types import TensorType


class Inference:
    """A graph under construction, and what is known of its tensors.

    An op is asked once for each combination of input types, and types are interned: equal ones are one object. What the
    ops require of symbolic sizes is collected in the graph's requirements.
    """

    def __init__(self, graph: Graph):
        self.graph = graph
        self.nodes = graph.nodes
        self.facts = graph.requirements
        self._types: dict[TensorType, TensorType] = {}
        self._inferred: dict[tuple[Any, ...], tuple[TensorType, ...]] = {}

    def intern(self, type_: TensorType) -> TensorType:
        """The one object that stands for this type; types are then compared by identity."""
        return self._types.setdefault(type_, type_)

    def infer(self, op: Op, types: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        """The types of an op's outputs. Raises LayerError where its inputs do not fit, or not at the usual sizes."""
        key = (op, *map(id, types))
        known = self._inferred.get(key)
        if known is None:
            asked = self.facts.asked
            known = tuple([self.intern(t) for t in op.infer(types, self.facts)])
            if self.facts.asked > asked:
                self._check_usual_size(op)
            self._inferred[key] = known
        return known

    def fixed_vector(self, value: Value) -> TensorType:
        """The type of a tensor. A vector whose length depends on the image's size has its length at the usual sizes
        from here on, and that it has is required."""
        node, port = self.nodes[value[0]], value[1]
        type_, nominal = node.outputs[port], self.graph.nominal
        if type_.rank != 2 or isinstance(type_.channels, int) or not type_.channels.symbols() <= nominal.keys():
            return type_
        length = type_.channels.evaluate(nominal)
        if not self.facts.equal(type_.channels, length):
            return type_
        fixed = self.intern(type_.with_dims((type_.dims[0], length)))
        node.outputs = tuple([fixed if other == port else t for other, t in enumerate(node.outputs)])
        return fixed

    def _check_usual_size(self, op: Op) -> None:
        """Raises a LayerError where what an op requires of the sizes fails at the usual ones."""
        nominal = self.graph.nominal
        if not self.facts.symbols() <= nominal.keys():
            return
        for failure in self.facts.violations(nominal):
            message = f"`{op.kind}` does not fit here at the usual size of the input: it needs {failure}"
            raise LayerError("E0430", message, "the usual size is what the `input` statement says after its `=`")
