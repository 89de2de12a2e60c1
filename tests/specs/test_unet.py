"""U-Net: the paper's figure in plain torch, what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from oracles import Row
from torch import Tensor, nn
from torch.nn import functional
from twins import compared

import archc

WIDTHS = [64, 128, 256, 512, 1024]


class UNet(nn.Module):
    """The boxes of figure 1, level by level."""

    def __init__(self, widths: list[int], padding: int = 0, drop: float = 0.5, channels: int = 1, classes: int = 2):
        super().__init__()
        self.drop, pairs = drop, list(zip([channels, *widths], widths, strict=False))
        for level, (i, o) in enumerate(pairs, 1):
            self.add_module(f"down{level}", self.double(i, o, padding))
        for level, (o, i) in reversed(list(enumerate(pairs[1:], 1))):
            up = {"upconv": nn.ConvTranspose2d(i, o, 2, 2), "convs": self.double(2 * o, o, padding)}
            self.add_module(f"up{level}", nn.ModuleDict(up))
        self.head, self.levels = nn.Conv2d(widths[0], classes, 1), len(widths)

    @staticmethod
    def double(i: int, o: int, padding: int) -> nn.Module:
        first, second = nn.Conv2d(i, o, 3, padding=padding), nn.Conv2d(o, o, 3, padding=padding)
        return nn.Sequential(first, nn.ReLU(), second, nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        maps: list[Tensor] = []
        for level in range(1, self.levels + 1):
            x = self.get_submodule(f"down{level}")(x if level == 1 else functional.max_pool2d(x, 2))
            if level >= self.levels - 1:
                x = functional.dropout(x, self.drop, self.training)
            maps.append(x)
        for level in range(self.levels - 1, 0, -1):
            x = functional.relu(self.get_submodule(f"up{level}.upconv")(x))
            skip, size = maps[level - 1], x.shape[-1]
            cut = (skip.shape[-1] - size) // 2
            x = self.get_submodule(f"up{level}.convs")(
                torch.cat([skip[:, :, cut : cut + size, cut : cut + size], x], 1)
            )
        return self.head(x)


@pytest.mark.parametrize(
    ("given", "padding", "size"),
    [
        ({"widths": [4, 6, 8]}, 0, 44),
        ({"widths": [4, 6, 8, 10], "padding": "half", "drop": 0.2, "channels": 3, "classes": 5}, 1, 32),
    ],
)
def test_equal_to_the_paper_in_plain_torch(given: dict[str, Any], padding: int, size: int) -> None:
    options: dict[str, Any] = given | {"padding": padding}
    shape = (2, given.get("channels", 1), size, size)
    row = Row("UNet", "the paper", "U-Net", given, make=lambda: UNet(**options), shape=shape)
    found = compared(row)
    assert (found.names, found.largest) == ("same, in order", 0)


def test_names_of_the_papers_network() -> None:
    with torch.device("meta"):
        theirs = UNet(WIDTHS).state_dict()
    ours = archc.load("unet").module(device="meta").state_dict()
    assert [(key, t.shape) for key, t in ours.items()] == [(key, t.shape) for key, t in theirs.items()]


def test_no_levels_are_refused() -> None:
    with pytest.raises(archc.ArchError, match="a level at least"):
        archc.load("UNet", widths=[])
