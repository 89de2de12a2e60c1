"""Residual networks on ImageNet, with the authors' release and the libraries' other depths and stems."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from oracles import BUILDERS, Row
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import get_model
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

DEPTHS = (18, 34, 50, 101, 152)

DEEP = """
use ResNet, bottleneck, units from "zoo/resnet.arch"
arch deep(depth: int) = ResNet(bottleneck, units(depth), stem =
  conv1: [conv(32, 3, 2), bn, relu, conv(32, 3), bn, relu, conv(64, 3)] -> bn1: bn -> relu
  -> maxpool(3, 2, padding = 1))
"""
"""The stem of three 3 x 3 convolutions that timm calls "c"."""

SMOOTH = """
use ResNet from "zoo/resnet.arch"
use residual from "std/residual.arch"
block smooth(c, stride = 1) {
  body = conv1: conv(c, 1) -> bn1: bn -> relu -> conv2: conv(c, 3) -> bn2: bn -> relu
    -> (if stride > 1 then avgpool(stride) else id) -> conv3: conv(4 * c, 1) -> bn3: bn
  output residual(body, 4 * c, stride) -> relu
}
arch antialiased = ResNet(smooth, [3, 4, 6, 3], stem = conv1: conv(64, 7, 2) -> bn1: bn -> relu -> avgpool(2))
"""
"""Averages of 2 x 2 instead of strides and of the max pool, as timm's "aa" has it."""


def of(unit: str, n: list[int]) -> str:
    """A network of these numbers of units."""
    return f'use ResNet, {unit} from "zoo/resnet.arch"\narch net = ResNet({unit}, {n})'


SMALL = {
    "resnet10": of("basic", [1, 1, 1, 1]),
    "resnet12": of("basic", [2, 1, 1, 1]),
    "resnet14": of("basic", [2, 2, 1, 1]),
    "resnet16": of("basic", [2, 2, 2, 1]),
    "resnet26": of("basic", [3, 3, 3, 3]),
    "resnetbc14b": of("bottleneck", [1, 1, 1, 1]),
    "resnetbc26b": of("bottleneck", [2, 2, 2, 2]),
    "resnetbc38b": of("bottleneck", [3, 3, 3, 3]),
}


def adaptive(spec: str, library: str, oracle: str, **options: Any) -> Row:
    """A row whose peer ends in an average of 7 x 7 or 8 x 8, here one of the whole map.

    At the size that the peer was made for both are the same average, in another order of summation.
    """
    make = with_adaptive_pool(options.pop("make", lambda: BUILDERS[library](oracle, {})))
    return Row(spec, library, f"{oracle}, adaptive pool", make=make, **options)


def with_adaptive_pool(build: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        network = build()
        for parent in list(network.modules()):
            for name, child in parent.named_children():
                if isinstance(child, nn.AvgPool2d):
                    setattr(parent, name, nn.AdaptiveAvgPool2d(1))
        return network

    return make


class OptionA(nn.Module):
    """Every `stride`-th row and column, and channels of zeros behind the input's."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.channels, self.stride = channels, stride

    def forward(self, x: Tensor) -> Tensor:
        return functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.channels - x.shape[1]))


def with_option(option: str, network: ResNet) -> nn.Module:
    """torchvision's network, which has option B, with option A or C."""
    for unit in network.modules():
        if not isinstance(unit, (BasicBlock, Bottleneck)):
            continue
        channels = (unit.bn3 if isinstance(unit, Bottleneck) else unit.bn2).num_features
        if option == "A" and unit.downsample is not None:
            unit.downsample = OptionA(channels, unit.stride)
        if option == "C" and unit.downsample is None:
            unit.downsample = nn.Sequential(nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels))
    return network


def optional(name: str, option: str) -> Row:
    def make() -> nn.Module:
        return with_option(option, get_model(name, weights=None))

    return Row(name, "torchvision", f"{name}, option {option}", set={"shortcut": option}, make=make)


def pytorchcv(depth: int) -> tuple[Row, Row]:
    """Its plain names have the stride on the first convolution; those in b have it on the second."""
    name = f"resnet{depth}"
    return adaptive(name, "pytorchcv", name, set={"version": 1}), adaptive(name, "pytorchcv", f"{name}b")


ROWS = [
    *(Row(f"resnet{depth}", "torchvision", f"resnet{depth}", quick=depth == 18) for depth in DEPTHS),
    *(optional(name, option) for name in ("resnet18", "resnet34", "resnet50") for option in ("A", "C")),
    *(Row(f"resnet{depth}", "timm", f"resnet{depth}") for depth in (*DEPTHS, 200)),
    Row("net", "timm", "resnet26", text=SMALL["resnetbc26b"]),
    *(Row("deep", "timm", f"resnet{depth}c", set={"depth": depth}, text=DEEP) for depth in (50, 101, 152)),
    Row("antialiased", "timm", "resnetaa50", text=SMOOTH),
    *(adaptive("net", "pytorchcv", name, text=text) for name, text in SMALL.items()),
    *(adaptive(f"resnet{depth}", "pytorchcv", f"resnet{depth}") for depth in (18, 34)),
    *(row for depth in (50, 101, 152, 200) for row in pytorchcv(depth)),
    *(Row(f"resnet{depth}", "pretrainedmodels", f"resnet{depth}") for depth in DEPTHS),
    adaptive("caffe_resnet", "pretrainedmodels", "cafferesnet101", set={"depth": 101}),
    adaptive("fbresnet152", "pretrainedmodels", "fbresnet152"),
]
