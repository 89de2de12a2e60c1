"""Batch norms taken into layers that do not stand right before them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import Field

from ..ir.graph import Carried, Graph, Node, Value, tensor_name
from ..ir.initialisers import ZEROS
from ..ir.lowering import In, Program, function, method
from ..ir.op import Op
from ..ops.axes import axis_index
from ..ops.conv import Conv, DepthwiseConv
from ..ops.linear import Linear
from ..ops.merge import Concat
from ..ops.norm import BatchNorm
from .applications import Paths
from .base import Rewrite, mapped, nothing_to_do, refusal
from .fold import LAYERS, Part, carried_over, factor_and_shift, with_norm
from .replay import Replay
from .uses import Uses, layer_at


class AbsorbBatchNorm(Rewrite):
    """The architecture with batch norms absorbed that `fold_batch_norm` leaves, as they stand behind no layer with
    weights: a norm goes

    - into the layers whose maps are joined, and into the norms among them, where it takes what a `concat` gives,
    - into the norm right before it, of two in a row,
    - into the convolutions and dense layers that take what it gives, average pools between them or not, where it goes
      behind none. A convolution that pads with zeros would take zeros for normalised numbers, so it must not pad, or
      mirror, repeat or wrap the map.

    In evaluation the outputs are those of before up to rounding; in training there is no norm any more. The layers keep
    their names and have a bias; the norm's tensors are gone. A layer is frozen where both were. In a new network its
    weight starts as before, or at 0 where the norm's scale does, and its bias as the norm's shift, or as it did where
    the norm stood ahead of it. Each layer takes one norm; those that are left go with a second application. Norms and
    layers that are shared, and norms without running statistics, stay.
    """

    kind: ClassVar[str] = "absorb_batch_norm"

    modules: Paths = Field((), description="the batch norms that are absorbed; all that can be unless told")

    def apply(self, graph: Graph) -> Graph:
        uses = Uses(graph)
        named = {layer_at(graph, path).index: path for path in self.modules}
        found, problems = _plan(uses, named or None)
        for index, path in named.items():
            if index not in found:
                node = graph.nodes[index]
                why = problems[index].why if index in problems else f"it is `{node.op.called}`, and no batch norm"
                place = problems[index].place if index in problems else node
                hint = "`modules` names batch norms; `fold_batch_norm` folds those right behind a layer with weights"
                raise refusal("E0456", f"`{path}` cannot be absorbed: {why}", place, hint)
        if not found:
            hint = "it absorbs batch norms behind a concat or another norm, and ahead of convolutions and dense layers"
            raise nothing_to_do("there is no batch norm to absorb", hint)
        return _absorbed(graph, uses, found)

    @staticmethod
    def wherever_exact(graph: Graph) -> tuple[Graph, int, dict[str, str]]:
        """The graph with every norm absorbed that can be, how many these are, and for each that stays though it stands
        next to a layer with weights, by its path, why it does."""
        count = 0
        while True:
            uses = Uses(graph)
            found, problems = _plan(uses, None)
            if not found:
                return graph, count, {graph.nodes[i].path: p.why for i, p in problems.items() if p.near}
            graph, count = _absorbed(graph, uses, found), count + len(found)


@dataclass(slots=True, eq=False)
class _Problem(Exception):
    """Why a norm stays and where; `near` where a layer with weights stands next to it."""

    why: str
    place: Node
    near: bool = True


@dataclass(slots=True)
class _Taker:
    """A layer that takes a norm: a part of its channels into what the layer makes, or all into what it takes."""

    layer: Node
    part: Part | None = None
    ahead: bool = False


def _plan(uses: Uses, wanted: dict[int, str] | None) -> tuple[dict[int, list[_Taker]], dict[int, _Problem]]:
    """Who takes each norm that is absorbed, by the norm's index, and why others stay. No layer stands there twice."""
    found: dict[int, list[_Taker]] = {}
    problems: dict[int, _Problem] = {}
    busy: set[int] = set()
    for norm in uses.graph.nodes:
        if isinstance(norm.op, BatchNorm) and (wanted is None or norm.index in wanted):
            try:
                takers = _takers(norm, uses)
            except _Problem as problem:
                problems[norm.index] = problem
                continue
            layers = {norm.index, *(taker.layer.index for taker in takers)}
            if layers & busy:
                problems[norm.index] = _Problem("one that it meets is absorbed first; absorb it next", norm, near=False)
            else:
                found[norm.index] = takers
                busy |= layers
    return found, problems


def _takers(norm: Node, uses: Uses) -> list[_Taker]:
    """The layers that take a norm. Raises a problem where there are none."""
    assert isinstance(norm.op, BatchNorm)
    if len(uses.applied[norm.owner]) > 1:
        raise _Problem("it is shared", norm, near=False)
    if not norm.op.track:
        raise _Problem("it keeps no running statistics: in evaluation too it takes those of the batch", norm, False)
    before = uses.graph.nodes[norm.inputs[0][0]]
    if isinstance(before.op, LAYERS):
        raise _Problem(f"it follows `{before.path}`, into which `fold_batch_norm` folds it", before, near=False)
    try:
        return list(_behind(norm.inputs[0], norm, 0, uses))
    except _Problem as problem:
        try:
            return list(_ahead((norm.index, 0), norm, uses))
        except _Problem as other:
            joins = isinstance(before.op, (Concat, BatchNorm))
            raise (problem if joins and not other.near else other) from None


def _behind(value: Value, user: Node, start: int, uses: Uses) -> Iterator[_Taker]:
    """The layers that make a tensor which one node takes, each with its channels, of which the first is `start`."""
    graph, node = uses.graph, uses.graph.nodes[value[0]]
    if uses.only_user(value) is not user:
        raise _Problem(f"something else takes what `{node.op.called}` gives it, too", node, near=False)
    if isinstance(node.op, Concat):
        type_ = graph.type_of(value)
        if axis_index(type_, node.op.axis, "concat") != type_.channel_axis:
            raise _Problem("the `concat` before it joins another axis than the channels", node)
        for each in node.inputs:
            channels = graph.type_of(each).channels
            if not isinstance(channels, int):
                raise _Problem("it is not certain how many channels the `concat` before it joins", node)
            yield from _behind(each, node, start, uses)
            start += channels
        return
    if not isinstance(node.op, (*LAYERS, BatchNorm)) or (isinstance(node.op, BatchNorm) and not node.op.track):
        raise _Problem(f"it follows `{node.op.called}`, which has no weights to take it", node)
    if len(uses.applied[node.owner]) > 1:
        raise _Problem(f"`{node.path}` before it is shared", node)
    channels = graph.type_of(value).channels
    if not isinstance(channels, int):
        raise _Problem(f"it is not certain which channels `{node.path}` makes", node)
    yield _Taker(node, (start, channels))


def _ahead(value: Value, norm: Node, uses: Uses) -> Iterator[_Taker]:
    """The layers that take a tensor, pools passed by. Raises a problem where one of them cannot take the norm."""
    graph, users = uses.graph, uses.users[value]
    near = any(isinstance(user.op, LAYERS) for user in users)
    if value in uses.put_out:
        raise _Problem("what it gives is an output", norm, near=False)
    for user in users:
        op = user.op
        if op.family == "pool" and op.is_affine() and op.keeps_constants() and len(user.inputs) == 1:
            yield from _ahead((user.index, 0), norm, uses)
            continue
        if not isinstance(op, (Conv, DepthwiseConv, Linear)):
            raise _Problem(f"`{op.called}` takes what it gives, and has no weights to take it", user, near)
        if len(uses.applied[user.owner]) > 1:
            raise _Problem(f"`{user.path}`, which takes what it gives, is shared", user)
        if isinstance(op, Linear):
            if not op.along_channels(graph.type_of(value)):
                raise _Problem(f"`{user.path}` maps another axis than the channels", user)
        else:
            x = graph.type_of(value)
            pads = op.window(x.rank - 2).pads(op.padding, x.dims[2:])
            if op.padding_mode == "zeros" and any(pad != (0, 0) for pad in pads):
                raise _Problem(f"`{user.path}` pads what it gives with zeros, which are no normalised numbers", user)
        yield _Taker(user, ahead=True)


def _absorbed(graph: Graph, uses: Uses, found: dict[int, list[_Taker]]) -> Graph:
    replay = Replay(graph)
    into = {taker.layer.index: (graph.nodes[norm], taker) for norm, takers in found.items() for taker in takers}
    carried: dict[str, Carried] = {}
    for node in graph.nodes:
        if node.index in found:
            replay.skip(node, replay.values[node.inputs[0]])
        elif node.index in into:
            norm, taker = into[node.index]
            made = replay.again(node, _with(node.op, norm.op, taker.ahead))
            made.frozen = node.frozen and norm.frozen
            if taker.ahead:
                carried |= _carried_ahead(node, norm, uses)
            elif isinstance(node.op, BatchNorm):
                carried |= _carried_norm(node, norm, uses, taker.part)
            else:
                carried |= carried_over(node, norm, uses, taker.part)
        else:
            replay.again(node)
    return mapped(graph, replay.finish(), carried)


def _with(op: Op, norm: Op, ahead: bool) -> Op:
    """The layer with the norm in it, and how it starts."""
    assert isinstance(norm, BatchNorm)
    none = norm.affine and norm.init == ZEROS
    if isinstance(op, BatchNorm):
        update: dict[str, Any] = {"affine": True, "bias_init": norm.bias_init if norm.affine else op.bias_init}
        return op.model_copy(update=update | ({"init": ZEROS} if none else {}))
    if not ahead:
        return with_norm(op, norm)
    assert isinstance(op, (Conv, DepthwiseConv, Linear))
    return op.model_copy(update={"bias": op.bias or ZEROS} | ({"init": ZEROS} if none else {}))


def _carried_norm(first: Node, norm: Node, uses: Uses, part: Part | None) -> dict[str, Carried]:
    """The scale and the shift of a norm that takes the one behind it."""
    assert isinstance(first.op, BatchNorm)
    own = uses.graph.weight_shapes(first)
    kept = [(tensor_name(first.path, name), own[name]) for name in ("weight", "bias") if first.op.affine]
    behind, factor, shift = factor_and_shift(norm, uses, len(kept), part)
    sources, scale, bias = (*kept, *behind), factor, shift
    if first.op.affine:
        scale = function("operator.mul", In(0), factor)
        bias = function("operator.add", function("operator.mul", In(1), factor), shift)
    made = {"weight": scale, "bias": bias}
    paths = uses.paths[first.index]
    return {tensor_name(p, name): Carried(sources, Program((how,))) for p in paths for name, how in made.items()}


def _carried_ahead(layer: Node, norm: Node, uses: Uses) -> dict[str, Carried]:
    """The weight and the bias of a layer that takes the norm ahead of it."""
    own = uses.graph.weight_shapes(layer)
    shape = own["weight"]
    channels = uses.graph.weight_shapes(norm)["running_mean"][0]
    groups = channels // shape[1]
    parts = (groups, shape[0] // groups, shape[1], *shape[2:])
    around = (groups, 1, shape[1], *[1] * (len(shape) - 2))
    here = [(tensor_name(layer.path, name), size) for name, size in own.items()]
    ahead, factor, shift = factor_and_shift(norm, uses, len(here))
    weight: Any = method("reshape", In(0), *parts)
    scaled = method("reshape", function("operator.mul", weight, method("reshape", factor, *around)), *shape)
    moved = function("operator.mul", weight, method("reshape", shift, *around))
    constant: Any = method("reshape", method("sum", moved, list(range(2, len(parts)))), shape[0])
    constant = function("operator.add", In(1), constant) if "bias" in own else constant
    made, sources = {"weight": scaled, "bias": constant}, (*here, *ahead)
    paths = uses.paths[layer.index]
    return {tensor_name(p, name): Carried(sources, Program((how,))) for p in paths for name, how in made.items()}
