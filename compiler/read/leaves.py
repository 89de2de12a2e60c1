"""Modules that are one layer of the language, though they compute several functions of torch's, or none."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from typing import Any

from torch import nn

from ..emit.stochastic import Survive
from ..ir.graph import Value
from .reader import Reader
from .trace import State
from .unsayable import Unsayable

Leaf = Callable[[Reader, str, list[Value], Value | None, bool], Value]
"""Makes the node of a call, given the reader, the path, the tensors, and for an attention what masks it."""


def leaf(module: nn.Module) -> Leaf | None:
    """What makes the node of a module's call, where the module is one layer; a class that computes otherwise than the
    one that it is derived from is not."""
    if _is_written(type(module), Survive):
        return partial(_one("survive", _survival), module)
    for cls in type(module).__mro__:
        make = LEAVES.get(f"{cls.__module__}.{cls.__qualname__}")
        if make is not None:
            return partial(make, module) if type(module).forward is cls.forward else None
    return None


def _one(kind: str, settings: Callable[[Any], dict[str, Any]]) -> Any:
    def make(module: Any, reader: Reader, path: str, inputs: list[Value], *_: Any) -> Value:
        if len(inputs) != 1:
            raise Unsayable(f"`{type(module).__name__}` of {len(inputs)} tensors")
        return reader.apply(kind, inputs, settings(module), None)[0]

    return make


@cache
def _is_written(cls: type[nn.Module], ours: type[nn.Module]) -> bool:
    """Whether a class is one of archc's own whose text was written into a file."""
    if cls is ours or cls.__name__ != ours.__name__:
        return cls is ours
    with suppress(OSError, TypeError):
        return inspect.getsource(cls).rstrip() == inspect.getsource(ours).rstrip()
    return False


def _survival(module: Any) -> dict[str, Any]:
    return {"p": module.p, "per": module.per}


def _depth(module: Any) -> dict[str, Any]:
    return {"p": 1 - module.p, "per": "image" if module.mode == "row" else "batch"}


def _drop_path(module: Any) -> dict[str, Any]:
    if not getattr(module, "scale_by_keep", True):
        raise Unsayable("stochastic depth that does not divide by the probability to survive")
    return {"p": 1 - module.drop_prob, "per": "image"}


def _attention(
    module: nn.MultiheadAttention, reader: Reader, path: str, inputs: list[Value], mask: Value | None, causal: bool
) -> Value:
    if not module.batch_first:
        raise Unsayable("`MultiheadAttention` with the batch second: `batch_first=True` has it first")
    if module.bias_k is not None or module.add_zero_attn:
        raise Unsayable("`MultiheadAttention` with keys of its own")
    bias = module.in_proj_bias is not None
    home = State(f"{path}.in_proj_weight", module.out_proj.weight, True)
    settings = {"heads": module.num_heads, "dropout": module.dropout, "bias": bias}
    settings |= {"causal": True} if causal else {}
    if mask is not None:
        settings["mask"] = True
        inputs = [*inputs, mask]
    return reader.apply("attention", inputs, settings, home)[0]


def _local_norm(module: nn.LocalResponseNorm) -> dict[str, Any]:
    return {"size": module.size, "alpha": module.alpha, "beta": module.beta, "k": module.k}


LEAVES: dict[str, Any] = {
    "torch.nn.modules.activation.MultiheadAttention": _attention,
    "torch.nn.modules.normalization.LocalResponseNorm": _one("lrn", _local_norm),
    "torchvision.ops.stochastic_depth.StochasticDepth": _one("survive", _depth),
    "timm.layers.drop.DropPath": _one("survive", _drop_path),
}
