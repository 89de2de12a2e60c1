"""Operators of ONNX with weights as modules of torch's."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..emit.private import BatchNorms
from .onnx_maps import padded
from .table import short
from .unsayable import Unsayable

if TYPE_CHECKING:
    from .onnx_file import Node

Array = np.ndarray[Any, Any]
WEIGHT = re.compile(r"([A-Za-z_]\w*(?:\.\w+)*)\.weight")
"""Names of weights that say their layer's."""


def _as_it_is(module: nn.Module) -> Callable[..., Any]:
    return module


@dataclass(frozen=True, slots=True)
class Layer:
    """A module with weights. `weight` is the place of the input that names it, and `takes` that of its tensor; `before`
    makes of the module what is called. Norms with one weight are not one layer: files hold equal numbers once.
    """

    module: nn.Module
    weight: int = 1
    takes: int = 0
    shared: bool = False
    before: Callable[[nn.Module], Callable[..., Any]] = _as_it_is


class BatchNorm(BatchNorms):
    """Of maps of any rank."""

    def _check_input_dim(self, input: Tensor) -> None:
        pass


class InstanceNorm(nn.InstanceNorm1d):
    """Of maps of any rank."""

    def forward(self, input: Tensor) -> Tensor:
        return F.instance_norm(input, weight=self.weight, bias=self.bias, eps=self.eps)


def _fill(module: nn.Module, **tensors: Array | None) -> nn.Module:
    own = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    with torch.no_grad():
        for name, value in tensors.items():
            if value is not None:
                own[name].copy_(torch.tensor(value).reshape(own[name].shape))
    return module


def is_plain(scale: Array, shift: Array) -> bool:
    """Whether a scale and a shift change nothing."""
    return bool((scale == 1).all() and (shift == 0).all())


def _conv(node: Node, back: bool = False) -> Layer | None:
    weight, bias, at = node.constant(1), node.constant(2), node.attributes
    if weight is None or (len(node.inputs) > 2 and bias is None):
        return None
    rank, groups = weight.ndim - 2, at.get("group", 1)
    pads, auto = at.get("pads"), at.get("auto_pad", "NOTSET")
    even = pads is None or pads[:rank] == pads[rank:]
    settings: dict[str, Any] = {
        "stride": tuple(at.get("strides") or [1] * rank),
        "dilation": tuple(at.get("dilations") or [1] * rank),
        "groups": groups,
        "bias": bias is not None,
        "padding": tuple(pads[:rank]) if pads and even and auto == "NOTSET" else 0,
    }
    kernel = tuple(weight.shape[2:])
    if back:
        if not even or auto != "NOTSET" or "output_shape" in at:
            return None
        cls: Any = getattr(nn, f"ConvTranspose{rank}d")
        more = tuple(at.get("output_padding") or [0] * rank)
        made = cls(weight.shape[0], weight.shape[1] * groups, kernel, output_padding=more, **settings)
    else:
        made = getattr(nn, f"Conv{rank}d")(weight.shape[1] * groups, weight.shape[0], kernel, **settings)

    def before(module: nn.Module) -> Callable[..., Any]:
        if even and auto in ("NOTSET", "VALID"):
            return module
        return lambda x: module(padded(x, rank, pads, auto)[0])

    return Layer(_fill(made, weight=weight, bias=bias), shared=True, before=before)


def _linear(node: Node) -> Layer | None:
    weight, bias, at = node.constant(1), node.constant(2), node.attributes
    if weight is None or weight.ndim != 2 or (len(node.inputs) > 2 and bias is None):
        return None
    if (at.get("alpha", 1.0), at.get("beta", 1.0), at.get("transA", 0)) != (1.0, 1.0, 0):
        return None
    weight = weight if at.get("transB", 0) else weight.T
    if bias is not None and bias.shape != (len(weight),):
        if bias.size != 1:
            return None
        bias = np.broadcast_to(bias.reshape(1), (len(weight),))
    made = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    return Layer(_fill(made, weight=weight, bias=bias), shared=True)


def _batch_norm(node: Node) -> Layer | None:
    scale, shift, mean, var = map(node.constant, (1, 2, 3, 4))
    if scale is None or shift is None or mean is None or var is None:
        return None
    at = node.attributes
    if at.get("training_mode", 0):
        return None
    made = BatchNorm(len(scale), short(at.get("epsilon", 1e-5)), short(1 - at.get("momentum", 0.9)))
    return Layer(_fill(made, weight=scale, bias=shift, running_mean=mean, running_var=var))


def _instance_norm(node: Node) -> Layer | None:
    scale, shift = node.constant(1), node.constant(2)
    if scale is None or shift is None:
        return None
    affine = bool(WEIGHT.fullmatch(node.inputs[1])) or not is_plain(scale, shift)
    made = InstanceNorm(len(scale), short(node.attributes.get("epsilon", 1e-5)), affine=affine)
    return Layer(_fill(made, weight=scale, bias=shift) if affine else made)


def _layer_norm(node: Node) -> Layer | None:
    scale, shift, at = node.constant(1), node.constant(2), node.attributes
    if scale is None or scale.ndim != 1 or (len(node.inputs) > 2 and shift is None):
        return None
    eps = short(at.get("epsilon", 1e-5))
    if node.op == "RMSNormalization":
        return Layer(_fill(nn.RMSNorm(len(scale), eps), weight=scale))
    made = nn.LayerNorm(len(scale), eps, bias=shift is not None)
    return Layer(_fill(made, weight=scale, bias=shift))


def _group_norm(node: Node) -> Layer | None:
    scale, shift, at = node.constant(1), node.constant(2), node.attributes
    if scale is None or shift is None:
        return None
    if node.opset < 21:  # which has a number for each group
        return None
    made = nn.GroupNorm(at["num_groups"], len(scale), short(at.get("epsilon", 1e-5)))
    return Layer(_fill(made, weight=scale, bias=shift))


def _prelu(node: Node) -> Layer | None:
    slope = node.constant(1)
    if slope is None or max(slope.shape, default=1) != slope.size:
        return None

    def before(module: nn.Module) -> Callable[..., Any]:
        def run(x: Tensor) -> Any:
            channels = 1 - (x.dim() - slope.ndim)
            if slope.size > 1 and (channels < 0 or slope.shape[channels] == 1):
                raise Unsayable("`PRelu` with a slope for each number along another axis than the channels")
            return module(x)

        return run

    return Layer(_fill(nn.PReLU(slope.size), weight=slope), before=before)


def _embedding(node: Node) -> Layer | None:
    table = node.constant(0)
    if table is None or table.ndim != 2 or table.dtype.kind != "f" or node.attributes.get("axis", 0) != 0:
        return None
    if node.constant(1) is not None:
        return None
    made = nn.Embedding(*table.shape)
    return Layer(_fill(made, weight=table), weight=0, takes=1, shared=True)


def _local_norm(node: Node) -> Layer:
    at = node.attributes
    alpha, beta, k = (short(at.get(name, usual)) for name, usual in (("alpha", 1e-4), ("beta", 0.75), ("bias", 1.0)))
    return Layer(nn.LocalResponseNorm(at["size"], alpha, beta, k), weight=0)


LAYERS: dict[str, Callable[[Node], Layer | None]] = {
    "Conv": _conv,
    "ConvTranspose": lambda node: _conv(node, True),
    "Gemm": _linear,
    "MatMul": _linear,
    "BatchNormalization": _batch_norm,
    "InstanceNormalization": _instance_norm,
    "LayerNormalization": _layer_norm,
    "RMSNormalization": _layer_norm,
    "GroupNormalization": _group_norm,
    "PRelu": _prelu,
    "Gather": _embedding,
    "LRN": _local_norm,
}
"""By operator; None where its weights are computed, which then takes the function of that operator, if there is one."""
