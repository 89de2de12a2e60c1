"""The ablations of "Identity Mappings", held against their formulas in float64, and what identity mappings imply."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from quick import slow_but
from torch import Tensor, nn
from torch.nn import functional
from twins import randomised

import archc

ORDERS = (
    *("original", "bn_after_addition", "relu_before_addition"),
    *("relu_only_preactivation", "full_preactivation"),
)
SHORTCUTS = ("identity", "scaled", "exclusive", "shortcut_only", "conv", "dropout", "none")


class Formulas:
    """The network with three stages of n units, as figures 2 and 4 of the paper draw them."""

    def __init__(
        self, state: dict[str, Tensor], training: bool, order: str, shortcut: str, scale: float, branch: float
    ):
        self.state, self.training = state, training
        self.order, self.shortcut, self.scale, self.branch = order, shortcut, scale, branch

    def bn(self, x: Tensor, name: str) -> Tensor:
        mean, var = (None, None) if self.training else (self.state[f"{name}.running_{s}"] for s in ("mean", "var"))
        return functional.batch_norm(
            x, mean, var, self.state[f"{name}.weight"], self.state[f"{name}.bias"], self.training
        )

    def conv(self, x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = self.state[f"{name}.weight"]
        return functional.conv2d(x, weight, self.state.get(f"{name}.bias"), stride, weight.shape[2] // 2)

    def branch_output(self, x: Tensor, name: str, stride: int) -> Tensor:
        if self.order == "full_preactivation":
            return self.conv(self.bn(self.conv(x, f"{name}.conv1", stride), f"{name}.bn2").relu(), f"{name}.conv2")
        y = self.conv(self.bn(self.conv(x, f"{name}.conv1", stride), f"{name}.bn1").relu(), f"{name}.conv2")
        if self.order == "bn_after_addition":
            return y
        y = self.bn(y, f"{name}.bn2")
        return y.relu() if self.order == "relu_before_addition" else y

    def padded(self, x: Tensor, c: int, stride: int) -> Tensor:
        x = x[:, :, ::stride, ::stride]
        return torch.cat([x, x.new_zeros(x.shape[0], c - x.shape[1], *x.shape[2:])], 1)

    def unit(self, x: Tensor, name: str, c: int, first: bool) -> Tensor:
        stride = 2 if c > x.shape[1] else 1
        activated = x
        if self.order == "relu_only_preactivation":
            activated = x.relu()
        if self.order == "full_preactivation":
            activated = self.bn(x, f"{name}.bn1").relu()
        if first or stride == 2:
            x = activated
        y, h = self.branch_output(activated, name, stride), self.padded(x, c, stride)
        if self.shortcut in ("exclusive", "shortcut_only"):
            g = 1 / (1 + torch.exp(-self.conv(x, f"{name}.gate", stride)))
            y = (g * y if self.shortcut == "exclusive" else y) + (1 - g) * h
        elif self.shortcut == "conv":
            y = y + self.conv(x, f"{name}.shortcut", stride)
        elif self.shortcut == "scaled":
            y = self.branch * y + self.scale * h
        elif self.shortcut == "dropout":
            y = y + functional.dropout(h, 0.5, self.training)
        elif self.shortcut == "identity":
            y = y + h
        if self.order == "original":
            return y.relu()
        return self.bn(y, f"{name}.bn2").relu() if self.order == "bn_after_addition" else y

    def __call__(self, x: Tensor, n: int) -> Tensor:
        x = self.conv(x, "conv1")
        if self.order != "full_preactivation":
            x = self.bn(x, "bn1")
        if self.order not in ("full_preactivation", "relu_only_preactivation"):
            x = x.relu()
        for stage, j in itertools.product(range(3), range(n)):
            x = self.unit(x, f"layer{stage + 1}.{j}", 16 * 2**stage, stage + j == 0)
        if self.order == "full_preactivation":
            x = self.bn(x, "bn1")
        if self.order in ("full_preactivation", "relu_only_preactivation"):
            x = x.relu()
        return functional.linear(x.mean((2, 3)), self.state["fc.weight"], self.state["fc.bias"])


COMBINED = [("full_preactivation", "scaled"), ("full_preactivation", "exclusive"), ("bn_after_addition", "conv")]


@pytest.mark.parametrize(
    ("order", "shortcut"),
    [*((order, "identity") for order in ORDERS), *(("original", s) for s in SHORTCUTS[1:]), *COMBINED],
)
def test_computes_the_papers_formulas(order: str, shortcut: str) -> None:
    given: dict[str, Any] = {"order": order, "shortcut": shortcut, "scale": 0.5, "branch": 0.25}
    module = archc.load("ablation_cifar", depth=14, **given).module(dtype="float64")
    module.load_state_dict(randomised(module))
    state = {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
    images = torch.randn(3, 3, 11, 16, dtype=torch.float64)
    for training in (False, True):
        torch.manual_seed(0)
        made = module.train(training)(images.clone()).detach()
        torch.manual_seed(0)
        expected = Formulas(state, training, order, shortcut, 0.5, 0.25)(images, 2)
        assert float((made - expected).abs().max()) < 1e-12 * max(1.0, float(expected.abs().max()))


def test_the_original_is_the_cifar_resnet() -> None:
    ablation, resnet = archc.load("ablation_cifar", depth=14).module(), archc.load("resnet_cifar", depth=14).module()
    resnet.load_state_dict(ablation.state_dict())
    images = torch.randn(2, 3, 16, 16)
    assert torch.equal(ablation(images), resnet(images))


def test_full_preactivation_is_the_preactivation_net() -> None:
    network = archc.load("preresnet_cifar", depth=14, shortcut="A", first="both")
    ablation = archc.load("ablation_cifar", depth=14, order="full_preactivation").module()
    ablation.load_state_dict(randomised(ablation))
    preresnet = network.module()
    preresnet.load_state_dict(network.map_weights(ablation).apply(ablation.state_dict()))
    images = torch.randn(2, 3, 16, 16)
    assert torch.equal(ablation(images), preresnet(images))


@pytest.mark.parametrize("depth", slow_but((8, 20), (8, 20, 110)))
def test_what_shortcuts_add(depth: int) -> None:
    """Orders, scaling and dropout nothing; a gate c * c + c for a unit of c channels, a 1 x 1 convolution c * c."""

    def count(**given: Any) -> int:
        return archc.load("ablation_cifar", depth=depth, **given).stats().parameters

    n = (depth - 2) // 6
    units = [(16, 16)] * n + [(16, 32)] + [(32, 32)] * (n - 1) + [(32, 64)] + [(64, 64)] * (n - 1)
    plain = count()
    assert {count(order=order) for order in ORDERS} == {plain}
    assert {count(shortcut=shortcut) for shortcut in ("scaled", "dropout", "none")} == {plain}
    assert count(shortcut="conv") - plain == sum(a * c for a, c in units)
    for gated in ("exclusive", "shortcut_only"):
        assert count(shortcut=gated) - plain == sum(a * c + c for a, c in units)


def chain(order: str, shortcut: str, units: int = 6, scale: float = 0.5) -> nn.Module:
    """Units of one shape in a row."""
    text = (
        'use unit from "zoo/ablations.arch"\narch chain {\n  input x: [N, 4, H, W]\n'
        f'  output x -> [unit(4, 1, false, "{order}", "{shortcut}", {scale}, 1, -6) ** {units}]\n}}'
    )
    module = archc.loads(text, "chain").module(dtype="float64")
    module.load_state_dict(randomised(module))
    return module


def without_branches(module: nn.Module, order: str) -> nn.Module:
    """Makes every F zero, by what comes last in it."""
    last = "conv2" if order in ("full_preactivation", "bn_after_addition") else "bn2"
    for name, parameter in module.named_parameters():
        if f".{last}." in name:
            nn.init.zeros_(parameter)
    return module


@pytest.mark.parametrize("order", ["relu_before_addition", "relu_only_preactivation", "full_preactivation"])
def test_identity_mappings_pass_signal_and_gradient_unchanged(order: str) -> None:
    module = without_branches(chain(order, "identity"), order)
    x = torch.randn(2, 4, 5, 5, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(2, 4, 5, 5, dtype=torch.float64)
    y = module(x)
    (weights * y).sum().backward()
    assert torch.equal(y, x)
    assert torch.equal(x.grad if x.grad is not None else y, weights)


@pytest.mark.parametrize("order", ["original", "bn_after_addition"])
def test_what_follows_the_addition_is_no_identity(order: str) -> None:
    module = without_branches(chain(order, "identity", 1), order)
    x = torch.randn(2, 4, 5, 5, dtype=torch.float64)
    y = module(x)
    assert not torch.equal(y, x)
    assert order != "original" or torch.equal(y, x.relu())


def test_the_output_is_the_input_and_all_branches() -> None:
    """Equation 4 of the paper: x_L = x_l + sum of F_i."""
    module = chain("full_preactivation", "identity").eval()
    branches: list[Tensor] = []
    for name, child in module.named_modules():
        if name.endswith("conv2"):
            child.register_forward_hook(lambda _, __, output: branches.append(output))
    x = torch.randn(2, 4, 5, 5, dtype=torch.float64)
    y = module(x)
    assert len(branches) == 6
    summed = (x + torch.stack(branches).sum(0)).detach()
    assert float((y.detach() - summed).abs().max()) < 1e-12 * float(summed.abs().max())


def test_scaled_shortcuts_multiply() -> None:
    """Equation 6: the input's coefficient is the product of the scales, forward and backward."""
    for scale in (0.5, 2.0):
        module = without_branches(chain("full_preactivation", "scaled", 10, scale), "full_preactivation")
        x = torch.randn(1, 4, 3, 3, dtype=torch.float64, requires_grad=True)
        y = module(x)
        y.sum().backward()
        assert torch.equal(y, scale**10 * x)
        assert x.grad is not None
        assert torch.equal(x.grad, torch.full_like(x, scale**10))


@pytest.mark.parametrize("bias", [-6, -1, 0])
def test_gates_start_by_their_bias(bias: float) -> None:
    module = archc.load("ablation_cifar", depth=8, shortcut="shortcut_only", gate_bias=bias).module()
    gates = [child for name, child in module.named_modules() if name.endswith("gate")]
    assert [tuple(gate.weight.shape) for gate in gates] == [(16, 16, 1, 1), (32, 16, 1, 1), (64, 32, 1, 1)]
    for gate in gates:
        assert torch.equal(gate.bias, torch.full_like(gate.bias, bias))
        at_zero = torch.sigmoid(gate(torch.zeros(1, gate.in_channels, 2, 2))).detach()
        assert float(at_zero.max()) == pytest.approx(1 / (1 + math.exp(-bias)), rel=1e-6)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"depth": 109}, r"the depth is 6n \+ 2, such as 20, 32, 44, 56, 110 or 1202, and not 109"),
        ({"order": "post"}, '"relu_only_preactivation" or "full_preactivation"'),
        ({"shortcut": "gated"}, '"exclusive", "shortcut_only", "conv", "dropout" or "none"'),
    ],
)
def test_impossible_parameters(given: dict[str, Any], message: str) -> None:
    with pytest.raises(archc.ArchError, match=message):
        archc.load("ablation_cifar", **given)
