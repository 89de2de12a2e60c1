"""Functions of torch's that join, part, reorder and resample tensors."""

from __future__ import annotations

from math import inf
from typing import Any

import torch

from ..ir.graph import Value
from ..ir.sizes import Dim
from ..ir.types import Role
from ..ops.maps import compact
from ..ops.norm import LayerNorm, RMSNorm
from ..ops.shape import Permute
from . import aten_reshape
from .aten_arithmetic import stretched
from .constants import latest, open_size
from .overwriting import overwrites
from .reader import Call
from .rearranging import deepened, order_of, reordered
from .start import dtype_of
from .table import MOST_PLACES, Made, Table, along, axis_name
from .unsayable import Unsayable
from .values import Tensors, function_name, is_given, shape_of

TABLE = Table(aten_reshape.TABLE)


@TABLE.following("cat", "concat")
def _concat(call: Call) -> Made:
    inputs = [call.reader.tensor(item) for item in call["tensors"]]
    if len(inputs) == 1:
        return inputs[0]
    types = [call.reader.graph.type_of(value) for value in inputs]
    if (made := deepened(call, call["dim"] % types[0].rank)) is not None:
        return made
    return call.make("concat", *inputs, **along(types[0], call.axis(call["dim"], types[0].rank)))


@TABLE.following("stack")
def _stack(call: Call) -> Made:
    inputs, axis = [call.reader.tensor(item) for item in call["tensors"]], call["dim"] % len(call.shape)
    if call.reader.graph.type_of(inputs[0]).has_batch and axis <= call.batch:
        call.batch += 1
        return call.make("stack", *inputs, axis=axis + 1)
    return call.make("stack", *inputs, axis=axis)


@TABLE.following("chunk", "split", "split_with_sizes", "unsafe_chunk", "unsafe_split")
def _split(call: Call) -> Made:
    x, axis = call.type(), call["dim"]
    sizes = [part.shape[axis] for part in call.node.meta["val"]]
    parts = len(sizes) if len(set(sizes)) == 1 else tuple(sizes)
    return Tensors(call.reader.apply("split", (call.value(),), {"parts": parts, **along(x, call.axis(axis))}, None))


def _without(call: Call, axis: int) -> int:
    """The axis of the graph's tensor that the result does not have."""
    ours = call.axis(axis)
    call.batch -= axis % call.type().rank < call.batch
    return ours


@TABLE.following("unbind")
def _unbind(call: Call) -> Made:
    settings = {"axis": _without(call, call["dim"])}
    return Tensors(call.reader.apply("unbind", (call.value(),), settings, None))


@TABLE.following("select")
def _select(call: Call) -> Made:
    if (parts := _parted(call)) is not None:
        return parts
    return call.make("select", axis=_without(call, call["dim"]), index=call["index"])


def _parted(call: Call) -> Value | None:
    """What a call selects, where others select the rest one by one, and nothing else takes the tensor: `q, k, v =
    kinds[0], kinds[1], kinds[2]` is `unbind`."""
    whole, index = call.node.all_input_nodes[0], call["index"]
    size = shape_of(whole)[call["dim"]]
    if whole not in call.reader.parted:
        selects = [user for user in whole.users if function_name(user) == "select"]
        places = sorted(call.reader.bound(user)["index"] % size for user in selects)
        axes = {call.reader.bound(user)["dim"] % len(shape_of(whole)) for user in selects}
        written = any(overwrites(user) for select in selects for user in select.users)
        if len(selects) < len(whole.users) or len(axes) > 1 or places != [*range(size)] or size < 2 or written:
            return None
        call.reader.parted[whole] = call.reader.apply("unbind", (call.value(),), {"axis": call.axis(call["dim"])}, None)
    _without(call, call["dim"])
    return call.reader.parted[whole][index % size]


@TABLE.following("slice", "narrow")
def _slice(call: Call) -> Made:
    x, start = call.type(), call["start"] or 0
    axis = call.axis(call["dim"])
    end = call["end"] if call.name == "slice" else start + call["length"]
    end = None if start < 0 and end == 0 else end
    if end is not None and end >= call.reader.traced(x.dims[axis]):
        end = None
    if start == 0 and end is None and call["step"] in (None, 1):
        return call.value()
    settings = {"axis": axis_name(x, axis), "start": start, "step": call["step"] or 1}
    if not x.has_batch and start == 0 and end is not None and (found := open_size(call.reader, end)) is not None:
        beside, size = found
        return call.make("slice", call.value(), beside, stop=size, like=True, **settings)
    return call.make("slice", stop=end, **settings)


@TABLE.following("permute", "movedim", "moveaxis")
def _permute(call: Call) -> Made:
    return _permuted(call, order_of(call.name, call.arguments.get, len(call.shape)), "permute")


@TABLE.following("transpose", "t", "numpy_T", "mT")
def _transpose(call: Call) -> Made:
    return _permuted(call, order_of(call.name, call.arguments.get, len(call.shape)), "transpose")


def _permuted(call: Call, order: list[int], kind: str) -> Value:
    """The axes in another order, the batch as it is; a norm between two that cancel is one along the channels."""
    reader, value = call.reader, call.value()
    ours = [call.axis(axis) for axis in order]
    if call.type().has_batch:
        call.batch = ours.index(0)
        ours = [0, *(axis for axis in ours if axis)]
    if ours == sorted(ours):
        return value
    norm = reader.nodes[value[0]]
    moved = reader.nodes[norm.inputs[0][0]] if isinstance(norm.op, LayerNorm | RMSNorm) else None
    if moved is not None and isinstance(moved.op, Permute) and call.alone:
        source = reader.graph.type_of(moved.inputs[0])
        cancels = [moved.op.order[axis] for axis in ours] == list(range(len(ours)))  # type: ignore[attr-defined]
        if cancels and source.channel_axis == moved.op.order[-1]:  # type: ignore[attr-defined]
            return reader.again(norm.index, moved.inputs)
    if (made := reordered(call, order)) is not None:
        return made
    changed = [place for place, axis in enumerate(ours) if axis != place]
    if kind == "transpose" and len(changed) == 2:
        return call.make("transpose", **({} if changed == [1, 2] else {"first": changed[0], "second": changed[1]}))
    return call.make("permute", order=tuple(ours))


@TABLE.following("unsqueeze")
def _unsqueeze(call: Call) -> Made:
    axis = call["dim"] % len(call.shape)
    if call.type().has_batch and axis <= call.batch:
        call.batch += 1
        return call.make("unsqueeze", axis=axis + 1)
    return call.make("unsqueeze", axis=axis)


@TABLE.following("squeeze")
def _squeeze(call: Call) -> Made:
    rank, axes = len(shape_of(call.node.args[0])), call["dim"]  # type: ignore[arg-type]
    if axes is None:
        raise Unsayable("`squeeze` of whatever axes have size 1")
    axes = sorted((axis % rank for axis in (axes if isinstance(axes, list) else [axes])), reverse=True)
    value, ours = call.value(), sorted(map(call.axis, axes), reverse=True)
    for axis in ours:
        value = call.make("squeeze", value, axis=axis)
    call.batch -= sum(axis < call.batch for axis in axes)
    return value


@TABLE.of("pad", "constant_pad_nd")
def _pad(call: Call) -> Made:
    x, amounts = call.type(), call["pad"]
    pairs = [(amounts[i], amounts[i + 1]) for i in range(0, len(amounts), 2)][::-1]
    if any(n < 0 for pair in pairs for n in pair):
        return _cut_and_padded(call, pairs)
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
        if [*used] == [1] and x.channel_axis == 1 and mode == "constant" and value == 0:
            before, after = used[1]
            return call.make("pad_channels", channels=x.dims[1] + before + after, before=before)
        if mode == "constant" and 0 not in used:
            return _lengthened(call, used, float(value))
    raise Unsayable("`pad` along other axes than those of space, with other than one number")


def _cut_and_padded(call: Call, pairs: list[tuple[int, int]]) -> Value:
    """Negative amounts cut; then the others are added."""
    x, value = call.type(), call.value()
    for axis, (before, after) in enumerate(pairs, x.rank - len(pairs)):
        if min(before, after) < 0:
            ends = {"start": max(-before, 0), "stop": after if after < 0 else None}
            value = call.make("slice", value, axis=axis_name(x, axis), **ends)
    call.arguments |= {"self": value, "pad": [max(n, 0) for pair in reversed(pairs) for n in pair]}
    return _pad(call)


def _lengthened(call: Call, used: dict[int, tuple[int, int]], number: float) -> Value:
    """A number before and behind along axes: places of the tensor that are filled with it, joined to it."""
    value = call.value()
    for axis, counts in used.items():
        x = call.reader.graph.type_of(value)
        if max(counts) > call.reader.traced(x.dims[axis]):
            raise Unsayable("`pad` by more than there is, along an axis that is none of space")
        places = [call.make("slice", value, axis=axis_name(x, axis), stop=n) if n else None for n in counts]
        before, after = ([call.make("full", part, value=number)] if part else [] for part in places)
        value = call.make("concat", *before, value, *after, **along(x, axis))
    return value


@TABLE.of("copy")
def _copy(call: Call) -> Made:
    """What overwrites a tensor, stretched to it."""
    source = call["src"]
    if not is_given(source):
        return call.make("full", value=source)
    return stretched(call.reader, call.reader.tensor(source), call.value())[0]


@TABLE.of("fill", "zero")
def _fill(call: Call) -> Made:
    return call.make("full", value=call["value"] or 0)


@TABLE.of(
    *("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d"),
    *("upsample_linear1d", "upsample_bilinear2d", "upsample_bicubic2d", "upsample_trilinear3d"),
    *("_upsample_nearest_exact1d", "_upsample_nearest_exact2d", "_upsample_nearest_exact3d"),
    *("_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa"),
)
def _upsample(call: Call) -> Made:
    name = call.name.removesuffix("_aa")
    mode = name.removeprefix("_").removeprefix("upsample_").rstrip("123d").replace("_", "-")
    settings: dict[str, Any] = {"mode": mode, "align_corners": bool(call["align_corners"])}
    settings["antialias"] = name != call.name
    x = call.value("input")
    if not call.type("input").has_batch:
        x = call.make("as_map", x)
    scales = call["scale_factors"]
    if scales is not None:
        return call.make("upsample", x, scale=scales[0] if len(set(scales)) == 1 else tuple(scales), **settings)
    size = tuple(call["output_size"] or call["size"])
    like = _beside(call, size, call.reader.graph.type_of(x).dims[2:])
    if like is not None:
        return call.make("upsample", x, like, like=True, **settings)
    return call.make("upsample", x, size=compact(size), **settings)


def _beside(call: Call, size: tuple[int, ...], own: tuple[Dim, ...] = ()) -> Value | None:
    """The latest tensor whose map has a size that is open: what a map is brought to the size of. One of the map's `own`
    sizes is taken where there is no other: bringing it to these would do nothing."""
    reader, alike = call.reader, None
    for node in reversed(reader.nodes):
        type_ = node.outputs[0]
        if type_.channel_axis == 1 and tuple(map(reader.traced, type_.dims[2:])) == size:
            found = (node.index, 0) if not all(isinstance(d, int) for d in type_.dims[2:]) else None
            if found is None or type_.dims[2:] != own:
                return found
            alike = alike or found
    return alike


@TABLE.of("unfold")
def _windows(call: Call) -> Made:
    """`Tensor.unfold`: the places of a window side by side, each a slice of the tensor."""
    x, axis, size, step = call.type(), call.axis(call["dimension"]), call["size"], call["step"]
    if not axis or size > MOST_PLACES:
        raise Unsayable("`unfold` along the batch, or in long windows")
    last = (call.shape[call["dimension"] % x.rank] - 1) * step
    parts = [
        call.make("slice", axis=axis_name(x, axis), start=place, stop=last + place + 1, step=step)
        for place in range(size)
    ]
    return call.make("stack", *parts, axis=x.rank)


@TABLE.of("affine_grid_generator")
def _affine_grid(call: Call) -> Made:
    size = tuple(call["size"])[2:]
    like, corners = _beside(call, size), {"align_corners": bool(call["align_corners"])}
    if like is not None:
        return call.make("affine_grid", call.value("theta"), like, like=True, **corners)
    return call.make("affine_grid", call.value("theta"), size=size, **corners)


@TABLE.of("grid_sampler")
def _grid_sample(call: Call) -> Made:
    modes, paddings = ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")
    settings = {"mode": modes[call["interpolation_mode"]], "padding_mode": paddings[call["padding_mode"]]}
    corners = bool(call["align_corners"])
    return call.make("grid_sample", call.value("input"), call.value("grid"), **settings, align_corners=corners)


@TABLE.of("scaled_dot_product_attention")
def _sdpa(call: Call) -> Made:
    masks = () if call["attn_mask"] is None else (call.value("attn_mask"),)
    settings = {"causal": bool(call["is_causal"]), "scale": call["scale"], "dropout": call["dropout_p"]}
    query, key, value = (call.value(name) for name in ("query", "key", "value"))
    if len(call.shape) > 4 and not call["is_causal"]:
        return _attention(call, query, key, value, masks)
    return call.make("sdpa", query, key, value, *masks, **settings)


def _attention(call: Call, query: Value, key: Value, value: Value, masks: tuple[Value, ...]) -> Value:
    """Attention in steps, for tensors with more axes before the tokens than heads."""
    *_, channels = shape_of(call.node.args[0])  # type: ignore[arg-type]
    rank = len(call.shape)
    scaled = call.make("affine", query, scale=call["scale"] or channels**-0.5)
    scores = call.make("matmul", scaled, call.make("transpose", key, first=rank - 2, second=rank - 1))
    for mask in masks:
        is_mask = call.reader.graph.type_of(mask).dtype == "bool"
        scores = call.make("where", mask, scores, other=-inf) if is_mask else call.make("sum", scores, mask)
    weights = call.make("softmax", scores, axis=-1)
    dropped = call.make("dropout", weights, p=call["dropout_p"]) if call["dropout_p"] else weights
    return call.make("matmul", dropped, value)


@TABLE.following("to", "_to_copy", "type_as")
def _converted(call: Call) -> Made:
    source, made = call.node.args[0].meta["val"], call.node.meta["val"]  # type: ignore[union-attr]
    if source.dtype == made.dtype:
        return call.value()
    wanted = dtype_of(made)
    if wanted == "float" and made.dtype == torch.get_default_dtype() and (like := latest(call.reader)) is not None:
        return call.make("to", call.value(), like, like=True)
    if wanted != "float" and made.dtype in (torch.int64, torch.bool):
        return call.make("to", dtype=wanted)
    raise Unsayable(f"numbers of type {source.dtype} made into {made.dtype}")
