"""A network cut into stages: architectures that in a row are the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..analyses.cuts import Cuts
from ..ir.free_names import FreeNames
from ..ir.graph import Graph, GraphInput, GraphOutput, Node, Scope, Value, concrete
from ..ir.sizes import Dim, Size, substitute, symbol
from ..ir.types import Axis, TensorType
from ..ops.core import Input
from .base import mapped
from .replay import Replay
from .truncate import output_name


def stages(graph: Graph, places: Sequence[int], sizes: Mapping[str, int] | None = None) -> list[Graph]:
    """The graph cut before the nodes at these places, which rise.

    Each stage takes what the one before it puts out, in the same order; the first takes the inputs of the whole, and
    the last puts out what the whole does. Tensors that later stages need are handed on. Names of layers stay, so that
    a checkpoint of the whole loads into each stage, and each parameter belongs to one stage, or to several where it is
    shared among them. `sizes` gives open sizes values. A size of a tensor that crosses a cut, and is a formula of
    others, is open by a name of its own.

    Raises a Fault (E0441) where a layer does not fit what it then knows of the sizes.
    """
    cuts = Cuts.of(graph)
    names = _Names(graph)
    crossing = [cuts.crossing(place) for place in places]
    nodes: list[list[Node]] = [[] for _ in (*places, None)]
    for node in graph.nodes:
        if cuts.flows[node.index]:
            nodes[cuts.stage_of(node, places)].append(node)
    made = []
    for number, mine in enumerate(nodes):
        arriving = crossing[number - 1] if number else [(entry.node, 0) for entry in graph.inputs]
        leaving = crossing[number] if number < len(places) else None
        stage = _Stage(graph, names, arriving, dict(sizes or {}), f"{graph.name}_{number + 1}")
        made.append(stage.made_of(mine, leaving))
    return made


class _Names:
    """What the tensors that cross cuts are called, the same in every stage."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self._inputs = FreeNames([*graph.root.children, *graph.nominal, *(entry.name for entry in graph.inputs)])
        self._named: dict[Value, str] = {(entry.node, 0): entry.name for entry in graph.inputs}
        self._last: dict[str, int] = {}
        for node in graph.nodes:
            scope: Scope | None = node.scope
            while scope is not None:
                self._last[scope.path] = node.index
                scope = scope.parent

    def of(self, value: Value) -> str:
        """The input's name by which a stage takes a tensor: `layer2_out` for what `layer2` makes."""
        if value not in self._named:
            self._named[value] = self._inputs.new(f"{output_name(self._maker(self.graph.nodes[value[0]]))}_out")
        return self._named[value]

    def _maker(self, node: Node) -> str:
        """The path of the outermost scope of which a node is the last, else its own place, or its kind at the top."""
        parts = node.scope.path.split(".") if node.scope.path else []
        paths = (".".join(parts[: length + 1]) for length in range(len(parts)))
        whole = next((path for path in paths if self._last[path] == node.index), None)
        return whole or node.place or node.op.kind


class _Sizes:
    """The types of what arrives at a stage, as inputs have them: each size is a number or a name. A size that is a
    formula of the whole's sizes gets the name of its axis, H for a height, or one with a number where that is taken."""

    def __init__(self, graph: Graph, arriving: list[Value], sizes: dict[str, int]):
        self.graph = graph
        self.sizes = sizes
        self.nominal: dict[str, int] = {}
        types = [graph.type_of(value) for value in arriving]
        plain = {dim.name for type_ in types for dim in type_.dims if isinstance(dim, Size) and dim.name is not None}
        self._free = FreeNames(plain - sizes.keys())
        self._named: dict[Dim, Dim] = {}
        self.types = {value: self._type(type_) for value, type_ in zip(arriving, types, strict=True)}

    def _type(self, type_: TensorType) -> TensorType:
        axes = []
        for axis in type_.axes:
            size = self._size(axis)
            closed = axis.name if axis.name not in self.graph.nominal else None
            axes.append(Axis(size, axis.role, closed if isinstance(size, int) else str(size)))
        return TensorType(tuple(axes), type_.dtype)

    def _size(self, axis: Axis) -> Dim:
        size = substitute(axis.size, self.sizes)
        if isinstance(size, int):
            return size
        if size not in self._named:
            name = size.name or self._free.new(axis.name or min(size.symbols()), glue="")
            self._named[size] = symbol(name)
            self.nominal[name] = size.evaluate({**self.graph.nominal, **self.sizes})
        return self._named[size]


class _Stage(Replay):
    """One stage in the making."""

    def __init__(self, before: Graph, names: _Names, arriving: list[Value], sizes: dict[str, int], name: str):
        super().__init__(before)
        self.names = names
        self.sizes = _Sizes(before, arriving, sizes)
        self.graph.name = name
        self.graph.nominal = self.sizes.nominal
        self.graph.assumed &= self.sizes.nominal.keys()

    def made_of(self, nodes: list[Node], leaving: list[Value] | None) -> Graph:
        """The stage of these nodes, and of what is made of parameters alone and they need."""
        for value, type_ in self.sizes.types.items():
            self._take(value, type_)
        outputs = self.before.outputs if leaving is None else [GraphOutput(None, tuple(leaving))]
        needed = self._with_constants(nodes, [value for output in outputs for value in output.values])
        for node in self.before.nodes:
            if node.index in needed:
                self.again(node)
        put_out = [replace(o, values=tuple([self.values[value] for value in o.values])) for o in outputs]
        return mapped(self.before, self.finish(put_out))

    def _take(self, value: Value, type_: TensorType) -> None:
        entry = next((entry for entry in self.before.inputs if (entry.node, 0) == value), None)
        type_, index = self.intern(type_), len(self.nodes)
        op = Input(name=self.names.of(value)) if entry is None else self.before.nodes[entry.node].op
        span = None if entry is None else self.before.nodes[entry.node].span
        self.nodes.append(Node(index, op, (), (type_,), self.before.root, "", index, None, span))
        nominal = concrete(type_.dims, self.sizes.nominal)
        self.graph.inputs.append(GraphInput(self.names.of(value), index, type_, nominal))
        self.values[value] = (index, 0)

    def _with_constants(self, nodes: list[Node], put_out: list[Value]) -> set[int]:
        needed = {node.index for node in nodes if not node.op.is_input}
        wanted = [value for node in nodes for value in node.inputs] + put_out
        while wanted:
            value = wanted.pop()
            if value not in self.values and value[0] not in needed:
                needed.add(value[0])
                wanted += self.before.nodes[value[0]].inputs
        return needed
