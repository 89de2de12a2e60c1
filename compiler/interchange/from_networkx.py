"""A graph of networkx as an architecture: everything that can be inferred is, and what does not fit is refused."""

from __future__ import annotations

from typing import Any

import networkx

from ...dsl.diagnostics import ArchError, Fault, fault
from ...dsl.limits import LIMITS
from ...dsl.source import Span
from ..elaborate.inputs import settle_nominal
from ..elaborate.unused import unused
from ..ir.graph import Graph, GraphOutput, Node, Origin, Value, WeightMap
from ..ir.op import LayerError, Op
from ..ops.core import Extern
from ..ops.inference import Inference
from ..ops.stochastic import Choice
from .attributes import EDGE, GRAPH, OUTPUT, Key, at, attempted, called, check_known, plain, taken, wrong
from .inputs import is_name, read_input
from .layers import check_declared, layer_of, make_op, sorted_inputs
from .module_tree import Place, build_tree, place_of
from .sharing import check_places, share


def from_networkx(view: Any) -> Graph:
    """The architecture that a graph of networkx describes; the package's docstring tells how.

    Raises ArchError, with everything that is wrong: shapes that do not fit have the codes that they have in a spec
    (E03xx, E04xx), what a graph alone can do wrong has E11xx. Each names its node.
    """
    if not isinstance(view, networkx.Graph) or not view.is_directed():
        what = "an undirected graph" if isinstance(view, networkx.Graph) else f"a value of type {type(view).__name__}"
        hint = "a `DiGraph` or `MultiDiGraph`, whose edges lead from what makes a tensor to what takes it"
        raise ArchError(
            [fault("E1101", f"an architecture is a directed graph of networkx, and not {what}", None, hint).diagnostic]
        )
    reader = Reader(view)
    graph = None
    try:
        graph = reader.read()
    except Fault as problem:
        reader.problems.append(problem)
    if graph is None or reader.problems:
        raise ArchError([problem.diagnostic for problem in reader.problems])
    return graph


class Reader(Inference):
    """Makes nodes in topological order, from the keys and attributes of networkx. Of what depends on a node that is
    wrong nothing more is said."""

    def __init__(self, view: Any):
        super().__init__(Graph(""))
        self.view = view
        self.problems: list[Fault] = []
        self.made: dict[Key, Node] = {}
        self._ops: dict[tuple[Any, ...], Op] = {}
        self._parts: dict[Any, object] = {}

    def read(self) -> Graph | None:
        """The graph; None, with `problems`, where something is wrong. Raises a Fault where nothing more can be said."""
        said = self.view.graph
        check_known("the graph", said, GRAPH)
        self._say(said)
        order = self._ordered()
        for key in order:
            if all(source in self.made for source in self.view.pred[key]):
                node = attempted(self.problems, key, lambda key=key: self._node(key))
                if node is not None:
                    self.made[key] = node
        if not self.graph.inputs and not self.problems:
            hint = 'an input is a node: `g.add_node("x", op="input", shape=["N", 3, 32, 32])`'
            raise fault("E1106", "the graph has no input", None, hint)
        if self.problems:
            return None
        self._name_modules(said.get("modules"))
        self.graph.outputs = self._outputs(said.get("outputs"))
        self.part_recomputed()
        keys = list(self.made)
        self.problems += [at(keys[node.index], problem) for node, problem in unused(self.graph)]
        self._settle(said.get("assumed"))
        self._carry(said.get("weight_maps"))
        return self.graph

    # --- the graph as a whole ---------------------------------------------------------------

    def _say(self, said: dict[str, Any]) -> None:
        graph = self.graph
        graph.name = said.get("name") or "net"
        if not is_name(graph.name):
            raise wrong(
                "name",
                "of an architecture is a word of letters, digits and `_` that is no word of the language",
                graph.name,
            )
        graph.doc = taken(said, "doc", None, str, "a text")
        graph.parameters = dict(taken(said, "parameters", {}, dict, "a dict"))
        graph.notes = dict(taken(said, "notes", {}, dict, "a dict"))

    def _ordered(self) -> list[Key]:
        """The keys in topological order, of those that are free the first that was added."""
        view = self.view
        if len(view) > LIMITS.nodes:
            raise fault("E0912", f"the network has more than {LIMITS.nodes:,} nodes", None)
        if view.number_of_edges() > LIMITS.edges:
            raise fault("E0913", f"the network has more than {LIMITS.edges:,} edges", None)
        positions = {key: place for place, key in enumerate(view)}
        try:
            return list(networkx.lexicographical_topological_sort(view, key=positions.__getitem__))
        except networkx.NetworkXUnfeasible:
            around = [edge[0] for edge in networkx.find_cycle(view)]
            through = " -> ".join(called(key).removeprefix("node ") for key in (*around[:8], around[0]))
            raise fault(
                "E1105",
                f"the graph has a cycle through {len(around)} node{'s' if len(around) > 1 else ''}: {through}",
                None,
                "a loop is written out, step by step; `shared_with` gives the steps one set of parameters",
            ) from None

    def _outputs(self, said: Any) -> list[GraphOutput]:
        if said is None:
            return [GraphOutput(None, (self._sink(),))]
        if not isinstance(said, list | tuple) or not said or not all(isinstance(entry, dict) for entry in said):
            raise wrong("outputs", 'a list such as `[{"name": None, "values": [(node, 0)]}]`', said)
        found: dict[str, GraphOutput] = {}
        for entry in said:
            check_known("an output", entry, OUTPUT)
            name = taken(entry, "name", None, str, "a name")
            if name is not None and not is_name(name):
                raise wrong("name", "a word of letters, digits and `_` that is no word of the language", name)
            if (name or "out") in found:
                raise fault("E0347", f"two outputs are called `{name or 'out'}`", None, "give each a `name` of its own")
            training = taken(entry, "when_training", False, bool, "true or false")
            found[name or "out"] = GraphOutput(name, self._values(entry.get("values")), training)
        return list(found.values())

    def _values(self, said: Any) -> tuple[Value, ...]:
        pairs = said if isinstance(said, list | tuple) else ()
        if not pairs or not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
            raise wrong("values", "a list of pairs (node, port)", said)
        return tuple([self._value(key, plain(port)) for key, port in pairs])

    def _sink(self) -> Value:
        sinks = [key for key in self.made if not self.view.succ[key]]
        if len(sinks) != 1:
            some = ", ".join(called(key).removeprefix("node ") for key in sinks[:6])
            hint = 'say what is put out: `g.graph["outputs"] = [{"values": [(node, 0)]}]`'
            raise fault(
                "E1106", f"the graph does not say its outputs, and {len(sinks)} nodes lead nowhere: {some}", None, hint
            )
        return self._value(sinks[0], 0)

    def _value(self, key: Any, port: Any) -> Value:
        """A tensor that is put out. Raises a Fault where there is none."""
        try:
            node = self.made.get(key)
        except TypeError:
            node = None
        if node is None:
            raise fault("E1106", f"an output is of {called(key)}, which the graph does not have", None)
        check_port(node, key, port)
        if isinstance(node.op, Choice):
            raise at(key, fault("E0306", "what is put out is a tensor, and this is a drawn number", None))
        return node.index, port

    def _settle(self, assumed: Any) -> None:
        """Usual sizes of what no input states: those that were assumed before, as far as they are legal still."""
        said = taken({"assumed": assumed or {}}, "assumed", {}, dict, "a dict of sizes")
        graph = self.graph
        symbols = {
            s for entry in graph.inputs for dim in entry.type.dims if not isinstance(dim, int) for s in dim.symbols()
        }
        kept = {name: plain(size) for name, size in said.items() if name in symbols and name not in graph.nominal}
        if any(isinstance(size, bool) or not isinstance(size, int) for size in map(plain, said.values())):
            raise wrong("assumed", "a dict of sizes, which are whole numbers", said)
        sizes = {**dict.fromkeys(symbols, 1), **graph.nominal, **kept}
        if kept and graph.requirements.symbols() <= sizes.keys() and not graph.requirements.violations(sizes):
            graph.nominal |= kept
            graph.assumed |= kept.keys()
        settle_nominal(graph)

    def _carry(self, said: Any) -> None:
        """The maps of weights, where the tensors are those that they are for."""
        if said is None:
            return
        maps = said.get("maps") if isinstance(said, dict) else None
        if not isinstance(maps, list | tuple) or not all(isinstance(one, WeightMap) for one in maps):
            raise wrong("weight_maps", "what `Architecture.graph` gives", said)
        if said.get("tensors") != self.graph.tensor_shapes():
            hint = '`del g.graph["weight_maps"]` leaves them out: checkpoints of before the rewrite then no longer load'
            raise fault("E1108", "the maps of weights are for other tensors than this graph has", None, hint)
        self.graph.weight_maps = list(maps)

    def _name_modules(self, said: Any) -> None:
        """Says who shares with whom, and gives names and scopes."""
        attributes = self.view.nodes
        homes = share(self, self.made, attributes)
        places = {key: _placed(key, node, attributes[key]) for key, node in self.made.items()}
        check_places(homes, places)
        owners = {node.owner: places[homes[key]] for key, node in self.made.items()}
        build_tree(self.graph, owners, said)
        for node in self.nodes:
            node.scope, node.name = self.nodes[node.owner].scope, self.nodes[node.owner].name

    # --- nodes -----------------------------------------------------------------------------

    def _node(self, key: Key) -> Node:
        """Makes a node of what networkx has at a key. Raises a Fault."""
        attributes = self.view.nodes[key]
        cls, settings = layer_of(attributes)
        index = len(self.nodes)
        node = Node(index, None, (), (), self.graph.root, "", index, None, None)  # type: ignore[arg-type]
        self._remark(node, attributes)
        if cls.is_input:
            self._take_input(node, key, settings)
        else:
            self._apply(node, key, cls, settings)
        self.nodes.append(node)
        return node

    def _take_input(self, node: Node, key: Key, settings: dict[str, Any]) -> None:
        if self.view.pred[key]:
            raise fault("E0301", "an input takes no tensor", None, "an edge leads from what makes a tensor")
        if node.recompute is not None or node.frozen:
            raise fault("E1103", "an input is neither frozen nor computed again", None)
        node.op, type_ = read_input(self.graph, key, settings)
        node.outputs = (self.intern(type_),)
        self.graph.inputs[-1].node, self.graph.inputs[-1].type = node.index, node.outputs[0]

    def _apply(self, node: Node, key: Key, cls: type[Op], settings: dict[str, Any]) -> None:
        edges = [(source, data) for source, _, data in self.view.in_edges(key, data=True)]
        values = [self._edge(source, data) for source, data in edges]
        node.inputs = sorted_inputs(cls, settings, values, [data.get("slot") for _, data in edges])
        declared = settings.pop("arriving", None) if cls is Extern else None
        op = make_op(cls, settings, node.inputs, self.nodes)
        node.op = self._ops.setdefault(op.key, op)
        types = self.arriving(node.op, node.inputs)
        if cls is Extern:
            check_declared(types, declared)
        try:
            node.outputs = self.infer(node.op, types)
        except LayerError as error:
            raise fault(error.code, str(error), None, *error.hints) from None

    def _remark(self, node: Node, attributes: dict[str, Any]) -> None:
        node.frozen = taken(attributes, "frozen", False, bool, "true or false")
        node.origin = taken(attributes, "origin", None, Origin, "what `Architecture.graph` gives")
        node.span = taken(attributes, "span", None, Span, "what `Architecture.graph` gives")
        part = attributes.get("recompute")
        if part is not None:
            try:
                node.recompute = self._parts.setdefault(part, object())
            except TypeError:
                raise wrong("recompute", "a number or a name, equal for what is one part", part) from None

    def _edge(self, source: Key, data: dict[str, Any]) -> Value:
        check_known(f"the edge from {called(source)}", data, EDGE)
        port, node = plain(data.get("port", 0)), self.made[source]
        check_port(node, source, port)
        return node.index, port


def check_port(node: Node, key: Key, port: Any) -> None:
    """Raises a Fault (E1103) where a node has no such output."""
    count = len(node.outputs)
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port < count:
        outputs = "one output, port 0" if count == 1 else f"the outputs 0 to {count - 1}"
        raise fault("E1103", f"`{node.op.kind}` at {called(key)} has {outputs}, and `port` is {port!r}", None)


def _placed(key: Key, node: Node, attributes: dict[str, Any]) -> Place:
    """Where a node says that it stands. Raises a Fault."""
    try:
        place = place_of(attributes)
        if place.path is not None and not node.op.is_module:
            hint = "`scope` says where it stands"
            raise fault("E1103", f"`{node.op.kind}` is no module, so it has no `path`", None, hint)
    except Fault as problem:
        raise at(key, problem) from None
    return place
