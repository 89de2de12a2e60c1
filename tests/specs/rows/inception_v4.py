"""Inception-v4."""

from __future__ import annotations

from oracles import Row

POOL = "its last pool, of a fixed size, sums in another order"

BRANCHES = (
    *((rf"\.branches\.branch{n}\.", rf".branch{n - 1}.") for n in (1, 2, 3, 4)),
    *((rf"\.conv_list\.conv{n}\.", rf".{n - 1}.") for n in (1, 2, 3, 4, 5)),
    (r"(branch\d)\.conv\.(conv|bn)\.", r"\1.\2."),
)
"""From pytorchcv's names of branches to timm's, but for pools before a convolution, which timm counts."""

PYTORCHCV = (
    *((rf"init_block\.conv{n}\.", f"{n - 1}.") for n in (1, 2, 3)),
    (r"init_block\.block1\.branches\.branch2\.", "3."),
    (r"init_block\.block2\.", "4."),
    (r"init_block\.block3\.branches\.branch1\.", "5."),
    *((rf"stage1\.unit{n}\.", f"{n + 5}.") for n in range(1, 5)),
    *((rf"stage2\.unit{n}\.", f"{n + 9}.") for n in range(1, 9)),
    *((rf"stage3\.unit{n}\.", f"{n + 17}.") for n in range(1, 5)),
    (r"(19|20|21)\.branches\.branch2\.conv_list\.conv1\.", r"\1.branch1_0."),
    *((rf"(19|20|21)\.branches\.branch3\.conv_list\.conv{n}\.", rf"\1.branch2_{n - 1}.") for n in (1, 2, 3)),
    (r"branches\.branch2\.conv1x3\.", "branch1_1a."),
    (r"branches\.branch2\.conv3x1\.", "branch1_1b."),
    (r"branches\.branch3\.conv1x3\.", "branch2_3a."),
    (r"branches\.branch3\.conv3x1\.", "branch2_3b."),
    (r"branches\.branch4\.conv\.", "branch3.1."),
    *BRANCHES,
    (r"features\.10\.branch0\.0\.", "features.10.branch0."),
    (r"output\.fc\.", "last_linear."),
)

NOMINAL = (2, 3, 299, 299)

ROWS = [
    Row("inception_v4", "timm", "inception_v4", options={"drop_rate": 0.2}, shape=(2, 3, 75, 107)),
    Row(
        "inception_v4",
        "pytorchcv",
        "inceptionv4",
        options={"dropout_rate": 0.2},
        shape=NOMINAL,
        renamed=PYTORCHCV,
        why=POOL,
        within=3e-4,
    ),
    Row("inception_v4", "pretrainedmodels", "inceptionv4", {"drop": 0}, shape=NOMINAL, why=POOL, within=3e-4),
]
