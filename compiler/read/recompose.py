"""Functions that torch has only after decomposition, and what depends on the mode, as they are before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .replay import Replay

Function = Callable[..., Any]


def functions(net: Replay | None) -> dict[str, Function]:
    """What runs in place of functions of torch's, by name. A network is in one mode when it is exported, and that is
    left out: norms and dropout go by the mode that it is in."""

    def training() -> bool:
        return net is not None and net.module.training

    def batch_norm(x: Tensor, weight: Any, bias: Any, mean: Any, var: Any, _: Any, momentum: float, eps: float) -> Any:
        if training() and net is not None and mean is not None:
            net.count(mean)
        return torch.batch_norm(x, weight, bias, mean, var, training() or mean is None, momentum, eps, False)

    def without(x: Tensor, weight: Any, bias: Any, mean: Any, var: Any, momentum: float, eps: float) -> Any:
        return batch_norm(x, weight, bias, mean, var, False, momentum, eps), None, None

    return _PURE | {
        "batch_norm": lambda *a: batch_norm(*a[:8]),
        "_native_batch_norm_legit": lambda *a: (batch_norm(*a), None, None),
        "_native_batch_norm_legit_no_training": without,
        "dropout": lambda x, p, _=False: torch.dropout(x, p, training()),
        "feature_dropout": lambda x, p, _=False: torch.feature_dropout(x, p, training()),
        "alpha_dropout": lambda x, p, _=False: torch.alpha_dropout(x, p, training()),
        "native_dropout": lambda x, p, _=None: (torch.dropout(x, p, training()), None),
    }


def _convolution(
    x: Tensor, weight: Tensor, bias: Any, stride: Any, padding: Any, dilation: Any, back: bool, more: Any, groups: int
) -> Tensor:
    rank = weight.dim() - 2
    if back:
        return getattr(F, f"conv_transpose{rank}d")(x, weight, bias, stride, padding, more, groups, dilation)
    return getattr(F, f"conv{rank}d")(x, weight, bias, stride, padding, dilation, groups)


def _turned(x: Tensor, *_: Any) -> Tensor:
    """A matrix transposed, which knows of what."""
    made = x.t()
    made.source = x  # type: ignore[attr-defined]
    return made


def _permute(x: Tensor, dims: Any) -> Tensor:
    return _turned(x) if list(dims) == [1, 0] else x.permute(dims)


def _addmm(bias: Any, x: Tensor, weight: Tensor, **_: Any) -> Tensor:
    """A linear layer, where what it multiplies with is a transposed weight."""
    source = getattr(weight, "source", None)
    if source is None:
        return torch.matmul(x, weight) if bias is None else torch.matmul(x, weight) + bias
    return F.linear(x, source, bias)


_PURE: dict[str, Function] = {
    "convolution": _convolution,
    "addmm": _addmm,
    "mm": lambda x, weight: _addmm(None, x, weight),
    "permute": _permute,
    "t": _turned,
    "native_layer_norm": lambda x, shape, w, b, eps: (F.layer_norm(x, shape, w, b, eps), None, None),
    "native_group_norm": lambda x, w, b, n, c, hw, groups, eps: (F.group_norm(x, groups, w, b, eps), None, None),
    "_softmax": lambda x, dim, _=False: F.softmax(x, dim),
    "_log_softmax": lambda x, dim, _=False: F.log_softmax(x, dim),
    "_adaptive_avg_pool2d": F.adaptive_avg_pool2d,
    "max_pool2d_with_indices": lambda *a, **k: (torch.max_pool2d(*a, **k), None),
}
