"""Multi-residual networks of one branch, which are pre-activation residual networks."""

from __future__ import annotations

from rows.resnet import adaptive

ROWS = [
    adaptive(
        "multi_resnet_cifar",
        "pytorchcv",
        oracle,
        set={"depth": depth, "k": 1, "version": 1.5},
        shape=(2, 3, 32, 32),
    )
    for depth, oracle in ((164, "preresnet164bn_cifar10"), (1001, "preresnet1001_cifar10"))
]
