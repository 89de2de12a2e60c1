"""A graph of networkx as an architecture: everything that can be inferred is, and what does not fit is refused."""

from __future__ import annotations

from typing import Any

import networkx

from ...dsl.diagnostics import ArchError, Fault, fault
from ...dsl.limits import LIMITS, higher
from ...grammar.parser import words
from ..elaborate.declared import input_type
from ..elaborate.inputs import declare, settle_nominal, state
from ..elaborate.module_names import check_segment, own_name
from ..elaborate.unused import unused
from ..ir.graph import Graph, GraphOutput, Node, Value
from ..ir.op import LayerError, Op
from ..ir.sizes import Dim, Size, symbol
from ..ir.words import MAX_INT, few, is_whole
from ..ops.core import Extern, Input
from ..ops.inference import Inference
from ..ops.stochastic import Choice
from .attributes import NODE, Key, Maps, OfEdge, OfGraph, OfInput, OfNode, OfOutput, at, called, read
from .layers import layer_of, make_op, sorted_inputs
from .module_tree import build_tree, share


def from_networkx(view: Any) -> Graph:
    """The architecture that a graph of networkx describes; the package's docstring tells how.

    Raises ArchError, with everything that is wrong: shapes that do not fit have the codes that they have in a spec
    (E03xx, E04xx), what a graph alone can do wrong has E11xx. Each names its node.
    """
    problems: list[Fault] = []
    try:
        if not isinstance(view, networkx.Graph) or not view.is_directed():
            what = (
                "an undirected graph" if isinstance(view, networkx.Graph) else f"a value of type {type(view).__name__}"
            )
            hint = "a `DiGraph` or `MultiDiGraph`, whose edges lead from what makes a tensor to what takes it"
            raise fault("E1101", f"an architecture is a directed graph of networkx, and not {what}", None, hint)
        reader = Reader(view, problems)
        graph = reader.read()
    except Fault as problem:
        problems.append(problem)
    if problems:
        raise ArchError([problem.diagnostic for problem in problems])
    return graph


class Reader(Inference):
    """Makes nodes in topological order, from the keys and attributes of networkx. Of what depends on a node that is
    wrong nothing more is said."""

    def __init__(self, view: Any, problems: list[Fault]):
        self.about = read(OfGraph, "the graph", view.graph | {"name": view.graph.get("name") or "net"})
        about = self.about
        super().__init__(Graph(about.name, about.doc, dict(about.parameters), notes=dict(about.notes)))
        self.view = view
        self.problems = problems
        self.made: dict[Key, Node] = {}
        self.said: dict[Key, OfNode] = {}
        self._ops: dict[tuple[Any, ...], Op] = {}
        self._parts: dict[Key, object] = {}

    def read(self) -> Graph:
        """The graph, unless there are `problems`. Raises a Fault where nothing more can be said."""
        for key in self._ordered():
            try:
                if all(source in self.made for source in self.view.pred[key]):
                    self._node(key)
            except Fault as problem:
                self.problems.append(at(key, problem))
        if self.problems:
            return self.graph
        if not self.graph.inputs:
            hint = 'an input is a node: `g.add_node("x", op="input", shape=["N", 3, 32, 32])`'
            raise fault("E1106", "the graph has no input", None, hint)
        build_tree(self.graph, share(self.graph, self.made, self.said), self.about.modules)
        for node in self.nodes:
            node.scope, node.name = self.nodes[node.owner].scope, self.nodes[node.owner].name
        self.graph.outputs = self._outputs()
        self.part_recomputed()
        keys = list(self.made)
        self.problems += [at(keys[node.index], problem) for node, problem in unused(self.graph, self.graph.needed())]
        self._settle()
        if self.about.weight_maps is not None:
            self._carry(self.about.weight_maps)
        return self.graph

    # --- the graph as a whole ---------------------------------------------------------------

    def _ordered(self) -> list[Key]:
        """The keys in topological order, of those that are free the first that was added."""
        view = self.view
        if len(view) > LIMITS.nodes:
            raise fault("E0912", f"the network has more than {LIMITS.nodes:,} nodes", None, *higher("nodes", len(view)))
        if (edges := view.number_of_edges()) > LIMITS.edges:
            raise fault("E0913", f"the network has more than {LIMITS.edges:,} edges", None, *higher("edges", edges))
        positions = {key: place for place, key in enumerate(view)}
        try:
            return list(networkx.lexicographical_topological_sort(view, key=positions.__getitem__))
        except networkx.NetworkXUnfeasible:
            around = [edge[0] for edge in networkx.find_cycle(view)]
            count = f"{len(around)} node{'s' if len(around) > 1 else ''}"
            through = " -> ".join(called(key).removeprefix("node ") for key in (*around[:8], around[0]))
            hint = "a loop is written out, step by step; `shared_with` gives the steps one set of parameters"
            raise fault("E1105", f"the graph has a cycle through {count}: {through}", None, hint) from None

    def _outputs(self) -> list[GraphOutput]:
        if self.about.outputs is None:
            return [GraphOutput(None, (self._sink(),))]
        found: dict[str, GraphOutput] = {}
        for entry in self.about.outputs:
            said = read(OfOutput, "an output", entry)
            name = said.name or "out"
            if name in found:
                raise fault("E0347", f"two outputs are called `{name}`", None, "give each a `name` of its own")
            values = tuple([self._value(key, port) for key, port in said.values])
            found[name] = GraphOutput(said.name, values, said.when_training)
        return list(found.values())

    def _sink(self) -> Value:
        sinks = [key for key in self.made if not self.view.succ[key]]
        if len(sinks) != 1:
            some = few([called(key).removeprefix("node ") for key in sinks])
            what = f"the graph does not say its outputs, and {len(sinks)} nodes lead nowhere: {some}"
            hint = 'say what is put out: `g.graph["outputs"] = [{"values": [(node, 0)]}]`'
            raise fault("E1106", what, None, hint)
        return self._value(sinks[0], 0)

    def _value(self, key: Key, port: Any) -> Value:
        """A tensor that is put out. Raises a Fault where there is none."""
        if key not in self.made:
            raise fault("E1106", f"an output is of {called(key)}, which the graph does not have", None)
        value = self._tensor(key, port)
        if isinstance(self.made[key].op, Choice):
            raise at(key, fault("E0306", "what is put out is a tensor, and this is a drawn number", None))
        return value

    def _tensor(self, key: Key, port: Any) -> Value:
        """An output of a node. Raises a Fault (E1103) where it has none of this number."""
        node = self.made[key]
        count = len(node.outputs)
        if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port < count:
            outputs = "one output, port 0" if count == 1 else f"the outputs 0 to {count - 1}"
            raise fault("E1103", f"`{node.op.kind}` at {called(key)} has {outputs}, and `port` is {port!r}", None)
        return node.index, port

    def _settle(self) -> None:
        """Usual sizes of what no input states: those that were assumed before, as far as they are legal still."""
        graph, open_sizes = self.graph, self.graph.symbols()
        kept = {n: size for n, size in self.about.assumed.items() if n in open_sizes and n not in graph.nominal}
        sizes = {**dict.fromkeys(open_sizes, 1), **graph.nominal, **kept}
        if kept and graph.requirements.symbols() <= sizes.keys() and not graph.requirements.violations(sizes):
            graph.nominal |= kept
            graph.assumed |= kept.keys()
        settle_nominal(graph)

    def _carry(self, said: Maps) -> None:
        """The maps of weights, where the tensors are those that they are for."""
        if said.tensors != self.graph.tensor_shapes():
            hint = '`del g.graph["weight_maps"]` leaves them out: checkpoints of before the rewrite then no longer load'
            raise fault("E1108", "the maps of weights are for other tensors than this graph has", None, hint)
        self.graph.weight_maps = list(said.maps)

    # --- nodes -----------------------------------------------------------------------------

    def _node(self, key: Key) -> None:
        """Makes a node of what networkx has at a key. Raises a Fault."""
        attributes = self.view.nodes[key]
        cls, settings = layer_of(attributes)
        known = {name: value for name, value in attributes.items() if name in NODE}
        said = self.said[key] = read(OfNode, "a node", known)
        op, inputs, outputs = (self._input if cls.is_input else self._applied)(key, cls, settings)
        index = len(self.nodes)
        part = None if said.recompute is None else self._parts.setdefault(said.recompute, object())
        node = Node(index, op, inputs, outputs, self.graph.root, "", index, said.origin, said.span, said.frozen, part)
        node.names, node.entries, node.exits = dict.fromkeys(said.names), dict(said.entries), dict(said.exits)
        if op.is_module and not said.path:
            check_segment(own_name(node), None)
        self.nodes.append(node)
        self.made[key] = node

    def _input(self, key: Key, cls: type[Op], settings: dict[str, Any]) -> tuple[Op, tuple[Value, ...], Any]:
        """An input: its op, no inputs, and its type."""
        if self.view.pred[key]:
            raise fault("E0301", "an input takes no tensor", None, "an edge leads from what makes a tensor")
        if self.said[key].recompute is not None or self.said[key].frozen:
            raise fault("E1103", "an input is neither frozen nor computed again", None)
        name = settings.get("name", key)
        if isinstance(name, str) and name in words().reserved:
            hint = f'call it otherwise: `g.add_node({key!r}, op="input", name="x", shape=[...])`'
            raise fault("E1103", f"no input can be called `{name}`, which is a word of the language", None, hint)
        said = read(OfInput, "an input", {"name": key, **settings})
        type_ = self.intern(input_type(_dims(said.shape), said.dtype, None))
        declare(self.graph, said.name, type_, None)
        for entry in self.graph.inputs:
            if entry.name in self.graph.symbols():
                message = f"an input cannot be named `{entry.name}`, as one of the sizes is"
                raise fault("E0511", message, None, "rename one: a name stands for one thing")
        if said.nominal is not None:
            state(self.graph, type_, said.nominal, None, "`nominal`", f"{said.nominal!r:.60}")
        return Input(name=said.name), (), (type_,)

    def _applied(self, key: Key, cls: type[Op], settings: dict[str, Any]) -> tuple[Op, tuple[Value, ...], Any]:
        """An op on tensors: with its inputs, and the types of its outputs."""
        edges = [
            (source, read(OfEdge, f"the edge from {called(source)}", data))
            for source, _, data in self.view.in_edges(key, data=True)
        ]
        values = [self._tensor(source, said.port) for source, said in edges]
        inputs = sorted_inputs(cls, settings, values, [said.slot for _, said in edges])
        said = self.said[key]
        op = make_op(cls, settings, inputs, self.nodes, tuple(said.given), bool(said.path))
        op = self._ops.setdefault((op.is_module, op.key), op)
        types = self.arriving(op, inputs)
        if cls is Extern and self.said[key].arriving != types:
            what = "a layer of the host has declared shapes, for other tensors than arrive"
            hint = "an `extern` works its shapes out in a spec: change that, and take its graph again"
            raise fault("E1107", what, None, hint)
        try:
            return op, inputs, self.infer(op, types)
        except LayerError as error:
            raise fault(error.code, str(error), None, *error.hints) from None


def _dims(shape: Any) -> list[Dim]:
    hint = 'sizes are numbers, and names for those left open: `shape=["N", 3, "H", "W"]`'
    if not isinstance(shape, list | tuple) or not shape:
        raise fault("E0348", "an input has a `shape`, a list that starts with the batch", None, hint)
    for dim in shape:
        if not ((is_whole(dim) and 1 <= dim <= MAX_INT) or isinstance(dim, Size) or words().is_name(dim)):
            raise fault("E0348", f"{dim!r:.60} is no size", None, hint)
    return [symbol(dim) if isinstance(dim, str) else dim for dim in shape]
