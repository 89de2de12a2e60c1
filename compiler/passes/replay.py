"""A graph made anew, node by node: what a rewrite leaves alone is as it was, with types inferred afresh."""

from __future__ import annotations

from dataclasses import replace

from ..ir.free_names import FreeNames
from ..ir.graph import Graph, GraphOutput, Node, Scope, Value
from ..ir.instantiations import keep_order
from ..ir.op import LayerError, Op
from ..ir.types import TensorType
from ..ops.core import Extern
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
                before.given,
                nominal=dict(before.nominal),
                assumed=set(before.assumed),
                weight_maps=list(before.weight_maps),
                notes=dict(before.notes),
            )
        )
        self.before = before
        self.values: dict[Value, Value] = {}
        """The tensor that stands for each one of the graph before."""
        self._made: dict[int, Node] = {}
        self._owners: dict[int, Node] = {}
        """The node that owns what an owner of the graph before owned, by that one's index."""
        self._added: list[Node] = []
        self._inserted: dict[int, list[Scope]] = {}
        """New scopes, by the node of the graph before that they stand beside; till the end its scope is the parent."""

    def type_of(self, value: Value) -> TensorType:
        """The type that the counterpart of a tensor of the graph before has now."""
        return self.graph.type_of(self.values[value])

    # --- nodes -----------------------------------------------------------------------------

    def again(self, node: Node, op: Op | None = None, inputs: tuple[Value, ...] | None = None) -> Node:
        """Makes the counterpart of a node, on the counterparts of its inputs, or on `inputs` of the new graph. Of nodes
        that share parameters the first one made owns them. Raises a Fault where the inputs do not fit."""
        op = op or node.op
        owner = self._owners.get(node.owner)
        taken = tuple([self.values[value] for value in node.inputs]) if inputs is None else inputs
        index, outputs = len(self.nodes), self._outputs(op, taken, node)
        made = replace(
            node,
            index=index,
            op=op,
            inputs=taken,
            outputs=outputs,
            owner=owner.index if owner else index,
            entries={},
            exits={},
        )
        self.nodes.append(made)
        if owner is None:
            made.frozen = self.before.nodes[node.owner].frozen
            self._owners[node.owner] = made
        elif not self.graph.may_share(made, owner):
            what = f"{node.called} is shared, and would be another layer here than where it is first applied"
            raise refusal("E0441", what, node, "a `block` has parameters of its own wherever it is applied")
        self._made[node.index] = made
        for port in range(len(node.outputs)):
            self.values[node.index, port] = (made.index, port)
        return made

    def skip(self, node: Node, value: Value) -> None:
        """Leaves out a node of one output: `value`, of the new graph, stands for it."""
        self.values[node.index, 0] = value

    def add(
        self,
        op: Op,
        inputs: tuple[Value, ...],
        place: Node,
        scope: Scope | None = None,
        name: str = "",
        again: Value | None = None,
    ) -> Value:
        """A node that has no counterpart; errors point to `place`. A module gets a name of its own at the top, or
        `name` in a `scope` that `beside` made. It shares the parameters of the added one that gave `again`."""
        index, outputs = len(self.nodes), self._outputs(op, inputs, place)
        home, owner = scope or self.before.root, index if again is None else again[0]
        made = Node(index, op, inputs, outputs, home, name, owner, place.origin, place.span)
        self.nodes.append(made)
        if scope is None:
            self._added.append(made)
        elif name:
            scope.children.setdefault(name, made)
        return index, 0

    def beside(self, node: Node, name: str | None = None) -> Scope:
        """A new scope for layers that are added: behind a node, by a name that is free there, which is a number among
        numbers; or, without a name, in the place and under the name of a layer that is left out."""
        around, prefix = node.scope, f"{node.scope.path}." if node.scope.path else ""
        taken = [*around.children, *(s.name for new in self._inserted.values() for s in new if s.parent is around)]
        # A name that a rewrite before has left out would stand for other tensors in a checkpoint.
        gone = (name for weights in self.before.weight_maps for name in weights.gone if name.startswith(prefix))
        taken += [name.removeprefix(prefix).partition(".")[0] for name in gone]
        if name is not None:
            numbered = bool(taken) and all(map(str.isdigit, taken))
            name = str(max(map(int, taken)) + 1) if numbered else FreeNames(taken).new(name)
        made = Scope(node.name if name is None else name, around)
        self._inserted.setdefault(node.owner, []).append(made)
        return made

    def _outputs(self, op: Op, inputs: tuple[Value, ...], like: Node) -> tuple[TensorType, ...]:
        if op.is_input:
            return tuple([self.intern(t) for t in like.outputs])
        types = self.arriving(op, inputs)
        if isinstance(op, Extern) and [t.dims for t in types] != [t.dims for t in self._types_before(like)]:
            hint = "the spec declares what a layer of the host returns for the tensors that it got before"
            raise refusal("E0441", "this layer of the host would get tensors of other shapes", like, hint)
        try:
            return self.infer(op, types)
        except LayerError as error:
            message = f"rewritten, this layer would not fit: {error}"
            raise refusal("E0441", message, like, *error.hints) from None

    def _types_before(self, node: Node) -> tuple[TensorType, ...]:
        """What a node took in the graph before."""
        return self.before.input_types(node)

    # --- the whole -------------------------------------------------------------------------

    def finish(self, outputs: list[GraphOutput] | None = None) -> Graph:
        """The new graph. `outputs` are the old ones on their counterparts, unless told. Inputs that were not made again
        are gone, with the sizes that no other has."""
        graph = self.graph
        for entry in self.before.inputs:
            if entry.node in self._made:
                graph.inputs.append(replace(entry, node=self._made[entry.node].index))
        for output in self.before.outputs if outputs is None else ():
            graph.outputs.append(replace(output, values=tuple([self.values[value] for value in output.values])))
        graph.outputs += outputs or ()
        if len(graph.inputs) < len(self.before.inputs):
            kept = graph.symbols()
            graph.nominal = {name: size for name, size in graph.nominal.items() if name in kept}
            graph.assumed &= kept
        keep_order(self.before, graph, self.values)
        self.part_recomputed()
        scopes = self._scopes()
        for node in self.nodes:
            node.scope = scopes[id(node.scope)]
        graph.drop_empty_scopes()
        names = FreeNames(graph.root.children)
        for node in self._added:
            if node.op.is_module:
                node.name = names.new(node.op.kind)
                graph.root.children[node.name] = node
        return graph

    def _scopes(self) -> dict[int, Scope]:
        """A copy of every scope, with the counterparts of its nodes."""
        before = self.before.root
        copies, found = {id(before): self.graph.root}, [before]
        for scope in found:
            for name, child in scope.children.items():
                if isinstance(child, Scope):
                    if id(child) not in copies:
                        copies[id(child)] = child.emptied(child.name, None)
                        found.append(child)
                    copies[id(scope)].children[name] = copies[id(child)]
                else:
                    if child.index in self._owners:
                        copies[id(scope)].children[name] = self._owners[child.index]
                    own = scope.names_first(name)
                    copies[id(scope)].children |= {s.name: s for s in self._inserted.get(child.index, ()) if own}
        for scope in found[1:]:
            copies[id(scope)].parent = copies[id(scope.parent)]
        self._drop_second_names(found, copies)
        self._place_inserted(copies)
        return copies

    def _drop_second_names(self, found: list[Scope], copies: dict[int, Scope]) -> None:
        """Leaves out second names where a scope has lost all else: what they were applied in is gone."""
        had: set[int] = set()
        for scope in reversed(found):
            own = [child for name, child in scope.children.items() if scope.names_first(name)]
            kept = [c for c in own if (copies[id(c)].children if isinstance(c, Scope) else c.index in self._owners)]
            if any(isinstance(child, Node) or id(child) in had for child in own):
                had.add(id(scope))
                if not kept:
                    copies[id(scope)].children.clear()

    def _place_inserted(self, copies: dict[int, Scope]) -> None:
        """Gives the new scopes their parents; those behind a node that is no module stand last there."""
        for scope in [scope for new in self._inserted.values() for scope in new]:
            scope.parent = copies[id(scope.parent)]
            scope.parent.children.setdefault(scope.name, scope)
            copies[id(scope)] = scope
