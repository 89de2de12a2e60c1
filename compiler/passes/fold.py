"""Batch norm folded into the layer before it, as networks are prepared for inference."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar

from pydantic import Field

from ..ir.graph import Carried, Graph, Node, tensor_name
from ..ir.initialisers import ZEROS
from ..ir.lowering import In, Program, function, method
from ..ir.op import Op
from ..ops.conv import Conv, DepthwiseConv, UpConv
from ..ops.linear import Linear
from ..ops.norm import BatchNorm
from .applications import Paths
from .base import Rewrite, mapped, nothing_to_do, refusal
from .replay import Replay
from .uses import Shapes, Uses, layer_at

LAYERS = (Conv, DepthwiseConv, UpConv, Linear)
Part = tuple[int, int]
"""The first of some channels, and their number."""


class FoldBatchNorm(Rewrite):
    """The architecture with its batch norms folded into the convolutions and dense layers right before them.

    A layer with weight W and bias b and the norm after it, with scale g, shift s, running mean m and running
    variance v, become one layer, with the weight g / sqrt(v + eps) * W for each output channel and the bias
    g / sqrt(v + eps) * (b - m) + s. In evaluation the outputs are those of before up to rounding; in training there is
    no norm any more. The layer keeps its name and has a bias; the norm's tensors are gone. It is frozen where both
    were. In a new network its weight starts as before, its bias as the norm's shift, and the weight at 0 where the
    norm's scale starts there.

    Norms that follow anything else stay. A norm right behind a convolution that cannot be folded is refused: where the
    convolution's output is used elsewhere too, where one that is shared has several norms, and where the norm keeps no
    running statistics. `skip` leaves such a norm as it is.
    """

    kind: ClassVar[str] = "fold_batch_norm"

    modules: Paths = Field((), description="the batch norms that are folded; all that can be unless told")
    skip: Paths = Field((), description="the batch norms that stay as they are")

    def apply(self, graph: Graph) -> Graph:
        uses = Uses(graph)
        folds, problems = _plan(uses, self._owners(graph, self.modules), self._owners(graph, self.skip))
        if problems:
            what, place = next(iter(problems.values()))
            listed = ", ".join(f'"{path}"' for path in problems)
            raise refusal("E0456", what, place, f"`skip = [{listed}]` leaves what cannot be folded as it is")
        if not folds:
            hint = "it folds batch norms right behind a convolution or a dense layer"
            raise nothing_to_do("there is no batch norm to fold", hint)
        return _folded(graph, uses, folds)

    @staticmethod
    def wherever_exact(graph: Graph) -> tuple[Graph, int, dict[str, str]]:
        """The graph with every norm folded that can be, how many these are, and for each that stays behind a layer with
        weights, by its path, why it does."""
        uses = Uses(graph)
        folds, problems = _plan(uses)
        kept = {path: what for path, (what, _) in problems.items()}
        return (_folded(graph, uses, folds) if folds else graph), len(set(folds.values())), kept

    def _owners(self, graph: Graph, paths: tuple[str, ...]) -> set[int]:
        found = set()
        for path in paths:
            node = layer_at(graph, path)
            if not isinstance(node.op, BatchNorm):
                hint = "`modules` and `skip` name batch norms, which say themselves what they are folded into"
                raise refusal("E0456", f"`{path}` is `{node.op.called}`, and not a batch norm", node, hint)
            found.add(node.index)
        return found


def _plan(
    uses: Uses, wanted: Collection[int] = (), skipped: Collection[int] = ()
) -> tuple[dict[int, int], dict[str, tuple[str, Node]]]:
    """The norm that goes into each layer, and what cannot be folded, why and where."""
    folds: dict[int, int] = {}
    problems: dict[str, tuple[str, Node]] = {}
    for norm in [node for node in uses.graph.owners() if isinstance(node.op, BatchNorm)]:
        if norm.index not in skipped and (norm.index in wanted or not wanted):
            problem = _problem(norm, uses, norm.index in wanted)
            if problem is not None:
                problems[norm.path] = problem
            else:
                folds |= {layer.owner: norm.index for layer in _layers(norm, uses)}
    return folds, problems


def _layers(norm: Node, uses: Uses) -> list[Node]:
    """The layers right before a norm, at each of its applications, that have weights to take it."""
    before = [uses.graph.nodes[node.inputs[0][0]] for node in uses.applied[norm.index]]
    return [node for node in before if isinstance(node.op, LAYERS)]


def _problem(norm: Node, uses: Uses, asked: bool) -> tuple[str, Node] | None:
    """Why a norm cannot be folded, and where. None where it can be, or follows no layer with weights and need not."""
    assert isinstance(norm.op, BatchNorm)
    layers, applied = _layers(norm, uses), uses.applied[norm.index]
    if not layers and not asked:
        return None
    if len(layers) < len(applied):
        before = [(node, uses.graph.nodes[node.inputs[0][0]].op) for node in applied]
        node, op = next((node, op) for node, op in before if not isinstance(op, LAYERS))
        return f"`{norm.path}` follows `{op.kind}` here, which has no weights to take it", node
    if not norm.op.track:
        return f"`{norm.path}` keeps no running statistics: in evaluation too it takes those of the batch", norm
    problems = (_shared(node, norm, uses) for layer in layers for node in uses.applied[layer.owner])
    return next((problem for problem in problems if problem is not None), None)


def _shared(layer: Node, norm: Node, uses: Uses) -> tuple[str, Node] | None:
    """What else takes what an application of a layer gives, so that the norm cannot be folded into it."""
    user = uses.only_user((layer.index, 0))
    if user is not None and user.owner == norm.index:
        return None
    others = [node for node in uses.users[layer.index, 0] if node.owner != norm.index]
    norms = [node for node in others if isinstance(node.op, BatchNorm)]
    if norms:
        how = "shared, and followed" if len(uses.applied[layer.owner]) > 1 else "followed"
        two = f"`{norm.path}` and `{norms[0].path}`"
        return f"`{layer.path}` is {how} by {two}, which cannot both be in it", norms[0]
    taker = f"`{others[0].op.called}` takes it too" if others else "it is an output too"
    what = f"`{norm.path}` cannot be folded into `{layer.path}`, whose output is needed without it: {taker}"
    return what, (others or [norm])[0]


def _folded(graph: Graph, uses: Uses, folds: dict[int, int]) -> Graph:
    replay = Replay(graph)
    norms = set(folds.values())
    for node in graph.nodes:
        if node.owner in norms:
            replay.skip(node, replay.values[node.inputs[0]])
        elif node.owner in folds:
            norm = graph.nodes[folds[node.owner]]
            made = replay.again(node, with_norm(node.op, norm.op))
            made.frozen = node.frozen and norm.frozen
        else:
            replay.again(node)
    carried: dict[str, Carried] = {}
    for layer, norm in folds.items():
        carried |= carried_over(graph.nodes[layer], graph.nodes[norm], uses)
    return mapped(graph, replay.finish(), carried)


def with_norm(op: Op, norm: Op) -> Op:
    """The layer with a bias, starting as it did with the norm behind it."""
    assert isinstance(op, LAYERS) and isinstance(norm, BatchNorm)
    shift = norm.bias_init if norm.affine else ZEROS
    if norm.affine and norm.init == ZEROS:
        return op.model_copy(update={"bias": shift, "init": ZEROS})
    return op.model_copy(update={"bias": shift if op.bias is False else op.bias})


def carried_over(layer: Node, norm: Node, uses: Uses, part: Part | None = None) -> dict[str, Carried]:
    """The weight and the bias of the folded layer, at each of its paths, from the tensors of both; of the norm's from
    those of a `part` of its channels, which starts at one number and has another."""
    own = uses.graph.weight_shapes(layer)
    behind, factor, shift = factor_and_shift(norm, uses, len(own), part)
    weight = _scaled(layer.op, own, In(0), factor)
    bias = function("operator.add", function("operator.mul", In(1), factor), shift) if "bias" in own else shift
    found = {}
    for path in uses.paths[layer.index]:
        sources = (*[(tensor_name(path, name), shape) for name, shape in own.items()], *behind)
        found[tensor_name(path, "weight")] = Carried(sources, Program((weight,)))
        found[tensor_name(path, "bias")] = Carried(sources, Program((bias,)))
    return found


def factor_and_shift(
    norm: Node, uses: Uses, start: int, part: Part | None = None
) -> tuple[list[tuple[str, tuple[int, ...]]], Any, Any]:
    """The tensors of a norm, which stand from `start` on, and what it multiplies each channel by and then adds."""
    assert isinstance(norm.op, BatchNorm)
    shapes = uses.graph.weight_shapes(norm)
    names = ("running_var", "running_mean", *(("weight", "bias") if norm.op.affine else ()))
    variance, mean, *affine = [_in_part(In(start + i), part) for i in range(len(names))]
    factor: Any = function("torch.rsqrt", function("operator.add", variance, norm.op.eps))
    factor = function("operator.mul", factor, affine[0]) if affine else factor
    away = function("operator.mul", mean, factor)
    shift = function("operator.sub", affine[1], away) if affine else function("operator.neg", away)
    return [(tensor_name(norm.path, name), shapes[name]) for name in names], factor, shift


def _in_part(tensor: Any, part: Part | None) -> Any:
    """The numbers of a part of the channels."""
    return tensor if part is None else function("torch.narrow", tensor, 0, *part)


def _scaled(op: Op, own: Shapes, weight: Any, factor: Any) -> Any:
    """The weight, with what makes each output channel times the channel's factor."""
    shape = own["weight"]
    if not isinstance(op, UpConv):
        return function("operator.mul", weight, method("reshape", factor, -1, *[1] * (len(shape) - 1)))
    channels, out, *kernel = shape
    parts = method("reshape", weight, op.groups, channels // op.groups, out, *kernel)
    scaled = function("operator.mul", parts, method("reshape", factor, op.groups, 1, out, *[1] * len(kernel)))
    return method("reshape", scaled, *shape)
