"""What ONNX's operators of maps compute, in functions of torch's, and the numbers that operators are given."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .table import short
from .unsayable import Unsayable


def plain(value: Any) -> Any:
    """A constant of one number as Python has it, of several as a tensor. A tensor as it is."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.item() if value.size == 1 else torch.as_tensor(value)
    return short(value) if isinstance(value, float) and value == value and abs(value) < 3e38 else value


def ints(value: Any) -> list[int]:
    return [int(n) for n in np.asarray(value).reshape(-1)]


def in_order(indices: np.ndarray[Any, Any]) -> bool:
    """Whether these are 0, 1, 2 and so on."""
    return bool((indices.ravel() == np.arange(indices.size)).all())


def pad(x: Tensor, pads: Any, value: Any = None, axes: Any = None, mode: str = "constant") -> Tensor:
    amounts, rank = ints(pads), x.dim()
    half = len(amounts) // 2
    pairs = {
        axis % rank: (amounts[i], amounts[i + half])
        for i, axis in enumerate(ints(axes) if axes is not None else range(half))
    }
    first = min((axis for axis, pair in pairs.items() if any(pair)), default=rank)
    if mode != "constant" and first < rank:  # which torch has for all axes of a map at once
        first = min(first, 2)
    flat = [n for axis in range(rank - 1, first - 1, -1) for n in pairs.get(axis, (0, 0))]
    modes = {"edge": "replicate", "wrap": "circular"}
    if not flat:
        return x
    return F.pad(
        x, flat, modes.get(mode, mode), *([plain(value) or 0.0] if mode == "constant" and value is not None else [])
    )


def padded(
    x: Tensor, rank: int, pads: Any, auto_pad: str, value: float = 0.0, most: Any = None
) -> tuple[Tensor, list[int]]:
    """What is left of the pads to the layer, and the map with what it cannot say put around it: uneven pads, and more
    than `most` along each axis."""
    if auto_pad not in ("NOTSET", "VALID"):
        raise Unsayable(f'`auto_pad = "{auto_pad}"`, whose amounts follow the size')
    pads = list(pads or [0] * 2 * rank) if auto_pad == "NOTSET" else [0] * 2 * rank
    before, after = pads[:rank], pads[rank:]
    if before == after and (most is None or all(n <= limit for n, limit in zip(before, most, strict=True))):
        return x, before
    flat = [n for pair in reversed(list(zip(before, after, strict=True))) for n in pair]
    return F.pad(x, flat, value=value), [0] * rank


def max_pool(
    x: Tensor,
    kernel_shape: Any,
    strides: Any = None,
    pads: Any = None,
    dilations: Any = None,
    ceil_mode: int = 0,
    auto_pad: str = "NOTSET",
    storage_order: int = 0,
) -> Tensor:
    rank = len(kernel_shape)
    strides, dilations = strides or [1] * rank, dilations or [1] * rank
    most = [((size - 1) * gap + 1) // 2 for size, gap in zip(kernel_shape, dilations, strict=True)]
    x, padding = padded(x, rank, pads, auto_pad, float("-inf"), most)
    return getattr(F, f"max_pool{rank}d")(x, kernel_shape, strides, padding, dilations, bool(ceil_mode))


def average_pool(
    x: Tensor,
    kernel_shape: Any,
    strides: Any = None,
    pads: Any = None,
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    auto_pad: str = "NOTSET",
    dilations: Any = None,
) -> Tensor:
    rank = len(kernel_shape)
    if any(n != 1 for n in dilations or []):
        raise Unsayable("an average over windows with gaps")
    around, (x, padding) = x, padded(x, rank, pads, auto_pad, most=[size // 2 for size in kernel_shape])
    if x is not around and not count_include_pad:
        raise Unsayable("an average that does not count its borders, which are uneven or wider than half of the window")
    function = getattr(F, f"avg_pool{rank}d")
    return function(x, kernel_shape, strides or [1] * rank, padding, bool(ceil_mode), bool(count_include_pad))


RESIZING = ("antialias", "exclude_outside", "keep_aspect_ratio_policy")
"""Attributes of `Resize` that nothing of torch's has, unless they say what is usual."""


def resize(
    x: Tensor,
    roi: Any = None,
    scales: Any = None,
    sizes: Any = None,
    mode: str = "nearest",
    coordinate_transformation_mode: str = "half_pixel",
    nearest_mode: str = "round_prefer_floor",
    cubic_coeff_a: float = -0.75,
    axes: Any = None,
    **others: Any,
) -> Tensor:
    rank, where = x.dim() - 2, coordinate_transformation_mode
    if set := [name for name in RESIZING if others.get(name) not in (None, 0, "stretch")]:
        raise Unsayable(f"`Resize` with `{set[0]}`")
    told, fill = (scales, 1.0) if scales is not None and np.size(scales) else (sizes, None)
    numbers = np.asarray(told).tolist()
    if axes is not None:
        by_axis = {axis % x.dim(): number for axis, number in zip(ints(axes), numbers, strict=True)}
        numbers = [by_axis.get(axis, fill or size) for axis, size in enumerate(x.shape)]
    if numbers[:2] != [fill or size for size in x.shape[:2]]:
        raise Unsayable("`Resize` of the batch or the channels")
    given: dict[str, Any] = {"scale_factor": [short(n) for n in numbers[2:]]} if fill else {"size": numbers[2:]}
    if mode == "nearest":
        if (where, nearest_mode) == ("asymmetric", "floor"):
            return F.interpolate(x, mode="nearest", **given)
        raise Unsayable(f"`Resize` to the nearest by {where} and {nearest_mode}")
    words = {"linear": {1: "linear", 2: "bilinear", 3: "trilinear"}.get(rank), "cubic": "bicubic"}
    if words[mode] is None or where not in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        raise Unsayable(f"`Resize` in the mode {mode} by {where}")
    if mode == "cubic" and cubic_coeff_a != -0.75:
        raise Unsayable(f"`Resize` in the mode cubic by the coefficient {short(cubic_coeff_a)}: that of torch is -0.75")
    made = F.interpolate(x, mode=words[mode], align_corners=where == "align_corners", **given)
    if where == "pytorch_half_pixel" and 1 in made.shape[2:]:
        raise Unsayable("`Resize` to a size of 1 by pytorch_half_pixel")
    return made


def upsample(x: Tensor, scales: Any, mode: str = "nearest") -> Tensor:
    return resize(x, None, scales, mode=mode, coordinate_transformation_mode="asymmetric", nearest_mode="floor")


def depth_to_space(x: Tensor, blocksize: int, mode: str = "DCR") -> Tensor:
    return F.pixel_shuffle(x if mode == "CRD" else F.channel_shuffle(x, blocksize**2), blocksize)


def space_to_depth(x: Tensor, blocksize: int, mode: str = "DCR") -> Tensor:
    made = F.pixel_unshuffle(x, blocksize)
    return made if mode == "CRD" else F.channel_shuffle(made, x.shape[1])
