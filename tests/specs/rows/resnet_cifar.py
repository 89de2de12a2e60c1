"""Residual networks on CIFAR. The libraries have option B; option A is pytorchcv's network with other shortcuts."""

from __future__ import annotations

from oracles import BUILDERS, Row
from torch import nn

from rows.resnet import OptionA, adaptive

SHAPE = (2, 3, 32, 32)


def with_option_a(name: str) -> nn.Module:
    network = BUILDERS["pytorchcv"](name, {})
    for unit in network.modules():
        if getattr(unit, "resize_identity", False):
            projection = unit.identity_conv.conv
            unit.identity_conv = OptionA(projection.out_channels, projection.stride[0])
    return network


def option_a(depth: int, quick: bool = False) -> Row:
    name = f"resnet{depth}_cifar10"
    oracle = f"{name}, option A"
    return adaptive(
        f"resnet{depth}_cifar", "pytorchcv", oracle, make=lambda: with_option_a(name), shape=SHAPE, quick=quick
    )


def generated(depth: int) -> nn.Module:
    from pytorchcv.models.resnet_cifar import get_resnet_cifar

    return get_resnet_cifar(num_classes=10, blocks=depth, bottleneck=False)


def unnamed(depth: int) -> Row:
    """A depth that pytorchcv has no name for."""
    options = {"depth": depth, "shortcut": "B"}
    oracle = f"get_resnet_cifar(blocks={depth})"
    return adaptive("resnet_cifar", "pytorchcv", oracle, set=options, make=lambda: generated(depth), shape=SHAPE)


def named(depth: int, classes: int, unit: str = "basic", suffix: str = "") -> Row:
    options = {"depth": depth, "shortcut": "B", "unit": unit, "classes": classes}
    return adaptive("resnet_cifar", "pytorchcv", f"resnet{depth}{suffix}_cifar{classes}", set=options, shape=SHAPE)


ROWS = [
    *(option_a(depth, quick=depth == 20) for depth in (20, 56, 110)),
    Row(
        "resnet_cifar",
        "pytorchcv",
        "resnet20_cifar10",
        set={"depth": 20, "shortcut": "B"},
        shape=SHAPE,
        why="its pool sums in another order",
        within=1e-4,
    ),
    *(unnamed(depth) for depth in (32, 44)),
    *(named(depth, classes) for depth in (20, 56, 110, 1202) for classes in (10, 100)),
    *(named(depth, classes, "bottleneck", "bn") for depth in (164, 272, 542) for classes in (10, 100)),
    *(named(1001, classes, "bottleneck") for classes in (10, 100)),
]
