"""All functions that 76 networks of torchvision and timm call, one of each family, are read: `torch.export` keeps each
as it is called here, and the text says how the language has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import archc

AT_ONCE = 12
"""So many functions are called by one module."""


class Way(NamedTuple):
    """A call of a function with a map, what of the spec says it, and what the function is called with."""

    call: Callable[..., Any]
    said: str
    part: nn.Module | None = None


def layer(part: nn.Module, said: str) -> Way:
    return Way(lambda x, f: f(x), said, part)


class Weight(nn.Module):
    """A parameter that a function is called with."""

    def __init__(self, *shape: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(shape))


def tokens(x: Tensor) -> Tensor:
    return x.flatten(2).transpose(1, 2)


def filled(x: Tensor) -> Tensor:
    """A mask that is filled in places, as that of shifted windows."""
    mask = x.new_zeros((8, 8))
    mask[:4] = 2.0
    return x + mask


def zeroed(x: Tensor, f: Weight) -> Tensor:
    """A part of a bias that is none, as that of SwinV2's keys."""
    bias = f.weight.clone()
    bias[2:].zero_()
    return x * bias[:, None, None]


def norm(x: Tensor) -> Tensor:
    return torch.linalg.vector_norm(x, dim=1, keepdim=True)


def shuffled(x: Tensor) -> Tensor:
    return x.view(-1, 2, 2, 8, 8).transpose(1, 2).contiguous().view(-1, 4, 8, 8)


WAYS = {
    "conv2d": layer(nn.Conv2d(4, 3, 3, 2, 1), "conv(3, 3, 2, bias = true)"),
    "conv2d.padding": layer(nn.Conv2d(4, 5, 3, padding="same"), "conv(5, 3, bias = true)"),
    "conv1d": Way(lambda x, f: f(x.mean(3)), "conv(6, 3)", nn.Conv1d(4, 6, 3, padding=1, bias=False)),
    "conv3d": Way(
        lambda x, f: f(x[:, None]), "conv(2, [1, 3, 3])", nn.Conv3d(1, 2, (1, 3, 3), padding=(0, 1, 1), bias=False)
    ),
    "linear": Way(lambda x, f: f(tokens(x)), "linear(7)", nn.Linear(4, 7)),
    "batch_norm": layer(nn.BatchNorm2d(4), "bn"),
    "layer_norm": Way(lambda x, f: f(tokens(x)), "ln", nn.LayerNorm(4)),
    "group_norm": layer(nn.GroupNorm(2, 4), "gn(2)"),
    "max_pool2d": layer(nn.MaxPool2d(3, 2, 1), "maxpool(3, 2, padding = 1)"),
    "avg_pool2d": layer(nn.AvgPool2d(2), "avgpool(2)"),
    "adaptive_avg_pool2d": layer(nn.AdaptiveAvgPool2d(3), "adaptive_avgpool(3)"),
    "dropout": layer(nn.Dropout(0.1), "dropout(0.1)"),
    "dropout_": Way(lambda x, f: f(x.exp()), "dropout(0.2)", nn.Dropout(0.2, inplace=True)),
    "relu": Way(lambda x: x.relu(), "relu"),
    "relu_": Way(lambda x: x.exp().relu_(), "exp -> relu"),
    "hardtanh": Way(lambda x: F.hardtanh(x, 0, 5), "clamp(0.0, 5.0)"),
    "hardtanh_": layer(nn.Sequential(nn.Tanh(), nn.ReLU6(True)), "tanh, relu6"),
    "leaky_relu_": Way(lambda x: F.leaky_relu_(x.exp(), 0.1), "leakyrelu(0.1)"),
    "gelu": Way(lambda x: F.gelu(x, approximate="tanh"), 'gelu(approximate = "tanh")'),
    "silu": Way(F.silu, "silu"),
    "silu_": Way(lambda x: F.silu(x.exp(), True), "exp -> silu"),
    "sigmoid": Way(lambda x: x.sigmoid(), "sigmoid"),
    "hardsigmoid": Way(F.hardsigmoid, "hardsigmoid"),
    "hardswish": Way(F.hardswish, "hardswish"),
    "hardswish_": Way(lambda x: F.hardswish(x.exp(), True), "exp -> hardswish"),
    "tanh": Way(lambda x: x.tanh(), "tanh"),
    "softmax.int": Way(lambda x: x.softmax(-1), "softmax"),
    "exp": Way(lambda x: x.exp(), "exp"),
    "sin": Way(lambda x: x.sin(), "sin"),
    "cos": Way(lambda x: x.cos(), "cos"),
    "neg": Way(lambda x: -x, "-"),
    "clamp": Way(lambda x: x.clamp(-1, 2), "clamp(-1.0, 2.0)"),
    "clamp_min": Way(lambda x: x.clamp_min(0.5), "clamp(0.5)"),
    "linalg_vector_norm": Way(norm, 'reduce("norm", [1], true)'),
    "pow.Scalar": Way(lambda x: 2**x, "power(2, "),
    "add.Tensor": Way(lambda x: x + x.relu(), "+ (x -> relu)"),
    "add_.Tensor": Way(lambda x: x.exp().add_(1), "+ 1"),
    "sub.Tensor": Way(lambda x: x - x.relu(), "- (x -> relu)"),
    "mul.Tensor": Way(lambda x: x * x.sigmoid(), "* (x -> sigmoid)"),
    "div.Tensor": Way(lambda x: x / (x.exp() + 1), "/ ("),
    "div.Tensor_mode": Way(lambda x: torch.div(x, 0.25, rounding_mode="floor"), "-> floor"),
    "addcmul": Way(lambda x, f: torch.addcmul(f.weight, x, x), "*", Weight(4, 1, 1)),
    "matmul": Way(lambda x: tokens(x) @ x.flatten(2), "matmul("),
    "einsum": Way(lambda x: torch.einsum("nchw,nchv->nhwv", x, x), "einsum("),
    "scaled_dot_product_attention": Way(lambda x: F.scaled_dot_product_attention(x, x, x), "sdpa"),
    "mean.dim": Way(lambda x: x.mean((2, 3)), 'reduce("mean", [2, 3])'),
    "sum.dim_IntList": Way(lambda x: x.sum(1), 'reduce("sum"'),
    "amax": Way(lambda x: x.amax(3), 'reduce("max"'),
    "max.dim": Way(lambda x: x.max(2, keepdim=True)[0], 'reduce("max"'),
    "cumsum": Way(lambda x: x.cumsum(2), "cumsum(2)"),
    "flatten.using_ints": Way(lambda x: x.flatten(1), "flatten"),
    "unflatten.int": Way(lambda x: x.unflatten(1, (2, 2)), "reshape("),
    "reshape": Way(lambda x: x.reshape(-1, 2, 2, 64), "reshape("),
    "reshape_as": Way(lambda x: x.flatten(2).relu().reshape_as(x), "reshape("),
    "view": Way(lambda x: x.view(-1, 4, 64), "flatten(2)"),
    "permute": Way(lambda x: x.permute(0, 2, 3, 1), "permute([0, 2, 3, 1])"),
    "transpose.int": Way(lambda x: x.transpose(2, 3), "transpose"),
    "swapaxes": Way(lambda x: x.swapaxes(1, 3), "transpose"),
    "contiguous": Way(shuffled, "channel_shuffle(2)"),
    "unsqueeze": Way(lambda x: x.unsqueeze(2), "unsqueeze(2)"),
    "squeeze.dim": Way(lambda x: x.mean(2, keepdim=True).squeeze(2), "squeeze"),
    "expand": Way(
        lambda x, f: torch.cat([f.weight.expand(x.shape[0], -1, -1), tokens(x)], 1), "concat(", Weight(1, 1, 4)
    ),
    "expand_as": Way(lambda x: x.mean(1, keepdim=True).expand_as(x).cumsum(1), "expand(like ="),
    "repeat": Way(lambda x: x.repeat(1, 2, 1, 1), "repeat(2"),
    "roll": Way(lambda x: x.roll((-2, -2), (2, 3)), "roll("),
    "pad": Way(lambda x: F.pad(x, (1, 1, 2, 2)), "pad("),
    "cat": Way(lambda x: torch.cat([x, x.relu()], 1), "++ (x -> relu)"),
    "stack": Way(lambda x: torch.stack([x, x.relu()], 1), "stack("),
    "chunk": Way(lambda x: x.chunk(2, 1)[1], "split(2)"),
    "split.Tensor": Way(lambda x: x.split(2, 1)[1].exp(), "split(2)"),
    "split_with_sizes": Way(lambda x: x.split([1, 3], 1)[1], "split([1, 3])"),
    "unbind.int": Way(lambda x: sum(x.unbind(1)), "unbind(1)"),
    "<built-in function getitem>": Way(lambda x: x.chunk(2, 1)[0] * 3, "3 *"),
    "select.int": Way(lambda x: x[:, :, 0], "select("),
    "slice.Tensor": Way(lambda x: x[:, :, 1::2], "slice("),
    "index.Tensor": Way(
        lambda x, f: x + f.weight[torch.tensor([[0, 2], [1, 3]])].repeat(4, 4), "index_select(", Weight(5)
    ),
    "alias": Way(lambda x: x[...] + x, "x + x"),
    "clone": Way(zeroed, "full", Weight(4)),
    "unfold": Way(lambda x: x.unfold(2, 4, 2), "stack"),
    "im2col": Way(lambda x: F.unfold(x, 3, padding=1, stride=2), "unfold(3, 2, padding = 1)"),
    "col2im": Way(lambda x: F.fold(F.unfold(x, 2, stride=2), (8, 8), 2, stride=2), "fold(2, 2"),
    "upsample_nearest2d.vec": Way(lambda x: F.interpolate(x, scale_factor=2), "upsample"),
    "upsample_bilinear2d.vec": Way(lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), 'mode = "bilinear"'),
    "upsample_bicubic2d.vec": Way(lambda x: F.interpolate(x, scale_factor=2, mode="bicubic"), 'mode = "bicubic"'),
    "arange": Way(lambda x: x * torch.arange(8), "arange(8"),
    "arange.start": Way(lambda x: x * torch.arange(1, 9), "start = 1"),
    "zeros": Way(lambda x: x + torch.zeros(4, 8, 8), "full([4, 8, 8], 0.0)"),
    "new_zeros": Way(filled, "2"),
    "fill_.Tensor": Way(filled, "2"),
    "zero_": Way(zeroed, "full", Weight(4)),
    "lift_fresh_copy": Way(lambda x: x * torch.tensor([1.5, 2.0, 3.5, 4.5])[:, None, None], "const"),
    "eq.Scalar": Way(lambda x: x.masked_fill(x.relu() == 0, -1.0), "=="),
    "ne.Scalar": Way(lambda x: torch.where(x.relu() != 0, x, 1.0), "!="),
    "masked_fill.Scalar": Way(lambda x: x.masked_fill(x > 1, -100.0), "where("),
    "bitwise_not": Way(lambda x: ~(x > 1), "logical_not"),
    "to.dtype": Way(lambda x: (x > 0).to(torch.float32) * x, "to(like ="),
    "to.device": Way(lambda x: x + (x > 0).to(x.device, torch.float32), "to(like ="),
    "type_as": Way(lambda x: (x > 0).type_as(x) + x, "to(like ="),
    "_assert_tensor_metadata": Way(lambda x: x.float().relu(), "x -> relu"),
}
"""How each is called, by the names of `torch.ops.aten`."""


class Calls(nn.Module):
    """Several functions of one map."""

    def __init__(self, ways: list[Way]):
        super().__init__()
        self.calls = [way.call for way in ways]
        self.parts = nn.ModuleList([nn.Identity() if way.part is None else way.part for way in ways])

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        pairs = zip(self.calls, self.parts, strict=True)
        return tuple([call(x) if isinstance(part, nn.Identity) else call(x, part) for call, part in pairs])


@pytest.mark.parametrize("first", range(0, len(WAYS), AT_ONCE))
def test_every_function_that_published_networks_call_is_said(first: int) -> None:
    """`from_torch` holds what it reads against the module itself, in both modes, batches and sizes."""
    ways = dict([*WAYS.items()][first : first + AT_ONCE])
    source = Calls([*ways.values()])
    program = torch.export.export(source.eval(), (torch.randn(2, 4, 8, 8),), strict=False)
    called = {str(node.target).removeprefix("aten.").removesuffix(".default") for node in program.graph.nodes}
    called |= {"fill_.Tensor"} if "fill_.Scalar" in called else set()  # torch 2.15 calls that
    assert ways.keys() <= called
    text = " ".join(archc.from_torch(source, (1, 4, 8, 8), name="Net").source().split())
    assert not [way.said for way in ways.values() if way.said not in text], text
