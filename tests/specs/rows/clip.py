"""CLIP, with few layers of few channels, on three images and two texts."""

from __future__ import annotations

from typing import Any

import torch
from oracles import Row, words
from torch import Tensor

GIVEN = {"patch": 8, "size": 32, "c": 48, "heads": 3, "depth": 2, "joint": 24, "words": 90, "context": 12}
GIVEN |= {"text_c": 32, "text_heads": 4, "text_depth": 2}
TEXT = {"vocab_size": 90, "hidden_size": 32, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
IMAGE = {"image_size": 32, "patch_size": 8, "hidden_size": 48, "intermediate_size": 192, "num_hidden_layers": 2}
OPTIONS: dict[str, Any] = {
    "projection_dim": 24,
    "text_config": TEXT | {"max_position_embeddings": 12, "eos_token_id": 2},
    "vision_config": IMAGE | {"num_attention_heads": 3},
}


def texts_and_images(generator: torch.Generator) -> tuple[Tensor, ...]:
    return (*words(90, 2, 9)(generator), torch.randn((3, 3, 32, 32), generator=generator))


ROWS = [
    Row(
        *("CLIP", "transformers", "CLIPModel", GIVEN),
        options=OPTIONS,
        draws=texts_and_images,
        why="multiplies in another order",
        within=1e-5,
        quick=True,
    )
]
