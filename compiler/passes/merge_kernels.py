"""Convolutions of one tensor that are added, as one convolution (RepVGG, Ding et al. 2021, arXiv 2101.03697)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any, ClassVar

from pydantic import Field

from ..ir.graph import Carried, Graph, Node, Value, tensor_name
from ..ir.initialisers import ZEROS
from ..ir.lowering import In, Program, function, method
from ..ir.op import Op
from ..ops.conv import Conv, DepthwiseConv
from ..ops.merge import Add
from ..ops.norm import BatchNorm
from .applications import Paths
from .base import Rewrite, mapped, nothing_to_do, refusal
from .fold import factor_and_shift
from .replay import Replay
from .uses import Uses, layer_at

Sources = list[tuple[str, tuple[int, ...]]]


class MergeKernels(Rewrite):
    """The architecture with convolutions merged that take one tensor and are added, as RepVGG's branches after
    `fold_batch_norm`: kernels are added where they lie on the same places of the map, a smaller one inside a larger.

    A sum may have the tensor itself among its terms, or a batch norm of it; both are kernels with one number for each
    channel. Terms of another tensor stay in the sum. The convolutions must have the same strides, groups and output,
    and dilations unless a kernel is 1 wide. Outputs are those of before up to rounding, in evaluation, and in training
    where no batch norm is merged. The convolution with the largest kernel keeps its name and has the sum of the
    weights; it starts as it did. Convolutions that are shared, or whose output something else takes, are not merged.
    """

    kind: ClassVar[str] = "merge_kernels"

    modules: Paths = Field((), description="the convolutions that are merged; all that can be unless told")

    def apply(self, graph: Graph) -> Graph:
        uses = Uses(graph)
        named = {layer_at(graph, path).index: path for path in self.modules}
        found = list(_sums(uses, set(named) or None))
        merged = {term.node.index for made in found for term in made.terms if term.node is not None}
        for index, path in named.items():
            if index not in merged:
                hint = "name convolutions that take the same tensor with equal strides and groups, and are added"
                raise refusal("E0458", f"`{path}` is merged with no other layer", graph.nodes[index], hint)
        if not found:
            hint = "it merges convolutions of one tensor whose outputs are added; `fold_batch_norm` folds their norms"
            raise nothing_to_do("there are no kernels to merge", hint)
        return _merged(graph, uses, found)

    @staticmethod
    def wherever_exact(graph: Graph) -> tuple[Graph, int]:
        """The graph with every sum of kernels as one, and how many these are."""
        uses = Uses(graph)
        found = list(_sums(uses, None))
        return (_merged(graph, uses, found) if found else graph), len(found)


@dataclass(slots=True)
class _Term:
    """A term of a sum: a convolution or a batch norm, or with no `node` the tensor itself; its sign; and by how much
    its kernel is padded to that of the largest, as `pad` of torch takes it."""

    place: int
    sign: int
    node: Node | None = None
    pad: tuple[int, ...] = ()


@dataclass(slots=True)
class _Sum:
    """The terms of a sum that become one convolution, `largest`, which is among them."""

    add: Node
    largest: Node
    terms: list[_Term]


def _sums(uses: Uses, among: set[int] | None) -> Iterator[_Sum]:
    for add in uses.graph.nodes:
        if isinstance(add.op, Add) and len(uses.applied[add.owner]) == 1:
            by_source: dict[Value, list[_Term]] = defaultdict(list)
            signs = add.op.signs or (1,) * len(add.inputs)
            for place, value in enumerate(add.inputs):
                node = uses.graph.nodes[value[0]]
                wanted = among is None or node.index in among or isinstance(node.op, BatchNorm)
                if wanted and _is_term(node, add, uses):
                    by_source[node.inputs[0]].append(_Term(place, signs[place], node))
            for place, value in enumerate(add.inputs):
                if value in by_source:
                    by_source[value].append(_Term(place, signs[place]))
            for value, terms in by_source.items():
                yield from _groups(value, terms, add, uses)


def _is_term(node: Node, add: Node, uses: Uses) -> bool:
    """Whether a node is a convolution or a norm that this sum alone takes."""
    op = node.op
    kind = isinstance(op, (Conv, DepthwiseConv)) or (isinstance(op, BatchNorm) and op.track)
    alone = kind and len(uses.applied[node.owner]) == 1 and uses.only_user((node.index, 0)) is add
    return alone and node.outputs[0].dims == add.outputs[0].dims and node.recompute is add.recompute


def _groups(value: Value, terms: list[_Term], add: Node, uses: Uses) -> Iterator[_Sum]:
    """The sets of terms of one tensor that can be one convolution: those around the largest kernel first."""
    left = terms
    while True:
        convolutions = [t.node for t in left if t.node is not None and not isinstance(t.node.op, BatchNorm)]
        if not convolutions:
            return
        largest = max(convolutions, key=lambda node: uses.graph.weight_shapes(node)["weight"][2:])
        taken, others = [], []
        for term in left:
            pad = _pad(term.node, largest, uses.graph)
            (others if pad is None else taken).append(term)
            term.pad = pad or ()
        # The tensor alone beside a convolution would leave all names: its checkpoint could be of before or after.
        if sum(term.node is not None for term in taken) > 1:
            yield _Sum(add, largest, taken)
        left = [term for term in others if term.node is not largest]


def _pad(node: Node | None, largest: Node, graph: Graph) -> tuple[int, ...] | None:
    """What makes the kernel of a term as large as the largest, each number on its place; None where it has none."""
    x = graph.type_of(largest.inputs[0])
    whole = _window(largest, graph)
    if node is None or isinstance(node.op, BatchNorm):
        one = (1,) * (x.rank - 2)
        channels = graph.weight_shapes(largest)["weight"][0]
        if x.channels != channels or whole.stride != one:
            return None
        kernel, dilation, before = one, one, (0,) * len(one)
    else:
        own = _window(node, graph)
        if (own.stride, own.widths) != (whole.stride, whole.widths) or not own.even or own.frozen != whole.frozen:
            return None
        if own.mode != whole.mode and any(own.before):
            return None
        kernel, dilation, before = own.kernel, own.dilation, own.before
    if not whole.even:
        return None
    found: list[int] = []
    axes = zip(kernel, dilation, before, whole.kernel, whole.dilation, whole.before, strict=True)
    for size, step, ahead, all_, all_step, all_ahead in axes:
        if (size > 1 and step != all_step) or (all_ahead - ahead) % all_step:
            return None
        first = (all_ahead - ahead) // all_step
        if first < 0 or first + size > all_:
            return None
        found = [first, all_ - size - first, *found]
    return tuple(found)


@dataclass(slots=True)
class _Window:
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    even: bool
    mode: str
    widths: tuple[int, int]
    frozen: bool


def _window(node: Node, graph: Graph) -> _Window:
    op, x = node.op, graph.type_of(node.inputs[0])
    assert isinstance(op, (Conv, DepthwiseConv)) and isinstance(x.channels, int)
    window = op.window(x.rank - 2)
    even = window.even(window.pads(op.padding, x.dims[2:]))
    before = even or (0,) * window.rank
    widths = op.widths(x.channels)
    frozen = node.frozen
    return _Window(
        window.kernel, window.stride, window.dilation, before, even is not None, op.padding_mode, widths, frozen
    )


def _merged(graph: Graph, uses: Uses, found: list[_Sum]) -> Graph:
    replay = Replay(graph)
    largest = {made.largest.index: made for made in found}
    gone = {t.node.index for made in found for t in made.terms if t.node is not None} - largest.keys()
    dropped: dict[int, set[int]] = defaultdict(set)
    carried: dict[str, Carried] = {}
    for made in found:
        dropped[made.add.index] |= {t.place for t in made.terms if t.node is not made.largest}
    for node in graph.nodes:
        if node.index in largest:
            made = largest[node.index]
            maps = _carried(made, uses)
            replay.again(node, _with_bias(made) if "bias" in maps else None)
            for path in uses.paths[node.index]:
                carried |= {tensor_name(path, name): how for name, how in maps.items()}
        elif node.index in dropped:
            kept = [place for place in range(len(node.inputs)) if place not in dropped[node.index]]
            inputs = tuple([replay.values[node.inputs[place]] for place in kept])
            assert isinstance(node.op, Add)
            op = node.op.keeping(kept)
            if len(inputs) == 1 and op.factors(1) == (1,):
                replay.skip(node, inputs[0])
            else:
                replay.again(node, op, inputs)
        elif node.index not in gone:
            replay.again(node)
    return mapped(graph, replay.finish(), carried)


def _with_bias(made: _Sum) -> Op:
    """The convolution with a bias, which starts as one of those that are merged."""
    starts = [t.node.op.bias for t in made.terms if t.node and isinstance(t.node.op, (Conv, DepthwiseConv))]
    return made.largest.op.model_copy(update={"bias": next((start for start in starts if start), ZEROS)})


def _carried(made: _Sum, uses: Uses) -> dict[str, Carried]:
    """The weight, and the bias if there is one, of the convolution that the terms become."""
    graph, sources = uses.graph, Sources()
    own = graph.weight_shapes(made.largest)
    sign = next(t.sign for t in made.terms if t.node is made.largest)
    weights: list[Any] = []
    biases: list[Any] = []
    # The largest comes first: the other kernels have its type.
    for term in sorted(made.terms, key=lambda term: term.node is not made.largest):
        node, start = term.node, len(sources)
        if node is None:
            weight, bias = _unit(own["weight"]), None
        elif isinstance(node.op, BatchNorm):
            norm, factor, bias = factor_and_shift(node, uses, start)
            sources += norm
            around = method("reshape", factor, -1, *[1] * (len(own["weight"]) - 1))
            weight = function("operator.mul", _unit(own["weight"]), around)
        else:
            shapes = graph.weight_shapes(node)
            sources += [(tensor_name(node.path, name), shape) for name, shape in shapes.items()]
            weight, bias = In(start), In(start + 1) if "bias" in shapes else None
        if any(term.pad):
            weight = function("torch.nn.functional.pad", weight, list(term.pad))
        for found, tensor in ((weights, weight), (biases, bias)):
            if tensor is not None:
                found.append(tensor if term.sign == sign else function("operator.neg", tensor))
    results = {"weight": weights, "bias": biases}
    add = partial(function, "operator.add")
    return {n: Carried(tuple(sources), Program((reduce(add, found),))) for n, found in results.items() if found}


def _unit(shape: tuple[int, ...]) -> Any:
    """The kernel, 1 wide, that gives each channel back, for a weight of this shape."""
    out, inside = shape[:2]
    rows = method("repeat", function("torch.eye", inside), out // inside, 1)
    return method("type_as", method("reshape", rows, out, inside, *[1] * (len(shape) - 2)), In(0))
