"""Pre-activation residual networks on CIFAR."""

from __future__ import annotations

from typing import Any

from oracles import Row
from torch import nn

from rows.resnet import adaptive

SHAPE = (2, 3, 32, 32)
NAMES = (
    *("preresnet20", "preresnet56", "preresnet110", "preresnet1202"),
    *("preresnet164bn", "preresnet272bn", "preresnet542bn", "preresnet1001"),
)


def named(name: str, classes: int) -> Row:
    given: dict[str, Any] = {} if classes == 10 else {"classes": classes}
    quick = (name, classes) == ("preresnet20", 10)
    return adaptive(f"{name}_cifar", "pytorchcv", f"{name}_cifar{classes}", set=given, shape=SHAPE, quick=quick)


def generated(depth: int, unit: str) -> nn.Module:
    from pytorchcv.models.preresnet_cifar import get_preresnet_cifar

    return get_preresnet_cifar(num_classes=10, blocks=depth, bottleneck=unit == "bottleneck")


def unnamed(depth: int, unit: str) -> Row:
    """A depth that pytorchcv has no name for."""
    oracle = f"get_preresnet_cifar(blocks={depth}, bottleneck={unit == 'bottleneck'})"
    given = {"depth": depth, "unit": unit}
    return adaptive("preresnet_cifar", "pytorchcv", oracle, set=given, make=lambda: generated(depth, unit), shape=SHAPE)


ROWS = [
    *(named(name, classes) for name in NAMES for classes in (10, 100)),
    *(unnamed(depth, "basic") for depth in (32, 44)),
    unnamed(110, "bottleneck"),
]
