"""Fills weights as their initialisers say, with torch's own functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..ir.errors import EmitError
from ..ir.initialisers import INITIALISERS, Initialiser
from .targets import resolve

_DRAWN = frozenset(
    {"normal", "trunc_normal", "kaiming_normal", "kaiming_uniform", "xavier_normal", "xavier_uniform", "orthogonal"}
)


def fill(
    tensor: Tensor, init: Initialiser, weight: Tensor | None, groups: int, generator: torch.Generator | None
) -> None:
    """Fills `tensor` in place, without grad.

    `weight` is the layer's own weight, whose fan-in some biases start from; `groups` the layer's, for initialisers that
    copy channels. Draws come from `generator`, or from torch's global one. Raises EmitError for an unknown initialiser.
    """
    with torch.no_grad():
        own = _OWN.get(init.kind)
        if own is not None:
            own(tensor, init.settings, weight=weight, groups=groups, generator=generator)
            return
        declared = INITIALISERS.get(init.kind)
        if declared is None or declared.torch is None:
            raise EmitError(f"no initialiser {init.kind!r}")
        settings: dict[str, Any] = init.settings
        if init.kind in _DRAWN:
            settings["generator"] = generator
        if init.kind == "dirac":
            settings["groups"] = groups
        resolve(declared.torch)(tensor, **settings)


def _fan_in(tensor: Tensor) -> int:
    return tensor[0].numel() if tensor.dim() > 1 else tensor.numel()


def _constant(tensor: Tensor, settings: dict[str, Any], **_: object) -> None:
    value = settings["value"]
    if isinstance(value, tuple):
        tensor.copy_(torch.tensor(value, dtype=tensor.dtype).reshape(tensor.shape))
    else:
        tensor.fill_(value)


def _uniform(tensor: Tensor, settings: dict[str, Any], generator: torch.Generator | None, **_: object) -> None:
    tensor.uniform_(settings["low"], settings["high"], generator=generator)


def _lecun_normal(tensor: Tensor, _settings: object, generator: torch.Generator | None, **_: object) -> None:
    tensor.normal_(0.0, 1 / math.sqrt(_fan_in(tensor)), generator=generator)


def _fan_in_uniform(
    tensor: Tensor, _settings: object, weight: Tensor | None, generator: torch.Generator | None, **_: object
) -> None:
    fan = _fan_in(weight if weight is not None else tensor)
    bound = 1 / math.sqrt(fan) if fan > 0 else 0
    tensor.uniform_(-bound, bound, generator=generator)


def _bilinear(tensor: Tensor, _settings: object, groups: int, **_: object) -> None:
    kernel = torch.ones((), dtype=tensor.dtype)
    for size in tensor.shape[2:]:
        factor = (size + 1) // 2
        centre = factor - 1 if size % 2 else factor - 0.5
        line = 1 - (torch.arange(size, dtype=tensor.dtype) - centre).abs() / factor
        kernel = kernel.unsqueeze(-1) * line
    tensor.zero_()
    per_group = tensor.shape[0] // groups
    for channel in range(tensor.shape[0]):
        place = channel % per_group
        if place < tensor.shape[1]:
            tensor[channel, place] = kernel


_OWN: dict[str, Callable[..., None]] = {
    "constant": _constant,
    "uniform": _uniform,
    "lecun_normal": _lecun_normal,
    "fan_in_uniform": _fan_in_uniform,
    "bilinear": _bilinear,
}
