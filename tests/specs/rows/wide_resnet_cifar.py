"""Wide residual networks on CIFAR."""

from __future__ import annotations

from oracles import Row
from torch import nn

from rows.resnet import adaptive

SHAPE = (2, 3, 32, 32)
NAMED = ((16, 10), (28, 10), (40, 8))
UNNAMED = ((16, 4), (16, 8), (22, 8), (28, 12), (40, 1), (40, 2), (40, 4), (58, 4))


def generated(depth: int, k: int, classes: int) -> nn.Module:
    from pytorchcv.models.wrn_cifar import get_wrn_cifar

    return get_wrn_cifar(num_classes=classes, blocks=depth, width_factor=k)


def row(depth: int, k: int, classes: int) -> Row:
    named = (depth, k) in NAMED
    oracle = f"wrn{depth}_{k}_cifar{classes}" if named else f"get_wrn_cifar({classes}, {depth}, {k})"
    return adaptive(
        "wide_resnet_cifar",
        "pytorchcv",
        oracle,
        set={"depth": depth, "k": k, "classes": classes},
        make=lambda: generated(depth, k, classes),
        shape=SHAPE,
        quick=(depth, k, classes) == (16, 4, 100),
    )


ROWS = [row(depth, k, classes) for depth, k in (*NAMED, *UNNAMED) for classes in (10, 100)]
