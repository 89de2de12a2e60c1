"""What the operators of ONNX compute, in functions of torch's.

A function gets the inputs of its node, tensors or arrays of numpy (constants, and shapes), and its attributes by name.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .table import short
from .unsayable import Unsayable

Function = Callable[..., Any]
CASTS = {1: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool, 10: torch.float16, 11: torch.float64}
"""ONNX's numbers for types."""


def plain(value: Any) -> Any:
    """A constant of one number as Python has it, of several as a tensor. A tensor as it is."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.item() if value.size == 1 else torch.as_tensor(value)
    return short(value) if isinstance(value, float) and value == value and abs(value) < 3e38 else value


def ints(value: Any) -> list[int]:
    return [int(n) for n in np.asarray(value).reshape(-1)]


def _each(function: Function) -> Function:
    """A function of tensors and numbers, without attributes."""
    return lambda *given, **_: function(*map(plain, given))


def _folded(function: Function) -> Function:
    """One of two tensors, of as many as there are."""

    def fold(*given: Any, **_: Any) -> Any:
        values = list(map(plain, given))
        total = values[0]
        for value in values[1:]:
            total = function(total, value)
        return total

    return fold


def _divided(a: Any, b: Any) -> Any:
    whole = isinstance(a, Tensor) and not a.is_floating_point()
    return torch.div(a, b, rounding_mode="trunc") if whole else a / b


def _hard_sigmoid(x: Tensor, alpha: float = 0.2, beta: float = 0.5) -> Tensor:
    if abs(alpha - 1 / 6) < 1e-6 and beta == 0.5:
        return F.hardsigmoid(x)
    return (x * short(alpha) + short(beta)).clamp(0, 1)


def _clip(x: Tensor, low: Any = None, high: Any = None, min: Any = None, max: Any = None) -> Tensor:
    low, high = (plain(a if a is not None else b) for a, b in ((low, min), (high, max)))
    return F.relu6(x) if (low, high) == (0, 6) else x.clamp(low, high)


def _softmax(function: Function) -> Function:
    return lambda x, axis=-1: function(x, axis)


def _reshape(x: Tensor, shape: Any, allowzero: int = 0) -> Tensor:
    sizes = ints(shape)
    return x.reshape([x.shape[i] if n == 0 and not allowzero else n for i, n in enumerate(sizes)])


def _flatten(x: Tensor, axis: int = 1) -> Tensor:
    axis %= x.dim() + 1
    return x.flatten(1) if axis == 1 else x.reshape(prod(x.shape[:axis]), -1)


def _expand(x: Tensor, shape: Any) -> Tensor:
    return x.expand(torch.broadcast_shapes(x.shape, tuple(ints(shape))))


def _squeeze(x: Tensor, axes: Any = None) -> Tensor:
    return x.squeeze() if axes is None else x.squeeze(ints(axes))


def _unsqueeze(x: Tensor, axes: Any) -> Tensor:
    rank = x.dim() + len(ints(axes))
    for axis in sorted(axis % rank for axis in ints(axes)):
        x = x.unsqueeze(axis)
    return x


def _slice(x: Tensor, starts: Any, ends: Any, axes: Any = None, steps: Any = None) -> Tensor:
    starts, ends = ints(starts), ints(ends)
    axes = range(len(starts)) if axes is None else ints(axes)
    steps = [1] * len(starts) if steps is None else ints(steps)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if step < 0:
            raise Unsayable("a slice that goes backwards")
        x = torch.ops.aten.slice.Tensor(x, axis, start, min(end, 2**63 - 1), step)
    return x


def _split(x: Tensor, split: Any = None, axis: int = 0, num_outputs: int = 0, outputs: int = 0) -> Any:
    if split is not None:
        return x.split(ints(split), axis)
    size = x.shape[axis]
    return x.split(-(-size // (num_outputs or outputs)), axis)


def _gather(x: Any, indices: Any, axis: int = 0) -> Any:
    axis %= x.dim()
    ordered = False
    if isinstance(indices, np.ndarray):
        ordered = indices.size == x.shape[axis] and bool((indices.ravel() == np.arange(indices.size)).all())
        indices = int(indices) if indices.ndim == 0 else torch.as_tensor(indices)
    if isinstance(indices, int) or indices.dim() == 0:
        return x.select(axis, int(indices))
    if indices.dim() == 1:
        return x.index_select(axis, indices)
    if x.dim() == 2 and axis == 0:
        return F.embedding(indices, x)
    taken = x if ordered else x.index_select(axis, indices.flatten())
    return taken.reshape(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])


def _pad(x: Tensor, pads: Any, value: Any = None, axes: Any = None, mode: str = "constant") -> Tensor:
    amounts, rank = ints(pads), x.dim()
    half = len(amounts) // 2
    pairs = {
        axis % rank: (amounts[i], amounts[i + half])
        for i, axis in enumerate(ints(axes) if axes is not None else range(half))
    }
    first = min((axis for axis, pair in pairs.items() if any(pair)), default=rank)
    flat = [n for axis in range(rank - 1, first - 1, -1) for n in pairs.get(axis, (0, 0))]
    modes = {"edge": "replicate", "wrap": "circular"}
    if not flat:
        return x
    return F.pad(
        x, flat, modes.get(mode, mode), *([plain(value) or 0.0] if mode == "constant" and value is not None else [])
    )


def padded(x: Tensor, rank: int, pads: Any, auto_pad: str, value: float = 0.0) -> tuple[Tensor, list[int]]:
    """What is left of the pads to the layer, and the map with what it cannot say put around it."""
    if auto_pad not in ("NOTSET", "VALID"):
        raise Unsayable(f'`auto_pad = "{auto_pad}"`, whose amounts follow the size')
    pads = list(pads or [0] * 2 * rank) if auto_pad == "NOTSET" else [0] * 2 * rank
    before, after = pads[:rank], pads[rank:]
    if before == after:
        return x, before
    flat = [n for pair in reversed(list(zip(before, after, strict=True))) for n in pair]
    return F.pad(x, flat, value=value), [0] * rank


def _max_pool(
    x: Tensor,
    kernel_shape: Any,
    strides: Any = None,
    pads: Any = None,
    dilations: Any = None,
    ceil_mode: int = 0,
    auto_pad: str = "NOTSET",
    storage_order: int = 0,
) -> Tensor:
    rank = len(kernel_shape)
    x, padding = padded(x, rank, pads, auto_pad, float("-inf"))
    strides, dilations = strides or [1] * rank, dilations or [1] * rank
    return getattr(F, f"max_pool{rank}d")(x, kernel_shape, strides, padding, dilations, bool(ceil_mode))


def _average_pool(
    x: Tensor,
    kernel_shape: Any,
    strides: Any = None,
    pads: Any = None,
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    auto_pad: str = "NOTSET",
    dilations: Any = None,
) -> Tensor:
    rank = len(kernel_shape)
    if any(n != 1 for n in dilations or []) or (pads and pads[:rank] != pads[rank:] and not count_include_pad):
        raise Unsayable("an average over windows with gaps, or with uneven borders that do not count")
    x, padding = padded(x, rank, pads, auto_pad)
    function = getattr(F, f"avg_pool{rank}d")
    return function(x, kernel_shape, strides or [1] * rank, padding, bool(ceil_mode), bool(count_include_pad))


def _global(name: str) -> Function:
    return lambda x: getattr(F, f"adaptive_{name}_pool{x.dim() - 2}d")(x, 1)


def _reduced(function: Function) -> Function:
    def reduce(x: Tensor, axes: Any = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Tensor:
        if axes is None and noop_with_empty_axes:
            return x
        found = ints(axes) if axes is not None else list(range(x.dim()))
        return function(x, found, bool(keepdims))

    return reduce


def _resize(
    x: Tensor,
    roi: Any = None,
    scales: Any = None,
    sizes: Any = None,
    mode: str = "nearest",
    coordinate_transformation_mode: str = "half_pixel",
    nearest_mode: str = "round_prefer_floor",
    cubic_coeff_a: float = -0.75,
    **attributes: Any,
) -> Tensor:
    rank, where = x.dim() - 2, coordinate_transformation_mode
    if scales is not None and not len(ints(scales)):
        scales = None
    given: dict[str, Any] = (
        {"scale_factor": [short(float(n)) for n in np.asarray(scales)[2:]]}
        if scales is not None
        else {"size": ints(sizes)[2:]}
    )
    if mode == "nearest":
        if (where, nearest_mode) == ("asymmetric", "floor"):
            return F.interpolate(x, mode="nearest", **given)
        raise Unsayable(f"`Resize` to the nearest by {where} and {nearest_mode}")
    words = {"linear": {1: "linear", 2: "bilinear", 3: "trilinear"}.get(rank), "cubic": "bicubic"}
    if words[mode] is None or where not in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        raise Unsayable(f"`Resize` in the mode {mode} by {where}")
    return F.interpolate(x, mode=words[mode], align_corners=where == "align_corners", **given)


def _upsample(x: Tensor, scales: Any, mode: str = "nearest") -> Tensor:
    return _resize(x, None, scales, mode=mode, coordinate_transformation_mode="asymmetric", nearest_mode="floor")


def _depth_to_space(x: Tensor, blocksize: int, mode: str = "DCR") -> Tensor:
    if mode != "CRD":
        raise Unsayable("`DepthToSpace` with the blocks before the channels")
    return F.pixel_shuffle(x, blocksize)


def _where(condition: Tensor, a: Any, b: Any) -> Tensor:
    return torch.where(condition, plain(a), plain(b))


def _cast(x: Tensor, to: int, **_: Any) -> Tensor:
    if to not in CASTS:
        raise Unsayable("numbers of a type that archc does not have")
    return x.to(CASTS[to])


def _shape(x: Tensor, start: int = 0, end: int | None = None) -> np.ndarray[Any, Any]:
    return np.array([int(n) for n in x.shape][start:end], dtype=np.int64)


def _cumsum(x: Tensor, axis: Any, exclusive: int = 0, reverse: int = 0) -> Tensor:
    if exclusive or reverse:
        raise Unsayable("`CumSum` backwards, or without the number itself")
    return x.cumsum(int(axis))


def _topk(x: Tensor, k: Any, axis: int = -1, largest: int = 1, sorted: int = 1) -> Any:
    return x.topk(int(k), axis, bool(largest), bool(sorted))


def _place(function: Function) -> Function:
    return lambda x, axis=0, keepdims=1, select_last_index=0: function(x, axis, bool(keepdims))


FUNCTIONS: dict[str, Function] = {
    **{
        op: _each(getattr(torch, op.lower()))
        for op in ["Abs", "Ceil", "Cos", "Erf", "Exp", "Floor", "Log", "Neg", "Round", "Sin", "Sign", "Sqrt", "Tan"]
    },
    **{op: _each(getattr(F, name)) for op, name in {"Relu": "relu", "HardSwish": "hardswish", "Mish": "mish"}.items()},
    **{
        op: _each(getattr(torch, name))
        for op, name in {"Sigmoid": "sigmoid", "Tanh": "tanh", "Reciprocal": "reciprocal"}.items()
    },
    **{op: _folded(function) for op, function in {"Max": torch.maximum, "Min": torch.minimum}.items()},
    "Add": _folded(lambda a, b: a + b),
    "Sum": _folded(lambda a, b: a + b),
    "Sub": _folded(lambda a, b: a - b),
    "Mul": _folded(lambda a, b: a * b),
    "Div": _folded(_divided),
    "Pow": _folded(lambda a, b: a**b),
    "MatMul": _each(torch.matmul),
    "Identity": lambda x: x,
    "Dropout": lambda x, ratio=0.5, mode=None, seed=None: x,
    "Softplus": _each(F.softplus),
    "Selu": lambda x, **_: F.selu(x),
    "Elu": lambda x, alpha=1.0: F.elu(x, short(alpha)),
    "Celu": lambda x, alpha=1.0: F.celu(x, short(alpha)),
    "LeakyRelu": lambda x, alpha=0.01: F.leaky_relu(x, short(alpha)),
    "Gelu": lambda x, approximate="none": F.gelu(x, approximate=approximate),
    "HardSigmoid": _hard_sigmoid,
    "Clip": _clip,
    "Softmax": _softmax(F.softmax),
    "LogSoftmax": _softmax(F.log_softmax),
    "Concat": lambda *xs, axis=0: torch.cat(list(map(torch.as_tensor, xs)), axis),
    "Split": _split,
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Transpose": lambda x, perm=None: x.permute(perm or list(range(x.dim()))[::-1]),
    "Expand": _expand,
    "Tile": lambda x, repeats: x.repeat(ints(repeats)),
    "Pad": _pad,
    "Gather": _gather,
    "GatherElements": lambda x, indices, axis=0: x.gather(axis, indices),
    "Where": _where,
    "Cast": _cast,
    "Shape": _shape,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": _global("avg"),
    "GlobalMaxPool": _global("max"),
    "ReduceMean": _reduced(torch.mean),
    "ReduceSum": _reduced(torch.sum),
    "ReduceMax": _reduced(torch.amax),
    "ReduceMin": _reduced(torch.amin),
    "ReduceL2": _reduced(lambda x, axes, keep: torch.linalg.vector_norm(x, 2, axes, keep)),
    "ReduceLogSumExp": _reduced(torch.logsumexp),
    "Resize": _resize,
    "Upsample": _upsample,
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": lambda x, blocksize: F.pixel_unshuffle(x, blocksize),
    "CumSum": _cumsum,
    "TopK": _topk,
    "ArgMax": _place(torch.argmax),
    "ArgMin": _place(torch.argmin),
    "Einsum": lambda *xs, equation: torch.einsum(equation, *xs),
    "Trilu": lambda x, k=None, upper=1: (torch.triu if upper else torch.tril)(x, int(k or 0)),
    "Equal": _each(torch.eq),
    "Greater": _each(torch.gt),
    "GreaterOrEqual": _each(torch.ge),
    "Less": _each(torch.lt),
    "LessOrEqual": _each(torch.le),
    "And": _each(torch.logical_and),
    "Or": _each(torch.logical_or),
    "Xor": _each(torch.logical_xor),
    "Not": _each(torch.logical_not),
}


def _of_numbers(name: str) -> Function:
    def refuse(*_: Any, **__: Any) -> Any:
        raise Unsayable(f"`{name}` of numbers that the network computes")

    return refuse


FUNCTIONS |= {name: _of_numbers(name) for name in ["ConstantOfShape", "Mod", "Range", "ReduceProd", "Size"]}
NUMBERS_AFTER = """
    Clip Reshape Expand Tile Slice Squeeze Unsqueeze Split Pad Resize Upsample TopK CumSum Trilu Dropout ReduceMean
    ReduceSum ReduceMax ReduceMin ReduceL2 ReduceLogSumExp
"""
HOST = frozenset(NUMBERS_AFTER.split())
"""Operators whose inputs after the first are numbers to be told, and no tensors."""
