"""Swin transformers, and their second version."""

from __future__ import annotations

from typing import Any

from oracles import Row
from torch import nn
from torchvision.models import swin_transformer as peer


def row(name: str, *size: int, **options: Any) -> Row:
    """At the usual size, or at another one: of rows, or of rows and columns."""
    own = {"dropout": "drop", "attention_dropout": "drop_attention", "num_classes": "classes"}
    given = dict(zip(("size", "width"), size, strict=False)) | {own[key]: value for key, value in options.items()}
    usual = 256 if "v2" in name else 224
    return Row(
        name,
        "torchvision",
        name,
        given,
        options=options,
        shape=(2, 3, *((size or (usual,)) * 2)[:2]),
    )


def small(name: str, size: int, w: int, **parts: type[nn.Module]) -> Row:
    """Two stages of two units, on images that windows do not fill."""

    def make() -> nn.Module:
        return peer.SwinTransformer([4, 4], 32, [2, 2], [2, 4], [w, w], stochastic_depth_prob=0.2, **parts)

    given = {"n": [2, 2], "heads": [2, 4], "c": 32, "size": size}
    oracle = f"SwinTransformer, windows of {w} x {w}"
    return Row(name, "torchvision", oracle, given, make=make, shape=(2, 3, size, size), quick=True)


ROWS = [
    *(row(f"swin_{size}") for size in "tsb"),
    small("Swin", 64, 7),
    row("swin_t", 64),
    row("swin_t", 96, 301, dropout=0.1, attention_dropout=0.2, num_classes=10),
    *(row(f"swin_v2_{size}") for size in "tsb"),
    small("SwinV2", 80, 8, block=peer.SwinTransformerBlockV2, downsample_layer=peer.PatchMergingV2),
    row("swin_v2_t", 64),
    row("swin_v2_t", 96, 301, dropout=0.1, attention_dropout=0.2, num_classes=10),
]
