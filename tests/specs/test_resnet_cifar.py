"""Residual networks on CIFAR: the paper's closed forms, shortcuts, depths, sizes."""

from __future__ import annotations

import pytest
import torch
from quick import slow_but
from rows.resnet import with_adaptive_pool
from torch import nn
from twins import FORMS, loaded, ours, randomised

import archc

DEPTHS = (8, 14, 20, 32, 44, 56, 110)


def figures(depth: int, classes: int = 10, projections: bool = False) -> tuple[int, int]:
    """Parameters and multiply-adds of basic units: 16 channels on 32 x 32, twice 16 on 16 x 16, four times on 8 x 8."""
    n = (depth - 2) // 6
    parameters, macs, entering = 27 * 16 + 32 + 64 * classes + classes, 27 * 16 * 32**2 + 64 * classes, 16
    for c, side in ((16, 32), (32, 16), (64, 8)):
        for unit in range(n):
            weights = 9 * entering * c + 9 * c * c
            if projections and unit == 0 and c > 16:
                weights += entering * c
                parameters += 2 * c
            parameters += weights + 4 * c
            macs += weights * side**2
            entering = c
    return parameters, macs


@pytest.mark.parametrize("classes", [10, 100])
@pytest.mark.parametrize("depth", slow_but((8, 14, 20, 32), (*DEPTHS, 1202)))
def test_closed_forms(depth: int, classes: int) -> None:
    for shortcut in ("A", "B", "none"):
        found = archc.load("resnet_cifar", depth=depth, shortcut=shortcut, classes=classes).stats()
        assert (found.parameters, found.multiply_adds) == figures(depth, classes, shortcut == "B"), shortcut
        assert found.depth == depth


@pytest.mark.parametrize("depth", slow_but((8, 20, 32), DEPTHS))
def test_what_the_options_cost(depth: int) -> None:
    a, b, c = (archc.load("resnet_cifar", depth=depth, shortcut=s).stats().parameters for s in "ABC")
    assert b - a == 16 * 32 + 32 * 64 + 2 * (32 + 64)
    n = (depth - 2) // 6
    squares = n * 16**2 + (n - 1) * (32**2 + 64**2)
    assert c - b == squares + 2 * (n * 16 + (n - 1) * 96)


def test_option_c_projects_in_every_unit() -> None:
    """Three stages of n units: of their shortcuts option A projects none, B two and C all."""
    for option, projections in {"A": 0, "B": 2, "C": 9}.items():
        text = f'use resnet_cifar from "zoo/resnet_cifar.arch"\narch net = resnet_cifar(20, "{option}")\n'
        assert not archc.check(text=f"{text}  expect count(conv) == {19 + projections}\n  expect paths == 512")


@pytest.mark.parametrize("depth", slow_but((11, 20, 29, 164), (11, 20, 29, 164, 1001)))
def test_closed_form_of_bottlenecks(depth: int) -> None:
    n, expected, entering = (depth - 2) // 9, 27 * 16 + 32 + 2570, 16
    for c in (16, 32, 64):
        for unit in range(n):
            expected += entering * c + 9 * c * c + 4 * c * c + 2 * (c + c + 4 * c)
            expected += entering * 4 * c + 8 * c if unit == 0 else 0
            entering = 4 * c
    found = archc.load("resnet_cifar", depth=depth, shortcut="B", unit="bottleneck").stats()
    assert (found.parameters, found.depth) == (expected, depth)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"depth": 21}, "6n + 2 (20, 32, 44, 56, 110, 1202), with bottlenecks 9n + 2 (164, 1001), and not 21"),
        ({"depth": 2}, "and not 2"),
        ({"depth": -4}, "and not -4"),
        ({"depth": 32, "unit": "bottleneck"}, "9n + 2 (164, 1001), and not 32"),
        ({"depth": 20.5}, "must be a whole number"),
        ({"shortcut": "D"}, '"A", "B", "C" or "none"'),
        ({"unit": "wide"}, '"basic" or "bottleneck"'),
        ({"classes": 0}, "positive whole number"),
    ],
)
def test_what_is_refused(given: dict[str, object], words: str) -> None:
    with pytest.raises(archc.ArchError) as refused:
        archc.load("resnet_cifar", **given)
    (found,) = refused.value.diagnostics
    assert words in found.message


def peer() -> nn.Module:
    from pytorchcv.models.resnet_cifar import get_resnet_cifar

    return with_adaptive_pool(lambda: get_resnet_cifar(num_classes=10, blocks=8, bottleneck=False))()


@pytest.mark.parametrize("form", FORMS)
def test_one_module_takes_every_size(form: str) -> None:
    network, reference = archc.load("resnet_cifar", depth=8, shortcut="B"), peer()
    state = randomised(reference)
    reference = loaded(reference, state).eval()
    pairs = dict(network.map_weights(state).pairs)
    made = loaded(ours(network, form), {pairs[key]: tensor for key, tensor in state.items()}).eval()
    for height, width in [(1, 1), (3, 2), (31, 33), (64, 50)]:
        assert not network.ir.requirements.violations({"N": 2, "H": height, "W": width})
        images = torch.randn(2, 3, height, width)
        with torch.no_grad():
            assert torch.equal(made(images.clone()), reference(images.clone())), (height, width)
