"""oneDNN's fused kernels as modules: a convolution or a dense layer, a sum, and a function of each element in one call.

Weights are packed once, in the order in which the kernel reads them at the usual sizes. What is packed for one size can
be forty times slower at another, where oneDNN puts it into another order first. At a size that is new the plain weight
serves, which oneDNN packs at each call; one that comes again has packed weights of its own. A tensor that is no plain
one on the CPU, as the fake ones of a tracer, has the same operators' shapes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..ir.lowering import Epilogue
from .private import adds_to_one_place, onednn

NONE = Epilogue("none")
SIZES = 4
"""For how many sizes beside the usual ones packed weights are kept."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A norm and a rectifier as a bound of each channel: relu(s x + t) = scale * (clamp(x, low, high) - at) + rest."""

    low: Tensor
    high: Tensor
    scale: Tensor
    at: Tensor
    rest: Tensor

    @classmethod
    def of(cls, norm: nn.Module, dtype: torch.dtype) -> Bound:
        """The bound that a batch norm with running statistics makes, in evaluation, with the rectifier behind it.

        A channel whose scale is 0, or too small for its bound to be a number, is the constant relu(t): `rest`.
        """
        scale, shift = _scale_and_shift(norm)
        at = (-shift / scale).to(dtype).double()
        flat = ~at.isfinite()
        at, scale = at.masked_fill(flat, 0), scale.masked_fill(flat, 0)
        low = at.masked_fill(scale < 0, -torch.inf)
        high = at.masked_fill(scale > 0, torch.inf)
        return cls(low.to(dtype), high.to(dtype), scale, at, shift.clamp_min(0).masked_fill(~flat, 0))

    def into(self, weight: Tensor, bias: Tensor | None, groups: int) -> tuple[Tensor, Tensor]:
        """The weight and the bias of a convolution that takes the bounded map, and does what it did to the rectified
        one. What a channel at its bound adds is taken from the bias as the kernel will add it, so that it cancels."""
        inside = self.scale.shape[0] // groups

        def by_group(values: Tensor) -> Tensor:
            rows = values.reshape(groups, 1, inside).expand(groups, weight.shape[0] // groups, inside)
            return rows.reshape(weight.shape[0], inside, *[1] * (weight.dim() - 2))

        scaled = (weight.double() * by_group(self.scale)).to(weight.dtype)
        axes = tuple(range(1, weight.dim()))
        constant = (weight.double() * by_group(self.rest) - scaled.double() * by_group(self.at)).sum(axes)
        return scaled, constant if bias is None else constant + bias.double()


def _scale_and_shift(norm: Any) -> tuple[Tensor, Tensor]:
    """What a batch norm with running statistics does to each channel, in double precision."""
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    scale = scale if norm.weight is None else scale * norm.weight.detach().double()
    shift = -norm.running_mean.double() * scale
    return scale, shift if norm.bias is None else shift + norm.bias.detach().double()


class Bounded(nn.Module):
    """A map with every channel bounded below or above."""

    low: Tensor
    high: Tensor

    def __init__(self, bound: Bound, rank: int):
        super().__init__()
        around = [1, -1, *[1] * (rank - 2)]
        self.register_buffer("low", bound.low.reshape(around))
        self.register_buffer("high", bound.high.reshape(around))
        self.one_sided = not bool((bound.scale <= 0).any())

    def forward(self, x: Tensor) -> Tensor:
        return torch.maximum(x, self.low) if self.one_sided else torch.clamp(x, self.low, self.high)


class Joined(nn.Module):
    """Maps side by side in memory with room for so many channels: the first ones make it, later ones stand behind
    `start` channels that it has."""

    def __init__(self, channels: int, start: int):
        super().__init__()
        self.channels = channels
        self.start = start

    def forward(self, first: Tensor, *maps: Tensor) -> Tensor:
        whole = first
        if self.start == 0:
            maps = (first, *maps)
            layout = torch.channels_last if first.dim() == 4 else torch.channels_last_3d
            size = (first.shape[0], self.channels, *first.shape[2:])
            whole = torch.empty(size, dtype=first.dtype, device=first.device, memory_format=layout)
        at = self.start
        for each in maps:
            whole.narrow(1, at, each.shape[1]).copy_(each)
            at += each.shape[1]
        return whole


class Packed(nn.Module):
    """A layer whose weight is packed. It is copied and pickled by way of the plain weight.

    `unpacked` makes it hold the plain weight, which each call packs: files hold no packed tensors.
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None, epilogue: Epilogue | None, overwrites: bool):
        super().__init__()
        self.register_buffer("weight", self.packed(weight))
        self.register_buffer("bias", bias)
        self.last = epilogue or NONE
        # Files have no form for an empty list; a function without parameters looks at none.
        self.scalars = list(self.last.scalars) or [0.0]
        self.overwrites = overwrites
        self.is_packed = True
        self.plain: Tensor | None = None
        """The plain weight, once another size has come."""
        self.packs: dict[Any, Tensor | None] = {}
        """Packed weights for other sizes; None for one that has come once."""

    def packed(self, weight: Tensor, size: Any = None) -> Tensor:
        """A plain weight in the order of the kernel at a size of what the layer takes, or at the usual one."""
        raise NotImplementedError

    def size_of(self, x: Tensor) -> Any:
        """What decides on the order of the weight for an input; None where it is as usual."""
        raise NotImplementedError

    def unpacked(self) -> None:
        """From now on holds the plain weight."""
        self.weight, self.is_packed = self.weight.to_dense(), False

    def ready(self, x: Tensor) -> Tensor:
        """The weight for an input."""
        if not self.is_packed:
            return self.packed(self.weight)
        if type(x) is not Tensor or torch.compiler.is_compiling() or (size := self.size_of(x)) is None:
            return self.weight
        if self.plain is None:
            self.plain = self.weight.to_dense()
        if size in self.packs:
            pack = self.packs[size]
            if pack is None:
                pack = self.packs[size] = self.packed(self.plain, size)
            return pack
        if len(self.packs) == SIZES:
            del self.packs[next(iter(self.packs))]
        self.packs[size] = None
        return self.plain

    def __getstate__(self) -> dict[str, Any]:
        buffers = {**self._buffers, "weight": self.weight.to_dense()}
        return {**self.__dict__, "_buffers": buffers, "plain": None, "packs": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if self.is_packed:
            self.weight = self.packed(self.weight)

    def extra_repr(self) -> str:
        return f"{list(self.weight.shape)}, last={self.last.name}, overwrites={self.overwrites}"


class FusedConv(Packed):
    """A convolution over maps, the sum with `other` where that is given, and a function of each element."""

    def __init__(
        self,
        conv: nn.Conv2d,
        size: tuple[int, ...],
        epilogue: Epilogue | None = None,
        overwrites: bool = False,
        bound: Bound | None = None,
    ):
        weight, bias = conv.weight.detach(), None if conv.bias is None else conv.bias.detach()
        if bound is not None:
            weight, bias = bound.into(weight, bias, conv.groups)
            bias = bias.to(weight.dtype)
        assert not isinstance(conv.padding, str)
        self.window = list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups
        self.size = list(size)
        self.adds = adds_to_one_place()
        super().__init__(weight, bias, epilogue, overwrites)

    def packed(self, weight: Tensor, size: Any = None) -> Tensor:
        plain = weight.contiguous(memory_format=torch.channels_last)
        return onednn("reorder_convolution_weight")(plain, *self.window, list(size or self.size))

    def size_of(self, x: Tensor) -> Any:
        size = tuple(x.shape)
        return None if size == tuple(self.size) else size

    def forward(self, x: Tensor, other: Tensor | None = None) -> Tensor:
        last, weight = self.last, self.ready(x)
        if other is None:
            return onednn("convolution_pointwise")(
                x, weight, self.bias, *self.window, last.name, self.scalars, last.algorithm
            )
        behind = ("add", 1.0, None if last == NONE else last.name, self.scalars, None)
        if not self.adds:
            other = other.clone(memory_format=torch.channels_last)
        if not self.adds or (self.overwrites and other.is_contiguous(memory_format=torch.channels_last)):
            return onednn("convolution_pointwise_").binary(other, x, weight, self.bias, *self.window, *behind)
        return onednn("convolution_pointwise").binary(x, other, weight, self.bias, *self.window, *behind)


class FusedLinear(Packed):
    """A dense layer, and the sum with `other` where that is given, or else a function of each element."""

    def __init__(self, linear: nn.Linear, rows: int, epilogue: Epilogue | None = None):
        self.rows = rows
        bias = None if linear.bias is None else linear.bias.detach()
        super().__init__(linear.weight.detach(), bias, epilogue, False)

    def packed(self, weight: Tensor, size: Any = None) -> Tensor:
        return onednn("reorder_linear_weight")(weight.contiguous(), size or self.rows)

    def size_of(self, x: Tensor) -> Any:
        rows = math.prod(x.shape[:-1])
        return None if rows == self.rows else rows

    def forward(self, x: Tensor, other: Tensor | None = None) -> Tensor:
        last, weight, op = self.last, self.ready(x), onednn("linear_pointwise")
        if other is None:
            return op(x, weight, self.bias, last.name, self.scalars, last.algorithm)
        return op.binary(x, other, weight, self.bias, "add")


def unpacked(network: nn.Module) -> None:
    """Makes all kernels of a network hold plain weights."""
    for module in network.modules():
        if isinstance(module, Packed):
            module.unpacked()


def lacking(device: torch.device, dtype: torch.dtype) -> str | None:
    """Why this machine has no fused kernels for the type on the device; None where it has."""
    if device.type != "cpu":
        return f"oneDNN's kernels run on the CPU, and this is {device.type}"
    if not torch.backends.mkldnn.is_available():
        return "this build of torch has no oneDNN"
    able = {torch.bfloat16: "_is_mkldnn_bf16_supported", torch.float16: "_is_mkldnn_fp16_supported"}
    if dtype is not torch.float32 and not (dtype in able and getattr(torch.ops.mkldnn, able[dtype])()):
        return f"oneDNN has no kernels for {str(dtype).removeprefix('torch.')} on this processor"
    return None
