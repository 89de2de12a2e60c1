"""How a tensor of a live module starts, as far as its values tell."""

from __future__ import annotations

from math import isfinite
from typing import Any, Literal

import torch
from torch import Tensor

from ..ir.initialisers import ONES, ZEROS, Initialiser, constant, make_initialiser
from .unsayable import Unsayable

SAID = 4096
"""The real numbers of the largest tensor that starts at its own."""


def start_of(tensor: Tensor, usual: float | None = None) -> Initialiser | None:
    """The initialiser of a layer's tensor with one number everywhere, None where that is `usual` or there are several.
    A tensor of one element was set where its number is short; else it was drawn, as far as one can tell."""
    found = _constant(tensor)
    if found is None:
        return None
    first = float(tensor.detach().flatten()[0])
    drawn = tensor.numel() == 1 and first != float(torch.tensor(float(f"{first:.2g}")))
    return None if drawn or first == usual else found


def _constant(tensor: Tensor) -> Initialiser | None:
    flat = tensor.detach().flatten()
    if flat.is_meta or not flat.numel() or not flat.is_floating_point() or not bool((flat == flat[0]).all()):
        return None
    first = float(flat[0])
    if first in (0.0, 1.0):
        return ONES if first else ZEROS
    return constant(float(f"{first:.7g}"))


def dtype_of(tensor: Tensor) -> Literal["float", "int", "bool"]:
    """What the language calls the type of a tensor's numbers."""
    if tensor.dtype == torch.bool:
        return "bool"
    return "float" if tensor.is_floating_point() else "int"


def shortest(row: Tensor) -> list[Any]:
    """The numbers of a row, real ones with as few digits as say them in their type."""
    if not row.is_floating_point():
        return row.tolist()
    exact = row.tolist()
    found: list[Any] = list(exact)
    left = [place for place, number in enumerate(exact) if isfinite(number)]
    for digits in range(1, 18):
        said = [float(f"{exact[place]:.{digits}g}") for place in left]
        same = (torch.tensor(said, dtype=row.dtype) == row[left].cpu()).tolist() if left else []
        for place, number, is_same in zip(left, said, same, strict=True):
            found[place] = number if is_same else found[place]
        left = [place for place, is_same in zip(left, same, strict=True) if not is_same]
    return found


def numbers_of(tensor: Tensor) -> Any:
    """The numbers of a tensor, nested as its axes are; whole ones as such."""
    flat = tensor.detach().flatten()
    is_whole = not flat.is_floating_point() or bool((flat == flat.round()).all())
    numbers: Any = flat.long().tolist() if is_whole else shortest(flat)
    for size in reversed(tensor.shape):
        numbers = [numbers[start : start + size] for start in range(0, len(numbers), size)]
    return numbers[0]


def start_of_own(tensor: Tensor, learned: bool) -> Initialiser:
    """The initialiser of a tensor of the architecture's own. What is not learned, such as the mean of images, starts at
    its numbers. Several real ones that are learned, or very many, are taken for normal. Raises Unsayable."""
    found = _constant(tensor)
    if found is not None:
        return found
    is_few = not learned and not tensor.is_meta and tensor.numel() <= SAID and bool(torch.isfinite(tensor).all())
    if dtype_of(tensor) != "float" or is_few:
        return make_initialiser("constant", [numbers_of(tensor)], {})
    if not learned and not tensor.is_meta and not bool(torch.isfinite(tensor).all()):
        raise Unsayable(
            "a buffer of infinite numbers, which no spec starts with: `persistent=False` keeps it out of files"
        )
    std = 1.0 if tensor.numel() < 2 else float(tensor.detach().to(torch.float32).std())
    return Initialiser("normal", (("std", float(f"{std:.1g}")), ("mean", 0.0)))
