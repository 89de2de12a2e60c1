"""Adaptive pools in operations that ONNX has: torch's own decomposition holds at one size of the map, or fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

_ATEN = torch.ops.aten
_AVERAGE = (_ATEN.adaptive_avg_pool1d.default, _ATEN.adaptive_avg_pool2d.default, _ATEN.adaptive_avg_pool3d.default)
_LARGEST = (_ATEN.adaptive_max_pool1d.default, _ATEN.adaptive_max_pool2d.default, _ATEN.adaptive_max_pool3d.default)


def with_masked_pools(program: ExportedProgram) -> ExportedProgram:
    """The program with each adaptive pool as means or maxima over masks of its windows, which hold at every size.

    Window i of n out of m places is [floor(i m / n), ceil((i + 1) m / n)). Pools that are means, maxima or plain
    pools at every size stay.
    """
    used = {node.target for node in program.graph.nodes}
    table: dict[Any, Callable[..., Any]] = {target: _average for target in _AVERAGE if target in used}
    table |= {target: _largest for target in _LARGEST if target in used}
    return program.run_decompositions(table) if table else program


def _average(x: Tensor, size: Sequence[int]) -> Any:
    if _is_plain(x, size):
        return NotImplemented
    for axis, count in enumerate(size, x.ndim - len(size)):
        inside = _windows(x.shape[axis], count, x.device).to(x.dtype)
        share = inside / inside.sum(1, keepdim=True)
        x = torch.matmul(x.transpose(axis, -1), share.t()).transpose(axis, -1)
    return x


def _largest(x: Tensor, size: Sequence[int]) -> Any:
    if _is_plain(x, size):
        return NotImplemented
    for axis, count in enumerate(size, x.ndim - len(size)):
        inside = _windows(x.shape[axis], count, x.device)
        spread = x.transpose(axis, -1).unsqueeze(-2)
        x = torch.where(inside, spread, -torch.inf).amax(-1).transpose(axis, -1)
    return x, torch.zeros_like(x, dtype=torch.int64)


def _is_plain(x: Tensor, size: Sequence[int]) -> bool:
    """Whether the pool is a mean or maximum of the whole map, or of windows of one fixed size in two axes at most."""
    if all(count == 1 for count in size):
        return True
    sizes = x.shape[-len(size) :]
    return len(size) < 3 and all(isinstance(n, int) and n % count == 0 for n, count in zip(sizes, size, strict=True))


def _windows(places: int, count: int, device: torch.device) -> Tensor:
    """Which places each window has: a mask of shape [count, places]."""
    place = torch.arange(places, device=device)
    window = torch.arange(count, device=device).unsqueeze(1)
    first = window * places // count
    end = ((window + 1) * places + count - 1) // count
    return (place >= first) & (place < end)
