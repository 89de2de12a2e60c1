"""FractalNet on CIFAR.

Drop-path and dropout are off on both sides, since pytorchcv draws its masks from numpy and for each image.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from oracles import Row, from_pytorchcv
from pytorchcv.models.fractalnet_cifar import CIFARFractalNet, FractalBlock
from torch import nn

OFF = {"drop": 0.0, "local_drop": 0.0, "global_share": 0.0}
WIDTHS = [64, 128, 256, 512, 512]
SMALL = [16, 32, 64, 128, 128]
"""The widths of the paper's table of ultra-deep nets."""


def still(net: nn.Module) -> nn.Module:
    """The net, with nothing left out in training."""
    net.glob_drop_ratio = 0.0  # type: ignore[assignment]
    for module in net.modules():
        if isinstance(module, FractalBlock):
            module.loc_drop_prob = 0.0
        if isinstance(module, nn.Dropout2d):
            module.p = 0.0
    return net


def of_class(widths: list[int], columns: int, classes: int) -> Callable[[], nn.Module]:
    dropouts = [0.1 * i for i in range(len(widths))]
    return lambda: still(CIFARFractalNet(widths, columns, dropouts, 0.15, 0.5, num_classes=classes))


def row(widths: list[int], columns: int, classes: int, **options: Any) -> Row:
    own = {"columns": columns, "widths": widths, "classes": classes, **OFF}
    name = f"CIFARFractalNet({widths}, {columns}), {classes} classes"
    make = of_class(widths, columns, classes)
    return Row("fractalnet", "pytorchcv", name, own, make=make, shape=(2, 3, 32, 32), **options)


def named(classes: int) -> Row:
    name = f"fractalnet_cifar{classes}"
    own = {"classes": classes, **OFF}
    return Row("fractalnet", "pytorchcv", name, own, make=lambda: still(from_pytorchcv(name, {})), shape=(2, 3, 32, 32))


ROWS = [
    *(named(classes) for classes in (10, 100)),
    *(row(WIDTHS, columns, classes) for columns in (1, 2, 4) for classes in (10, 100)),
    *(row(SMALL, columns, 100, quick=columns == 2) for columns in range(1, 7)),
]
