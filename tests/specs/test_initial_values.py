"""A shipped network starts as its peer does: the same distributions, and a seed that gives them again."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from oracles import Row, families
from torch import Tensor
from twins import FORMS, built

import archc


@cache
def inverts() -> bool:
    """Whether torch's `trunc_normal_` inverts the distribution function, as torch 2.10 does: of the least number that
    it can draw, once in some millions, that is minus infinity, and becomes the bound, 200 deviations away."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        drawn = torch.nn.init.trunc_normal_(torch.empty(9), std=0.01)
        torch.manual_seed(0)
        return torch.allclose(drawn, torch.empty(9).uniform_(-1, 1).erfinv() * (0.01 * 2**0.5))


def sample(tensor: Tensor) -> Tensor:
    """At most a million of a tensor's elements, spread over it, without bounds that it has by torch's fault."""
    flat = tensor.detach().flatten()
    flat = flat[:: max(1, len(flat) // 1_000_000)].double()
    bounds = flat.abs() == 2
    return flat[~bounds] if 0 < int(bounds.sum()) <= 4 < len(flat) / 1000 and inverts() else flat


def assert_same_distribution(name: str, made: Tensor, wanted: Tensor) -> None:
    """Equal constants; else mean, spread and shape within five standard errors of their difference."""
    a, b = sample(made), sample(wanted)
    if len(b) == 1 or float(b.std()) == 0:
        assert torch.equal(a, b), name
        return
    error = 5 * (2 / len(b)) ** 0.5
    spread = float(b.std())
    assert float((a.mean() - b.mean()).abs()) < error * spread, name
    assert abs(float(a.std()) / spread - 1) < error, name
    # The mean distance tells a uniform distribution (0.87 of the deviation) from a normal one (0.80).
    assert abs(float(a.abs().mean() / a.std() - b.abs().mean() / b.std())) < error, name


QUICK = (
    *(
        "resnet18",
        "squeezenet1_1",
        "mobilenet_v2",
        "mobilenet_v3_small",
        "mnasnet0_5",
        "shufflenet_v2_x0_5",
    ),
    *("googlenet", "efficientnet_b0", "regnet_y_400mf", "lraspp_mobilenet_v3_large"),
)
SLOW = (
    *("vgg11_bn", "resnext50_32x4d", "alexnet", "efficientnet_v2_s", "convnext_tiny", "vit_b_32", "fcn_resnet50"),
    *("deeplabv3_mobilenet_v3_large", "swin_t", "swin_v2_t", "maxvit_t"),
)
OPTIONS = {"googlenet": {"init_weights": True}} | {
    name: {"weights_backbone": None} for name in (*QUICK, *SLOW) if name.startswith(("fcn", "deeplab", "lraspp"))
}
WRITTEN = {"resnet18", "squeezenet1_1", "mobilenet_v3_small"}
"""Networks whose Python file every run checks too."""
CASES = [
    *((name, "fx") for name in QUICK),
    *((name, "python") for name in sorted(WRITTEN)),
    *(pytest.param(name, "fx", marks=pytest.mark.slow) for name in SLOW),
    *(pytest.param(name, "python", marks=pytest.mark.slow) for name in sorted({*QUICK, *SLOW} - WRITTEN)),
]


@pytest.mark.parametrize(("name", "form"), CASES)
def test_initial_values_are_distributed_as_torchvisions(name: str, form: str) -> None:
    torch.manual_seed(0)
    wanted = Row(name, "torchvision", name, options=OPTIONS.get(name, {})).theirs().state_dict()
    torch.manual_seed(1)
    for key, tensor in built(archc.load(name), form).state_dict().items():
        assert_same_distribution(key, tensor, wanted[key])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("family", ["gpt2", "llama", "clip"])
def test_initial_values_are_distributed_as_those_of_transformers(family: str, form: str) -> None:
    row = families()[family][0]
    torch.manual_seed(0)
    wanted = row.theirs().state_dict()
    torch.manual_seed(1)
    for key, tensor in built(row.ours(), form).state_dict().items():
        assert_same_distribution(key, tensor, wanted[key])


def test_a_seed_gives_the_same_weights_again() -> None:
    network = archc.load("resnet18")
    first, again, other = (network.module(seed=seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["conv1.weight"], other["conv1.weight"])
