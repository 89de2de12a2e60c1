"""SqueezeNet."""

from __future__ import annotations

from oracles import Row

ROWS = [Row(name, "torchvision", name, quick=name == "squeezenet1_1") for name in ("squeezenet1_0", "squeezenet1_1")]
