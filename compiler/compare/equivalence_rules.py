"""What each kind of layer is as an expression. A rule gives the parts of the layer's outputs, or None where it does not
apply; a layer without one is taken whole, as a function of all channels of its inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from math import prod
from typing import Any

from ..ir.graph import Node
from ..ir.op import Op
from ..ir.sizes import Dim
from ..ir.types import TensorType
from ..ops.axes import axis_index, spatial_index
from ..ops.conv import Convolution, UpConv
from ..ops.core import Affine
from ..ops.crop import Slice, Subsample
from ..ops.dropout import ChannelDropout, Dropout
from ..ops.linear import Linear
from ..ops.maps import expand
from ..ops.merge import Concat
from ..ops.pad import PadChannels
from ..ops.pool import AdaptivePool, GlobalPool, LPPool, Pool
from ..ops.shape import Flatten, Reshape, Squeeze, Unsqueeze
from ..ops.split import Split
from ..ops.stochastic import Survive
from ..ops.windows import Window
from .equivalence_reading import Parts, Reading
from .equivalence_terms import WeightBlock, Weighted

Found = list[Parts] | None
ONE = Fraction(1)


def channels(type_: TensorType) -> int | None:
    """The number of channels, where it is known."""
    size = type_.channels if type_.rank > 1 else 1
    return size if isinstance(size, int) else None


def is_vector(type_: TensorType) -> bool:
    """A vector, or a map of one place, which is the same numbers."""
    return type_.channel_axis == 1 and all(size == 1 for size in type_.dims[2:])


def whole(reading: Reading, node: Node) -> list[Parts]:
    """A layer as a function of all that it gets."""
    inputs, outputs = reading.graph.input_types(node), node.outputs
    given: Any = reading.inputs.get(node.index)
    shown = tuple(map(reading.text, (*inputs, *outputs)))
    what = (("input", given) if given is not None else reading.key(node), shown)
    blocks = tuple(reading.weights(node).values())
    if reading.random(node):
        blocks += (reading.noise(node, 1),)
    arguments = tuple(reading.sources(node))
    widths = [channels(type_) or 0 for type_ in outputs]
    return [(reading.terms.atom(width, what, blocks, arguments, i),) for i, width in enumerate(widths)]


# --- layers that treat every channel alike ----------------------------------------------------------


def per_channel(reading: Reading, node: Node, key: Any = None, draws: bool = False) -> Found:
    """The layer, or what `key` stands for, done to every channel: with its own rows of the weights, or with all of them
    where it is one function of every number."""
    (source,) = reading.sources(node)
    count = channels(reading.graph.input_types(node)[0])
    if count is None:
        return None
    weights = list(reading.weights(node).values())
    sliced, wholes = ([], weights) if node.op.is_elementwise() else (weights, [])
    sliced += [reading.noise(node, count)] if draws else []
    return [tuple(_each_part(reading, source, key or reading.key(node), sliced, tuple(wholes), count))]


def _each_part(
    reading: Reading, source: Parts, key: Any, sliced: list[WeightBlock], wholes: tuple[WeightBlock, ...], count: int
) -> Iterator[int]:
    for part, start, end in reading.terms.spans(source):
        rows = tuple(block.share(start, end, count) for block in sliced)
        yield reading.terms.map(key, rows, wholes, part)


def dropout(reading: Reading, node: Node) -> Found:
    """Nothing in evaluation. In training there is an independent mask per channel, or per number."""
    if not (reading.training and getattr(node.op, "p", 0)):
        return reading.sources(node)
    return per_channel(reading, node, draws=True)


def survive(reading: Reading, node: Node) -> Found:
    return None if reading.training and getattr(node.op, "p", 0) != 1 else reading.sources(node)


def pool(reading: Reading, node: Node) -> Found:
    (x,), op = reading.graph.input_types(node), node.op
    assert isinstance(op, (Pool, AdaptivePool, GlobalPool))
    places = x.dims[2:]
    key = ("whole map", op.statistic) if isinstance(op, GlobalPool) else _pool_key(op, places)
    if key == ("whole map", op.statistic) and places and all(size == 1 for size in places):
        return reading.sources(node)
    return reading.sources(node) if key is None else per_channel(reading, node, key)


def _pool_key(op: AdaptivePool | Pool, places: tuple[Dim, ...]) -> tuple[Any, ...] | None:
    """What a pool does; None where it does nothing."""
    if isinstance(op, AdaptivePool):
        size = expand(op.kind, "size", op.size, len(places))
        if size == places:
            return None
        return ("whole map", op.statistic) if set(size) == {1} else (op.kind, size)
    window = op.window(len(places))
    pads = window.pads(op.own_padding(), places)
    bare = all(pad == (0, 0) for pad in pads)
    if bare and window.extent == window.kernel == places and not isinstance(op, LPPool):
        return "whole map", op.statistic
    rest = [(k, repr(v)) for k, v in op if k not in ("kernel", "stride", "padding", "dilation")]
    return op.kind, *_window_key(window, pads), *rest


def _window_key(window: Window, pads: Any) -> tuple[Any, ...]:
    known = pads if all(isinstance(size, int) for pair in pads for size in pair) else "same"
    return window.kernel, window.stride, window.dilation, known


def subsample(reading: Reading, node: Node) -> Found:
    stride = node.op.stride  # type: ignore[attr-defined]
    nothing = {*(stride if isinstance(stride, tuple) else (stride,))} == {1}
    return reading.sources(node) if nothing else per_channel(reading, node)


# --- linear maps of the channels ----------------------------------------------------------------------


def conv(reading: Reading, node: Node) -> Found:
    (x,), op = reading.graph.input_types(node), node.op
    count = channels(x)
    if count is None:
        return None
    window = op.window(x.rank - 2)  # type: ignore[attr-defined]
    out, groups = op.widths(count)  # type: ignore[attr-defined]
    pads = window.pads(op.padding, x.dims[2:])  # type: ignore[attr-defined]
    each = prod(window.kernel)
    bare = all(pad == (0, 0) for pad in pads)
    mode = "zeros" if bare else op.padding_mode  # type: ignore[attr-defined]
    if bare and each == 1 and set(window.stride) == {1}:
        geometry: tuple[Any, ...] = ("dense", 1)
    elif bare and window.extent == window.kernel == x.dims[2:]:
        geometry = ("dense", each)
    else:
        geometry = ("conv", *_window_key(window, pads), mode)
    return grouped(reading, node, geometry, each, (count, out, groups))


def upconv(reading: Reading, node: Node) -> Found:
    (x,), op = reading.graph.input_types(node), node.op
    count = channels(x)
    if count is None:
        return None
    window = op.window(x.rank - 2)  # type: ignore[attr-defined]
    settings = [expand(op.kind, name, getattr(op, name), window.rank) for name in ("padding", "output_padding")]
    geometry = ("upconv", window.kernel, window.stride, window.dilation, *settings)
    return grouped(reading, node, geometry, prod(window.kernel), (count, op.channels, op.groups), turned=True)  # type: ignore[attr-defined]


def linear(reading: Reading, node: Node) -> Found:
    (x,) = reading.graph.input_types(node)
    count = channels(x)
    if count is None or not (is_vector(x) or x.is_channels_last):
        return None
    return grouped(reading, node, ("dense", 1), 1, (count, node.op.units, 1))  # type: ignore[attr-defined]


def grouped(
    reading: Reading,
    node: Node,
    geometry: tuple[Any, ...],
    each: int,
    widths: tuple[int, int, int],
    turned: bool = False,
) -> Found:
    """A linear map in groups, each of which takes its share of the channels."""
    terms, (source,) = reading.terms, reading.sources(node)
    count, out, groups = widths
    weights = reading.weights(node)
    weight, bias = weights["weight"], weights.get("bias")
    if groups == count == out:
        return _depthwise(reading, source, (geometry, turned), weight, bias)
    inner, outer = count // groups, out // groups
    found = []
    for group in range(groups):
        rows = inner if turned else outer
        block = weight.part(group * rows, (group + 1) * rows, False)
        parts = terms.take(source, group * inner, (group + 1) * inner)
        sums: list[tuple[Fraction, Any]] = [
            (ONE, term) for term in _weighted(reading, Weighted(geometry, turned, each, block, -1), parts)
        ]
        if bias is not None:
            sums.append((ONE, bias.part(group * outer, (group + 1) * outer, False)))
        found.append(terms.sum(outer, sums))
    return [tuple(found)]


def _weighted(reading: Reading, term: Weighted, parts: Parts) -> Iterator[Weighted]:
    """A linear map of joined channels as one of each part. Of a flattened map it is a window over the whole map."""
    for part, start, end in reading.terms.spans(parts):
        narrow = term.taking(start, end, part)
        form = reading.terms.forms[part]
        if form.rule == "flat" and term.geometry == ("dense", 1):
            narrow = narrow._replace(geometry=("dense", *form.label), each=form.label[0], source=form.tensors[0][0])
        yield narrow


def _depthwise(reading: Reading, source: Parts, key: Any, weight: WeightBlock, bias: WeightBlock | None) -> list[Parts]:
    sliced = [weight] if bias is None else [weight, bias]
    count = sum(reading.terms.width[part] for part in source)
    return [tuple(_each_part(reading, source, ("depthwise", *key, bias is not None), sliced, (), count))]


# --- merges ---------------------------------------------------------------------------------------------


def alike(inputs: Sequence[TensorType]) -> bool:
    """Whether tensors have as many axes, the channels along the same, and as many channels, known."""
    first = inputs[0]
    forms = {(x.rank, x.channel_axis, x.channels) for x in inputs if x.rank > 1}
    return len(forms) == 1 and first.rank > 1 and channels(first) is not None


def additive(reading: Reading, node: Node) -> Found:
    """A sum with fixed factors; in training too, unless it leaves inputs out there."""
    sources = node.op.arriving(tuple(reading.sources(node)))
    inputs, factors = reading.graph.input_types(node)[: len(sources)], node.op.factors(len(sources))
    if factors is None or (len(sources) > 1 and reading.random(node)):
        return None
    if not alike(inputs) or any(x.dtype != "float" for x in inputs):
        return None
    terms = reading.terms
    columns = terms.aligned(list(sources))
    return [tuple(terms.sum(terms.width[c[0]], zip(factors, c, strict=True)) for c in columns)]


def affine(reading: Reading, node: Node) -> Found:
    (x,), (source,), op = reading.graph.input_types(node), reading.sources(node), node.op
    if x.dtype != "float" or channels(x) is None:
        return None
    factor = Fraction(op.scale) / Fraction(op.divisor)  # type: ignore[attr-defined]
    shift = Fraction(op.shift)  # type: ignore[attr-defined]
    terms = reading.terms
    return [tuple(terms.sum(terms.width[part], [(factor, part), (shift, None)]) for part in source)]


def merge(reading: Reading, node: Node) -> Found:
    """Products, maxima and minima; what has one channel meets all others."""
    inputs, (out,) = reading.graph.input_types(node), node.outputs
    width, terms = channels(out), reading.terms
    many = [i for i, x in enumerate(inputs) if channels(x) == width and x.rank > 1]
    rest = [i for i in range(len(inputs)) if i not in many]
    if width is None or not many or not alike([inputs[i] for i in many]):
        return None
    if any(channels(inputs[i]) != 1 or inputs[i].rank not in (0, 1, out.rank) for i in rest):
        return None
    sources = reading.sources(node)
    alone = [(True, sources[i][0]) for i in rest]
    columns = terms.aligned([sources[i] for i in many])
    return [tuple(terms.merge(node.op.kind, [*alone, *((False, e) for e in column)]) for column in columns)]


# --- shapes ---------------------------------------------------------------------------------------------


def concat(reading: Reading, node: Node) -> Found:
    inputs = reading.graph.input_types(node)
    axis = axis_index(inputs[0], node.op.axis, "concat")  # type: ignore[attr-defined]
    forms = {(x.rank, x.channel_axis, x.dims[0]) for x in inputs}
    if len(forms) > 1 or axis != inputs[0].channel_axis or any(channels(x) is None or x.rank < 2 for x in inputs):
        return None
    return [tuple(part for parts in reading.sources(node) for part in parts)]


def split(reading: Reading, node: Node) -> Found:
    (x,), outputs = reading.graph.input_types(node), node.outputs
    axis = spatial_index(x, node.op.axis, "split")  # type: ignore[attr-defined]
    widths = [channels(y) for y in outputs]
    if axis != x.channel_axis or channels(x) is None or None in widths:
        return None
    (source,), found, at = reading.sources(node), [], 0
    for width in widths:
        assert width is not None
        found.append(reading.terms.take(source, at, at + width))
        at += width
    return found


def slice_(reading: Reading, node: Node) -> Found:
    (x, *beside), op = reading.graph.input_types(node), node.op
    count = channels(x)
    if beside:
        return None
    if spatial_index(x, op.axis, "slice") != x.channel_axis:  # type: ignore[attr-defined]
        return per_channel(reading, node)
    if count is None or op.step != 1:  # type: ignore[attr-defined]
        return None
    start, stop, _ = slice(op.start, op.stop).indices(count)  # type: ignore[attr-defined]
    return [reading.terms.take(reading.sources(node)[0], start, stop)]


def pad_channels(reading: Reading, node: Node) -> Found:
    (x,), (source,) = reading.graph.input_types(node), reading.sources(node)
    if channels(x) is None:
        return None
    before, after = node.op._pair(x)  # type: ignore[attr-defined]
    shape = reading.text(x.with_dims(tuple(1 if a == x.channel_axis else d for a, d in enumerate(x.dims))))
    zeros = [(reading.terms.zeros(width, shape),) if width else () for width in (before, after)]
    return [(*zeros[0], *source, *zeros[1])]


def reshaped(reading: Reading, node: Node) -> Found:
    """A change of axes that leaves a vector a vector, or a tensor as it is; or a map that becomes a vector."""
    (x, *beside), (y,) = reading.graph.input_types(node), node.outputs
    if beside or channels(x) is None or channels(y) is None or x.dims[0] != y.dims[0]:
        return None
    if is_vector(x) and is_vector(y) and x.channels == y.channels:
        return reading.sources(node)
    if isinstance(node.op, (Flatten, Reshape)) and x.channel_axis == y.channel_axis and x.dims == y.dims:
        return reading.sources(node)
    if isinstance(node.op, (Flatten, Reshape)) and x.channel_axis == 1 and y.rank == 2:
        have, count = channels(x), channels(y)
        assert have is not None and count is not None
        return [tuple(reading.terms.flat(count // have, part) for part in reading.sources(node)[0])]
    return None


Rule = Callable[[Reading, Node], Found]

RULES: dict[type[Op], Rule] = {
    Convolution: conv,
    UpConv: upconv,
    Linear: linear,
    Pool: pool,
    AdaptivePool: pool,
    GlobalPool: pool,
    Dropout: dropout,
    ChannelDropout: dropout,
    Survive: survive,
    Subsample: subsample,
    Affine: affine,
    Concat: concat,
    Split: split,
    Slice: slice_,
    PadChannels: pad_channels,
    Flatten: reshaped,
    Reshape: reshaped,
    Squeeze: reshaped,
    Unsqueeze: reshaped,
}
"""For layers of which more is known than their traits."""


def rule_of(reading: Reading, node: Node) -> Rule:
    """The rule of a layer's class or of one it comes from, else the one that its traits tell."""
    op = node.op
    known = next((RULES[base] for base in type(op).__mro__ if base in RULES), None)
    if known is not None:
        return known
    if op.is_merge:
        return additive if op.is_additive else merge
    alone = len(node.inputs) == len(node.outputs) == 1 and not op.is_random()
    return per_channel if alone and op.is_per_channel(reading.graph.input_types(node)) else whole
