"""Names of a checkpoint whose tensors another name has too: of modules that share their weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ..compare.checkpoint_names import natural


def second_names(state: Mapping[str, Tensor]) -> dict[str, str]:
    """Modules that hold the same memory as one before, or the same values where these tell: their tensors' names, and
    those of the first."""
    held: dict[str, dict[str, Tensor]] = {}
    for name in sorted(state, key=natural):
        path, _, last = name.rpartition(".")
        held.setdefault(path, {})[last] = state[name]
    by_memory: dict[object, str] = {}
    by_values: dict[object, list[str]] = {}
    second: dict[str, str] = {}
    for path, tensors in held.items():
        memory, values = _memory(tensors), _weights_begin(tensors)
        others = by_values.setdefault(values, []) if values else []
        same = next((other for other in others if _same(tensors, held[other])), None)
        same = by_memory.get(memory, same) if memory else same
        if same is None:
            others.append(path)
            by_memory[memory] = path
            continue
        prefix, first = (f"{p}." if p else "" for p in (path, same))
        second.update({prefix + last: first + last for last in tensors})
    return second


def _memory(tensors: Mapping[str, Tensor]) -> object:
    """What tells where a module's tensors lie; nothing where one lies nowhere."""
    if any(t.is_meta or not t.numel() for t in tensors.values()):
        return None
    return tuple((last, tuple(t.shape), t.dtype, t.device, t.data_ptr()) for last, t in sorted(tensors.items()))


def _weights_begin(tensors: Mapping[str, Tensor]) -> object:
    """The first values of a module's weights, with the shapes of all its tensors; nothing where it has no weights."""
    if any(t.is_meta for t in tensors.values()) or not any(t.dim() > 1 and t.numel() for t in tensors.values()):
        return None
    kinds = tuple((last, tuple(t.shape), t.dtype, t.device) for last, t in sorted(tensors.items()))
    return kinds, tuple(tuple(t.flatten()[:8].tolist()) for _, t in sorted(tensors.items()) if t.dim() > 1)


def _same(tensors: Mapping[str, Tensor], others: Mapping[str, Tensor]) -> bool:
    """Whether the values are the same and tell: weights of one value, as ones and zeros, are so in many modules."""
    return all(torch.equal(tensor, others[last]) for last, tensor in tensors.items()) and all(
        tensor.numel() > 0 and bool((tensor != tensor.flatten()[0]).any())
        for tensor in tensors.values()
        if tensor.dim() > 1
    )
