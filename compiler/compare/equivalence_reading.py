"""A graph as expressions: which of its tensors are which slices of its weights at work on which others."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

from ..ir.graph import Graph, Node, tensor_name
from ..ir.initialisers import Initialiser
from ..ir.op import Op
from ..ir.sizes import Size, substitute, symbol, symbols
from ..ir.types import TensorType
from ..ops.inference import Inference
from .checkpoint_names import COUNTER
from .equivalence_terms import Symbol, Terms, TooLarge, WeightBlock

Parts = tuple[int, ...]
"""A tensor: expressions for its channels, in order."""
OwnTensors = dict[str, tuple[str, tuple[int, ...], bool, str]]
"""The tensors of a layer: by name the whole name, the shape, whether it is learned, and the type of its numbers."""


def sized(graph: Graph, sizes: dict[str, int]) -> Graph:
    """The graph where some symbols of the inputs have values. Raises a LayerError where a layer does not take these."""
    if not sizes:
        return graph
    given = dict(sizes)
    inference = Inference(Graph(graph.name, nominal={**graph.nominal, **sizes}))
    for node in graph.nodes:
        op = _sized_op(node.op, given)
        if op.is_input:
            types = tuple(t.with_dims(tuple(substitute(d, given) for d in t.dims)) for t in node.outputs)
        else:
            types = inference.infer(op, inference.arriving(op, node.inputs))
        inference.nodes.append(replace(node, op=op, outputs=tuple(map(inference.intern, types))))
    inputs = [replace(entry, type=inference.nodes[entry.node].outputs[0]) for entry in graph.inputs]
    return replace(graph, nodes=inference.nodes, inputs=inputs)


def _sized_op(op: Op, sizes: dict[str, Any]) -> Op:
    """The op, where its settings speak of the symbols."""
    update = {name: _substituted(value, sizes) for name, value in op if _symbolic(value)}
    return op.model_copy(update=update) if update else op


def _symbolic(value: Any) -> bool:
    return isinstance(value, Size) or (isinstance(value, tuple) and any(map(_symbolic, value)))


def _substituted(value: Any, sizes: dict[str, Any]) -> Any:
    if isinstance(value, tuple):
        return tuple(_substituted(item, sizes) for item in value)
    return substitute(value, sizes) if isinstance(value, Size) else value


class Reading:
    """One side: goes through a graph once and writes each tensor as expressions.

    With `training` as it computes while it trains, else in evaluation. `parts[v]` are those of a tensor; `made[e]` is
    the first node that an expression was written for. `tensors` are those of the graph's layers, as far as another
    reading found them.
    """

    def __init__(
        self, graph: Graph, side: int, terms: Terms, training: bool, tensors: dict[int, OwnTensors] | None = None
    ):
        self.graph = graph
        self.side = side
        self.terms = terms
        self.training = training
        self.parts: dict[tuple[int, int], Parts] = {}
        self.made: dict[int, Node] = {}
        self.tensors = {} if tensors is None else tensors
        self._weights: dict[int, dict[str, WeightBlock]] = {}
        self._texts: dict[TensorType, str] = {}
        self._keys: dict[int, Any] = {}
        self._renamed = self._symbolic()
        self.inputs = {given.node: number for number, given in enumerate(graph.inputs)}

    def _symbolic(self) -> dict[str, Any]:
        """The inputs' symbols by the order in which they stand there: what they are called says nothing."""
        names: dict[str, Any] = {}
        for given in self.graph.inputs:
            for dim in self.graph.nodes[given.node].outputs[0].dims:
                for name in sorted(symbols(dim)):
                    names.setdefault(name, symbol(f"s{len(names)}"))
        return names

    def run(self) -> None:
        from .equivalence_rules import rule_of, whole

        for node in self.graph.nodes:
            before = len(self.terms.forms)
            try:
                found = rule_of(self, node)(self, node)
                if found is None:
                    found = whole(self, node)
            except TooLarge:
                raise TooLarge(f", from {called(self.graph, node)} of {self.graph.name} on") from None
            for port, parts in enumerate(found):
                self.parts[node.index, port] = parts
            for number in (*range(before, len(self.terms.forms)), *(part for parts in found for part in parts)):
                self.made.setdefault(number, node)

    def place(self, e: int) -> str:
        """The layer that an expression, or a cut of it, was written for."""
        while e not in self.made:
            form = self.terms.forms[e]
            block = next((b for b in form.weights() if self.terms.symbols[b.symbol].side == self.side), None)
            if block is not None:
                return self.terms.symbols[block.symbol].name.rpartition(".")[0] or self.graph.name
            inner = next(form.inner(), None)
            if inner is None:
                return "the input"
            e = inner
        return called(self.graph, self.made[e])

    # --- what rules ask ----------------------------------------------------------------------------

    def sources(self, node: Node) -> list[Parts]:
        return [self.parts[value] for value in node.inputs]

    def text(self, type_: TensorType) -> str:
        """A type, with the symbols by order."""
        if type_ not in self._texts:
            shown = type_.with_dims(tuple(substitute(dim, self._renamed) for dim in type_.dims))
            self._texts[type_] = " ".join([str(shown), *(role.value for role in type_.roles)])
        return self._texts[type_]

    def key(self, node: Node) -> Any:
        """What the layer computes, without how its weights start."""
        if id(node.op) not in self._keys:
            self._keys[id(node.op)] = self._key(node.op)
        return self._keys[id(node.op)]

    def weights(self, node: Node) -> dict[str, WeightBlock]:
        """All tensors of a layer, whole; the batch norms' counters play no part."""
        if not node.op.has_weights:
            return {}
        known = self._weights.get(node.owner)
        if known is None:
            owner = self.graph.nodes[node.owner]
            frozen = owner.frozen if self.training else None
            known = self._weights[node.owner] = {}
            for name, (path, shape, *about) in self._tensors(owner).items():
                rows, *rest = shape or (1,)
                number = self.terms.symbol(Symbol(self.side, path, shape, rows, prod(rest), (*about, frozen)))
                known[name] = self.terms.whole(number)
        return known

    def _tensors(self, owner: Node) -> OwnTensors:
        known = self.tensors.get(owner.index)
        if known is None:
            weights = owner.op.weights(self.graph.input_types(owner))
            known = self.tensors[owner.index] = {
                w.name: (tensor_name(owner.path, w.name), w.shape, w.learned, w.dtype)
                for w in weights
                if w.name != COUNTER and w.persistent
            }
        return known

    def noise(self, node: Node, rows: int) -> WeightBlock:
        """What a layer draws in training: in each application something else."""
        about = ("noise", node.op.kind)
        number = self.terms.symbol(Symbol(self.side, f"noise {node.index}", (rows,), rows, 1, about, noise=True))
        return self.terms.whole(number)

    def random(self, node: Node) -> bool:
        """Whether it draws at random, here."""
        return self.training and node.op.is_random()

    def _key(self, op: Op) -> Any:
        idle = (*op.start_settings, *(() if self.training else op.training_settings))
        drawn = not op.is_parameter or dict(op)["persistent"]  # a constant is its numbers
        shown = {n: True if drawn and isinstance(value, Initialiser) else value for n, value in op if n not in idle}
        return op.kind, *((name, repr(_substituted(value, self._renamed))) for name, value in shown.items())


def called(graph: Graph, node: Node) -> str:
    """How messages call a layer, or what is none."""
    if node.op.is_input:
        return "the input"
    return node.path if node.name else f"{node.op.kind} in {node.scope.path or graph.name}"
