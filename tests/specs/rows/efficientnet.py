"""EfficientNet and EfficientNetV2."""

from __future__ import annotations

from oracles import Row

NAMES = (*(f"efficientnet_b{n}" for n in range(8)), *(f"efficientnet_v2_{size}" for size in "sml"))

ROWS = [Row(name, "torchvision", name, quick=name == "efficientnet_b0") for name in NAMES]
