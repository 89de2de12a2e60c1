"""MobileNetV2, also narrower and wider."""

from __future__ import annotations

from oracles import Row

WIDTHS = (0.35, 0.5, 0.75, 1.4)

ROWS = [
    Row("mobilenet_v2", "torchvision", "mobilenet_v2", quick=True),
    *(Row("mobilenet_v2", "torchvision", "mobilenet_v2", {"width": w}, options={"width_mult": w}) for w in WIDTHS),
]
