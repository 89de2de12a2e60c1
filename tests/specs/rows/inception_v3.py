"""Inception-v3."""

from __future__ import annotations

from oracles import Row

from rows.inception_v4 import NOMINAL, POOL

STEM = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3")

PYTORCHCV = (
    *((rf"features\.init_block\.conv{n}\.", f"{name}.") for n, name in enumerate(STEM, 1)),
    *((rf"features\.stage1\.unit{n}\.", f"Mixed_5{letter}.") for n, letter in enumerate("bcd", 1)),
    *((rf"features\.stage2\.unit{n}\.", f"Mixed_6{letter}.") for n, letter in enumerate("abcde", 1)),
    *((rf"features\.stage3\.unit{n}\.", f"Mixed_7{letter}.") for n, letter in enumerate("abc", 1)),
    (r"branches\.branch1\.conv\.", "branch1x1."),
    (r"branches\.branch4\.conv\.", "branch_pool."),
    (r"(6a)\.branches\.branch1\.conv_list\.conv1\.", r"\1.branch3x3."),
    (r"(6a)\.branches\.branch2\.conv_list\.conv(\d)\.", r"\1.branch3x3dbl_\2."),
    (r"(7a)\.branches\.branch1\.conv_list\.conv(\d)\.", r"\1.branch3x3_\2."),
    (r"(7a)\.branches\.branch2\.conv_list\.conv(\d)\.", r"\1.branch7x7x3_\2."),
    (r"(5.)\.branches\.branch2\.conv_list\.conv(\d)\.", r"\1.branch5x5_\2."),
    (r"(6.)\.branches\.branch2\.conv_list\.conv(\d)\.", r"\1.branch7x7_\2."),
    (r"(6.)\.branches\.branch3\.conv_list\.conv(\d)\.", r"\1.branch7x7dbl_\2."),
    (r"branches\.branch2\.conv_list\.conv1\.", "branch3x3_1."),
    (r"branches\.branch3\.conv_list\.conv(\d)\.", r"branch3x3dbl_\1."),
    (r"branches\.branch2\.conv1x3\.", "branch3x3_2a."),
    (r"branches\.branch2\.conv3x1\.", "branch3x3_2b."),
    (r"branches\.branch3\.conv1x3\.", "branch3x3dbl_3a."),
    (r"branches\.branch3\.conv3x1\.", "branch3x3dbl_3b."),
    (r"output\.fc\.", "fc."),
)

SMALL = (2, 3, 75, 107)
WITHOUT = {"aux": False}

ROWS = [
    Row("inception_v3", "torchvision", "inception_v3", shape=NOMINAL),
    Row("inception_v3", "torchvision", "inception_v3", WITHOUT, options={"aux_logits": False}, shape=SMALL, quick=True),
    Row(
        "inception_v3",
        "torchvision",
        "inception_v3",
        {"transform_input": True},
        options={"transform_input": True},
        shape=NOMINAL,
    ),
    Row("inception_v3", "timm", "inception_v3", WITHOUT, options={"drop_rate": 0.5}, shape=SMALL),
    Row("inception_v3", "pytorchcv", "inceptionv3", WITHOUT, shape=NOMINAL, renamed=PYTORCHCV, why=POOL, within=1e-4),
    Row(
        "inception_v3",
        "pretrainedmodels",
        "inceptionv3",
        shape=NOMINAL,
        why=POOL,
        within=1e-4,
    ),
]
