"""Inception-v4: closed forms of its parts, pools, sizes."""

from __future__ import annotations

import pytest
import torch
from rows.inception_v4 import ROWS
from twins import loaded, ours, randomised

import archc

Branch = list[tuple[int, int]]
"""Widths, and numbers of elements of the kernels."""


def part(channels: int, *branches: Branch) -> int:
    """Parameters of parallel branches of convolutions, each with batch norm."""
    count = 0
    for branch in branches:
        before = channels
        for width, area in branch:
            count, before = count + before * width * area + 2 * width, width
    return count


PARTS = {
    "0": part(3, [(32, 9)]),
    "1": part(32, [(32, 9)]),
    "2": part(32, [(64, 9)]),
    "3": part(64, [(96, 9)]),
    "4": part(160, [(64, 1), (96, 9)], [(64, 1), (64, 7), (64, 7), (96, 9)]),
    "5": part(192, [(192, 9)]),
    **{str(i): part(384, [(96, 1)], [(64, 1), (96, 9)], [(64, 1), (96, 9), (96, 9)], [(96, 1)]) for i in range(6, 10)},
    "10": part(384, [(384, 9)], [(192, 1), (224, 9), (256, 9)]),
    **{
        str(i): part(
            1024,
            [(384, 1)],
            [(192, 1), (224, 7), (256, 7)],
            [(192, 1), (192, 7), (224, 7), (224, 7), (256, 7)],
            [(128, 1)],
        )
        for i in range(11, 18)
    },
    "18": part(1024, [(192, 1), (192, 9)], [(256, 1), (256, 7), (320, 7), (320, 9)]),
    **{
        str(i): part(1536, [(256, 1)], [(384, 1)], [(384, 1), (448, 3), (512, 3)], [(256, 1)])
        + 2 * part(384, [(256, 3)])
        + 2 * part(512, [(256, 3)])
        for i in range(19, 22)
    },
}


@pytest.mark.parametrize("classes", [2, 1000])
def test_closed_forms(classes: int) -> None:
    """The paper's figures 3 to 9, part by part."""
    found = archc.load("inception_v4", classes=classes).stats()
    rows = {row.path: row.parameters for row in found.rows}
    assert {name: rows[f"features.{name}"] for name in PARTS} == PARTS
    assert sum(PARTS[str(i)] for i in range(6)) == 605_728
    assert found.parameters == sum(PARTS.values()) + 1537 * classes


def test_means_leave_the_padding_out() -> None:
    """Of a constant map they are that constant, at the border too."""
    text = 'use avg from "std/inception.arch"\narch a { input x: [N, 2, H, W] = [1, 2, 5, 7]\n output x -> avg }'
    ones = torch.ones(1, 2, 5, 7)
    assert torch.equal(archc.loads(text, "a").module()(ones), ones)


def test_legal_sizes() -> None:
    requirements = archc.load("inception_v4").ir.requirements
    assert not requirements.violations({"N": 1, "H": 75, "W": 300})
    assert requirements.violations({"N": 1, "H": 74, "W": 300})
    assert requirements.violations({"N": 1, "H": 300, "W": 74})


@pytest.mark.slow
@pytest.mark.parametrize("form", ["fx", "python"])
def test_one_module_takes_every_legal_size(form: str) -> None:
    row = ROWS[0]
    state = randomised(row.theirs("meta"))
    reference, made = (loaded(net, state).eval() for net in (row.theirs(), ours(row.ours(), form)))
    for height, width in ((75, 75), (76, 131), (140, 91)):
        images = torch.randn(1, 3, height, width)
        with torch.no_grad():
            assert torch.equal(made(images.clone()), reference(images.clone()))
