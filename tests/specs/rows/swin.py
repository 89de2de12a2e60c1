"""Swin transformers, and their second version."""

from __future__ import annotations

from typing import Any

from oracles import Row


def row(name: str, *size: int, quick: bool = False, **options: Any) -> Row:
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
        quick=quick,
    )


ROWS = [
    *(row(f"swin_{size}") for size in "tsb"),
    row("swin_t", 64, quick=True),
    row("swin_t", 96, 301, dropout=0.1, attention_dropout=0.2, num_classes=10),
    *(row(f"swin_v2_{size}") for size in "tsb"),
    row("swin_v2_t", 64, quick=True),
    row("swin_v2_t", 96, 301, dropout=0.1, attention_dropout=0.2, num_classes=10),
]
