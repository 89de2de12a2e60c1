"""Dense layers as convolutions (Long et al. 2015, arXiv 1411.4038)."""

from __future__ import annotations

from math import prod
from typing import ClassVar

from pydantic import Field

from ..ir.graph import Carried, Graph, GraphOutput, Node, Value, concrete, tensor_name
from ..ir.initialisers import misfit
from ..ir.lowering import In, Program, method
from ..ir.op import Op
from ..ir.sizes import symbols
from ..ops.build import build_op
from ..ops.conv import Conv
from ..ops.linear import Linear
from ..ops.maps import compact, fixed_channels
from ..ops.merge import Concat, Multiply
from ..ops.pool import AdaptiveAvgPool, AvgPool, GlobalAvgPool, MaxPool
from ..ops.shape import Flatten, Squeeze
from ..ops.values import Bool
from .base import Rewrite, mapped, nothing_to_do, refusal
from .dense import TAKEN, converts, dense_part, is_single
from .replay import Replay
from .starts import reshaped


class Convolutionalize(Rewrite):
    """The architecture with its dense layers as convolutions, so that larger inputs give a grid of outputs.

    The first dense layer on a flattened map [N, C, h, w] becomes a convolution with a window of h x w and no padding,
    its weight [out, C * h * w] viewed as [out, C, h, w]; later ones become 1 x 1 convolutions. A global pool before a
    dense layer becomes a pool over the size that the map has at the usual size of the input, with stride 1. An adaptive
    pool before a dense layer is left out where it does nothing at the usual size. At the usual size the outputs are
    those of before, as maps [N, C, 1, 1]. Names stay.
    """

    kind: ClassVar[str] = "convolutionalize"

    pool: Bool = Field(False, description="whether the grid is averaged and flattened, for outputs [N, C] as before")

    def apply(self, graph: Graph) -> Graph:
        part = dense_part(graph)
        if not part.layers:
            hint = "dense layers take what `flatten` or a global pool makes of a map"
            raise nothing_to_do("there is no dense layer to convert", hint)
        conversion = _Conversion(graph)
        for node in graph.nodes:
            if node.index in part.idle:
                conversion.leave_out(node)
            elif node.index in part.pools:
                conversion.replay.again(node, conversion.moving(node))
                conversion.spread_from(node)
            elif node.index in part.flattens:
                conversion.leave_out(node)
                conversion.spread.add((node.index, 0))
            elif node.index in part.layers:
                conversion.convolve(node)
            elif any(value in conversion.spread for value in node.inputs):
                conversion.on_maps(node)
            else:
                conversion.replay.again(node)
        return conversion.finish(self.pool)


class _Conversion:
    """The replay of a graph. `spread` holds the tensors of the graph before, vectors and maps of size 1, that have
    become maps: at the usual size, those flattened in row-major order are these."""

    def __init__(self, before: Graph):
        self.before = before
        self.replay = Replay(before)
        self.spread: set[Value] = set()
        self.convolved: dict[int, tuple[int, int]] = {}

    def places(self, value: Value) -> tuple[int, ...]:
        """The size at the usual size of the input of the map that stands for a tensor."""
        return concrete(self.replay.type_of(value).dims[2:], self.before.nominal)

    def spread_from(self, node: Node) -> None:
        self.spread.update((node.index, port) for port in range(len(node.outputs)))

    # --- the parts that change --------------------------------------------------------------

    def leave_out(self, node: Node) -> None:
        """A `flatten`, or a pool that does nothing: its input stands for it."""
        self.replay.skip(node, self.replay.values[node.inputs[0]])
        if node.inputs[0] in self.spread:
            self.spread.add((node.index, 0))

    def moving(self, node: Node) -> Op:
        """A global pool as one over a window of the size that its map usually has."""
        dims = self.replay.type_of(node.inputs[0]).dims[2:]
        if any(symbols(d) & self.before.assumed for d in dims):
            hint = "say the usual size: `input image: [N, 3, H, W] = [1, 3, 224, 224]`"
            made = "becomes a pool over the map that it gets at the usual size, which nothing states"
            raise refusal("E0441", f"`{node.op.called}` {made}", node, hint)
        averages = isinstance(node.op, (GlobalAvgPool, AdaptiveAvgPool))
        return build_op(AvgPool if averages else MaxPool, [compact(self.places(node.inputs[0])), 1], {})

    def convolve(self, node: Node) -> None:
        """A dense layer as a convolution over the whole of the map that it gets at the usual size."""
        linear, (value,) = node.op, node.inputs
        assert isinstance(linear, Linear)
        size = self.places(value)
        matrix = (linear.units, fixed_channels(linear.kind, self.before.type_of(value)))
        shape = (matrix[0], matrix[1] // prod(size), *size)
        wrong = misfit(linear.init, shape)
        if wrong is not None:
            what = f"the weight of `{node.path}` cannot start as a convolution's: {wrong}"
            raise refusal("E0441", what, node, "give the dense layer another `init`")
        settings = {"padding": 0, "bias": linear.bias, "init": reshaped(linear.init, matrix, shape)}
        conv = build_op(Conv, [linear.units, compact(size)], settings)
        made = self.replay.again(node, conv)
        self.convolved[made.index] = matrix
        self.spread_from(node)

    def on_maps(self, node: Node) -> None:
        """What the node does to vectors, done at every place of the maps that these have become."""
        if not converts(node, self.before):
            other = hasattr(node.op, "axis")
            why = "works along another axis than the channels" if other else "has no form for maps"
            what = f"`{node.op.called}` gets a vector that becomes a map, and {why}"
            raise refusal("E0441", what, node, TAKEN)
        self._check_inputs(node)
        if isinstance(node.op, (Flatten, Squeeze)):
            if not is_single(node.outputs[0]):
                raise refusal("E0441", f"`{node.op.called}` mixes the axes of what becomes a map", node, TAKEN)
            return self.leave_out(node)
        # The last axis of a vector, by its number, is not a map's.
        self.replay.again(node, node.op.model_copy(update={"axis": "channels"}) if hasattr(node.op, "axis") else None)
        self.spread_from(node)

    def _check_inputs(self, node: Node) -> None:
        """Raises a Fault where the maps that the inputs have become cannot be taken one place at a time."""
        sizes = {self.places(value) for value in node.op.arriving(node.inputs) if self._becomes_map(node, value)}
        if len(sizes) > 1:
            shown = " and ".join(" x ".join(map(str, size)) for size in sorted(sizes))
            what = f"`{node.op.called}` gets vectors that become maps of different sizes: {shown}"
            raise refusal("E0441", what, node, "dense layers before it bring all of them to size 1")
        single = all(prod(size) == 1 for size in sizes)
        if not (single or node.op.is_elementwise() or isinstance(node.op, Concat)):
            what = f"`{node.op.called}` treats each number of the flattened map as a channel"
            raise refusal("E0441", what, node, "it converts after the first dense layer, or before `flatten`")

    def _becomes_map(self, node: Node, value: Value) -> bool:
        """Whether an input is a map that moves with the others. Raises a Fault where it stays as it is."""
        if value in self.spread:
            return True
        type_ = self.before.type_of(value)
        if isinstance(node.op, Multiply) and (type_.rank == 0 or type_.dims == (1,)):
            return False
        maps = [self.replay.type_of(other).dims[2:] for other in node.inputs if other in self.spread]
        if all(dims == type_.dims[2:] and type_.channel_axis == 1 for dims in maps):
            return True
        what = f"`{node.op.called}` brings together what becomes a map and {type_}, which stays as it is"
        raise refusal("E0441", what, node, "only what comes from maps by way of dense layers can meet there")

    # --- the end ---------------------------------------------------------------------------

    def finish(self, pool: bool) -> Graph:
        outputs = []
        for output in self.before.outputs:
            values = tuple([self._put_out(value, pool) for value in output.values])
            outputs.append(GraphOutput(output.name, values, output.when_training))
        graph = self.replay.finish(outputs)
        carried = {}
        for path, node, weight in graph.tensors():
            matrix = self.convolved.get(node.index)
            if matrix is not None and weight.name == "weight":
                name = tensor_name(path, weight.name)
                carried[name] = Carried(((name, matrix),), Program((method("reshape", In(0), *weight.shape),)))
        return mapped(self.before, graph, carried)

    def _put_out(self, value: Value, pool: bool) -> Value:
        made = self.replay.values[value]
        if value not in self.spread:
            return made
        node = self.before.nodes[value[0]]
        if prod(self.places(value)) != 1:
            what = "an output is the flattened map itself, which would stay a map"
            raise refusal("E0441", what, node, "put out the map before `flatten`")
        if not pool:
            return made
        pooled = self.replay.add(GlobalAvgPool(), (made,), node)
        return self.replay.add(build_op(Flatten, [], {}), (pooled,), node)
