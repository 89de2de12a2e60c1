"""Types of a graph's nodes, inferred in order: for the elaborator, and for rewrites that make a graph anew."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..ir.graph import Graph, Value
from ..ir.op import LayerError, Op
from ..ir.requirements import Requirements
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
            known = self._inferred[key] = self.ask(op, types)
        return known

    def ask(self, op: Op, types: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        """The same of what was not inferred before."""
        asked = self.facts.asked
        made = op.infer(types, self.facts)
        if types and types[0].below is not None and op.saved is not None and op.saved.view:
            made = tuple([replace(t, below=types[0].below) for t in made])
        known = tuple(map(self.intern, made))
        if self.facts.asked > asked:
            self._check_usual_size(op)
        return known

    def infer_anew(self) -> None:
        """Types and requirements of the nodes that there are: one that is gone requires nothing of the sizes."""
        self.graph.requirements = self.facts = Requirements()
        self._inferred.clear()
        for node in self.nodes:
            if not node.op.is_input:
                node.outputs = self.infer(node.op, self.arriving(node.op, node.inputs))

    def arriving(self, op: Op, inputs: tuple[Value, ...]) -> tuple[TensorType, ...]:
        """The types of what an op gets. A vector for whose length it makes weights has a fixed length from here on."""
        return tuple([(self.fixed_vector if op.needs_fixed_vector else self.graph.type_of)(value) for value in inputs])

    def part_recomputed(self) -> None:
        """Makes each run of nodes a part of its own, of those that training computes again: parts are contiguous."""
        last, part, seen = None, None, set()
        for node in self.nodes:
            if node.recompute is not last:
                last = node.recompute
                part = object() if id(last) in seen else last
                seen.add(id(last))
            node.recompute = None if last is None else part

    def fixed_vector(self, value: Value) -> TensorType:
        """The type of a tensor. A vector whose length depends on the image's size has its length at the usual sizes
        from here on, and that it has is required."""
        node, port = self.nodes[value[0]], value[1]
        type_, nominal = node.outputs[port], self.graph.nominal
        if type_.rank != 2 or isinstance(size := type_.dims[1], int) or not size.symbols() <= nominal.keys():
            return type_
        length = size.evaluate(nominal)
        if not self.facts.equal(size, length):
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


def misfit(op: Op, count: int) -> str | None:
    """What is wrong where so many tensors arrive, those of `tensor_parameters` included; None where nothing is."""
    named = len(op.beside)
    arrive = max(count - named, 0)
    if count >= named and (arrive > 0 if op.arity is None else arrive == op.arity):
        return None
    wanted = {None: "at least one tensor", 0: "no tensor", 1: "one tensor"}.get(op.arity, f"{op.arity} tensors")
    also = f" beside {named} named" if named else ""
    return f"`{op.kind}` takes {wanted}{also}, and {arrive} arrive{'s' if arrive == 1 else ''}"
