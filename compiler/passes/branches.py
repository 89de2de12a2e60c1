"""Parallel branches as one wide branch (Xie et al. 2016, arXiv 1611.05431)."""

from __future__ import annotations

from functools import partial, reduce
from typing import Any, ClassVar

from pydantic import Field

from ..ir.graph import Carried, Graph, Node, Value, tensor_name
from ..ir.lowering import In, Program, function
from ..ir.op import Op
from ..ops.build import build_op
from ..ops.conv import Conv
from ..ops.linear import Linear
from ..ops.merge import Add, Concat
from ..ops.norm import BatchNorm
from ..ops.split import Split
from .applications import Paths
from .base import Rewrite, mapped, nothing_to_do, refusal
from .branches_alike import Branches, branches
from .replay import Replay
from .starts import reshaped
from .uses import Uses, layer_at


class MergeBranches(Rewrite):
    """The architecture with parallel branches merged, in evaluation and in training the same up to rounding.

    Convolutions (or dense layers) that take the same tensor with the same settings become one with the channels of
    all, and what stands behind them becomes one as far as it is alike: activations, pools and dropout are applied once,
    batch norms are joined, convolutions become a grouped one, and the last ones before a sum become one convolution
    over the channels of all. Where the branches are joined anyway they stay so; else `split` parts them again. So
    ResNeXt's forms a and b become form c, the k branches of a multi-residual unit become a grouped one (a copy of the
    input for each where every branch has its own first norm), and the 1x1 convolutions of an Inception module one.

    A merged layer has the path of the first of them, and its weight the weights of all, joined; the others are gone. A
    new network draws the weights as before. Layers that are shared, or start as `dirac`, `eye`, `bilinear`,
    `orthogonal` or a list, are not merged.
    """

    kind: ClassVar[str] = "merge_branches"

    modules: Paths = Field(
        (), description="the first layers of the branches that are merged; all that can be unless told"
    )

    def apply(self, graph: Graph) -> Graph:
        uses = Uses(graph)
        named = {layer_at(graph, path).index for path in self.modules}
        found = branches(uses, named or None)
        taken = {node.index for made in found for node in made.stages[0]}
        for path in self.modules:
            node = layer_at(graph, path)
            if node.index not in taken:
                raise _alone(node, uses)
        if not found:
            hint = "branches start with convolutions that have the same settings and take the same tensor"
            raise nothing_to_do("there are no branches to merge", hint)
        return _Merge(graph, uses, found).done()

    @staticmethod
    def wherever_it_pays(graph: Graph) -> tuple[Graph, int]:
        """The graph with the branches merged that a concat or a sum takes whole, and how many sets these are.

        One grouped convolution takes 0.12 to 0.9 of the time of several. Where branches would have to be parted again
        the copies take what is won, as where each needs a copy of the input.
        """
        uses = Uses(graph)
        found = [made for made in branches(uses, None) if made.end != "apart" and not made.repeated]
        return (_Merge(graph, uses, found).done() if found else graph), len(found)


def _alone(node: Node, uses: Uses) -> Exception:
    """Why a layer is merged with no other."""
    what = f"`{node.path}` is merged with no other layer"
    hint = "name the first layers of the branches, which take the same tensor with equal settings and are not shared"
    if len(uses.applied[node.owner]) > 1:
        return refusal("E0458", f"{what}: it is shared", node, hint)
    if not isinstance(node.op, (Conv, Linear, BatchNorm)):
        why = "branches start with a convolution, a dense layer or a batch norm"
        return refusal("E0458", f"{what}: {why}", node, hint)
    return refusal("E0458", f"{what}: none of those named takes the same tensor with equal settings", node, hint)


class _Merge:
    def __init__(self, graph: Graph, uses: Uses, found: list[Branches]):
        self.graph = graph
        self.uses = uses
        self.replay = Replay(graph)
        self.carried: dict[str, Carried] = {}
        self.first = {min(node.index for node in made.stages[0]): made for made in found}
        self.inside = {node.index for made in found for stage in made.stages for node in stage}
        self.whole: dict[Value, Value | None] = {}
        """What concats and sums take in place of tensors of before, None where it is nothing."""

    def done(self) -> Graph:
        for node in self.graph.nodes:
            if node.index in self.first:
                self._merge(self.first[node.index])
            elif node.index not in self.inside:
                self._meet(node)
        return mapped(self.graph, self.replay.finish(), self.carried)

    def _meet(self, node: Node) -> None:
        """A node outside of the branches, which may take several of them whole."""
        replaced = [self.whole[v] if v in self.whole else self.replay.values[v] for v in node.inputs]
        kept = [place for place, value in enumerate(replaced) if value is not None]
        inputs = tuple([value for value in replaced if value is not None])
        if len(inputs) == 1 < len(node.inputs):
            self.replay.skip(node, inputs[0])
        else:
            self.replay.again(node, node.op.keeping(kept) if isinstance(node.op, Add) else None, inputs)

    def _merge(self, made: Branches) -> None:
        value = self.replay.values[made.stages[0][0].inputs[0]]
        if made.repeated:
            value = self._add(build_op(Concat, [], {}), (value,) * len(made.stages[0]), made.stages[0][0])
        for number, stage in enumerate(made.stages):
            summed = made.end == "summed" and number == len(made.stages) - 1
            value = self._stage(stage, value, first=number == 0, summed=summed)
        last = made.stages[-1]
        if made.end == "apart":
            sizes = tuple([self.graph.type_of((node.index, 0)).channels for node in last])
            at = self._add(build_op(Split, [sizes], {}), (value,), last[0])[0]
            for port, node in enumerate(last):
                self.replay.values[node.index, 0] = (at, port)
            return
        for node in last:
            self.whole[node.index, 0] = None
        assert made.meeting is not None
        self.whole[min((node.index, 0) for node in last) if made.end == "summed" else (last[0].index, 0)] = value

    def _add(self, op: Op, inputs: tuple[Value, ...], place: Node) -> Value:
        value = self.replay.add(op, inputs, place, place.scope)
        self.replay.nodes[value[0]].recompute = place.recompute
        return value

    def _stage(self, stage: list[Node], value: Value, first: bool, summed: bool) -> Value:
        """One layer for those of a stage, on the channels of all branches."""
        made = self.replay.again(stage[0], self._op(stage, first, summed), (value,))
        shape_of = self.graph.weight_shapes
        for name, shape in shape_of(stage[0]).items():
            if shape:
                axis = 1 if summed and not first and name == "weight" else 0
                how = _joined(len(stage), axis, adds=summed and (first or name == "bias"))
                others = [(tensor_name(node.path, name), shape_of(node)[name]) for node in stage[1:]]
                for path in self.uses.paths[stage[0].index]:
                    self.carried[tensor_name(path, name)] = Carried(((tensor_name(path, name), shape), *others), how)
        return made.index, 0

    def _op(self, stage: list[Node], first: bool, summed: bool) -> Op:
        op = stage[0].op
        if not isinstance(op, (Conv, Linear)) or (first and summed):
            return op
        shapes = [self.graph.weight_shapes(node)["weight"] for node in stage]
        before, outs = shapes[0], [shape[0] for shape in shapes]
        out, inputs = (before[0], sum(shape[1] for shape in shapes)) if summed else (sum(outs), before[1])
        update: dict[str, Any] = {op.width_setting: out}
        if len(set(outs)) == 1:
            update["init"] = reshaped(op.init, before, (out, inputs, *before[2:]))
        if not first and not summed:
            assert isinstance(op, Conv)
            update["groups"] = op.groups * len(stage)
        return op.model_copy(update=update)


def _joined(count: int, axis: int, adds: bool) -> Program:
    """The tensors of several layers as one: side by side along an axis, or added."""
    if not adds:
        return Program((function("torch.cat", [In(i) for i in range(count)], axis),))
    return Program((reduce(partial(function, "operator.add"), map(In, range(count))),))
