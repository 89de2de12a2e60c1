"""Residual networks of residual networks, of three levels on CIFAR."""

from __future__ import annotations

from rows.resnet import adaptive

ROWS = [
    adaptive(
        f"ror3_{depth}_cifar",
        "pytorchcv",
        f"ror3_{depth}_cifar{classes}",
        set={} if classes == 10 else {"classes": classes},
        shape=(2, 3, 32, 32),
        quick=(depth, classes) == (56, 10),
    )
    for depth in (56, 110, 164)
    for classes in (10, 100)
]
