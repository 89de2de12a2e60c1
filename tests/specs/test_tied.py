"""Residual networks with tied weights: one parameter for all steps, and the recurrent network that they are."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from twins import randomised

import archc

STEPS, WIDTH = [2, 3], 6


def parameters(tied: str, steps: list[int], width: int, classes: int) -> int:
    convolutions, norms = 18 * width**2, 4 * width
    outside = 27 * width + 2 * width + width * classes + classes
    total = {"nothing": (sum(steps), sum(steps)), "convolutions": (len(steps), sum(steps)), "all": (len(steps),) * 2}
    return outside + total[tied][0] * convolutions + total[tied][1] * norms


@pytest.mark.parametrize("tied", ["nothing", "convolutions", "all"])
def test_figures_by_the_closed_form(tied: str) -> None:
    whole = archc.load("tied_resnet_cifar", tied="nothing").stats()
    assert parameters(tied, [3, 3, 4], 64, 10) == archc.load("tied_resnet_cifar", tied=tied).stats().parameters
    for steps in ([1], [4], [3, 3, 4], [2, 5, 1, 7]):
        for width in (4, 16):
            given: dict[str, Any] = {"tied": tied, "steps": steps, "width": width, "classes": 7}
            assert archc.load("tied_resnet_cifar", **given).stats().parameters == parameters(tied, steps, width, 7)
    total = archc.load("tied_resnet_cifar", tied=tied).stats()
    assert (total.multiply_adds, total.depth) == (whole.multiply_adds, whole.depth)


def tied_and_untied(tied: str) -> tuple[nn.Module, nn.Module, dict[str, str]]:
    """The two networks with equal weights, and the tied name of each name of the untied one."""
    given: dict[str, Any] = {"steps": STEPS, "width": WIDTH}
    module = archc.load("tied_resnet_cifar", tied=tied, **given).module(dtype="float64")
    whole = archc.load("tied_resnet_cifar", tied="nothing", **given).module(dtype="float64")
    module.load_state_dict(randomised(module))
    state = module.state_dict()
    names = {}
    for name in whole.state_dict():
        parts = name.split(".")
        if name.startswith("unit"):
            unit, step, layer, *rest = parts
            own = [step] if layer.startswith("norm") and tied == "convolutions" else []
            names[name] = ".".join([unit, "cell", layer, *own, *rest])
        else:
            names[name] = name
    whole.load_state_dict({name: state[to].clone() for name, to in names.items()})
    return module, whole, names


@pytest.mark.parametrize("tied", ["convolutions", "all"])
def test_equal_copies_give_the_same_output_and_gradients_add(tied: str) -> None:
    module, whole, names = tied_and_untied(tied)
    assert set(names.values()) == set(module.state_dict())
    images = torch.randn(3, 3, 9, 8, dtype=torch.float64)
    for training in (False, True) if tied == "convolutions" else (False,):
        outputs = [net.train(training)(images) for net in (module, whole)]
        assert torch.equal(*outputs)
        weights = torch.randn(outputs[0].shape, dtype=torch.float64)
        for net, output in zip((module, whole), outputs, strict=True):
            net.zero_grad()
            (weights * output).sum().backward()
        summed: dict[str, Tensor] = {}
        for name, parameter in whole.named_parameters():
            assert parameter.grad is not None
            summed[names[name]] = summed.get(names[name], 0) + parameter.grad
        for name, parameter in module.named_parameters():
            assert parameter.grad is not None
            assert torch.allclose(
                parameter.grad, summed[name], rtol=1e-12, atol=1e-12 * float(summed[name].abs().max())
            )
        statistics = (name for name in names if "running" in name)
        after = [net.state_dict() for net in (module, whole)]
        assert all(torch.equal(after[0][names[name]], after[1][name]) for name in statistics)


def test_a_tied_layer_is_one_module() -> None:
    network = archc.load("recurrent_resnet_cifar")
    module = network.module(device="meta")
    assert len(list(module.named_parameters())) == len(list(module.named_parameters(remove_duplicate=False)))
    applied = [str(node.target) for node in torch.fx.symbolic_trace(module).graph.nodes if node.op == "call_module"]
    for unit, steps in enumerate([3, 3, 4], 1):
        for layer in ("conv1", "conv2"):
            assert applied.count(f"unit{unit}.cell.{layer}") == steps
        for norm in ("norm1", "norm2"):
            assert [f"unit{unit}.cell.{norm}.{step}" in applied for step in range(steps)] == [True] * steps


def test_it_is_a_recurrent_network() -> None:
    """h(t) = h(t - 1) + K(h(t - 1)), by a loop over the steps."""
    module = archc.load("tied_resnet_cifar", tied="all", steps=STEPS, width=WIDTH).module(dtype="float64").eval()
    module.load_state_dict(randomised(module))
    state = module.state_dict()

    def bn(x: Tensor, name: str) -> Tensor:
        statistics = (state[f"{name}.{s}"] for s in ("running_mean", "running_var", "weight", "bias"))
        return functional.batch_norm(x, *statistics)

    def conv(x: Tensor, name: str) -> Tensor:
        return functional.conv2d(x, state[f"{name}.weight"], padding=1)

    images = torch.randn(2, 3, 7, 7, dtype=torch.float64)
    with torch.no_grad():
        h = bn(conv(images, "conv1"), "bn1").relu()
        for unit, steps in enumerate(STEPS, 1):
            cell = f"unit{unit}.cell"
            for _ in range(steps):
                k = conv(bn(h, f"{cell}.norm1").relu(), f"{cell}.conv1")
                h = h + conv(bn(k, f"{cell}.norm2").relu(), f"{cell}.conv2")
        expected = functional.linear(h.mean((2, 3)), state["fc.weight"], state["fc.bias"])
        assert float((module(images) - expected).abs().max()) < 1e-12 * float(expected.abs().max())


@pytest.mark.parametrize("steps", [[0], [2, -1], []])
def test_steps_are_at_least_one(steps: list[int]) -> None:
    with pytest.raises(archc.ArchError, match="how often each unit is applied, whole numbers from 1"):
        archc.load("tied_resnet_cifar", steps=steps)
