"""Spatial transformers: the paper's sampler, maps of places, gradients, published parameters."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck
from twins import FORMS, built

import archc

TRANSFORMER = """
use transformer, {regress} from "zoo/stn.arch"
arch Warp(size: list = []) {{
  input image: [N, 2, 7, 6]
  output image -> transformer(flatten -> loc: {regress}(), size)
}}
"""


def warp(regress: str = "affine", form: str = "fx", **settings: object) -> nn.Module:
    """A transformer whose localiser is the regression alone, in double precision."""
    return built(archc.loads(TRANSFORMER.format(regress=regress), **settings), form).double()


def told(network: nn.Module, numbers: list[float]) -> nn.Module:
    """The transformer with these numbers for every image."""
    bias = next(p for name, p in network.named_parameters() if name.endswith("bias"))
    with torch.no_grad():
        bias.copy_(torch.tensor(numbers, dtype=torch.float64))
    return network


def sampled(maps: Tensor, theta: Tensor, height: int, width: int) -> Tensor:
    """The paper's formula: V = sum of U_nm max(0, 1 - |x - m|) max(0, 1 - |y - n|), with places in -1..1."""
    ys = torch.linspace(-1, 1, height, dtype=maps.dtype)
    xs = torch.linspace(-1, 1, width, dtype=maps.dtype)
    target = torch.stack([xs.expand(height, width), ys[:, None].expand(height, width), torch.ones(height, width)], -1)
    source = torch.einsum("nij,hwj->nhwi", theta, target.to(maps.dtype))
    x = (source[..., 0] + 1) / 2 * (maps.shape[3] - 1)
    y = (source[..., 1] + 1) / 2 * (maps.shape[2] - 1)
    across = (1 - (x[..., None] - torch.arange(maps.shape[3])).abs()).clamp(min=0)
    down = (1 - (y[..., None] - torch.arange(maps.shape[2])).abs()).clamp(min=0)
    return torch.einsum("nchw,nijh,nijw->ncij", maps, down, across)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [[7, 6], [3, 4], [12, 9]])
def test_the_sampler_is_the_papers(form: str, size: list[int]) -> None:
    torch.manual_seed(0)
    images = torch.randn(3, 2, 7, 6, dtype=torch.float64)
    network = warp(form=form, size=[] if size == [7, 6] else size)
    for scale in (0.1, 0.5, 2.0):
        numbers = torch.tensor([1.0, 0, 0, 0, 1, 0]) + scale * torch.randn(6)
        theta = numbers.double().view(1, 2, 3).expand(3, 2, 3)
        output = told(network, numbers.tolist())(images)
        torch.testing.assert_close(output, sampled(images, theta, *size), rtol=0, atol=1e-12)


@pytest.mark.parametrize("regress", ["affine", "attention"])
def test_it_starts_as_the_identity(regress: str) -> None:
    images = torch.randn(3, 2, 7, 6, dtype=torch.float64)
    torch.testing.assert_close(warp(regress)(images), images, rtol=0, atol=1e-12)


def test_a_shift_by_one_pixel() -> None:
    """Source places are to the right of the target's, so that the image moves to the left; what enters is zero."""
    images = torch.randn(3, 2, 7, 6, dtype=torch.float64)
    for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -2)):
        shifted = told(warp(), [1, 0, 2 * dx / 5, 0, 1, 2 * dy / 6])(images)
        wanted = torch.zeros_like(images)
        wanted[:, :, max(0, -dy) : 7 - max(0, dy), max(0, -dx) : 6 - max(0, dx)] = images[
            :, :, max(0, dy) : 7 + min(0, dy), max(0, dx) : 6 + min(0, dx)
        ]
        torch.testing.assert_close(shifted, wanted, rtol=0, atol=1e-12)


def test_attention_scales_both_axes_alike() -> None:
    images = torch.randn(3, 2, 7, 6, dtype=torch.float64)
    s, tx, ty = 0.6, 0.3, -0.2
    wanted = told(warp(), [s, 0, tx, 0, s, ty])(images)
    torch.testing.assert_close(told(warp("attention"), [s, tx, ty])(images), wanted, rtol=0, atol=1e-12)


def test_gradients_reach_the_localiser() -> None:
    """Those of the formula, for weights and image, and those of finite differences."""
    torch.manual_seed(0)
    network = warp()
    weight, bias = (p for _, p in sorted(network.named_parameters(), reverse=True))
    with torch.no_grad():
        weight.copy_(0.02 * torch.randn(weight.shape))
        bias.add_(0.1 * torch.randn(6))
    images = torch.randn(2, 2, 7, 6, dtype=torch.float64, requires_grad=True)
    loss = torch.randn(2, 2, 7, 6, dtype=torch.float64)

    def by_formula(images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        theta = (images.flatten(1) @ weight.T + bias).view(-1, 2, 3)
        return sampled(images, theta, 7, 6)

    wanted = torch.autograd.grad((by_formula(images, weight, bias) * loss).sum(), (images, weight, bias))
    found = torch.autograd.grad((network(images) * loss).sum(), (images, weight, bias))
    for a, b in zip(found, wanted, strict=True):
        assert float(b.abs().max()) > 0
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)
    names = [name for name, _ in sorted(network.named_parameters(), reverse=True)]

    def by_module(images: Tensor, *values: Tensor) -> Tensor:
        return torch.func.functional_call(network, dict(zip(names, values, strict=True)), (images,))

    assert gradcheck(by_module, (images, weight, bias), eps=1e-7, atol=1e-5, fast_mode=True)


# --- the nets ------------------------------------------------------------------------------


def dense(*widths: int) -> int:
    return sum(i * o + o for i, o in pairwise(widths))


def test_published_parameters() -> None:
    localiser = 20 * (25 + 1) + 20 * (20 * 25 + 1) + dense(80, 20, 6)
    assert (localiser, dense(1024, 128, 128, 10)) == (12_286, 149_002)
    assert archc.load("stn_mnist").stats().parameters == 12_286 + 149_002
    assert archc.load("stn_mnist", theta="attention").stats().parameters == 12_286 + 149_002 - 3 * 21
    assert archc.load("stn_mnist_tutorial").stats().parameters == 5_520 + 21_840


@pytest.mark.parametrize("size", [64, 128])
@pytest.mark.parametrize("transformers", ["none", "single", "multi"])
def test_house_numbers(transformers: str, size: int) -> None:
    channels = [3, 48, 64, 128, 160, 192, 192, 192, 192]
    trunk = sum(25 * i * o + o for i, o in pairwise(channels))
    head = dense(192 * (size // 16) ** 2, 3072, 3072, 3072) + 5 * dense(3072, 11)
    seen = {
        "none": [],
        "single": [32 * (size // 2) ** 2],
        "multi": [3 * size**2, 48 * (size // 2) ** 2, 64 * (size // 2) ** 2, 128 * (size // 4) ** 2],
    }[transformers]
    localisers = sum(dense(c, 32, 32, 6) for c in seen)
    if transformers == "single":
        localisers += 25 * 3 * 32 + 32 + 25 * 32 * 32 + 32
    net = archc.load("stn", "STNHouseNumbers", transformers=transformers, size=size)
    assert net.stats().parameters == trunk + head + localisers
    assert net.stats().outputs == [(1, 5, 11)]
    grids = [node for node in net.ir.nodes if node.op.kind == "grid_sample"]
    assert [node.outputs[0].channels for node in grids] == channels[: len(seen)]


@pytest.mark.parametrize(
    ("name", "settings", "code"),
    [
        ("STNHouseNumbers", {"size": 8}, "E0601"),
        ("STNHouseNumbers", {"transformers": "double"}, "E0311"),
        ("STN", {"theta": "projective"}, "E0311"),
        ("STN", {"classes": -1}, "E0303"),
    ],
)
def test_what_is_refused(name: str, settings: dict[str, object], code: str) -> None:
    with pytest.raises(archc.ArchError) as refused:
        archc.load("stn", name, **settings)
    assert [d.code for d in refused.value.diagnostics] == [code]
