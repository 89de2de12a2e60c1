"""ResNeXt on ImageNet and on CIFAR."""

from __future__ import annotations

from oracles import Row
from torch import nn

from rows.resnet import adaptive

NAMES = ("resnext50_32x4d", "resnext101_32x4d", "resnext101_64x4d", "resnext101_32x8d")

PYTORCHCV = (
    (r"features\.init_block\.(?:conv\.)?(conv|bn)\.", r"\g<1>1."),
    *((rf"features\.stage(\d)\.unit{unit}\.", rf"layer\1.{unit - 1}.") for unit in range(1, 24)),
    (r"body\.conv(\d)\.(conv|bn)\.", r"\2\1."),
    (r"identity_conv\.conv\.", "downsample.0."),
    (r"identity_conv\.bn\.", "downsample.1."),
    (r"output\.", "fc."),
)
"""Its names, for where the structure does not decide: a first convolution may have the projection's shape."""

SMALL = """
use aggregated from "zoo/resnext.arch"
use ResNet from "zoo/resnet.arch"
arch net(n: int, cardinality: int, width: int) = ResNet(aggregated, [n, n, n, n], [cardinality, width])
"""


def small(n: int, cardinality: int, width: int) -> Row:
    """One of pytorchcv's, with as many units in each stage."""
    options = {"n": n, "cardinality": cardinality, "width": width}
    oracle = f"resnext{12 * n + 2}_{cardinality}x{width}d"
    return adaptive("net", "pytorchcv", oracle, set=options, text=SMALL)


def cifar(depth: int, cardinality: int, width: int, classes: int) -> Row:
    options = {"depth": depth, "cardinality": cardinality, "width": width, "classes": classes}
    oracle = f"resnext{depth}_{cardinality}x{width}d_cifar{classes}"
    return adaptive("resnext_cifar", "pytorchcv", oracle, set=options, shape=(2, 3, 32, 32))


def generated(cardinality: int) -> nn.Module:
    from pytorchcv.models.resnext_cifar import get_resnext_cifar

    return get_resnext_cifar(num_classes=10, blocks=29, cardinality=cardinality, bottleneck_width=64)


def unnamed(cardinality: int) -> Row:
    """A size of the paper that pytorchcv has no name for."""
    return adaptive(
        "resnext_cifar",
        "pytorchcv",
        f"get_resnext_cifar(cardinality={cardinality})",
        set={"cardinality": cardinality},
        make=lambda: generated(cardinality),
        shape=(2, 3, 32, 32),
        renamed=PYTORCHCV if cardinality == 4 else (),
    )


ROWS = [
    *(Row(name, "torchvision", name) for name in NAMES if name != "resnext101_32x4d"),
    *(Row(name, "timm", name) for name in NAMES),
    Row("resnext", "timm", "resnext101_32x16d", set={"depth": 101, "width": 16}),
    *(adaptive(name, "pytorchcv", name) for name in NAMES[:2]),
    adaptive(NAMES[2], "pytorchcv", NAMES[2], renamed=PYTORCHCV),
    *(small(*sizes) for sizes in ((1, 16, 4), (1, 32, 2), (1, 32, 4), (2, 16, 4), (2, 32, 2), (2, 32, 4), (3, 32, 4))),
    *(adaptive(name, "pretrainedmodels", name) for name in NAMES[1:3]),
    *(cifar(20, *sizes, classes) for sizes in ((16, 4), (32, 2), (32, 4)) for classes in (10, 100)),
    *(cifar(29, *sizes, classes) for sizes in ((32, 4), (16, 64)) for classes in (10, 100)),
    *(cifar(272, *sizes, classes) for sizes in ((1, 64), (2, 32)) for classes in (10, 100)),
    *(unnamed(cardinality) for cardinality in (1, 2, 4, 8)),
]
