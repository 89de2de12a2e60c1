"""How long a compiled module takes in eager mode, against torchvision's module with the same weights.

python bench/eager.py
"""

from __future__ import annotations

import torch
import torchvision.models
from timing import Comparison, alternated

import archc

NAMES = ("resnet18", "resnet50", "densenet121", "vgg11")
RUNS = 100
TARGET = 1.02


def compare(name: str, runs: int = RUNS) -> Comparison:
    ours, theirs = archc.load(name).module().eval(), torchvision.models.get_model(name).eval()
    theirs.load_state_dict(ours.state_dict())
    image = torch.randn(1, 3, 224, 224)
    with torch.inference_mode():
        first, second = alternated(lambda: ours(image), lambda: theirs(image), runs)
    return Comparison(f"eager, {name}", f"`torchvision.models.{name}()`", tuple(first), tuple(second), TARGET)


if __name__ == "__main__":
    for name in NAMES:
        print(compare(name))
