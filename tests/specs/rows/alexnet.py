"""AlexNet."""

from __future__ import annotations

from oracles import Row

ROWS = [Row("alexnet", "torchvision", "alexnet")]
