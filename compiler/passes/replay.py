"""A graph made anew, node by node: what a rewrite leaves alone is as it was, with types inferred afresh."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..ir.graph import Graph, GraphInput, GraphOutput, Node, Scope, Value
from ..ir.types import TensorType
from ..ops.base import LayerError, Op
from ..ops.inference import Inference
from .base import refusal


class Replay(Inference):
    """Goes through a graph in order and makes another.

    For every node of the graph before, call `again`, perhaps with another op, or `skip`. `add` makes a node that has no
    counterpart. Scopes, names, sharing, what is frozen, and the places in the source that
    nodes point to are kept. Requirements are derived anew, so one that came from a layer which is gone is gone too.
    """

    def __init__(self, before: Graph):
        super().__init__(
            Graph(
                before.name,
                before.doc,
                dict(before.parameters),
                nominal=dict(before.nominal),
                assumed=set(before.assumed),
                weight_maps=list(before.weight_maps),
            )
        )
        self.before = before
        self.values: dict[Value, Value] = {}
        """The tensor that stands for each one of the graph before."""
        self._made: dict[int, Node] = {}
        self._added: list[Node] = []

    def type_of(self, value: Value) -> TensorType:
        """The type that the counterpart of a tensor of the graph before has now."""
        return self.graph.type_of(self.values[value])

    # --- nodes -----------------------------------------------------------------------------

    def again(self, node: Node, op: Op | None = None) -> Node:
        """Makes the counterpart of a node, on the counterparts of its inputs. Raises a Fault where these do not fit."""
        op = op or node.op
        owner = self._made.get(node.owner)
        if node.owner != node.index and (owner is None or owner.op.key != op.key):
            raise self._parted(node)
        inputs = tuple([self.values[value] for value in node.inputs])
        index, outputs = len(self.nodes), self._outputs(op, inputs, node)
        made = replace(node, index=index, op=op, inputs=inputs, outputs=outputs, owner=owner.index if owner else index)
        self.nodes.append(made)
        if op.has_weights and owner is not None and self._shapes(made) != self._shapes(owner):
            raise self._parted(node)
        self._made[node.index] = made
        for port in range(len(node.outputs)):
            self.values[node.index, port] = (made.index, port)
        return made

    def skip(self, node: Node, value: Value) -> None:
        """Leaves out a node of one output: `value`, of the new graph, stands for it."""
        self.values[node.index, 0] = value

    def add(self, op: Op, inputs: tuple[Value, ...], place: Node) -> Value:
        """A node that has no counterpart. A module gets a name of its own at the top; errors point to `place`."""
        index, outputs = len(self.nodes), self._outputs(op, inputs, place)
        made = Node(index, op, inputs, outputs, self.before.root, "", index, place.origin, place.span)
        self.nodes.append(made)
        self._added.append(made)
        return index, 0

    def _outputs(self, op: Op, inputs: tuple[Value, ...], like: Node) -> tuple[TensorType, ...]:
        if op.kind == "input":
            return tuple([self.intern(t) for t in like.outputs])
        if op.needs_fixed_vector:
            types = tuple([self.fixed_vector(value) for value in inputs])
        else:
            types = tuple([self.graph.type_of(value) for value in inputs])
        if op.kind == "extern" and types != tuple([self.before.type_of(value) for value in like.inputs]):
            hint = "the spec declares what a layer of the host returns for the tensors that it got before"
            raise refusal("E0441", "this layer of the host would get tensors of other shapes", like, hint)
        try:
            return self.infer(op, types)
        except LayerError as error:
            message = f"rewritten, this layer would not fit: {error}"
            raise refusal("E0441", message, like, *error.hints) from None

    def _shapes(self, node: Node) -> list[tuple[int, ...]]:
        return [w.shape for w in node.op.weights(tuple([self.graph.type_of(value) for value in node.inputs]))]

    def _parted(self, node: Node) -> Exception:
        what = f"`{node.path}` is shared, and would be another layer here than where it is first applied"
        return refusal("E0441", what, node, "a `block` has parameters of its own wherever it is applied")

    # --- the whole -------------------------------------------------------------------------

    def finish(self, outputs: list[GraphOutput] | None = None) -> Graph:
        """The new graph. `outputs` are the old ones on their counterparts, unless told."""
        graph = self.graph
        for entry in self.before.inputs:
            node = self._made[entry.node].index
            graph.inputs.append(GraphInput(entry.name, node, entry.type, entry.nominal))
        for output in self.before.outputs:
            values = tuple([self.values[value] for value in output.values])
            graph.outputs.append(GraphOutput(output.name, values, output.when_training))
        graph.outputs = outputs or graph.outputs
        scopes = self._scopes()
        for node in self.nodes:
            node.scope = scopes[id(node.scope)]
        for node in self._added:
            if node.op.is_module:
                node.name = _free(node.op.kind, graph.root)
                graph.root.children[node.name] = node
        return graph

    def _scopes(self) -> dict[int, Scope]:
        """A copy of every scope, with the counterparts of its nodes; for one that is left empty, the copy around it."""
        before = self.before.root
        copies, found = {id(before): self.graph.root}, [before]
        for scope in found:
            for name, child in scope.children.items():
                if isinstance(child, Scope):
                    if id(child) not in copies:
                        copies[id(child)] = Scope(child.name, None, {}, child.block, child.arguments, child.series)
                        found.append(child)
                    copies[id(scope)].children[name] = copies[id(child)]
                elif child.index in self._made:
                    copies[id(scope)].children[name] = self._made[child.index]
        for scope in found[1:]:
            copies[id(scope)].parent = copies[id(scope.parent)]
        self._prune([copies[id(scope)] for scope in found], copies)
        return copies

    def _prune(self, scopes: list[Scope], copies: dict[int, Scope]) -> None:
        empty = {id(scope) for scope in scopes[1:] if not scope.children}
        while empty:
            for scope in scopes:
                for name in [n for n, child in scope.children.items() if id(child) in empty]:
                    del scope.children[name]
            for key, scope in copies.items():
                if id(scope) in empty and scope.parent is not None:
                    copies[key] = scope.parent
            scopes = [scope for scope in scopes if id(scope) not in empty]
            empty = {id(scope) for scope in scopes[1:] if not scope.children}


def _free(kind: str, scope: Scope) -> str:
    """The kind as a name, numbered where it is taken."""
    name, number = kind, 1
    while name in scope.children:
        number += 1
        name = f"{kind}_{number}"
    return name


def module_paths(graph: Graph) -> Iterator[tuple[str, Node]]:
    """Every dotted path at which a layer of the graph stands, with the layer; one that is shared may have several."""
    stack: list[tuple[str, Scope]] = [("", graph.root)]
    while stack:
        prefix, scope = stack.pop()
        for name, child in scope.children.items():
            if isinstance(child, Node):
                yield prefix + name, child
            else:
                stack.append((f"{prefix}{name}.", child))
