"""DenseNet on ImageNet and on CIFAR.

pytorchcv's nets without bottlenecks are not the paper's: they halve the channels in transitions and begin with twice
the growth rate, which is the paper's form C with another first layer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from oracles import Row, averaged_globally, from_pytorchcv
from torch import nn
from torchvision.models import DenseNet

DEPTHS = (121, 161, 169, 201)
CIFAR = ((40, 12, False), (100, 12, False), (100, 24, False), (40, 12, True), (40, 24, True), (40, 36, True))
CIFAR += ((100, 12, True), (250, 24, True), (190, 40, True))
"""Depth, growth rate, and whether there are bottlenecks: pytorchcv's variants."""

WINDOW: dict[str, Any] = {"shape": (2, 3, 224, 224), "why": "averages a window of 7 x 7", "within": 3e-5}


def for_cifar(layers: int, growth_rate: int, drop_rate: float) -> Callable[[], nn.Module]:
    """torchvision's network of three blocks, with one 3 x 3 convolution in the place of its stem."""

    def make() -> nn.Module:
        net = DenseNet(growth_rate, (layers,) * 3, 2 * growth_rate, drop_rate=drop_rate, num_classes=10)  # type: ignore[arg-type]
        net.features.conv0 = nn.Conv2d(3, 2 * growth_rate, 3, padding=1, bias=False)
        del net.features.norm0, net.features.relu0, net.features.pool0
        return net

    return make


def deepest(growth_rate: int) -> Callable[[], nn.Module]:
    return lambda: DenseNet(growth_rate, (6, 12, 64, 48), 2 * growth_rate)


def pytorchcv(spec: str, name: str, given: dict[str, Any], side: int) -> Row:
    """pytorchcv's network, with an average of the whole map at the end instead of one of 7 x 7 or 8 x 8."""

    def make() -> nn.Module:
        return averaged_globally(from_pytorchcv(name, {}))

    return Row(spec, "pytorchcv", f"{name}, adaptive pool", given, make=make, shape=(2, 3, side, side))


def cifar(depth: int, growth_rate: int, bc: bool, classes: int) -> Row:
    given = {"depth": depth, "growth_rate": growth_rate, "classes": classes}
    if not bc:
        given |= {"bc": False, "theta": 0.5, "stem": 2 * growth_rate}
    return pytorchcv("densenet_cifar", f"densenet{depth}_k{growth_rate}{'_bc' if bc else ''}_cifar{classes}", given, 32)


ROWS = [
    *(Row(f"densenet{depth}", "torchvision", f"densenet{depth}") for depth in DEPTHS),
    *(Row(f"densenet{depth}", "timm", f"densenet{depth}") for depth in DEPTHS),
    *(pytorchcv(f"densenet{depth}", f"densenet{depth}", {}, 64) for depth in DEPTHS),
    *(Row(f"densenet{depth}", "pretrainedmodels", f"densenet{depth}", **WINDOW) for depth in DEPTHS),
    Row("densenet121", "torchvision", "densenet121", {"memory_efficient": True}),
    Row("densenet121", "torchvision", "densenet121 with dropout", {"drop": 0.2}, make=lambda: DenseNet(drop_rate=0.2)),
    Row("densenet264", "torchvision", "DenseNet with (6, 12, 64, 48) layers", make=deepest(32)),
    Row("densenet264", "torchvision", "DenseNet with (6, 12, 64, 48) layers", {"growth_rate": 48}, make=deepest(48)),
    *(
        Row(
            "densenet_cifar",
            "torchvision",
            f"DenseNet with a first layer for CIFAR{' and dropout' if drop else ''}",
            {"depth": 40, "drop": drop},
            make=for_cifar(6, 12, drop),
            shape=(2, 3, 32, 32),
            quick=drop > 0,
        )
        for drop in (0.0, 0.2)
    ),
    *(cifar(*variant, classes) for variant in CIFAR for classes in (10, 100)),
]
