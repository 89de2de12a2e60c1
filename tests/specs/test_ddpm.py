"""The diffusion U-Net in plain torch, level by level, and diffusers' own where that is installed."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from oracles import Row
from torch import Tensor, nn
from torch.nn import functional
from twins import compared

import archc


def norm(c: int) -> nn.GroupNorm:
    return nn.GroupNorm(32, c, eps=1e-6)


class Unit(nn.Module):
    def __init__(self, i: int, o: int, time: int, drop: float):
        super().__init__()
        self.norm1, self.conv1, self.time_emb_proj = norm(i), nn.Conv2d(i, o, 3, padding=1), nn.Linear(time, o)
        self.norm2, self.dropout, self.conv2 = norm(o), nn.Dropout(drop), nn.Conv2d(o, o, 3, padding=1)
        self.conv_shortcut = None if i == o else nn.Conv2d(i, o, 1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        y = self.conv1(functional.silu(self.norm1(x))) + self.time_emb_proj(functional.silu(time))[:, :, None, None]
        y = self.conv2(self.dropout(functional.silu(self.norm2(y))))
        return (x if self.conv_shortcut is None else self.conv_shortcut(x)) + y


class Attend(nn.Module):
    def __init__(self, c: int):
        super().__init__()
        self.group_norm, self.to_q, self.to_k, self.to_v = norm(c), nn.Linear(c, c), nn.Linear(c, c), nn.Linear(c, c)
        self.to_out = nn.ModuleList([nn.Linear(c, c)])

    def forward(self, x: Tensor) -> Tensor:
        t = self.group_norm(x).flatten(2).transpose(1, 2)
        t = functional.scaled_dot_product_attention(self.to_q(t), self.to_k(t), self.to_v(t))
        return self.to_out[0](t).transpose(1, 2).unflatten(2, x.shape[2:]) + x


class Level(nn.Module):
    """Units, each with attention behind it where the level has any, and what halves or doubles the map."""

    def __init__(self, units: list[tuple[int, int]], time: int, drop: float, attends: bool, ends: dict[str, nn.Module]):
        super().__init__()
        if attends:
            self.attentions = nn.ModuleList(Attend(o) for _, o in units)
        self.resnets = nn.ModuleList(Unit(i, o, time, drop) for i, o in units)
        for name, conv in ends.items():
            self.add_module(name, nn.ModuleList([nn.ModuleDict({"conv": conv})]))

    def unit(self, i: int, x: Tensor, time: Tensor) -> Tensor:
        x = self.resnets[i](x, time)
        return self.attentions[i](x) if hasattr(self, "attentions") else x


class DDPM(nn.Module):
    def __init__(self, widths: list[int], attends: list[int], n: int, drop: float):
        super().__init__()
        time, last = 4 * widths[0], len(widths) - 1
        self.conv_in, held = nn.Conv2d(3, widths[0], 3, padding=1), [widths[0]]
        self.time_embedding = nn.ModuleDict(
            {f"linear_{i}": nn.Linear(time if i > 1 else widths[0], time) for i in (1, 2)}
        )
        self.down_blocks, self.up_blocks = nn.ModuleList(), nn.ModuleList()
        for level, c in enumerate(widths):
            units = [(held[-1] if i == 0 else c, c) for i in range(n)]
            ends = {"downsamplers": nn.Conv2d(c, c, 3, 2)} if level < last else {}
            self.down_blocks.append(Level(units, time, drop, level in attends, ends))
            held += [c] * (n + len(ends))
        x = widths[-1]
        for level, c in reversed(list(enumerate(widths))):
            units = [((x if i == 0 else c) + held.pop(), c) for i in range(n + 1)]
            ends = {"upsamplers": nn.Conv2d(c, c, 3, padding=1)} if level > 0 else {}
            self.up_blocks.append(Level(units, time, drop, level in attends, ends))
            x = c
        self.mid_block = Level([(widths[-1],) * 2] * 2, time, drop, True, {})
        del self.mid_block.attentions[1]
        self.conv_norm_out, self.conv_out = norm(widths[0]), nn.Conv2d(widths[0], 3, 3, padding=1)

    def forward(self, image: Tensor, step: Tensor) -> Tensor:
        half = self.conv_in.out_channels // 2
        angle = step[:, None] * torch.exp(-math.log(10000) * torch.arange(half) / (half - 1))
        time = self.time_embedding["linear_1"](torch.cat([angle.sin(), angle.cos()], 1))
        time = self.time_embedding["linear_2"](functional.silu(time))
        maps = [self.conv_in(image)]
        for level in self.down_blocks:
            for i in range(len(level.resnets)):
                maps.append(level.unit(i, maps[-1], time))
            if hasattr(level, "downsamplers"):
                maps.append(level.downsamplers[0]["conv"](functional.pad(maps[-1], (0, 1, 0, 1))))
        x = self.mid_block.resnets[1](self.mid_block.unit(0, maps[-1], time), time)
        for level in self.up_blocks:
            for i in range(len(level.resnets)):
                x = level.unit(i, torch.cat([x, maps.pop()], 1), time)
            if hasattr(level, "upsamplers"):
                x = level.upsamplers[0]["conv"](functional.interpolate(x, scale_factor=2))
        return self.conv_out(functional.silu(self.conv_norm_out(x)))


def images_and_steps(generator: torch.Generator) -> tuple[Tensor, ...]:
    return torch.randn((2, 3, 8, 12), generator=generator), torch.randint(1000, (2,), generator=generator)


@pytest.mark.parametrize(
    "given",
    [
        {"widths": [32, 64], "attends": [1], "n": 2, "drop": 0.0},
        pytest.param({"widths": [32, 32, 32], "attends": [], "n": 1, "drop": 0.3}, marks=pytest.mark.slow),
    ],
)
def test_equal_to_the_paper_in_plain_torch(given: dict[str, Any]) -> None:
    row = Row("DDPM", "the paper", "U-Net", given, make=lambda: DDPM(**given), draws=images_and_steps)
    found = compared(row)
    assert found.names == "same, in order" and found.largest < 1e-5


# The network in plain torch above has diffusers' names, and every run compares with it.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "widths", "attends"),
    [("ddpm_cifar", (128, 256, 256, 256), (1,)), ("ddpm_256", (128, 128, 256, 256, 512, 512), (4,))],
)
def test_names_are_those_of_diffusers(name: str, widths: tuple[int, ...], attends: tuple[int, ...]) -> None:
    diffusers = pytest.importorskip("diffusers")
    levels = range(len(widths))
    with torch.device("meta"):
        peer = diffusers.UNet2DModel(
            block_out_channels=widths,
            down_block_types=["AttnDownBlock2D" if i in attends else "DownBlock2D" for i in levels],
            up_block_types=["AttnUpBlock2D" if i in attends else "UpBlock2D" for i in reversed(levels)],
            attention_head_dim=None,
        )
    ours = archc.load(name).module(device="meta").state_dict()
    assert [(key, t.shape) for key, t in ours.items()] == [(key, t.shape) for key, t in peer.state_dict().items()]
