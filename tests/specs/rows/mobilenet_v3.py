"""MobileNetV3, also wider, with a narrower tail, and dilated."""

from __future__ import annotations

from oracles import Row
from torch import nn
from torchvision.models.mobilenetv3 import MobileNetV3, _mobilenet_v3_conf

NAMES = ("mobilenet_v3_large", "mobilenet_v3_small")


def variant(name: str, oracle: str, given: dict[str, float], **options: object) -> Row:
    """torchvision's table with options that its builders pass on."""

    def make() -> nn.Module:
        return MobileNetV3(*_mobilenet_v3_conf(name, **options))

    return Row(name, "torchvision", f"{name}, {oracle}", given, make=make)


ROWS = [
    *(Row(name, "torchvision", name, quick=name == "mobilenet_v3_small") for name in NAMES),
    *(variant(name, "reduced tail", {"tail": 2}, reduced_tail=True) for name in NAMES),
    *(variant(name, "dilated", {"dilation": 2}, dilated=True) for name in NAMES),
    *(variant(name, f"width_mult {w}", {"width": w}, width_mult=w) for name in NAMES for w in (0.75, 1.25)),
]
