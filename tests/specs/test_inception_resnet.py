"""Inception-ResNet: closed forms of the paper's networks and the released, the scaled residual, sizes, refusals."""

from __future__ import annotations

import pytest
import torch
from rows.inception_resnet import ROWS
from test_inception_v4 import part
from twins import loaded, ours, randomised

import archc

THIN = part(3, [(32, 9), (32, 9), (64, 9)]) + part(64, [(80, 1), (192, 9)])
STEM = 605_728


def unit(channels: int, *branches: list[tuple[int, int]]) -> int:
    """The branches and the last 1 x 1, which has a bias."""
    return part(channels, *branches) + sum(b[-1][0] for b in branches) * channels + channels


def units(a: int, b: int, c: int, version: int) -> tuple[int, int, int]:
    """Parameters of a unit of each stage, at a, b and c channels."""
    if version == 1:
        return (
            unit(a, [(32, 1)], [(32, 1), (32, 9)], [(32, 1), (32, 9), (32, 9)]),
            unit(b, [(128, 1)], [(128, 1), (128, 7), (128, 7)]),
            unit(c, [(192, 1)], [(192, 1), (192, 3), (192, 3)]),
        )
    return (
        unit(a, [(32, 1)], [(32, 1), (32, 9)], [(32, 1), (48, 9), (64, 9)]),
        unit(b, [(192, 1)], [(128, 1), (160, 7), (192, 7)]),
        unit(c, [(192, 1)], [(192, 1), (224, 3), (256, 3)]),
    )


def reductions(a: int, b: int, first: tuple[int, int, int, int], last: tuple[int, int, int]) -> int:
    k, l, m, n = first
    p, q, r = last
    return part(a, [(n, 9)], [(k, 1), (l, 9), (m, 9)]) + part(
        b, [(256, 1), (384, 9)], [(256, 1), (p, 9)], [(256, 1), (q, 9), (r, 9)]
    )


def body(channels: tuple[int, int, int], version: int, n: tuple[int, int, int], last: tuple[int, int, int]) -> int:
    a, b, c = channels
    first = (192, 192, 256, 384) if version == 1 else (256, 256, 384, 384)
    stages = sum(x * y for x, y in zip(n, units(a, b, c, version), strict=True))
    return stages + reductions(a, b, first, last)


V1 = body((256, 896, 1792), 1, (5, 10, 5), (256, 256, 256)) + THIN + part(192, [(256, 9)])
SLIM = (
    THIN
    + part(192, [(96, 1)], [(48, 1), (64, 25)], [(64, 1), (96, 9), (96, 9)], [(64, 1)])
    + body((320, 1088, 2080), 2, (10, 20, 10), (288, 288, 320))
    + part(2080, [(1536, 1)])
)


@pytest.mark.parametrize("classes", [2, 1000])
@pytest.mark.parametrize(
    ("name", "given", "expected", "features"),
    [
        ("inception_resnet_v1_paper", {}, V1, 1792),
        ("inception_resnet_v1", {}, V1 + units(256, 896, 1792, 1)[2] + 1792 * 512 + 2 * 512, 512),
        ("inception_resnet_v2", {}, SLIM, 1536),
        ("inception_resnet_v2_paper", {}, STEM + body((384, 1152, 2144), 2, (5, 10, 5), (288, 288, 320)), 2144),
        (
            "inception_resnet_v2_paper",
            {"channels": 2048},
            STEM + body((384, 1152, 2048), 2, (5, 10, 5), (256, 256, 256)),
            2048,
        ),
    ],
)
def test_closed_forms(name: str, given: dict[str, int], expected: int, features: int, classes: int) -> None:
    found = archc.load(name, classes=classes, **given).stats()
    assert found.parameters == expected + (features + 1) * classes


def test_a_unit_adds_its_scaled_branches() -> None:
    """Where the last 1 x 1 gives a constant, the unit adds that, scaled; without a rectifier it goes below zero."""
    text = """
    use unit_a, unit_c from "zoo/inception_resnet.arch"
    arch a { input x: [N, 8, 5, 5]   output x -> unit_a(48, 64) }
    arch c { input x: [N, 8, 5, 5]   output x -> unit_c(224, 256) }
    arch last { input x: [N, 8, 5, 5]   output x -> unit_c(224, 256, 1, id) }
    """
    x = torch.randn(1, 8, 5, 5, dtype=torch.float64)
    for name, scale in (("a", 0.17), ("c", 0.2), ("last", 1)):
        made = archc.loads(text, name).module(seed=0).double().eval()
        with torch.no_grad():
            made.conv2d.weight.zero_()
            made.conv2d.bias.copy_(torch.arange(-4.0, 4.0))
        expected = x + scale * torch.arange(-4.0, 4.0).double().view(1, 8, 1, 1)
        assert torch.equal(made(x), expected if name == "last" else expected.relu())


def test_legal_sizes() -> None:
    for name in ("inception_resnet_v1", "inception_resnet_v2", "inception_resnet_v2_paper"):
        requirements = archc.load(name).ir.requirements
        assert not requirements.violations({"N": 1, "H": 75, "W": 300})
        assert requirements.violations({"N": 1, "H": 74, "W": 300})


@pytest.mark.slow
@pytest.mark.parametrize("form", ["fx", "python"])
def test_one_module_takes_every_legal_size(form: str) -> None:
    row = next(row for row in ROWS if row.library == "timm")
    state = randomised(row.theirs("meta"))
    reference, made = (loaded(net, state).eval() for net in (row.theirs(), ours(row.ours(), form)))
    for height, width in ((75, 75), (76, 131), (140, 91)):
        images = torch.randn(1, 3, height, width)
        with torch.no_grad():
            assert torch.equal(made(images.clone()), reference(images.clone()))


def test_what_is_refused() -> None:
    with pytest.raises(archc.ArchError, match="2144 or 2048"):
        archc.load("inception_resnet_v2_paper", channels=2080)
