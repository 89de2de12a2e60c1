"""What tests of modules share: inputs, outputs as lists, a step of training, the scopes that can be called."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from archc import Architecture
from archc.compiler.emit.check import make_inputs
from archc.compiler.ir.regions import Regions


def inputs_of(net: Architecture, batch: int = 2, **sizes: int) -> list[Tensor]:
    """Inputs at the usual sizes, but for those given and the batch; the same on every call."""
    batches = {dim.name: batch for entry in net.ir.inputs for dim in entry.type.dims[:1] if not isinstance(dim, int)}
    return make_inputs(net.ir, {**net.ir.nominal, **batches, **sizes}, "cpu", torch.float32)


def tensors(output: Any) -> list[Tensor]:
    """The tensors of an output, in order."""
    if output is None or isinstance(output, Tensor):
        return [] if output is None else [output]
    return [t for part in (output.values() if isinstance(output, dict) else output) for t in tensors(part)]


def equal(a: Any, b: Any) -> bool:
    pairs = list(zip(tensors(a), tensors(b), strict=True))
    return all(torch.equal(x, y) or (torch.equal(x.isnan(), y.isnan()) and equal_numbers(x, y)) for x, y in pairs)


def equal_numbers(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors are equal where they are numbers at all: what diverges does so alike."""
    return torch.equal(a.nan_to_num(), b.nan_to_num())


def close(a: Any, b: Any, tolerance: float = 1e-4) -> bool:
    pairs = list(zip(tensors(a), tensors(b), strict=True))
    return all(torch.allclose(x, y, rtol=tolerance, atol=tolerance) for x, y in pairs)


def run(module: nn.Module, inputs: list[Tensor]) -> list[Tensor]:
    """The outputs, with the same random draws on every call."""
    torch.manual_seed(3)
    return tensors(module(*inputs))


def loss(output: Any) -> Tensor:
    return torch.stack([t.float().square().mean() for t in tensors(output)]).sum()


def step(module: nn.Module, inputs: list[Tensor]) -> list[Tensor]:
    """Outputs, gradients and buffers of a step of training, with the same random draws on every call."""
    module.train()
    module.zero_grad()
    outputs = run(module, inputs)
    loss(outputs).backward()
    gradients = [p.grad.clone() for p in module.parameters() if p.grad is not None]
    return [*(t.detach() for t in outputs), *gradients, *(b.clone() for b in module.buffers())]


def callable_paths(net: Architecture) -> list[str]:
    """The paths of the scopes that can be called, inner ones first."""
    found = [scope.path for scope, region in Regions(net.ir).callable_scopes() if region.parent is not None]
    return sorted(found, key=lambda path: -path.count("."))
