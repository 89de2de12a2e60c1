"""How long inference takes by `net.optimized()`, against torchvision's module in eager mode with the same weights.

python bench/inference.py [NAME ...]
"""

from __future__ import annotations

import sys

import torch
import torchvision.models
from timing import Comparison, alternated

import archc

NAMES = ("resnet18", "resnet50", "densenet121", "mobilenet_v2", "efficientnet_b0", "convnext_tiny", "vit_b_16")
RUNS = 7
TARGET = 0.65


def compare(name: str, runs: int = RUNS) -> Comparison:
    theirs = torchvision.models.get_model(name).eval()
    ours = archc.load(name).optimized(theirs)
    image = torch.randn(1, 3, 224, 224)
    with torch.inference_mode():
        first, second = alternated(lambda: ours(image), lambda: theirs(image), runs)
    return Comparison(f"inference, {name}", f"`torchvision.models.{name}()`", tuple(first), tuple(second), TARGET)


if __name__ == "__main__":
    for name in sys.argv[1:] or NAMES:
        print(compare(name), flush=True)
