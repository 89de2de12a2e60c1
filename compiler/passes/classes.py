"""Another number of classes, as a network is fitted to another data set."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from ..ir.graph import Graph, Node, Value, tensor_name
from ..ops.activation import Softmax
from ..ops.conv import Conv
from ..ops.linear import Linear
from ..ops.shape import Flatten, Squeeze
from ..ops.values import Count
from .applications import Paths
from .base import Rewrite, mapped, refusal
from .replay import Replay
from .uses import Uses, layer_at

_HINT = (
    "where the spec has a parameter for the number of classes, set that: `--set classes=10`, "
    "in Python `archc.load(SPEC, classes=10)`"
)


class ChangeClasses(Rewrite):
    """The architecture with another number of classes.

    The number of classes is the number of channels of the first output. The last dense layer or convolution before it,
    with nothing but activations, dropout, pools and `flatten` between, gets that many outputs; so do those of all other
    outputs with as many channels, such as auxiliary classifiers. `modules` names other layers instead. The layers that
    change are the note `heads` of the result. They start anew and train, with the names that they had, and a
    checkpoint's tensors for them are left out, of whatever number of classes. All others stay as they are.
    """

    kind: ClassVar[str] = "change_classes"

    classes: Count = Field(description="the new number of classes")
    modules: Paths = Field((), description="the layers that give the classes; those of the first output unless told")

    def apply(self, graph: Graph) -> Graph:
        heads = self._named(graph) if self.modules else self._heads(graph)
        uses = Uses(graph)
        replay, fresh = Replay(graph), {}
        for node in graph.nodes:
            op = node.op.model_copy(update={node.op.width_setting: self.classes}) if node.owner in heads else None
            made = replay.again(node, op)
            if node.owner in heads:
                made.frozen = False
                shapes = replay.graph.weight_shapes(made).items()
                fresh |= {tensor_name(path, name): shape for path in uses.paths[node.owner] for name, shape in shapes}
            elif replay.graph.weight_shapes(made) != graph.weight_shapes(node):
                what = f"{node.called} has weights for each of the classes, and is no last layer"
                raise refusal("E0457", what, node, _HINT)
        after = mapped(graph, replay.finish(), fresh=fresh)
        after.notes["heads"] = [uses.paths[owner][0] for owner in sorted(heads)]
        return after

    def _named(self, graph: Graph) -> set[int]:
        """The layers that `modules` names. Raises a Fault where one is none that gives classes."""
        found = [layer_at(graph, path) for path in self.modules]
        for node in found:
            if not isinstance(node.op, (Linear, Conv)):
                hint = "`modules` names dense layers and convolutions"
                raise refusal("E0457", f"the classes cannot come from {node.called}", node, hint)
            if getattr(node.op, node.op.width_setting) == self.classes:
                raise refusal("E0440", f"{node.called} gives {self.classes} classes already", node)
        return {node.owner for node in found}

    def _heads(self, graph: Graph) -> set[int]:
        """The layers that make the first output, and all others with as many channels."""
        first = graph.outputs[0].values[0]
        count = _channels(graph, first)
        if count == self.classes:
            raise refusal("E0440", f"the first output has {count} classes already", _source(graph, first), _HINT)
        values = [value for output in graph.outputs for value in output.values]
        types = [graph.type_of(value) for value in values]
        return {_head(graph, v) for v, t in zip(values, types, strict=True) if t.rank > 1 and t.channels == count}


def _channels(graph: Graph, value: Value) -> int:
    type_ = graph.type_of(value)
    if type_.rank < 2 or not isinstance(type_.channels, int):
        what = f"the first output is {type_}, and has no classes"
        raise refusal("E0457", what, graph.nodes[value[0]], "`modules` names the layers that give the classes", _HINT)
    return type_.channels


def _head(graph: Graph, value: Value) -> int:
    """The layer that makes an output's channels. Raises a Fault where there is no such layer."""
    node = _source(graph, value)
    if not isinstance(node.op, (Linear, Conv)):
        what = f"the classes of an output come from {node.called}, and not from one dense layer or convolution"
        raise refusal("E0457", what, node, _HINT)
    return node.owner


def _source(graph: Graph, value: Value) -> Node:
    """The last dense layer or convolution before an output, or what stands between and does not pass channels on."""
    node = graph.nodes[value[0]]
    while not isinstance(node.op, (Linear, Conv)) and _keeps_channels(graph, node):
        node = graph.nodes[node.inputs[0][0]]
    return node


def _keeps_channels(graph: Graph, node: Node) -> bool:
    if len(node.op.arriving(node.inputs)) != 1 or node.op.has_weights:
        return False
    if isinstance(node.op, (Flatten, Squeeze)):
        before, after = graph.type_of(node.inputs[0]), node.outputs[0]
        return after.channels == before.channels and before.channel_axis == after.channel_axis == 1
    return isinstance(node.op, Softmax) or node.op.is_per_channel(graph.input_types(node))
