"""MaxViT, also small with other windows."""

from __future__ import annotations

from oracles import Row
from torch import nn
from torchvision.models import MaxVit

GIVEN = {"drop": 0.1, "drop_attention": 0.2, "classes": 10}
OPTIONS = {"mlp_dropout": 0.1, "attention_dropout": 0.2, "num_classes": 10}
SMALL = {"n": [1, 2], "widths": [32, 64], "stem": 16, "w": 6, "d": 16, "drop_path": 0.5}


def small() -> nn.Module:
    return MaxVit(
        input_size=(48, 48),
        stem_channels=16,
        partition_size=6,
        block_channels=[32, 64],
        block_layers=[1, 2],
        head_dim=16,
        stochastic_depth_prob=0.5,
        **OPTIONS,
    )


ROWS = [
    Row("maxvit_t", "torchvision", "maxvit_t", shape=(2, 3, 224, 224)),
    Row("MaxViT", "torchvision", "MaxVit, 3 layers", SMALL | GIVEN, make=small, shape=(2, 3, 48, 48), quick=True),
]
