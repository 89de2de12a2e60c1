"""Wide residual networks on CIFAR: closed forms, where dropout is, what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from quick import slow_but
from rows.resnet import with_adaptive_pool
from rows.wide_resnet_cifar import generated
from torch import nn
from twins import FORMS, loaded, ours, randomised

import archc


def parameters(depth: int, k: int, classes: int) -> int:
    """3 x 3 convolutions without biases, a batch norm before each, projections where the width changes."""
    total, entering = 27 * 16, 16
    for c in (16 * k, 32 * k, 64 * k):
        for _ in range((depth - 4) // 6):
            total += 9 * c * (entering + c) + 2 * entering + 2 * c + (entering * c if entering != c else 0)
            entering = c
    return total + 2 * entering + entering * classes + classes


@pytest.mark.parametrize("k", slow_but((1, 3), (1, 2, 3, 4, 8, 10, 12)))
def test_parameters_and_convolutions(k: int) -> None:
    for depth in (10, 16, 22, 28, 40, 58):
        network = archc.load("wide_resnet_cifar", depth=depth, k=k, classes=100)
        assert network.stats().parameters == parameters(depth, k, 100)
        convolutions = sum(node.op.kind == "conv" for node in network.ir.nodes)
        assert convolutions == depth - (k == 1)


def test_the_closed_form_gives_the_papers_figures() -> None:
    nets = {(40, 1): 0.6, (40, 2): 2.2, (40, 4): 8.9, (40, 8): 35.7, (28, 10): 36.5, (28, 12): 52.5, (22, 8): 17.2}
    nets |= {(22, 10): 26.8, (16, 8): 11.0, (16, 10): 17.1}
    for (depth, k), millions in nets.items():
        assert round(parameters(depth, k, 10) / 1e6, 1) == millions


@pytest.mark.parametrize("k", [1, 3])
def test_the_first_stage_projects_where_it_widens(k: int) -> None:
    names = archc.load("wide_resnet_cifar", depth=16, k=k).module(device="meta").state_dict()
    projections = [name for name in names if "identity_conv" in name]
    stages = (1, 2, 3) if k > 1 else (2, 3)
    assert projections == [f"features.stage{stage}.unit1.identity_conv.weight" for stage in stages]


@pytest.mark.parametrize("form", FORMS)
def test_dropout_is_between_the_convolutions_behind_relu(form: str) -> None:
    network = archc.load("wide_resnet_cifar", depth=16, k=2, drop=0.3)
    reference = with_adaptive_pool(lambda: generated(16, 2, 10))()
    state = randomised(reference)
    reference.load_state_dict(state)
    dropped = 0
    for name, module in reference.named_modules():
        if name.endswith("body.conv2"):
            module.activ = nn.Sequential(nn.ReLU(), nn.Dropout(0.3))
            dropped += 1
    assert dropped == 6
    made = loaded(ours(network, form), {key: t.clone() for key, t in state.items()})
    images = torch.randn(2, 3, 16, 16)
    results = []
    for module in (made, reference):
        torch.manual_seed(0)
        results.append(module.train()(images.clone()))
    assert torch.equal(*results)
    with torch.no_grad():
        assert torch.equal(made.eval()(images.clone()), reference.eval()(images.clone()))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"depth": 27}, r"the depth is 6n \+ 4, such as 16, 22, 28, 40 or 58, and not 27"),
        ({"depth": 4}, r"6n \+ 4"),
        ({"k": 0}, "a whole number from 1, and not 0"),
        ({"k": 2.5}, "whole number"),
        ({"drop": 1.5}, "from 0 to 1"),
        ({"drop": -0.1}, "from 0 to 1"),
    ],
)
def test_impossible_parameters(given: dict[str, Any], message: str) -> None:
    with pytest.raises(archc.ArchError, match=message):
        archc.load("wide_resnet_cifar", **given)
