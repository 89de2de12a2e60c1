"""How many dimensions the set of functions has at most that an architecture can be: numbers of weights, less those that
others make up for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import prod

from ..ir.graph import Graph, Node, Value
from ..ir.op import Weight
from ..ir.reached import reached
from ..ops.activation import LeakyReLU, ReLU
from ..ops.conv import Convolution
from ..ops.dropout import ChannelDropout, Dropout
from ..ops.linear import Linear
from ..ops.merge import Concat
from ..ops.norm import BatchNorm
from ..ops.pool import AdaptiveAvgPool, AdaptiveMaxPool, AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool
from ..ops.shape import Flatten
from ..ops.split import ChannelShuffle, Split
from ..ops.stochastic import Survive
from .equivalence import wanted

POOLS = (AdaptiveAvgPool, AdaptiveMaxPool, AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool)
IDLE = (Dropout, ChannelDropout, Survive)
"""What does nothing in evaluation."""
SCALED = (*POOLS, *IDLE, ReLU, LeakyReLU, Concat, Flatten, ChannelShuffle, Split)
"""Layers of whose output each number is multiplied by s > 0 where those that it is made of are."""


def most_dimensions(graph: Graph) -> int:
    """A bound from above, for inputs of the sizes that the graph has, all of which are known.

    - Of a kernel only the places count that ever meet the map, and not its padding.
    - A norm with running statistics is a factor and a summand for each channel. Behind a layer of its own that is
      linear, the factor is that layer's, and so is the layer's bias.
    - Where such a channel meets `relu`, and then only weights that take it alone, its size can be set to 1: what
      leads to it has as many numbers less one.
    """
    return _Count(graph).total()


class _Count:
    def __init__(self, graph: Graph):
        self.graph = graph
        ends = [value for output in wanted(graph, False) for value in output.values]
        self.ends = {value[0] for value in ends}
        self.needed = {v[0] for v in reached(ends, lambda value: graph.nodes[value[0]].inputs)}
        self.users: dict[Value, list[Node]] = {}
        self.alone: dict[int, int] = {}
        """How many times the weights of an owner are applied."""
        for node in graph.nodes:
            if node.index in self.needed:
                self.alone[node.owner] = self.alone.get(node.owner, 0) + 1
                for value in node.inputs:
                    self.users.setdefault(value, []).append(node)

    def total(self) -> int:
        total = 0
        for owner in self.alone:
            node = self.graph.nodes[owner]
            found = [w for w in node.op.weights(self.graph.input_types(node)) if w.dtype == "float" and w.persistent]
            total += sum(self._used(node, weight) for weight in found[: 2 if self._is_norm(node) else None])
        return total - sum(self._spare(self.graph.nodes[index]) for index in self.needed)

    def _used(self, node: Node, weight: Weight) -> int:
        """How many numbers of a weight ever matter."""
        if not isinstance(node.op, Convolution) or weight.name != "weight" or self.alone[node.owner] > 1:
            return prod(weight.shape)
        return prod(weight.shape[:2]) * prod(map(len, taps(node, self.graph)))

    def _is_norm(self, node: Node) -> bool:
        types = self.graph.input_types(node)
        weights = len([w for w in node.op.weights(types) if w.dtype == "float"]) if node.op.has_weights else 0
        return weights > 2 and node.op.is_affine() and node.op.is_per_channel(types)

    def _is_own(self, node: Node) -> bool:
        return self.alone.get(node.owner) == 1

    def _spare(self, node: Node) -> int:
        """By how much the count is too high: of a norm behind a linear layer, and of `relu` behind either."""
        before = self._before(node) if len(node.inputs) == 1 else None
        if before is None:
            return 0
        if self._is_norm(node) and self._is_own(node):
            return _width(before) * (1 + ("bias" in before.op.main_weights())) if self._is_linear(before) else 0
        if isinstance(node.op, (ReLU, LeakyReLU)):
            linear = self._before(before) if self._is_norm(before) and self._is_own(before) else before
            scaled = linear is not None and self._is_linear(linear) and self._is_made_up_for((node.index, 0))
            return _width(linear) if scaled and linear is not None else 0
        return 0

    def _before(self, node: Node) -> Node | None:
        """The layer that this one alone takes its input from."""
        (value,) = node.inputs
        alone = len(self.users[value]) == 1 and value[0] not in self.ends
        return self.graph.nodes[value[0]] if alone else None

    def _is_linear(self, node: Node) -> bool:
        """Whether it is a linear map of the channels, with weights of its own."""
        (x,) = self.graph.input_types(node) if len(node.inputs) == 1 else (None,)
        maps = isinstance(node.op, Convolution) or (isinstance(node.op, Linear) and x and node.op.along_channels(x))
        return bool(maps) and self._is_own(node)

    def _is_made_up_for(self, value: Value) -> bool:
        """Whether only weights of layers that are applied once take the channels of a tensor, each its own."""
        for made in reached([value], self._scaled):
            if made[0] in self.ends:
                return False
            for user in self.users.get(made, []):
                norm = isinstance(user.op, BatchNorm) and user.op.affine and self._is_norm(user) and self._is_own(user)
                if not (norm or self._is_linear(user) or self._is_scaled(user)):
                    return False
        return True

    def _is_scaled(self, node: Node) -> bool:
        """Whether each channel is multiplied by s > 0 where those that it is made of are."""
        apart = not isinstance(node.op, Concat) or node.op.is_per_place(self.graph.input_types(node))
        return isinstance(node.op, SCALED) and apart

    def _scaled(self, value: Value) -> list[Value]:
        """The tensors that are made of one by layers without weights."""
        users = [user for user in self.users.get(value, []) if self._is_scaled(user)]
        return [(user.index, port) for user in users for port in range(len(user.outputs))]


def _width(layer: Node) -> int:
    """The channels that a linear layer makes."""
    size = layer.outputs[0].channels
    assert isinstance(size, int)
    return size


def taps(node: Node, graph: Graph, wherever: Callable[[Iterable[bool]], bool] = any) -> list[list[int]]:
    """The places of a kernel that meet the map somewhere, or with `all` wherever the window is, along each axis."""
    op, (x,), (y,) = node.op, graph.input_types(node), node.outputs
    assert isinstance(op, Convolution)
    window = op.window(x.rank - 2)
    every = op.padding_mode != "zeros"
    found = []
    for axis, (before, _) in enumerate(window.pads(op.padding, x.dims[2:])):
        n, out, stride, step = x.dims[axis + 2], y.dims[axis + 2], window.stride[axis], window.dilation[axis]
        assert isinstance(n, int) and isinstance(out, int) and isinstance(before, int)
        places = [[0 <= i * stride + k * step - before < n for i in range(out)] for k in range(window.kernel[axis])]
        found.append([k for k, meets in enumerate(places) if every or wherever(meets)])
    return found
