"""Network in network: parameters, the head, the published forms in plain torch."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from twins import built, randomised

import archc


def parameters(classes: int) -> int:
    """Weights and biases of the nine convolutions."""
    convolutions = [(5, 3, 192), (1, 192, 160), (1, 160, 96), (5, 96, 192), (1, 192, 192), (1, 192, 192)]
    convolutions += [(3, 192, 192), (1, 192, 192), (1, 192, classes)]
    return sum(k * k * i * o + o for k, i, o in convolutions)


@pytest.mark.parametrize("classes", [1, 10, 100, 1000])
def test_parameters(classes: int) -> None:
    assert archc.load("nin_cifar", classes=classes).stats().parameters == parameters(classes)


@pytest.mark.parametrize("classes", [10, 100])
def test_an_average_has_no_parameters_and_a_dense_layer_has_its_own(classes: int) -> None:
    averaged, dense = (archc.load("nin_cifar", classes=classes, head=head) for head in ("average", "dense"))
    last = 192 * classes + classes
    assert dense.stats().parameters - averaged.stats().parameters == (192 * 192 + 192 + last) - last


def convolution(i: int, o: int, kernel: int, norm: bool) -> list[nn.Module]:
    conv = nn.Conv2d(i, o, kernel, padding=kernel // 2, bias=not norm)
    return [conv, nn.BatchNorm2d(o), nn.ReLU()] if norm else [conv, nn.ReLU()]


def published(norm: bool, classes: int = 10) -> nn.Sequential:
    """The authors' net, and the later one with batch norm and a dense layer. Pools round their sizes up."""
    last = 192 if norm else classes
    rest = [nn.Dropout(0.0 if norm else 0.5)]
    return nn.Sequential(
        *convolution(3, 192, 5, norm),
        *convolution(192, 160, 1, norm),
        *convolution(160, 96, 1, norm),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        *rest,
        *convolution(96, 192, 5, norm),
        *convolution(192, 192, 1, norm),
        *convolution(192, 192, 1, norm),
        nn.AvgPool2d(3, 2, ceil_mode=True),
        *rest,
        *convolution(192, 192, 3, norm),
        *convolution(192, 192, 1, norm),
        *convolution(192, last, 1, norm),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        *([nn.Linear(192, classes)] if norm else []),
    )


@pytest.mark.parametrize(("name", "norm"), [("nin_cifar", False), ("nin_bn_cifar", True)])
@pytest.mark.parametrize("form", ["fx", "python"])
def test_the_published_forms(name: str, norm: bool, form: str) -> None:
    theirs, ours = published(norm).eval(), built(archc.load(name), form).eval()
    theirs.load_state_dict(randomised(theirs))
    tensors = list(theirs.state_dict().values())
    assert [t.shape for t in ours.state_dict().values()] == [t.shape for t in tensors]
    ours.load_state_dict(dict(zip(ours.state_dict(), tensors, strict=True)))
    for size in ((32, 32), (17, 24)):
        images = torch.randn(2, 3, *size)
        with torch.no_grad():
            assert torch.equal(ours(images), theirs(images))


def test_windows_of_padded_pools_begin_a_pixel_earlier() -> None:
    """On the map 0, 1, ..., 31 along an axis: maxima of 0 to 2, 2 to 4, ..., and of -1 to 1, 1 to 3, ..."""
    ramp = torch.arange(32.0).expand(1, 1, 32, 32)
    maxima = {}
    for pools in ("unpadded", "padded"):
        net = archc.load("nin_cifar", pools=pools)
        (pool,) = [m for m in net.module().modules() if isinstance(m, nn.MaxPool2d)]
        maxima[pools] = pool(ramp)[0, 0, 0].tolist()
    assert maxima["unpadded"] == [*range(2, 32, 2), 31]
    assert maxima["padded"] == list(range(1, 32, 2))


def test_the_order_of_places_does_not_matter_to_the_head() -> None:
    network = archc.load("nin_cifar").module(seed=0).double().eval()
    images = torch.randn(1, 3, 32, 32, dtype=torch.float64)
    order = torch.randperm(64)

    def shuffle(_: nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        (x,) = inputs
        assert x.shape == (1, 192, 8, 8)
        return (x.flatten(2)[..., order].view_as(x),)

    with torch.no_grad():
        wanted = network(images)
        network.get_submodule("output.final_conv.conv").register_forward_pre_hook(shuffle)
        torch.testing.assert_close(network(images), wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("name", "value"), [("pools", "ceil"), ("head", "gap"), ("classes", 0), ("drop", 1.5)])
def test_what_is_refused(name: str, value: object) -> None:
    with pytest.raises(archc.ArchError) as refused:
        archc.load("nin_cifar", **{name: value})
    assert {d.code for d in refused.value.diagnostics} <= {"E0311", "E0303"}
