"""Fills weights as their initialisers say, with torch's own functions."""

from __future__ import annotations

import math
from inspect import signature

import torch
from torch import Tensor

from ..ir.errors import EmitError
from ..ir.initialisers import INITIALISERS, Initialiser
from .targets import resolve


def fill(
    tensor: Tensor, init: Initialiser, weight: Tensor | None, groups: int, generator: torch.Generator | None
) -> None:
    """Fills `tensor` in place, without grad.

    `weight` is the weight of the same layer: the bounds of some biases follow from its fan-in. `groups` is the layer's
    number of groups, for initialisers that copy channels. Random numbers come from `generator`, or from torch's global
    one. Raises EmitError for an unknown initialiser.
    """
    settings = init.settings
    with torch.no_grad():
        match init.kind:
            case "constant":
                values = torch.tensor(settings["value"], dtype=tensor.dtype)
                tensor.copy_(values.reshape(tensor.shape) if values.dim() else values)
            case "uniform":
                tensor.uniform_(settings["low"], settings["high"], generator=generator)
            case "lecun_normal":
                tensor.normal_(0.0, 1 / math.sqrt(_fan_in(tensor)), generator=generator)
            case "fan_in_uniform":
                fan = _fan_in(weight if weight is not None else tensor)
                bound = 1 / math.sqrt(fan) if fan > 0 else 0
                tensor.uniform_(-bound, bound, generator=generator)
            case "bilinear":
                _bilinear(tensor, groups)
            case kind:
                declared = INITIALISERS.get(kind)
                if declared is None or declared.torch is None:
                    raise EmitError(f"no initialiser {kind!r}")
                function = resolve(declared.torch)
                taken = signature(function).parameters
                ours = {"generator": generator, "groups": groups}
                function(tensor, **settings, **{name: value for name, value in ours.items() if name in taken})


def _fan_in(tensor: Tensor) -> int:
    return tensor[0].numel() if tensor.dim() > 1 else tensor.numel()


def _bilinear(tensor: Tensor, groups: int) -> None:
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
