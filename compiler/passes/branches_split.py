"""One layer as parallel branches (Xie et al. 2016, arXiv 1611.05431, figure 3)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from ..ir.graph import Carried, Graph, Node, Scope, Value, tensor_name
from ..ir.lowering import In, Program, function
from ..ir.op import Op
from ..ops.build import build_op
from ..ops.conv import Conv, DepthwiseConv
from ..ops.linear import Linear
from ..ops.merge import Concat
from ..ops.split import Split
from ..ops.values import Count
from .applications import Paths
from .base import Rewrite, mapped, nothing_to_do, refusal
from .replay import Replay
from .starts import is_drawn, reshaped
from .uses import Shapes, Uses, layer_at


class SplitBranches(Rewrite):
    """The architecture with layers split into parallel branches whose outputs are joined, in evaluation and in training
    the same up to rounding.

    A convolution or dense layer becomes `into` layers on the same input, each with an equal share of the channels that
    it made. A grouped or depthwise one becomes layers on equal parts of the input's channels, with as many groups less;
    `into` as large as the number of groups leaves none. Their paths are the layer's with a number behind, from 0, and
    their weights are parts of its own. A new network draws them as before.
    """

    kind: ClassVar[str] = "split_branches"

    modules: Paths = Field(description="the layers that are split")
    into: Count = Field(2, description="the number of branches")

    def apply(self, graph: Graph) -> Graph:
        uses = Uses(graph)
        owners = {layer_at(graph, path).index for path in self.modules}
        for owner in owners:
            self._check(graph.nodes[owner], uses)
        if not owners or self.into == 1:
            raise nothing_to_do("there is nothing to split", "give `modules` and `into` above 1")
        replay = Replay(graph)
        parts: dict[int, tuple[Scope, list[Value]]] = {}
        for node in graph.nodes:
            if node.owner in owners:
                self._split(replay, node, parts, uses)
            else:
                replay.again(node)
        made = [self._carried(graph.nodes[owner], uses) for owner in owners]
        return mapped(graph, replay.finish(), {name: how for found in made for name, how in found.items()})

    def _check(self, node: Node, uses: Uses) -> None:
        """Raises a Fault where the layer has no equal parts."""
        op = node.op
        if not isinstance(op, (Conv, DepthwiseConv, Linear)):
            hint = "convolutions and dense layers are split"
            raise refusal("E0459", f"`{node.op.called}` cannot be split into branches", node, hint)
        groups = op.groups if isinstance(op, Conv) else 1
        shape = uses.graph.weight_shapes(node)["weight"]
        count, what = (groups, "groups") if groups > 1 else (_width(op, shape), "channels")
        if count % self.into:
            hint = f"`into` must divide {count}"
            raise refusal(
                "E0459", f"the {count} {what} of `{node.path}` make no {self.into} equal branches", node, hint
            )
        starts = [op.init, *([] if isinstance(op.bias, bool) else [op.bias])]
        for init in starts:
            if not is_drawn(init):
                what = f"`{node.path}` starts as {init.kind}, of which a part is not how a part of it starts"
                raise refusal("E0459", what, node, "give it another `init`")

    def _split(self, replay: Replay, node: Node, parts: dict[int, tuple[Scope, list[Value]]], uses: Uses) -> None:
        value, start = replay.values[node.inputs[0]], len(replay.nodes)
        values = (value,) * self.into
        if _takes_parts(node.op):
            at = replay.add(build_op(Split, [self.into], {}), (value,), node, node.scope)[0]
            values = tuple([(at, port) for port in range(self.into)])
        first = node.owner not in parts
        scope, before = parts.setdefault(node.owner, (replay.beside(node), [])) if first else parts[node.owner]
        op = self._part(node.op, uses.graph.weight_shapes(node))
        made = []
        for number, taken in enumerate(values):
            made.append(replay.add(op, (taken,), node, scope, str(number), None if first else before[number]))
            replay.nodes[made[-1][0]].frozen = node.frozen
        before += made if first else []
        replay.skip(node, replay.add(build_op(Concat, [], {}), tuple(made), node, node.scope))
        for added in replay.nodes[start:]:
            added.recompute = node.recompute

    def _part(self, op: Op, shapes: Shapes) -> Op:
        assert isinstance(op, (Conv, DepthwiseConv, Linear))
        out, *rest = shapes["weight"]
        update: dict[str, object] = {"init": reshaped(op.init, (out, *rest), (out // self.into, *rest))}
        if isinstance(op, Conv) and op.groups > 1:
            update["groups"] = op.groups // self.into
        if not isinstance(op, DepthwiseConv):
            update[op.width_setting] = out // self.into
        return op.model_copy(update=update)

    def _carried(self, node: Node, uses: Uses) -> dict[str, Carried]:
        found = {}
        for name, shape in uses.graph.weight_shapes(node).items():
            size = shape[0] // self.into
            for number in range(self.into):
                part = function("torch.narrow", In(0), 0, number * size, size)
                source = ((tensor_name(node.path, name), shape),)
                found[tensor_name(f"{node.path}.{number}", name)] = Carried(source, Program((part,)))
        return found


def _takes_parts(op: Op) -> bool:
    return isinstance(op, DepthwiseConv) or (isinstance(op, Conv) and op.groups > 1)


def _width(op: Op, shape: tuple[int, ...]) -> int:
    """The channels that are shared out: those that a depthwise convolution gets, those that any other makes."""
    return shape[0] // op.multiplier if isinstance(op, DepthwiseConv) else shape[0]
