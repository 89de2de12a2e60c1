"""A network cut into stages: architectures that in a row are the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..analyses.cuts import Cuts
from ..ir.free_names import FreeNames
from ..ir.graph import Graph, GraphInput, GraphOutput, Node, Scope, Value, concrete
from ..ir.op import Op
from ..ir.sizes import Atom, Dim, Size, substitute, symbol
from ..ir.types import Axis, TensorType
from ..ops.core import Input
from ..ops.run_time import DEPTH, FACTORS, multiple_of
from .base import mapped, refusal
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
    """The types of what arrives at a stage, as inputs have them. A size that is a multiple of one of the whole's, with
    something added or not, stays as it is, `4 * h`. Another formula is open by a name of its own: that of its axis, H
    for a height, or one with a number where that is taken."""

    def __init__(self, graph: Graph, arriving: list[Value], given: dict[str, int]):
        self.graph = graph
        self.given = given
        types = {value: graph.type_of(value).with_sizes(self._at_given) for value in arriving}
        sizes = [dim for type_ in types.values() for dim in type_.dims if isinstance(dim, Size)]
        self.told = {name for size in sizes if (name := _kept(size)) is not None}
        """The whole's sizes that what arrives tells."""
        self.nominal = {name: graph.nominal[name] for name in graph.nominal if name in self.told}
        self._free = FreeNames(self.told)
        self._named: dict[Size, Size] = {}
        self.types = {value: self._type(type_) for value, type_ in types.items()}

    def _at_given(self, size: Size) -> Dim:
        return substitute(size, self.given)

    def _type(self, type_: TensorType) -> TensorType:
        axes = []
        for axis in type_.axes:
            size = self._size(axis.size, axis.name) if isinstance(axis.size, Size) else axis.size
            name = size.name if isinstance(size, Size) else None
            axes.append(Axis(size, axis.role, name or (axis.name if axis.name not in self.graph.nominal else None)))
        return TensorType(tuple(axes), type_.dtype)

    def _size(self, size: Size, axis: str | None) -> Size:
        if _kept(size) is not None:
            return size
        if size not in self._named:
            name = self._free.new(axis or min(size.symbols()), glue="")
            self._named[size] = symbol(name)
            self.nominal[name] = size.evaluate(self.graph.nominal)
        return self._named[size]

    def of(self, size: Size) -> Dim:
        """A size of the whole by those of the stage. Raises _Untold where they do not tell it."""
        return self._of(substitute(size, self.given), DEPTH)

    def _of(self, size: Dim, depth: int) -> Dim:
        if isinstance(size, int):
            return size
        if size in self._named:
            return self._named[size]
        if depth == 0:
            raise _Untold(size)
        found: Dim = size.constant
        for atoms, factor in size.terms.items():
            term: Dim = factor
            for atom in atoms:
                term = term * self._atom(atom, depth)
            found = found + term
        return found

    def _atom(self, atom: Atom, depth: int) -> Dim:
        if atom.kind == "symbol" and atom.name in self.told:
            return symbol(atom.name)
        whole = Size.product((atom,), 1)
        for size, name in self._named.items():
            if size.terms == {(atom,): 1}:
                return name - size.constant
            if atom.division is not None and size // atom.division[1] == whole:
                return name // atom.division[1]
            for times in FACTORS if atom.division is not None else ():
                if size // times == whole:
                    return name // times
        if atom.kind != "//":
            raise _Untold(whole)
        above, below = (self._of(dim, depth - 1) for dim in atom.operands)
        return above // below


def _kept(size: Size) -> str | None:
    """The symbol of a size that an input is declared with as it is."""
    return multiple_of(size) if size.constant >= 0 else None


class _Untold(Exception):
    """A size that a stage needs and what arrives does not tell."""


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
                self.again(node, self._op(node))
        put_out = [replace(o, values=tuple([self.values[value] for value in o.values])) for o in outputs]
        return mapped(self.before, self.finish(put_out))

    def _op(self, node: Node) -> Op:
        try:
            return node.op.with_sizes(self.sizes.of)
        except _Untold as size:
            what = f"{node.called} has the size {size} of the whole, which what arrives in its stage does not tell"
            raise refusal("E0441", what, node, "cut elsewhere") from None

    def _types_before(self, node: Node) -> tuple[TensorType, ...]:
        try:
            return tuple([type_.with_sizes(self.sizes.of) for type_ in self.before.input_types(node)])
        except _Untold:
            return ()

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
