"""PolyNet, and a small one of pytorchcv's units."""

from __future__ import annotations

from oracles import Row, averaged_globally, from_pretrainedmodels, from_pytorchcv
from pytorchcv.models.polynet import PolyNet
from torch import nn

SMALL = """
use PolyNet, poly3, twoway from "zoo/polynet.arch"
arch polynet_1_2_2 = PolyNet([twoway], [poly3, twoway], [poly3, twoway], [1, 1, 1])
"""


def small() -> nn.Module:
    """A unit in each stage, whose five scales fall from 1 to 0.7."""
    net = PolyNet([[1.0], [0.0, 0.85], [0.0, 0.7]], [[0.0], [0.0, 0.925], [0.0, 0.775]])
    return averaged_globally(net)


def paths(stage: str, unit: int, module: str, *kinds: int) -> tuple[tuple[str, str], ...]:
    """From pretrainedmodels' branches of a 2-way module to pytorchcv's: `kinds` are their numbers of convolutions."""
    here = rf"stage_{stage}\.{module}\."
    there = f"features.stage{'abc'.index(stage) + 1}.unit{unit}.twoway."
    return (
        *(
            (
                rf"{here}blocks\.(\d)\.path{i}\.{j}\.",
                rf"{there}res_blocks.\1.branches.branch{i + 1}.conv_list.conv{j + 1}.",
            )
            for i, count in enumerate(kinds)
            if count > 1
            for j in range(count)
        ),
        *(
            (rf"{here}blocks\.(\d)\.path{i}\.", rf"{there}res_blocks.\1.branches.branch{i + 1}.conv.")
            for i, count in enumerate(kinds)
            if count == 1
        ),
        (rf"{here}blocks\.(\d)\.conv2d\.", rf"{there}res_blocks.\1.conv."),
    )


def poly(stage: str, unit: int, module: int, kernels: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    here = rf"stage_{stage}\.{module}\."
    there = f"features.stage{'abc'.index(stage) + 1}.unit{unit}.poly."
    return (
        *(
            (rf"{here}path0_{kernel}\.", f"{there}pre_block.branches.branch1.conv_list.conv{j}.")
            for j, kernel in enumerate(kernels, 1)
        ),
        (rf"{here}path1\.", f"{there}pre_block.branches.branch2."),
        (rf"{here}conv2d_blocks\.", f"{there}res_blocks."),
    )


def reduction(name: str, stage: int) -> tuple[tuple[str, str], ...]:
    here, there = rf"reduction_{name}\.", f"features.stage{stage}.unit1.branches."
    return (
        *(
            (rf"{here}path{i}\.{j}\.", f"{there}branch{i + 1}.conv_list.conv{j + 1}.")
            for i in range(3)
            for j in range(3)
        ),
        *((rf"{here}path{i}\.", f"{there}branch{i + 1}.conv_list.conv1.") for i in range(3)),
    )


PRETRAINEDMODELS = (
    *((rf"stem\.conv1\.{i}\.", f"features.init_block.conv{i + 1}.") for i in range(3)),
    (r"stem\.conv1_branch\.", "features.init_block.block1.branches.branch2.conv."),
    *(
        (rf"stem\.conv2_{name}\.{j}\.", f"features.init_block.block2.branches.branch{i}.conv_list.conv{j + 1}.")
        for i, name in enumerate(("short", "long"), 1)
        for j in range(4)
    ),
    (r"stem\.conv2_branch\.", "features.init_block.block3.branches.branch2.conv."),
    *(rule for i in range(10) for rule in paths("a", i + 1, str(i), 3, 2, 1)),
    *reduction("a", 2),
    *(rule for i in range(10) for rule in poly("b", i + 2, 2 * i, ("1x1", "1x7", "7x1"))),
    *(rule for i in range(10) for rule in paths("b", i + 2, str(2 * i + 1), 3, 1)),
    *reduction("b", 3),
    *(rule for i in range(5) for rule in poly("c", i + 2, 2 * i, ("1x1", "1x3", "3x1"))),
    *(rule for i in range(5) for rule in paths("c", i + 2, str(2 * i + 1), 3, 1)),
    (r"\.bn_blocks\.", ".bns."),
    (r"last_linear\.", "output.fc."),
)

SHAPE = (2, 3, 107, 107)
"""The last pool of the peers, 9 x 9, is replaced by a global one: random statistics make outputs at 331 x 331 so large
that the order in which it sums is worth many millions."""

ROWS = [
    Row(
        "polynet_1_2_2",
        "pytorchcv",
        "PolyNet of five modules",
        text=SMALL,
        make=small,
        shape=(2, 3, 75, 91),
        quick=True,
    ),
    Row(
        "polynet",
        "pytorchcv",
        "polynet with a global pool",
        make=lambda: averaged_globally(from_pytorchcv("polynet", {})),
        shape=SHAPE,
    ),
    Row(
        "polynet",
        "pretrainedmodels",
        "polynet with a global pool",
        make=lambda: averaged_globally(from_pretrainedmodels("polynet", {}), "avg_pool"),
        shape=SHAPE,
        renamed=PRETRAINEDMODELS,
    ),
]
