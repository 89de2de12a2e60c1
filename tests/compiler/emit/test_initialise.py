"""How weights start."""

from __future__ import annotations

import pytest
import torch
from graphs import H, N, Net, W, small
from torch import nn

import archc
from archc.compiler.emit.fx import to_graph_module
from archc.compiler.ir.initialisers import ZEROS, Initialiser


def test_the_default_start_draws_what_torch_draws():
    net = Net()
    x = net.input("image")
    h = net("a", "conv", x, channels=4, kernel=3, bias=True)
    net.output(net("b", "linear", net("gap", "gap", h), units=5))
    torch.manual_seed(3)
    theirs = [nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 5)]
    torch.manual_seed(3)
    unseeded = to_graph_module(net.graph)
    for module in (unseeded, to_graph_module(net.graph, seed=3)):
        mine = [module.a.weight, module.a.bias, module.b.weight, module.b.bias]
        assert all(torch.equal(a, b) for a, b in zip(mine, [p for m in theirs for p in m.parameters()], strict=True))


def test_a_seed_is_reproducible_and_leaves_the_global_state():
    before = torch.get_rng_state()
    one, two, other = (to_graph_module(small(), seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert not torch.equal(one["conv1.weight"], other["conv1.weight"])


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("normal", {"std": 0.02, "mean": 1.0}),
        ("uniform", {"low": 2.0, "high": 3.0}),
        ("trunc_normal", {"std": 0.5, "mean": 0.0, "a": -1.0, "b": 1.0}),
        ("kaiming_normal", {"mode": "fan_out", "nonlinearity": "relu", "a": 0.0}),
        ("xavier_normal", {"gain": 2.0}),
        ("orthogonal", {"gain": 1.0}),
        ("lecun_normal", {}),
        ("dirac", {}),
        ("bilinear", {}),
        ("constant", {"value": 0.25}),
    ],
)
def test_initialisers(kind: str, settings: dict[str, object]):
    net = Net()
    x = net.input("image", (N, 8, H, W), (1, 8, 8, 8))
    init = Initialiser(kind, tuple(settings.items()))
    net.output(net("up", "upconv", x, channels=8, kernel=4, init=init))
    first, second = (to_graph_module(net.graph, seed=0).up.weight for _ in range(2))
    assert torch.equal(first, second) and torch.isfinite(first).all()
    if kind == "uniform":
        assert first.min() >= 2 and first.max() <= 3
    if kind == "bilinear":
        line = torch.tensor([0.25, 0.75, 0.75, 0.25])
        assert torch.equal(first[3, 3], line[:, None] * line) and not first[3, 4].any()
    if kind == "kaiming_normal":
        assert torch.allclose(first.std(), torch.tensor((2 / (8 * 16)) ** 0.5), rtol=0.1)


def test_a_truncated_normal_distribution_has_a_width():
    with pytest.raises(archc.ArchError, match="`std` of trunc_normal must be a number greater than 0"):
        archc.loads("arch A { input x: [N, 3, 8, 8]  param p = trunc_normal([3, 1, 1], 0)  output x * p }")


def test_a_bias_takes_a_list():
    net = Net()
    x = net.input("v", (N, 2), (1, 2))
    bias = Initialiser("constant", (("value", (1.0, 2.0, 3.0)),))
    net.output(net("fc", "linear", x, units=3, bias=bias, init=ZEROS))
    assert to_graph_module(net.graph)(torch.randn(1, 2)).tolist() == [[1, 2, 3]]


def test_frozen_parts_do_not_train():
    net = Net()
    x = net.input("image")
    h = net("a", "conv", x, channels=3, kernel=1, frozen=True)
    net.output(net("b", "conv", h, channels=3, kernel=1))
    module = to_graph_module(net.graph)
    assert not module.a.weight.requires_grad and module.b.weight.requires_grad


@pytest.mark.parametrize("kind", ["dirac", "bilinear"])
def test_a_depthwise_convolution_starts_with_every_channel_on_its_own(kind: str):
    net = Net()
    x = net.input("image", (N, 4, H, W), (1, 4, 8, 8))
    net.output(net("dw", "dwconv", x, kernel=3, multiplier=1, init=Initialiser(kind, ())))
    weight = to_graph_module(net.graph).dw.weight
    assert weight.shape == (4, 1, 3, 3)
    assert all(torch.equal(weight[i], weight[0]) for i in range(4)) and weight[0, 0, 1, 1] == 1
    images = torch.randn(1, 4, 8, 8)
    if kind == "dirac":
        assert torch.equal(to_graph_module(net.graph)(images), images)
