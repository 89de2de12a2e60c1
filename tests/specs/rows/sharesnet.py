"""ShaResNet."""

from __future__ import annotations

from rows.resnet import adaptive

NAMES = ("18", "34", "50", "50b", "101", "101b", "152", "152b")

ROWS = [adaptive(f"sharesnet{name}", "pytorchcv", f"sharesnet{name}", quick=name == "18") for name in NAMES]
