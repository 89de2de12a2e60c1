"""Inception-ResNet-v1 and -v2."""

from __future__ import annotations

from oracles import Row, averaged_globally, from_pytorchcv
from torch import nn

from rows.inception_v4 import BRANCHES, NOMINAL, POOL

STEM = ("conv2d_1a", "conv2d_2a", "conv2d_2b", "conv2d_3b", "conv2d_4a", "conv2d_4b")


def pytorchcv(last: int) -> tuple[tuple[str, str], ...]:
    """The renaming where the third stage has `last` units, its reduction counted."""
    return (
        *((rf"features\.init_block\.conv{n}\.", f"{name}.") for n, name in enumerate(STEM, 1)),
        (r"features\.init_block\.block\.", "mixed_5b."),
        (r"(mixed_5b)\.branches\.branch4\.conv\.", r"\1.branch3.1."),
        *((rf"features\.stage1\.unit{n}\.", f"repeat.{n - 1}.") for n in range(1, 11)),
        (r"features\.stage2\.unit1\.", "mixed_6a."),
        *((rf"features\.stage2\.unit{n}\.", f"repeat_1.{n - 2}.") for n in range(2, 22)),
        (r"features\.stage3\.unit1\.", "mixed_7a."),
        *((rf"features\.stage3\.unit{n}\.", f"repeat_2.{n - 2}.") for n in range(2, last)),
        (rf"features\.stage3\.unit{last}\.", "block8."),
        (r"features\.final_conv\.", "conv2d_7b."),
        *BRANCHES,
        (r"(repeat\w*\.\d+|block8)\.conv\.", r"\1.conv2d."),
        (r"mixed_6a\.branch0\.0\.", "mixed_6a.branch0."),
        (r"output\.fc1\.", "last_linear."),
        (r"output\.bn\.", "last_bn."),
        (r"output\.fc2?\.", "classif."),
    )


def with_global_pool() -> nn.Module:
    return averaged_globally(from_pytorchcv("inceptionresnetv1", {}))


V1 = {"drop": 0.6}

ROWS = [
    Row(
        "inception_resnet_v1",
        "pytorchcv",
        "inceptionresnetv1 with a global pool",
        V1,
        make=with_global_pool,
        shape=(2, 3, 75, 107),
        renamed=pytorchcv(7),
    ),
    Row(
        "inception_resnet_v1",
        "pytorchcv",
        "inceptionresnetv1",
        V1,
        shape=NOMINAL,
        renamed=pytorchcv(7),
        why=POOL,
        within=1e-4,
    ),
    Row("inception_resnet_v2", "timm", "inception_resnet_v2", options={"drop_rate": 0.2}, shape=(2, 3, 75, 107)),
    Row(
        "inception_resnet_v2",
        "pytorchcv",
        "inceptionresnetv2",
        options={"dropout_rate": 0.2},
        shape=NOMINAL,
        renamed=pytorchcv(11),
        why=POOL,
        within=1e-4,
    ),
    Row(
        "inception_resnet_v2",
        "pretrainedmodels",
        "inceptionresnetv2",
        {"drop": 0.5},
        shape=NOMINAL,
        why=POOL,
        within=1e-4,
    ),
]
