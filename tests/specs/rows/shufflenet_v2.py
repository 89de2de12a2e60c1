"""ShuffleNetV2."""

from __future__ import annotations

from oracles import Row

ROWS = [
    Row(name, "torchvision", name, quick=name == "shufflenet_v2_x0_5")
    for name in ("shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0")
]
