"""Dotted names of lowerings to torch's objects: an allow-list, and nothing else."""

from __future__ import annotations

import operator
from functools import cache
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn
from torch.nn import functional, init

from ..ir.errors import EmitError
from .names import is_identifier
from .stochastic import CLASSES

_SPACES: dict[str, Any] = {
    "operator": operator,
    "runtime": SimpleNamespace(**CLASSES),
    "torch": torch,
    "torch.linalg": torch.linalg,
    "torch.nn": nn,
    "torch.nn.functional": functional,
    "torch.nn.init": init,
}
_FUNCTIONS = """
    abs add amax amin arange bernoulli bmm cat chunk clamp cos cumsum div einsum empty eye exp flatten flip floor full
    full_like gather linspace log logical_and logical_not logical_or
    logsumexp matmul maximum mean minimum movedim mul narrow ones ones_like permute rand
    rand_like randint randn randperm reshape roll rsqrt sigmoid sin softmax split sqrt squeeze stack std sub sum
    sym_max sym_min tanh tensor transpose unbind unsqueeze var where zeros zeros_like
"""
_TORCH_FUNCTIONS = frozenset(_FUNCTIONS.split())
_METHODS = """
    chunk contiguous expand flatten mean movedim narrow permute repeat reshape roll size split squeeze sum transpose
    triu type_as unflatten unsqueeze view new_ones new_empty bernoulli_ div_ mul_
"""
METHODS = frozenset(_METHODS.split())
"""Tensor methods that a lowering may call."""


@cache
def resolve(target: str) -> Any:
    """The object that a lowering names, such as `torch.nn.Conv2d`. Raises EmitError for any other name."""
    space, _, name = target.rpartition(".")
    value = getattr(_SPACES.get(space), name, None) if is_identifier(name) and not name.startswith("_") else None
    if space == "torch":
        fine = name in _TORCH_FUNCTIONS or isinstance(value, torch.dtype)
    elif space in ("torch.nn", "runtime"):
        fine = isinstance(value, type) and issubclass(value, nn.Module)
    else:
        fine = callable(value) and not isinstance(value, type)
    if value is None or not fine:
        raise EmitError(f"{target!r} is not among the names that a layer may lower to")
    if callable(value):
        _NAMES.setdefault(value, target)
    return value


_NAMES: dict[Any, str] = {}


def target_name(function: Any) -> Any:
    """The dotted name by which `resolve` gave the function; any other function as it is."""
    return _NAMES.get(function, function)


def resolved() -> frozenset[Any]:
    """Every callable that lowerings have named so far."""
    return frozenset(_NAMES)
