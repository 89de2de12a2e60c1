"""RegNetX and RegNetY."""

from __future__ import annotations

from functools import partial
from unittest import mock

from oracles import Row
from torchvision.models import regnet

SIZES = ("400mf", "800mf", "1_6gf", "3_2gf", "8gf", "16gf", "32gf")
NAMES = (*(f"regnet_x_{size}" for size in SIZES), *(f"regnet_y_{size}" for size in SIZES))

SHALLOW = """
use RegNet from "zoo/regnet.arch"
arch shallow(depth: int) = RegNet(depth, 456, 160.83, 2.52, 264, 0.25)
"""
"""RegNetY-128GF, whose 27 blocks have 645 million parameters, with as many blocks as are wanted."""


def settings(name: str) -> regnet.BlockParams:
    """The widths of torchvision's network, which it cannot compute on the device that has shapes alone."""
    with mock.patch.object(regnet, "_regnet", lambda found, *_, **__: found):
        return getattr(regnet, name)()


def shallow(depth: int) -> regnet.BlockParams:
    return regnet.BlockParams.from_init_params(
        depth=depth, w_0=456, w_a=160.83, w_m=2.52, group_width=264, se_ratio=0.25
    )


def row(name: str, quick: bool = False) -> Row:
    return Row(name, "torchvision", name, make=partial(regnet.RegNet, settings(name)), quick=quick)


ROWS = [
    *(row(name, quick=name == "regnet_y_400mf") for name in NAMES),
    Row(
        "shallow",
        "torchvision",
        "regnet_y_128gf, 8 blocks",
        {"depth": 8},
        text=SHALLOW,
        make=partial(regnet.RegNet, shallow(8)),
    ),
]
