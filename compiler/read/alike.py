"""Whether modules are the same function of their weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

_OF_TORCH = {*vars(nn.Module())} - {"_forward_hooks", "_forward_pre_hooks"}


def alike(one: nn.Module, other: nn.Module) -> bool:
    """Whether two modules are of the same classes with the same settings all through, and differ in weights alone."""
    if one is other:
        return True
    ours, theirs = dict(one.named_modules()), dict(other.named_modules())
    return ours.keys() == theirs.keys() and all(_same(part, theirs[path]) for path, part in ours.items())


def _same(one: nn.Module, other: nn.Module) -> bool:
    if type(one) is not type(other) or _shapes(one) != _shapes(other):
        return False
    ours, theirs = _settings(one), _settings(other)
    return ours.keys() == theirs.keys() and all(equal(value, theirs[name]) for name, value in ours.items())


def _settings(module: nn.Module) -> dict[str, Any]:
    """What a module has beside parts and weights: buffers that no checkpoint has are settings."""
    fixed = {name: module._buffers[name] for name in module._non_persistent_buffers_set if name in module._buffers}
    return {name: value for name, value in vars(module).items() if name not in _OF_TORCH} | fixed


def _shapes(module: nn.Module) -> list[Any]:
    held = (*module._parameters.items(), *module._buffers.items())
    return [(name, None if t is None else (tuple(t.shape), t.dtype)) for name, t in held]


def equal(one: Any, other: Any) -> bool:
    """Whether two values are of one type and equal, as far as that can be asked."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.shape == other.shape and torch.equal(one, other)
    try:
        return one is other or (type(one) is type(other) and bool(one == other))
    except Exception:  # values of any class may refuse
        return False
