"""The dense part of a network: its dense layers, and what leads from a map to them."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..ir.graph import Graph, Node, Value, concrete
from ..ir.reached import reached
from ..ir.types import TensorType
from ..ir.words import say
from ..ops.linear import Linear
from ..ops.maps import compact, expand
from ..ops.pool import AdaptiveAvgPool, AdaptiveMaxPool, GlobalAvgPool, GlobalMaxPool
from ..ops.shape import Flatten, Squeeze
from .base import refusal

TAKEN = (
    "between a map and its dense layers may stand `flatten`, a global pool, activations, dropout, `bn`, `ln`, "
    "1x1 convolutions, sums, products and joins"
)


def is_single(type_: TensorType) -> bool:
    """A vector [N, C], or a map of size 1."""
    return type_.rank == 2 or (is_map(type_) and all(isinstance(d, int) and d == 1 for d in type_.dims[2:]))


def is_map(type_: TensorType) -> bool:
    return type_.rank > 2 and type_.channel_axis == 1 and type_.dtype == "float"


def converts(node: Node, graph: Graph) -> bool:
    """Whether there is a form for maps of what the node does to vectors."""
    return isinstance(node.op, (Flatten, Squeeze)) or node.op.is_per_place(graph.input_types(node))


def is_global(node: Node) -> bool:
    """Whether the node pools the whole map."""
    if isinstance(node.op, (AdaptiveAvgPool, AdaptiveMaxPool)):
        return is_single(node.outputs[0])
    return isinstance(node.op, (GlobalAvgPool, GlobalMaxPool))


@dataclass(slots=True)
class DensePart:
    """Nodes of a graph by index: dense layers that take what comes from a map, the `flatten`s and global pools through
    which it comes, and the adaptive pools before these that do nothing at the usual size."""

    layers: set[int] = field(default_factory=set)
    flattens: set[int] = field(default_factory=set)
    pools: set[int] = field(default_factory=set)
    idle: set[int] = field(default_factory=set)


def dense_part(graph: Graph) -> DensePart:
    """Finds it. Raises a Fault at a layer that feeds a dense layer and has no form for maps, or at an adaptive pool."""
    part = DensePart()
    for node in graph.nodes:
        if isinstance(node.op, Linear) and is_single(graph.type_of(node.inputs[0])):
            _Way(graph, part, node).back()
    return part


class _Way:
    """The way back from one dense layer to the maps that it works on."""

    def __init__(self, graph: Graph, part: DensePart, layer: Node):
        self.graph = graph
        self.part = part
        self.layer = layer
        self.maps: list[Value] = []

    def back(self) -> None:
        for _ in reached(self.layer.inputs, self._before):
            pass
        if self.maps:
            self.part.layers.add(self.layer.index)
            self._look_for_adaptive_pools()

    def _before(self, value: Value) -> tuple[Value, ...]:
        """The vectors and maps of size 1 that one of them is made of."""
        graph, node = self.graph, self.graph.nodes[value[0]]
        if node.op.is_input or node.op.is_parameter:
            return ()
        singles = tuple([v for v in node.inputs if is_single(graph.type_of(v))])
        if is_global(node) and not singles:
            self.part.pools.add(node.index)
        elif (
            isinstance(node.op, (Flatten, Squeeze))
            and is_map(graph.type_of(node.inputs[0]))
            and (singles or (isinstance(node.op, Flatten) and node.outputs[0].rank == 2))
        ):
            self.part.flattens.add(node.index)
        elif singles and converts(node, graph):
            return singles
        elif singles or not is_map(graph.type_of(value)):
            what = f"`{self.layer.path}` is a dense layer on what `{node.op.called}` makes, and so has no form for maps"
            raise refusal("E0441", what, node, TAKEN)
        if singles:
            return singles
        self.maps.extend(node.inputs if node.index in self.part.pools | self.part.flattens else [value])
        return ()

    def _look_for_adaptive_pools(self) -> None:
        """Goes back from the maps while they have fixed sizes, as an adaptive pool makes them."""

        def earlier(value: Value) -> tuple[Value, ...]:
            node = self.graph.nodes[value[0]]
            fixed = all(isinstance(d, int) for d in self.graph.type_of(value).dims[2:])
            return node.inputs if fixed and not is_global(node) else ()

        for index, _ in reached(self.maps, earlier):
            node = self.graph.nodes[index]
            if isinstance(node.op, (AdaptiveAvgPool, AdaptiveMaxPool)) and not is_global(node):
                self._check_idle(node, node.op)

    def _check_idle(self, node: Node, op: AdaptiveAvgPool | AdaptiveMaxPool) -> None:
        size = concrete(self.graph.type_of(node.inputs[0]).dims[2:], self.graph.nominal)
        wanted = expand(op.kind, "size", op.size, len(size))
        if size == wanted:
            self.part.idle.add(node.index)
            return
        shown, made = " x ".join(map(str, size)), " x ".join(map(str, wanted))
        what = f"`{op.kind}` makes {made} of the {shown} that it gets at the usual size, before the dense layer"
        hints = [f"at a usual size where it gets {made} it does nothing, and is left out"]
        if isinstance(op, AdaptiveAvgPool) and not any(n % w for n, w in zip(size, wanted, strict=True)):
            window = compact(tuple(n // w for n, w in zip(size, wanted, strict=True)))
            hints.append(f"`avgpool({say(window)})` does the same at the usual size, and moves with the map")
        raise refusal("E0441", f"{what} `{self.layer.path}`", node, *hints)
