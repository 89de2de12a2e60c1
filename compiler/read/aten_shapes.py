"""Functions of torch's that join, part, reorder and resample tensors."""

from __future__ import annotations

from typing import Any

from ..ir.graph import Value
from ..ir.sizes import Dim
from ..ir.types import Role, TensorType
from ..ops.axes import product
from ..ops.maps import compact
from .reader import Call, Reader, Tensors, Unsayable, shape_of
from .table import Made, Table, along, axis_name
from .trace import State

TABLE = Table()


@TABLE.of("cat", "concat")
def _concat(call: Call) -> Made:
    inputs = [call.reader.tensor(item) for item in call["tensors"]]
    types = [call.reader.graph.type_of(value) for value in inputs]
    return call.make("concat", *inputs, **along(types[0], call["dim"]))


@TABLE.of("stack")
def _stack(call: Call) -> Made:
    rank = len(call.shape)
    return call.make("stack", *map(call.reader.tensor, call["tensors"]), axis=call["dim"] % rank)


@TABLE.of("chunk", "split", "split_with_sizes", "unsafe_chunk", "unsafe_split")
def _split(call: Call) -> Made:
    x = call.type()
    axis = call["dim"] % x.rank
    sizes = [part.shape[axis] for part in call.node.meta["val"]]
    parts = len(sizes) if len(set(sizes)) == 1 else tuple(sizes)
    values = call.reader.apply("split", (call.value(),), {"parts": parts, **along(x, axis)}, None)
    return Tensors(values)


@TABLE.of("unbind")
def _unbind(call: Call) -> Made:
    axis, count = call["dim"], len(call.node.meta["val"])
    return Tensors(tuple([call.make("select", axis=axis, index=index) for index in range(count)]))


@TABLE.of("select")
def _select(call: Call) -> Made:
    return call.make("select", axis=call["dim"] % call.type().rank, index=call["index"])


@TABLE.of("slice", "narrow")
def _slice(call: Call) -> Made:
    x = call.type()
    axis, start = call["dim"] % x.rank, call["start"] or 0
    end = start + call["length"] if call.name == "narrow" else call["end"]
    if end is not None and end >= call.reader.traced(x.dims[axis]):
        end = None
    if start == 0 and end is None and call["step"] in (None, 1):
        return call.value()
    return call.make("slice", axis=axis_name(x, axis), start=start, stop=end, step=call["step"] or 1)


@TABLE.of("flatten")
def _flatten(call: Call) -> Made:
    return _reshaped(call)


@TABLE.of("view", "reshape", "_unsafe_view", "unflatten")
def _reshape(call: Call) -> Made:
    return _reshaped(call)


def _reshaped(call: Call) -> Value:
    """Numbers in another shape: axes merged in a row, or any."""
    x, have, shape = call.type(), shape_of(call.node.args[0]), call.shape  # type: ignore[arg-type]
    if have == shape:
        return call.value()
    if not shape or shape[0] != have[0]:
        raise Unsayable("a shape whose first axis is not the batch")
    shuffled = _shuffled(call, shape)
    if shuffled is not None:
        return shuffled
    merged = len(have) - len(shape)
    for start in range(1, len(shape)):
        if merged > 0 and have[:start] == shape[:start] and have[start + merged + 1 :] == shape[start + 1 :]:
            ends = {} if start + merged == x.rank - 1 else {"end": start + merged}
            return call.make("flatten", **({} if start == 1 else {"start": start}), **ends)
    return call.make("reshape", sizes=_sizes(call.reader, x, shape))


def _sizes(reader: Reader, x: TensorType, shape: tuple[int, ...]) -> tuple[Dim, ...]:
    """The sizes that a tensor is given, the batch left out: those that it has, in their order, and numbers; -1 for one
    that an open size is a part of."""
    found: list[Dim] = []
    left = [(reader.traced(size), size) for size in x.dims[1:]]
    strange: list[int] = []
    for place, number in enumerate(shape[1:]):
        at = next((i for i, (value, _) in enumerate(left) if value == number), None)
        if at is None:
            strange.append(place)
        found.append(number if at is None else left[at][1])
        left = left if at is None else left[at + 1 :]
    if product(found) != product(x.dims[1:]) and len(strange) == 1:
        found[strange[0]] = -1
    return tuple(found)


def _shuffled(call: Call, shape: tuple[int, ...]) -> Value | None:
    """The channels shuffled, where that is what a split, a transposition and a merge come to."""
    nodes = call.reader.nodes
    swap = nodes[call.value()[0]]
    if swap.op.kind != "transpose" or swap.op._order(call.reader.graph.input_types(swap)[0])[:3] != (0, 2, 1):  # type: ignore
        return None
    split = nodes[swap.inputs[0][0]]
    if split.op.kind != "reshape":
        return None
    before, parts = call.reader.graph.type_of(split.inputs[0]), split.outputs[0]
    if parts.rank != before.rank + 1 or before.dims[2:] != parts.dims[3:] or len(shape) != before.rank:
        return None
    if before.channel_axis != 1 or not isinstance(parts.dims[1], int) or shape[1] != before.dims[1]:
        return None
    return call.make("channel_shuffle", split.inputs[0], groups=parts.dims[1])


@TABLE.of("permute")
def _permute(call: Call) -> Made:
    rank = call.type().rank
    return _permuted(call, [axis % rank for axis in call["dims"]])


@TABLE.of("transpose", "t")
def _transpose(call: Call) -> Made:
    rank = call.type().rank
    axes = (0, 1) if call.name == "t" else (call["dim0"] % rank, call["dim1"] % rank)
    if 0 in axes:
        raise Unsayable("the batch moved to another axis")
    first, second = sorted(axes)
    return call.make("transpose", **({} if (first, second) == (1, 2) else {"first": first, "second": second}))


def _permuted(call: Call, order: list[int]) -> Value:
    """The axes in another order; a norm between two orders that cancel is one along the channels."""
    if order[0] != 0:
        raise Unsayable("the batch moved to another axis")
    reader, value = call.reader, call.value()
    if order == sorted(order):
        return value
    norm = reader.nodes[value[0]]
    moved = reader.nodes[norm.inputs[0][0]] if norm.op.kind in ("ln", "rmsnorm") else None
    if moved is not None and moved.op.kind == "permute" and call.alone:
        source = reader.graph.type_of(moved.inputs[0])
        cancels = [moved.op.order[axis] for axis in order] == list(range(len(order)))  # type: ignore[attr-defined]
        if cancels and source.channel_axis == moved.op.order[-1]:  # type: ignore[attr-defined]
            return reader.again(norm.index, moved.inputs)
    return call.make("permute", order=tuple(order))


@TABLE.of("unsqueeze")
def _unsqueeze(call: Call) -> Made:
    return call.make("unsqueeze", axis=call["dim"] % len(call.shape))


@TABLE.of("squeeze")
def _squeeze(call: Call) -> Made:
    rank = call.type().rank
    axes = call["dim"]
    if axes is None:
        raise Unsayable("`squeeze` of whatever axes have size 1")
    value = call.value()
    for axis in sorted((axis % rank for axis in (axes if isinstance(axes, list) else [axes])), reverse=True):
        value = call.make("squeeze", value, axis=axis)
    return value


@TABLE.of("expand", "expand_as")
def _expand(call: Call) -> Made:
    """A parameter that is repeated for the batch: merges repeat it anyway."""
    given = call["self"]
    value = call.value()
    node = call.reader.nodes[value[0]]
    have, want = (given.tensor.shape if isinstance(given, State) else shape_of(call.node.args[0])), call.shape  # type: ignore[arg-type]
    have = tuple(have)
    if (isinstance(given, State) or node.op.is_parameter) and len(have) == len(want) and have[1:] == want[1:]:
        return value
    if have == want:
        return value
    raise Unsayable("a tensor that is repeated along an axis")


@TABLE.of("pad", "constant_pad_nd")
def _pad(call: Call) -> Made:
    x, amounts = call.type(), call["pad"]
    pairs = [(amounts[i], amounts[i + 1]) for i in range(0, len(amounts), 2)][::-1]
    space = [i for i, axis in enumerate(x.axes) if axis.role is Role.SPACE]
    first = x.rank - len(pairs)
    given = {first + i: pair for i, pair in enumerate(pairs)}
    mode, value = call["mode"] or "constant", call["value"] or 0.0
    if all(a % 1 == 0 and b % 1 == 0 and min(a, b) >= 0 for a, b in pairs):
        used = {axis: pair for axis, pair in given.items() if any(pair)}
        if not used:
            return call.value()
        if {*used} <= {*space}:
            listed = tuple([given.get(axis, (0, 0)) for axis in space])
            amount = listed[0][0] if {n for pair in listed for n in pair} == {listed[0][0]} else listed
            return call.make("pad", amounts=amount, mode=mode, value=float(value))
        if [*used] == [x.channel_axis] and mode == "constant" and value == 0:
            before, after = used[1]
            return call.make("pad_channels", channels=x.dims[1] + before + after, before=before)
    raise Unsayable("`pad` that cuts, or goes along other axes than those of space")


@TABLE.of("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "upsample_linear1d", "upsample_bilinear2d")
def _upsample(call: Call) -> Made:
    modes = {"nearest": "nearest", "linear": "linear", "bilinear": "bilinear"}
    mode = modes[call.name.removeprefix("upsample_").rstrip("123d")]
    settings: dict[str, Any] = {"mode": mode, "align_corners": bool(call["align_corners"])}
    scales = call["scale_factors"]
    if scales is not None:
        return call.make(
            "upsample", call.value("input"), scale=scales[0] if len(set(scales)) == 1 else tuple(scales), **settings
        )
    size = tuple(call["output_size"] or call["size"])
    like = _beside(call, size)
    if like is not None:
        return call.make("upsample", call.value("input"), like, like=True, **settings)
    return call.make("upsample", call.value("input"), size=compact(size), **settings)


def _beside(call: Call, size: tuple[int, ...]) -> Value | None:
    """The latest tensor whose map has a size that is open: what a map is brought to the size of."""
    reader = call.reader
    for node in reversed(reader.nodes):
        type_ = node.outputs[0]
        if type_.channel_axis == 1 and tuple(map(reader.traced, type_.dims[2:])) == size:
            return (node.index, 0) if not all(isinstance(d, int) for d in type_.dims[2:]) else None
    return None


TABLE.update(dict.fromkeys(["upsample_bicubic2d", "upsample_trilinear3d"], _upsample))


@TABLE.of("scaled_dot_product_attention")
def _sdpa(call: Call) -> Made:
    if call["dropout_p"] or call["enable_gqa"]:
        raise Unsayable("attention with dropout of its own, or with grouped heads")
    masks = () if call["attn_mask"] is None else (call.value("attn_mask"),)
    settings = {"causal": bool(call["is_causal"])} | ({} if call["scale"] is None else {"scale": call["scale"]})
    return call.make("sdpa", call.value("query"), call.value("key"), call.value("value"), *masks, **settings)


@TABLE.of("to", "_to_copy", "type_as")
def _converted(call: Call) -> Made:
    source = call.node.args[0].meta["val"]  # type: ignore[union-attr]
    if source.dtype != call.node.meta["val"].dtype:
        raise Unsayable(f"numbers of type {source.dtype} made into {call.node.meta['val'].dtype}")
    return call.value()
