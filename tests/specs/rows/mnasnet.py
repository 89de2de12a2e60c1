"""MnasNet."""

from __future__ import annotations

from oracles import Row

ROWS = [
    Row(name, "torchvision", name, quick=name == "mnasnet0_5")
    for name in ("mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3")
]
