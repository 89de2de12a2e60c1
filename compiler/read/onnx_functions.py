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

from .onnx_maps import (
    average_pool,
    depth_to_space,
    in_order,
    ints,
    max_pool,
    pad,
    plain,
    resize,
    space_to_depth,
    upsample,
)
from .table import short
from .unsayable import Unsayable

Function = Callable[..., Any]
CASTS = {1: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool}
"""ONNX's numbers for the types that networks have."""
SELU_SCALE = 1.0507009873554805
SELU_ALPHA = 1.6732632423543772
"""What a SELU takes where nothing is said (Klambauer et al. 2017)."""


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


def _selu(x: Tensor, alpha: float = SELU_ALPHA, gamma: float = SELU_SCALE) -> Tensor:
    if short(alpha) == short(SELU_ALPHA) and short(gamma) == short(SELU_SCALE):
        return F.selu(x)
    return F.elu(x, short(alpha)) * short(gamma)


def _clip(x: Tensor, low: Any = None, high: Any = None, min: Any = None, max: Any = None) -> Tensor:
    low, high = (plain(a if a is not None else b) for a, b in ((low, min), (high, max)))
    if low is None and high is None:
        return x
    return F.relu6(x) if (low, high) == (0, 6) else x.clamp(low, high)


def _softmax(function: Function) -> Function:
    return lambda x, axis=-1: function(x, axis)


def _reshape(x: Tensor, shape: Any, allowzero: int = 0) -> Tensor:
    sizes = ints(shape)
    return x.reshape([x.shape[i] if n == 0 and not allowzero else n for i, n in enumerate(sizes)])


def _flatten(x: Tensor, axis: int = 1) -> Tensor:
    axis = axis + x.dim() if axis < 0 else axis
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
        ordered = indices.size == x.shape[axis] and in_order(indices)
        indices = int(indices) if indices.ndim == 0 else torch.as_tensor(indices)
    if isinstance(indices, int) or indices.dim() == 0:
        return x.select(axis, int(indices))
    if indices.dim() == 1:
        return x.index_select(axis, indices)
    if x.dim() == 2 and axis == 0:
        return F.embedding(indices, x)
    taken = x if ordered else x.index_select(axis, indices.flatten())
    return taken.reshape(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])


def _gather_places(x: Tensor, indices: Any, batch_dims: int = 0) -> Tensor:
    if batch_dims or indices.shape[-1] != 1:
        raise Unsayable("`GatherND` by places along several axes")
    return _gather(x, indices[..., 0])


def _global(name: str) -> Function:
    return lambda x: getattr(F, f"adaptive_{name}_pool{x.dim() - 2}d")(x, 1)


def _reduced(function: Function) -> Function:
    def reduce(x: Tensor, axes: Any = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Tensor:
        if axes is None and noop_with_empty_axes:
            return x
        found = ints(axes) if axes is not None else list(range(x.dim()))
        return function(x, found, bool(keepdims))

    return reduce


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
    return x.topk(ints(k)[0], axis, bool(largest), bool(sorted))


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
    "Selu": _selu,
    "Swish": lambda x, alpha=1.0: F.silu(x) if alpha == 1 else x * torch.sigmoid(x * short(alpha)),
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
    "Pad": pad,
    "Gather": _gather,
    "GatherND": _gather_places,
    "GatherElements": lambda x, indices, axis=0: x.gather(axis, indices),
    "Where": _where,
    "Cast": _cast,
    "Shape": _shape,
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": _global("avg"),
    "GlobalMaxPool": _global("max"),
    "ReduceMean": _reduced(torch.mean),
    "ReduceSum": _reduced(torch.sum),
    "ReduceMax": _reduced(torch.amax),
    "ReduceMin": _reduced(torch.amin),
    "ReduceL2": _reduced(lambda x, axes, keep: torch.linalg.vector_norm(x, 2, axes, keep)),
    "ReduceLogSumExp": _reduced(torch.logsumexp),
    "Resize": resize,
    "Upsample": upsample,
    "DepthToSpace": depth_to_space,
    "SpaceToDepth": space_to_depth,
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
