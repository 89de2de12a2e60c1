"""Modules that a rewrite has computed again: the same numbers from fewer tensors."""

from __future__ import annotations

import pytest
import torch
from allocator import saved_for_backward
from torch import Tensor, nn

import archc


def step(module: nn.Module) -> tuple[list[Tensor], int]:
    """The outputs, gradients and buffers of a training step, and how many bytes it keeps for the backward pass."""
    torch.manual_seed(3)
    x = torch.randn(4, 3, 32, 32, requires_grad=True)
    with saved_for_backward(module) as kept:
        made = module.train()(x)
    made.square().sum().backward()
    assert x.grad is not None
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    return [made, x.grad, *gradients, *module.buffers()], sum(kept.values())


@pytest.mark.parametrize("spec", ["resnet_cifar", "stochastic_depth_cifar"])
def test_the_step_is_the_same_and_keeps_less(spec: str) -> None:
    net = archc.load(spec)
    lean = net.rewrite("recompute_modules", modules=["layer1", "layer2"])
    before, after = net.module(seed=1), lean.module(seed=1)
    assert before.state_dict().keys() == after.state_dict().keys()
    (expected, most), (found, less) = step(before), step(after)
    assert all(map(torch.equal, expected, found))
    assert less < 0.5 * most
    assert "recompute" in lean.source()


def test_parts_within_a_module_become_one() -> None:
    net = archc.load("resnet_cifar", depth=14)
    lean = net.rewrite("recompute_modules", modules=["layer1.0", "layer2.0"])
    parts = [node.recompute for node in lean.ir.nodes if node.recompute is not None]
    assert len({*map(id, parts)}) == 2
    whole = [node.recompute for node in lean.rewrite("recompute_modules", modules="layer1").ir.nodes]
    assert len({id(part) for part in whole if part is not None}) == 2
    assert sum(part is not None for part in whole) > len(parts)


@pytest.mark.parametrize(
    ("body", "modules", "code"),
    [
        ("recompute(a: conv(4, 3))", "a", "E0440"),
        ("recompute(a.one: conv(4, 3) -> relu -> b.one: conv(4, 3))", "a", "E0463"),
        ("a.one: conv(4, 3) -> relu -> a.two: conv(4, 3)", "b", "E0443"),
        ("a.one: conv(4, 3) -> b: conv(4, 3) -> a.two: conv(4, 3)", "a", "E0463"),
    ],
)
def test_what_is_refused(body: str, modules: str, code: str) -> None:
    net = archc.loads(f"arch A {{ input x: [N, 4, 8, 8]\n output x -> {body} }}")
    with pytest.raises(archc.ArchError) as caught:
        net.rewrite("recompute_modules", modules=modules)
    assert [d.code for d in caught.value.diagnostics] == [code]
