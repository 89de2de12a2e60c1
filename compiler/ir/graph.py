"""The graph: what a spec means, every tensor typed, every parameter named.

Nodes are kept in application order, which is a topological order: a node's inputs come before it.
The store is a flat list rather than a networkx graph, because a check of a few hundred nodes
would spend most of its time importing networkx; `interchange` gives that form, and reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ...dsl.source import Span
from .requirements import Requirements
from .sizes import Dim
from .titles import called
from .types import TensorType

if TYPE_CHECKING:
    from .lowering import Program
    from .op import Op, Weight

Value = tuple[int, int]
"""One tensor: the index of the node that makes it, and which of the node's outputs it is."""


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """The block or arch whose instantiation made a node: `block` with `arguments`, called at `span` from `caller`."""

    block: str
    arguments: dict[str, Any]
    span: Span | None
    caller: Origin | None

    def __str__(self) -> str:
        plain = (int, float, str, bool)
        shown = [str(v) for v in self.arguments.values() if isinstance(v, plain) or hasattr(v, "symbols")]
        return f"{self.block}({', '.join(shown)})"

    def __repr__(self) -> str:
        return f"<Origin {self}>"


def outwards(origin: Origin | None) -> Iterator[Origin]:
    """An instantiation and those around it, up to that of the arch; none where there is no origin."""
    while origin is not None:
        yield origin
        origin = origin.caller


@dataclass(slots=True, eq=False)
class Scope:
    """A module of the result: a namespace of parameters.

    `children` holds scopes and nodes by name, in registration order (`state_dict` order); an alias of
    something `shared` stands in it as the same object under a second name. `block` and `arguments` are those
    of the block whose instance fills the scope, None where it is filled by a list or a bare expression.
    `series` is the same object for the scopes that one `f ** n` numbered. `shared`: what fills it was declared
    `shared`, or tied by a rewrite, and may be applied several times.
    """

    name: str
    parent: Scope | None
    children: dict[str, Scope | Node] = field(default_factory=dict)
    block: str | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    series: object | None = None
    shared: bool = False

    @property
    def holder(self) -> Scope | None:
        """The scope that it is registered in under its own name."""
        return self.parent

    def outwards(self) -> Iterator[Scope]:
        """The scope and those around it, innermost first."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent

    def scopes(self) -> list[Scope]:
        """The scopes that are registered in it under their own names."""
        return [child for child in self.children.values() if isinstance(child, Scope) and child.holder is self]

    def names_first(self, name: str) -> bool:
        """Whether a child has this name as its own, and not as the second name of something shared."""
        child = self.children[name]
        return child.name == name and child.holder is self

    def emptied(self, name: str, parent: Scope | None) -> Scope:
        """A scope that says the same of itself, without what it holds."""
        return Scope(name, parent, {}, self.block, self.arguments, self.series, self.shared)

    @property
    def path(self) -> str:
        """The dotted path from the root, whose own path is empty."""
        names: list[str] = []
        scope: Scope | None = self
        while scope is not None and scope.parent is not None:
            names.append(scope.name)
            scope = scope.parent
        return ".".join(reversed(names))

    def __repr__(self) -> str:
        return f"<Scope {self.path or 'at the top'}: {', '.join(self.children)}>"


@dataclass(slots=True, eq=False)
class Node:
    """One application of an op.

    `name` is the module's name within `scope`, empty for an op that is no module (`Op.is_module` false). `owner` is the
    index of the node whose parameters and name it uses: its own, unless it applies something `shared` again
    (then `scope` and `name` are the owner's). `recompute` is the same object for the nodes of one part that training
    computes again for the backward pass. `frozen`: its parameters do not train. `when_training`: only training
    needs it. `span` is where the op stands in the source. `names` are what a spec calls its outputs: the place among
    these, the name, and the instantiation whose body says so. `entries` are the blocks that these go into: for the
    place among them and the instantiation, the first place among the tensors that come in there. `exits` are the blocks
    that put them out, each with the places there. Each is None where there are none, as of most nodes.
    """

    index: int
    op: Op
    inputs: tuple[Value, ...]
    outputs: tuple[TensorType, ...]
    scope: Scope
    name: str
    owner: int
    origin: Origin | None
    span: Span | None
    frozen: bool = False
    recompute: object | None = None
    names: dict[tuple[int, str, Origin | None], None] | None = None
    entries: dict[tuple[int, Origin | None], int] | None = None
    exits: dict[tuple[int, Origin | None], tuple[int, ...]] | None = None

    def call(self, port: int, name: str, origin: Origin | None) -> None:
        """Notes what a spec calls one of its outputs."""
        self.names = self.names or {}
        self.names[port, name, origin] = None

    def put_in(self, port: int, origin: Origin | None, place: int) -> None:
        """Notes that one of its outputs goes into a block, where its first place is not known yet."""
        self.entries = self.entries or {}
        self.entries.setdefault((port, origin), place)

    def put_out(self, port: int, origin: Origin | None, *places: int) -> None:
        """Notes that a block puts one of its outputs out, in some more places."""
        self.exits = self.exits or {}
        self.exits[port, origin] = (*self.exits.get((port, origin), ()), *places)

    @property
    def holder(self) -> Scope:
        """The scope that it is registered in under its own name."""
        return self.scope

    @property
    def path(self) -> str:
        """The dotted module path."""
        prefix = self.scope.path
        return f"{prefix}.{self.name}" if prefix else self.name

    @property
    def place(self) -> str:
        """The path; of an op that is no module, that of the scope in which it stands."""
        return self.path if self.name else self.scope.path

    @property
    def called(self) -> str:
        """What messages call it: its path, the name of an input, or its op and the scope in which that stands."""
        if self.name or self.op.is_input:
            return f"`{self.path if self.name else getattr(self.op, 'name', self.op.kind)}`"
        return f"`{self.op.called}`{f' in `{self.scope.path}`' if self.scope.path else ''}"

    def __repr__(self) -> str:
        return f"<Node {self.index}: {self.op.kind}{f' {self.path}' if self.name else ''}>"


def walk(module: Scope | Node, second_names: bool = True) -> Iterator[tuple[str, Scope | Node]]:
    """A module and all that is in it, in the order of the checkpoint, by dotted path from it. What has several names
    comes under each; without `second_names` what is in a scope comes under the first alone."""
    stack: list[tuple[str, Scope | Node, bool]] = [("", module, True)]
    while stack:
        path, item, entered = stack.pop()
        yield path, item
        if isinstance(item, Scope) and entered:
            prefix = f"{path}." if path else ""
            for name, child in reversed(item.children.items()):
                stack.append((prefix + name, child, second_names or item.names_first(name)))


def scopes(root: Scope) -> Iterator[Scope]:
    """The scope and all those in it, each once, parents before what they hold."""
    stack, seen = [root], {root}
    while stack:
        scope = stack.pop()
        yield scope
        for child in reversed(scope.children.values()):
            if isinstance(child, Scope) and child not in seen:
                seen.add(child)
                stack.append(child)


@dataclass(slots=True)
class GraphInput:
    """An input of the arch. `nominal` has the usual sizes, at which figures are counted and the module is first run."""

    name: str
    node: int
    type: TensorType
    nominal: tuple[int, ...]


@dataclass(slots=True)
class GraphOutput:
    """An output statement: one tensor, or several where a tuple is put out. `name` is None for `output e`."""

    name: str | None
    values: tuple[Value, ...]
    when_training: bool = False


@dataclass(frozen=True, slots=True)
class Carried:
    """How a tensor of a rewritten architecture is made of tensors that the one before it has.

    `sources` are their names in its checkpoint, each with its shape; they are the inputs of `program`, in this order.
    A checkpoint that has the tensor already, under a name that is none of these, is left as it is, unless it has a
    source that the result does not have: then it is of before, and the name was that of another tensor.
    """

    sources: tuple[tuple[str, tuple[int, ...]], ...]
    program: Program


@dataclass(frozen=True, slots=True)
class WeightMap:
    """How a checkpoint of a graph becomes one of what a rewrite made of it.

    `made` are the tensors of the result that are others than before, by name; one without sources starts the same
    whatever the checkpoint holds. `gone` are the names of those that the result does not have, whether or not something
    is made of them. `fresh` are those that start as in a new network, with the shapes that they have now: those of a
    checkpoint are left out, whatever the number of their channels, the first size. The rest keep names and shapes.
    """

    made: dict[str, Carried] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    fresh: dict[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(slots=True)
class Graph:
    """A whole architecture, elaborated and typed.

    With one output statement of one tensor the module returns that tensor; of a tuple, a tuple; with several
    statements a dict by name (an unnamed one is `out`), in which an output `when training` is None in eval.
    """

    name: str
    doc: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    given: tuple[str, ...] = ()
    """The names of the parameters that were given; the others have their defaults."""
    inputs: list[GraphInput] = field(default_factory=list)
    outputs: list[GraphOutput] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    root: Scope = field(default_factory=lambda: Scope("", None))
    requirements: Requirements = field(default_factory=Requirements)
    nominal: dict[str, int] = field(default_factory=dict)
    """The usual value of each symbolic size, as the inputs state it."""
    assumed: set[str] = field(default_factory=set)
    """The sizes of `nominal`, batches left out, that no input states: they are the smallest that are legal."""
    weight_maps: list[WeightMap] = field(default_factory=list)
    """One for each rewrite that it went through, the first one first."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What rewrites found out about it, by name, such as `kendall_tau`."""

    def __repr__(self) -> str:
        return f"<Graph {self.name}: {len(self.nodes)} nodes>"

    @property
    def title(self) -> str:
        """Its name with the parameters that were given: `resnet(depth = 34)`."""
        return called(self.name, {name: self.parameters[name] for name in self.given})

    def type_of(self, value: Value) -> TensorType:
        return self.nodes[value[0]].outputs[value[1]]

    def made_by(self, nodes: Iterable[int]) -> list[Value]:
        """The tensors that some nodes make."""
        return [(index, port) for index in nodes for port in range(len(self.nodes[index].outputs))]

    def input_types(self, node: Node) -> tuple[TensorType, ...]:
        return tuple([self.nodes[source].outputs[port] for source, port in node.inputs])

    def alike(self, node: Node) -> tuple[int, ...]:
        """Equal for nodes whose op is one object, on tensors whose types are; while the graph stays as it is."""
        nodes = self.nodes
        return (id(node.op), id(node.outputs), *[id(nodes[source].outputs[port]) for source, port in node.inputs])

    def symbols(self) -> set[str]:
        """The names of the sizes that the inputs leave open."""
        return {name for entry in self.inputs for name in entry.type.symbols}

    def ops(self) -> Iterable[Op]:
        """The layers, in the order of their first applications; those that are one object once."""
        return {id(node.op): node.op for node in self.nodes}.values()

    def owners(self) -> Iterator[Node]:
        """The nodes that own what they apply: each parameter once."""
        return (node for node in self.nodes if node.owner == node.index)

    def module_paths(self) -> Iterator[tuple[str, Node]]:
        """Every dotted path at which a layer stands, with the layer, in the order of the checkpoint; one that is shared
        may have several."""
        return ((path, item) for path, item in walk(self.root) if isinstance(item, Node))

    def weight_shapes(self, node: Node) -> dict[str, tuple[int, ...]]:
        """The tensors that a node's layer owns, by their names within it."""
        return {weight.name: weight.shape for weight in node.op.weights(self.input_types(node))}

    def may_share(self, node: Node, owner: Node) -> bool:
        """Whether a node can use the parameters of another: the same layer, with tensors of the same shapes."""
        if node is owner or node.op.key != owner.op.key:
            return node is owner
        return not node.op.has_weights or self.weight_shapes(node) == self.weight_shapes(owner)

    def drop_empty_scopes(self) -> None:
        """Takes out the scopes that hold nothing, under all their names. A node in one of them moves to that around."""
        found, changed = list(scopes(self.root)), True
        while changed:
            changed = False
            for scope in reversed(found):
                for name in [n for n, c in scope.children.items() if isinstance(c, Scope) and not c.children]:
                    del scope.children[name]
                    changed = True
        for node in self.nodes:
            while not node.scope.children and node.scope.parent is not None:
                node.scope = node.scope.parent

    def tensor_shapes(self) -> dict[str, tuple[int, ...]]:
        """The tensors of a checkpoint by name, in its order; what is shared has several names."""
        return {tensor_name(path, weight.name): weight.shape for path, _, weight in self.tensors()}

    def tensors(self) -> Iterator[tuple[str, Node, Weight]]:
        """The tensors of a checkpoint, in its order: the path of a layer, the layer, and which of its weights it is."""
        for path, node in self.module_paths():
            for weight in node.op.weights(self.input_types(node)) if node.op.has_weights else ():
                if weight.persistent:
                    yield path, node, weight

    def ancestors(self, values: Iterable[Value]) -> list[bool]:
        """For each node, whether one of these tensors is made by it or from what it makes."""
        found = [False] * len(self.nodes)
        for node, _ in values:
            found[node] = True
        for node in reversed(self.nodes):
            for source, _ in node.inputs if found[node.index] else ():
                found[source] = True
        return found

    def needed(self) -> list[bool]:
        """For each node, whether an output depends on it."""
        return self.ancestors(value for output in self.outputs for value in output.values)

    def training_only(self) -> frozenset[int]:
        """The nodes that only outputs `when training` need, and those that use such and that nothing needs."""
        needed = self.ancestors(value for output in self.outputs if not output.when_training for value in output.values)
        extra = self.ancestors(value for output in self.outputs if output.when_training for value in output.values)
        found = {node.index for node in self.nodes if extra[node.index] and not needed[node.index]}
        for node in self.nodes:
            if not needed[node.index] and any(source in found for source, _ in node.inputs):
                found.add(node.index)
        return frozenset(found)


def is_under(path: str, scope: str) -> bool:
    """Whether a path is that of a scope or layer, or of something in it."""
    return path == scope or path.startswith(f"{scope}.")


def tensor_name(path: str, name: str) -> str:
    """The name in a checkpoint of a layer's tensor, whose name within the layer may be empty."""
    return f"{path}.{name}" if name else path


def concrete(dims: tuple[Dim, ...], sizes: dict[str, int]) -> tuple[int, ...]:
    """The sizes with every symbol given a value."""
    return _concrete(dims, tuple(sizes.items()))


@lru_cache(maxsize=4096)
def _concrete(dims: tuple[Dim, ...], sizes: tuple[tuple[str, int], ...]) -> tuple[int, ...]:
    at = dict(sizes)
    return tuple(d if isinstance(d, int) else d.evaluate(at) for d in dims)
