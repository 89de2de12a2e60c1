"""Parts that training computes again for the backward pass, instead of keeping their tensors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils.checkpoint import checkpoint

from .modules import ArchModule, Container


class Recomputed(nn.Module):
    """A part of the network of which training keeps the inputs alone (Chen et al. 2016, arXiv 1604.06174).

    Outputs, gradients, random draws and running statistics are those of the part itself. A compiled module leaves it to
    the compiler what is kept.
    """

    def __init__(self, body: ArchModule):
        super().__init__()
        # Not registered: its layers are registered where the spec has them.
        self.__dict__["body"] = body

    def forward(self, *inputs: Any) -> Any:
        body = self.__dict__["body"]
        if not (self.training and torch.is_grad_enabled()) or torch.compiler.is_compiling():
            return body(*inputs)
        return checkpoint(body, *inputs, use_reentrant=False, context_fn=self._contexts)

    def _contexts(self) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        """Those of the forward pass, and of its repetition."""
        holders = [module for module in self.__dict__["body"].modules() if module._buffers]
        return nullcontext(), _as_it_was(holders, [_copied(module) for module in holders])


@contextmanager
def _as_it_was(holders: list[nn.Module], buffers: list[dict[str, Tensor | None]]) -> Iterator[None]:
    """The repetition starts from the buffers that the forward pass started from, and what it makes of them is dropped:
    running statistics and counters have taken this batch in once."""
    kept = [module._buffers for module in holders]
    for module, before in zip(holders, buffers, strict=True):
        module._buffers = before
    try:
        yield
    finally:
        for module, after in zip(holders, kept, strict=True):
            module._buffers = after


def _copied(module: nn.Module) -> dict[str, Tensor | None]:
    return {name: None if buffer is None else buffer.clone() for name, buffer in module._buffers.items()}


def recomputed(root: nn.Module, graph: fx.Graph) -> Recomputed:
    """The part that a graph computes by modules of `root`, which it shares."""
    holder = Container()
    for node in graph.nodes:
        if node.op == "call_module":
            _place(holder, node.target, root.get_submodule(node.target))
    return Recomputed(ArchModule.assemble(holder, graph, "Recomputed"))


def _place(holder: nn.Module, path: str, module: nn.Module) -> None:
    *scopes, name = path.split(".")
    for scope in scopes:
        if scope not in holder._modules:
            holder.register_module(scope, Container())
        holder = holder.get_submodule(scope)
    holder.register_module(name, module)
