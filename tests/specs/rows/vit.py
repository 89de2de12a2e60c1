"""Vision transformers."""

from __future__ import annotations

from typing import Any

from oracles import Row
from torchvision.models import VisionTransformer


def row(name: str, size: int = 0, quick: bool = False, **options: Any) -> Row:
    """At the usual size, and with the parameters of the peer's that the spec calls otherwise."""
    given = {"size": size} if size else {}
    own = {"dropout": "drop", "attention_dropout": "drop_attention", "num_classes": "classes"}
    return Row(
        name,
        "torchvision",
        name,
        given | {own[key]: value for key, value in options.items()},
        options={"image_size": size} | options if size else options,
        shape=(2, 3, size or 224, size or 224),
        quick=quick,
    )


HUGE = """
use ViT from "zoo/vit.arch"
arch shallow(n: int) = ViT(14, n, 16, 1280)
"""
"""ViT-H/14, whose 32 layers have 632 million parameters, with as many layers as are wanted."""

ROWS = [
    *(row(name) for name in ("vit_b_16", "vit_b_32", "vit_l_16", "vit_l_32")),
    row("vit_b_16", 64, dropout=0.1, attention_dropout=0.2),
    row("vit_l_32", 64, num_classes=10),
    Row(
        "shallow",
        "torchvision",
        "vit_h_14, 2 layers",
        {"n": 2},
        text=HUGE,
        make=lambda: VisionTransformer(224, 14, 2, 16, 1280, 5120),
        shape=(2, 3, 224, 224),
    ),
]
