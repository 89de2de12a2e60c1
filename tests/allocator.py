"""An allocator that counts."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.distributed.tensor import DTensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Allocator(TorchDispatchMode):
    """Counts the memory that tensors stand in, and the most of it at one time."""

    def __init__(self, held: list[torch.Tensor]):
        super().__init__()
        self.known: dict[int, weakref.ref[torch.UntypedStorage]] = {}
        self.live = self.peak = 0
        for tensor in held:
            self.count(tensor)

    def count(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata in self.known:
            return
        self.known[storage._cdata] = weakref.ref(storage)
        self.live += storage.nbytes()
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self.free, storage._cdata, storage.nbytes())

    def free(self, key: int, size: int) -> None:
        self.known.pop(key, None)
        self.live -= size

    def now(self) -> int:
        """The bytes held at this moment, storages that grew or shrank since they were made at what they are now."""
        storages = [reference() for reference in list(self.known.values())]
        return sum(storage.nbytes() for storage in storages if storage is not None)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if any(issubclass(type_, DTensor) for type_ in types):
            return NotImplemented  # its own calls, on the tensor that this process has, come here too
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self.count(tensor)
        return result


@contextmanager
def saved_for_backward(module: torch.nn.Module) -> Iterator[dict[int, int]]:
    """The bytes of each memory that backward passes of what runs inside will read, parameters and buffers left out."""
    own = {t.untyped_storage()._cdata for t in (*module.parameters(), *module.buffers())}
    found: dict[int, int] = {}
    alive: list[torch.Tensor] = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            found[storage._cdata] = storage.nbytes()
            alive.append(tensor.detach())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield found
