"""Wider layers that compute the same (Net2WiderNet; Chen, Goodfellow and Shlens 2016, arXiv 1511.05641)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import prod
from typing import Any, ClassVar

from pydantic import Field

from ..ir.graph import Carried, Graph, Node, Value, concrete, tensor_name
from ..ir.lowering import In, Program, function, method
from ..ops.along import AlongAxis
from ..ops.axes import axis_index, spatial_index
from ..ops.conv import DepthwiseConv, UpConv
from ..ops.merge import Concat, Multiply
from ..ops.shape import Flatten, Squeeze
from ..ops.values import Count
from .applications import Paths
from .base import Rewrite, mapped, refusal
from .replay import Replay
from .uses import Uses, layer_at

Copies = tuple[int, ...]
"""For each channel of a widened tensor, which channel it had before it is a copy of."""


class Widen(Rewrite):
    """The architecture with wider layers, in evaluation the same up to rounding; in training too, but for dropout.

    A convolution or dense layer gets `width` channels: those it had, then copies of them in turn, from the first on.
    The layers that take them divide their weights for a channel by the number of its copies. On the way there batch
    norms and other layers with a weight for each channel get copies too, and activations, pools, dropout, `flatten`,
    joins and depthwise convolutions pass them on. Tensors that are summed, averaged, multiplied or compared must be
    widened alike: name the layers that make them together. All else is refused, outputs too.

    Copies stay equal in training until dropout or noise parts them. A new network starts as the wider one does.
    """

    kind: ClassVar[str] = "widen"

    modules: Paths = Field(description="the layers that become wider")
    width: Count = Field(description="their new number of channels")

    def apply(self, graph: Graph) -> Graph:
        owners = {layer_at(graph, path).index for path in self.modules}
        for owner in owners:
            self._check(graph.nodes[owner])
        widening = _Widening(graph, owners, self.width)
        for node in graph.nodes:
            widening.take(node)
        return widening.done()

    def _check(self, node: Node) -> None:
        op = node.op
        if not op.width_setting:
            what = f"`{node.op.called}` has no width of its own"
            raise refusal("E0461", what, node, "convolutions and dense layers are widened")
        if getattr(op, "groups", 1) > 1:
            what = f"`{node.path}` has groups, each of which would need copies of its own"
            raise refusal("E0461", what, node, "`split_branches` makes a layer of each group")
        now = getattr(op, op.width_setting)
        if self.width <= now:
            raise refusal("E0461", f"`{node.path}` has {now} channels already", node, f"give a width above {now}")


class _Widening:
    """The replay of a graph. `copies` has the tensors of the graph before that have become wider."""

    def __init__(self, graph: Graph, owners: set[int], width: int):
        self.graph = graph
        self.owners = owners
        self.width = width
        self.uses = Uses(graph)
        self.replay = Replay(graph)
        self.copies: dict[Value, Copies] = {}
        self.changes: dict[int, tuple[Copies | None, Copies | None]] = {}
        """For the owner of each layer whose weights change: the copies it gets, and those it makes."""

    def take(self, node: Node) -> None:
        arriving = [self.copies.get(value) for value in node.op.arriving(node.inputs)]
        made = self._made(node, arriving) if any(arriving) or node.owner in self.owners else None
        wider = {node.op.width_setting: self.width} if node.owner in self.owners else {}
        self.replay.again(node, node.op.model_copy(update=wider) if wider else None)
        if made is not None:
            self.copies.update({(node.index, port): made for port in range(len(node.outputs))})

    def _made(self, node: Node, arriving: list[Copies | None]) -> Copies | None:
        """The copies in what a node makes. Raises a Fault where it would not compute the same."""
        op, first = node.op, arriving[0]
        if op.width_setting and getattr(op, "groups", 1) == 1:
            before = self.graph.type_of((node.index, 0)).channels
            if not isinstance(before, int) or (isinstance(op, AlongAxis) and not self._along_channels(op, node)):
                raise self._refused(f"`{node.path}` maps numbers along an axis that does not hold the channels", node)
            made = tuple([i % before for i in range(self.width)]) if node.owner in self.owners else None
            return self._change(node, first, made)
        if op.is_merge or isinstance(op, Concat):
            return self._merged(node, arriving)
        assert first is not None
        if isinstance(op, DepthwiseConv):
            return self._change(node, None, tuple([c * op.multiplier + i for c in first for i in range(op.multiplier)]))
        if isinstance(op, (Flatten, Squeeze)) and (made := self._reshaped(node, first)) is not None:
            return made
        if op.is_per_channel(self.graph.input_types(node)):
            return self._change(node, None, first) if op.has_weights and not op.is_elementwise() else first
        what = f"`{node.op.called}` takes the widened channels, and would not compute the same on copies of them"
        raise self._refused(what, node)

    def _along_channels(self, op: AlongAxis, node: Node) -> bool:
        return op.along_channels(self.graph.type_of(node.inputs[0]))

    def _reshaped(self, node: Node, copies: Copies) -> Copies | None:
        """The copies where an axis is left out, or axes become one; None where that needs the channels as they are.

        Where sizes are open they are taken as usual: a layer that takes the vector makes weights for its length, and so
        requires that it is the one at the usual sizes.
        """
        x, op = self.graph.type_of(node.inputs[0]), node.op
        if isinstance(op, Squeeze):
            return copies if spatial_index(x, op.axis, op.kind) != x.channel_axis else None
        assert isinstance(op, Flatten)
        (start, end), sizes, channels = op.merged_axes(x), concrete(x.dims, self.graph.nominal), x.channel_axis
        if channels is None:
            return None
        if not start <= channels <= end:
            return copies
        outer, inner = prod(sizes[start:channels]), prod(sizes[channels + 1 : end + 1])
        count = sizes[channels]
        return tuple([(i * count + c) * inner + j for i in range(outer) for c in copies for j in range(inner)])

    def _merged(self, node: Node, arriving: list[Copies | None]) -> Copies | None:
        values = node.op.arriving(node.inputs)
        types = [self.graph.type_of(value) for value in values]
        if isinstance(node.op, Concat):
            if (axis := axis_index(types[0], node.op.axis, "concat")) == types[0].channel_axis:
                widths = [concrete(t.dims, self.graph.nominal)[axis] for t in types]
                return self._joined(zip(widths, arriving, strict=True))
        elif isinstance(node.op, Multiply):
            shared = [t.rank < 2 or t.channels == 1 for t in types]
            arriving = [c for c, one in zip(arriving, shared, strict=True) if c is not None or not one]
        if len(set(arriving)) == 1:
            return arriving[0]
        wide = next(v for v in values if v in self.copies)
        narrow = next(v for v in values if self.copies.get(v) != self.copies[wide])
        other = self.graph.type_of(narrow)
        what = f"`{node.op.called}` brings a widened tensor and {other} together, which is not alike"
        raise self._refused(what, node, f"name the layer that makes the other too: {self._maker(narrow)}")

    def _maker(self, value: Value) -> str:
        """The layer with a width of its own behind a tensor."""
        node = self.graph.nodes[value[0]]
        while not node.op.width_setting and node.inputs:
            node = self.graph.nodes[node.inputs[0][0]]
        return node.called

    def _joined(self, parts: Iterable[tuple[int, Copies | None]]) -> Copies:
        found: list[int] = []
        start = 0
        for channels, copies in parts:
            found += [start + c for c in (range(channels) if copies is None else copies)]
            start += channels
        return tuple(found)

    def _change(self, node: Node, taken: Copies | None, made: Copies | None) -> Copies | None:
        known = self.changes.setdefault(node.owner, (taken, made))
        if known != (taken, made):
            what = f"`{node.path}` is shared, and would get other copies here than where it is first applied"
            raise self._refused(what, node)
        return made

    def _refused(self, what: str, node: Node, *hints: str) -> Exception:
        ways = "between a widened layer and those that take it stand norms per channel, activations, pools and joins"
        return refusal("E0461", what, node, *(hints or (ways,)))

    # --- the end ---------------------------------------------------------------------------

    def done(self) -> Graph:
        for output in self.graph.outputs:
            for value in output.values:
                if value in self.copies:
                    node = self.graph.nodes[value[0]]
                    raise self._refused("an output would become wider", node, "`change_classes` gives other classes")
        carried: dict[str, Carried] = {}
        for owner, (taken, made) in self.changes.items():
            carried |= self._carried(self.graph.nodes[owner], taken, made)
        return mapped(self.graph, self.replay.finish(), carried)

    def _carried(self, node: Node, taken: Copies | None, made: Copies | None) -> dict[str, Carried]:
        into, out = (0, 1) if isinstance(node.op, UpConv) else (1, 0)
        found = {}
        for name, shape in self.graph.weight_shapes(node).items():
            if not shape or (len(shape) == 1 and made is None):
                continue
            weight: Any = In(0)
            if made is not None:
                weight = _copied(weight, out if len(shape) > 1 else 0, made)
            if taken is not None and len(shape) > 1:
                counts = Counter(taken)
                shares = method("reshape", function("torch.tensor", [counts[c] for c in taken]), *_along(into, shape))
                weight = function("operator.truediv", _copied(weight, into, taken), shares)
            for path in self.uses.paths[node.index]:
                found[tensor_name(path, name)] = Carried(((tensor_name(path, name), shape),), Program((weight,)))
        return found


def _along(axis: int, shape: tuple[int, ...]) -> list[int]:
    """The sizes of a tensor of rank 1 laid along an axis."""
    return [-1 if i == axis else 1 for i in range(len(shape))]


def _copied(weight: Any, axis: int, copies: Copies) -> Any:
    """The weight with copies of what it has along an axis."""
    return function("operator.getitem", weight, (*[slice(None)] * axis, list(copies)))
