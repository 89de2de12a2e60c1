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
from ..ops.size_checks import ASSERT
from .names import is_identifier
from .stochastic import CLASSES

_SPACES: dict[str, Any] = {
    "builtins": SimpleNamespace(getattr=getattr),
    "operator": operator,
    "runtime": SimpleNamespace(**CLASSES),
    "torch": torch,
    "torch.linalg": torch.linalg,
    "torch.nn": nn,
    "torch.nn.functional": functional,
    "torch.nn.init": init,
}
_FUNCTIONS = """
    abs add amax amin arange argmax argmin bernoulli bmm cat ceil chunk clamp cos cumsum div einsum empty eq erf exp
    expm1 eye flatten flip floor full full_like gather ge gt le linspace log log1p logical_and logical_not logical_or
    logical_xor logsumexp lt matmul maximum mean minimum movedim mul narrow ne ones ones_like permute rand rand_like
    randint randn randperm reciprocal repeat_interleave reshape roll round rsqrt sigmoid sign sin softmax sort split
    sqrt squeeze stack std sub sum sym_max sym_min tan tanh tensor topk transpose tril triu unbind unsqueeze var where
    zeros zeros_like
"""
_TORCH_FUNCTIONS = frozenset(_FUNCTIONS.split())
_METHODS = """
    chunk contiguous expand flatten mean movedim narrow permute repeat reshape roll size split squeeze sum transpose
    bool expand_as long new_full triu type_as unflatten unsqueeze view new_ones new_empty bernoulli_ div_ mul_
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
    if target == ASSERT:
        value, fine = torch._assert, True
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
