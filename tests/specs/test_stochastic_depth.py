"""Stochastic depth: the chances of survival, and its limits."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from quick import slow_but
from rows.stochastic_depth import CifarResNet
from twins import randomised

import archc


def chances(name: str, **given: object) -> list[float]:
    nodes = archc.load(name, **given).ir.nodes
    return [node.op.p for node in nodes if node.op.kind == "survive"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("depth", "blocks"), slow_but([(20, 9), (56, 27)], [(20, 9), (56, 27), (110, 54)]))
def test_linear_decay(depth: int, blocks: int) -> None:
    """Equation 4: from nearly 1 to p_L; at p_L = 1/2 three quarters of the blocks are left on average (section 3)."""
    for last in (Fraction(1, 2), Fraction(1, 5), Fraction(0), Fraction(1)):
        found = chances("stochastic_depth_cifar", depth=depth, survival=float(last))
        assert found == pytest.approx(
            [float(1 - Fraction(place, blocks) * (1 - last)) for place in range(1, blocks + 1)]
        )
    found = chances("stochastic_depth_cifar", depth=depth)
    assert sum(found) == pytest.approx((3 * blocks - 1) / 4)


@pytest.mark.parametrize(
    ("depth", "blocks"), slow_but([(18, 8), (50, 16)], [(18, 8), (34, 16), (50, 16), (101, 33), (152, 50)])
)
def test_the_networks_of_imagenet(depth: int, blocks: int) -> None:
    found = chances("stochastic_depth", depth=depth)
    assert (len(found), found[-1]) == (blocks, 0.5)
    assert chances("stochastic_depth", depth=depth, decay="uniform", survival=0.7) == [0.7] * blocks
    layouts = []
    for architecture in (archc.load("stochastic_depth", depth=depth), archc.load(f"resnet{depth}")):
        assert architecture.stats().depth == depth
        layouts.append([(key, t.shape) for key, t in architecture.module(device="meta").state_dict().items()])
    assert layouts[0] == layouts[1]


def test_limits() -> None:
    """In evaluation, and where all survive, it is the residual network; where the last cannot, it plays no part."""
    reference = CifarResNet(3)
    reference.load_state_dict(state := randomised(reference))
    images = torch.randn(2, 3, 32, 32)
    for survival in (0.0, 0.5, 1.0):
        module = archc.load("stochastic_depth_cifar", depth=20, survival=survival).module()
        module.load_state_dict(state)
        with torch.no_grad():
            assert torch.equal(module.eval()(images), reference.eval()(images))
            same = torch.equal(module.train()(images), reference.train()(images))
        assert same is (survival == 1.0)
        reference.load_state_dict(state)
    module = archc.load("stochastic_depth_cifar", depth=20, survival=0.0).module()
    module.train()(images).sum().backward()
    gradients = {key: bool(p.grad.any()) for key, p in module.named_parameters() if p.grad is not None}
    assert not any(used for key, used in gradients.items() if key.startswith("layer3.2"))
    assert gradients["conv1.weight"]


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("stochastic_depth", {"survival": 1.5}, "from 0 to 1"),
        ("stochastic_depth", {"survival": -0.1}, "from 0 to 1"),
        ("stochastic_depth_cifar", {"survival": 2.0}, "from 0 to 1"),
        ("stochastic_depth", {"depth": 33}, "18, 34, 50, 101 or 152"),
        ("stochastic_depth", {"decay": "cubic"}, '"linear" or "uniform"'),
        ("stochastic_depth", {"per": "pixel"}, '"batch" or "image"'),
        ("stochastic_depth_cifar", {"depth": 21}, "6n + 2"),
        ("stochastic_depth_cifar", {"depth": 2}, "6n + 2"),
    ],
)
def test_what_is_refused(name: str, given: dict[str, object], words: str) -> None:
    with pytest.raises(archc.ArchError) as refused:
        archc.load(name, **given)
    (found,) = refused.value.diagnostics
    assert words in found.message
