"""Pre-activation residual networks on ImageNet, in pytorchcv's form and timm's."""

from __future__ import annotations

from oracles import BUILDERS, Row
from torch import nn

from rows.resnet import adaptive

NAMED = (
    *("preresnet18", "preresnet34", "preresnet50", "preresnet101", "preresnet152", "preresnet200"),
    *("preresnet50b", "preresnet101b", "preresnet152b", "preresnet200b"),
)
UNNAMED = {
    "preresnet10": ("basic", [1, 1, 1, 1]),
    "preresnet12": ("basic", [2, 1, 1, 1]),
    "preresnet14": ("basic", [2, 2, 1, 1]),
    "preresnet16": ("basic", [2, 2, 2, 1]),
    "preresnet26": ("basic", [3, 3, 3, 3]),
    "preresnetbc14b": ("bottleneck", [1, 1, 1, 1]),
    "preresnetbc26b": ("bottleneck", [2, 2, 2, 2]),
    "preresnetbc38b": ("bottleneck", [3, 3, 3, 3]),
    "preresnet269b": ("bottleneck", [3, 30, 48, 8]),
}
"""Units and their numbers where pytorchcv alone has the net."""


def unnamed(name: str, unit: str, n: list[int]) -> Row:
    text = f'use {unit} from "std/preactivation.arch"\nuse PreResNet from "zoo/preresnet.arch"\n'
    return adaptive(name, "pytorchcv", name, text=f"{text}arch {name} = PreResNet({unit}, {n})")


def dense(name: str, features: int) -> nn.Module:
    """timm's net, whose last 1 x 1 convolution stands behind the pool, with a dense layer in its place."""
    from timm.layers.classifier import ClassifierHead

    network = BUILDERS["timm"](name, {})
    network.head = ClassifierHead(features, 1000)
    return network


def timm(depth: int) -> Row:
    name = f"resnetv2_{depth}"
    return Row(name, "timm", f"{name}, dense layer", make=lambda: dense(name, 512 if depth < 50 else 2048))


ROWS = [
    *(adaptive(name, "pytorchcv", name, quick=name == "preresnet18") for name in NAMED),
    *(unnamed(name, *of) for name, of in UNNAMED.items()),
    *(timm(depth) for depth in (18, 34, 50, 101, 152)),
]
