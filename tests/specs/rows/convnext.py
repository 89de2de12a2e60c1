"""ConvNeXt."""

from __future__ import annotations

from oracles import Row

ROWS = [Row(f"convnext_{size}", "torchvision", f"convnext_{size}") for size in ("tiny", "small", "base", "large")]
