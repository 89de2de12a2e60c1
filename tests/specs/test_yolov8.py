"""YOLOv8's maps, against its published table of layers in plain torch."""

from __future__ import annotations

import math

import pytest
import torch
from oracles import Row
from quick import slow_but
from torch import Tensor, nn
from twins import compared

import archc

SCALES = {
    "n": (1 / 3, 1 / 4, 1024, 3_157_200),
    "s": (1 / 3, 1 / 2, 1024, 11_166_560),
    "m": (2 / 3, 3 / 4, 768, 25_902_640),
    "l": (1, 1, 512, 43_691_520),
    "x": (1, 5 / 4, 512, 68_229_648),
}
"""Depth, width and most channels of each size, and the parameters that its release states."""

TABLE = [
    *([-1, "Conv", 64], [-1, "Conv", 128], [-1, "C2f", 128, 3, True], [-1, "Conv", 256], [-1, "C2f", 256, 6, True]),
    *([-1, "Conv", 512], [-1, "C2f", 512, 6, True], [-1, "Conv", 1024], [-1, "C2f", 1024, 3, True]),
    *([-1, "SPPF", 1024], [-1, "Up"], [[-1, 6], "Cat"], [-1, "C2f", 512, 3, False], [-1, "Up"], [[-1, 4], "Cat"]),
    *([-1, "C2f", 256, 3, False], [-1, "Conv", 256], [[-1, 12], "Cat"], [-1, "C2f", 512, 3, False]),
    *([-1, "Conv", 512], [[-1, 9], "Cat"], [-1, "C2f", 1024, 3, False], [[15, 18, 21], "Detect"]),
]
"""For each layer where its inputs come from, its kind, its channels, how many units it has, and whether they add."""


class Conv(nn.Module):
    def __init__(self, i: int, o: int, k: int = 1, stride: int = 1):
        super().__init__()
        self.conv = nn.Conv2d(i, o, k, stride, k // 2, bias=False)
        self.bn, self.act = nn.BatchNorm2d(o, eps=1e-3, momentum=0.03), nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))


class Unit(nn.Module):
    def __init__(self, c: int, add: bool):
        super().__init__()
        self.cv1, self.cv2, self.add = Conv(c, c, 3), Conv(c, c, 3), add

    def forward(self, x: Tensor) -> Tensor:
        y = self.cv2(self.cv1(x))
        return x + y if self.add else y


class C2f(nn.Module):
    def __init__(self, i: int, o: int, n: int, add: bool):
        super().__init__()
        self.cv1, self.cv2 = Conv(i, o), Conv((2 + n) * o // 2, o)
        self.m = nn.ModuleList(Unit(o // 2, add) for _ in range(n))

    def forward(self, x: Tensor) -> Tensor:
        parts = list(self.cv1(x).chunk(2, 1))
        for unit in self.m:
            parts.append(unit(parts[-1]))
        return self.cv2(torch.cat(parts, 1))


class SPPF(nn.Module):
    def __init__(self, i: int, o: int):
        super().__init__()
        self.cv1, self.cv2, self.pool = Conv(i, i // 2), Conv(2 * i, o), nn.MaxPool2d(5, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        maps = [self.cv1(x)]
        for _ in range(3):
            maps.append(self.pool(maps[-1]))
        return self.cv2(torch.cat(maps, 1))


class Up(nn.Upsample):
    def __init__(self) -> None:
        super().__init__(None, 2)


class Detect(nn.Module):
    def __init__(self, channels: list[int], classes: int):
        super().__init__()
        boxes, scores = max(16, channels[0] // 4, 64), max(channels[0], min(classes, 100))
        self.cv2 = nn.ModuleList(self.tower(c, boxes, 64) for c in channels)
        self.cv3 = nn.ModuleList(self.tower(c, scores, classes) for c in channels)

    @staticmethod
    def tower(i: int, c: int, o: int) -> nn.Module:
        return nn.Sequential(Conv(i, c, 3), Conv(c, c, 3), nn.Conv2d(c, o, 1))

    def forward(self, maps: list[Tensor]) -> tuple[Tensor, ...]:
        return tuple(torch.cat([a(x), b(x)], 1) for a, b, x in zip(self.cv2, self.cv3, maps, strict=True))


class YOLOv8(nn.Module):
    """The layers of the table, one after the other."""

    def __init__(self, depth: float, width: float, most: int, classes: int = 80):
        super().__init__()
        self.model, channels = nn.ModuleList(), [3]
        for source, kind, *settings in TABLE:
            i = channels[-1] if source == -1 else [channels[s + 1 if s >= 0 else s] for s in source]
            o = math.ceil(min(settings[0], most) * width / 8) * 8 if settings else i
            if kind == "C2f":
                made: nn.Module = C2f(i, o, max(round(settings[1] * depth), 1), settings[2])
            elif kind == "Cat":
                made, o = nn.Identity(), sum(i)
            else:
                made = {"Conv": Conv, "SPPF": SPPF, "Up": Up, "Detect": Detect}[kind](
                    *{"Conv": (i, o, 3, 2), "SPPF": (i, o), "Up": (), "Detect": (i, classes)}[kind]
                )
            self.model.append(made)
            channels.append(o)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        found: list[Tensor] = []
        for (source, kind, *_), layer in zip(TABLE, self.model, strict=True):
            given = [found[s] for s in source] if isinstance(source, list) else found[-1] if found else x
            found.append(torch.cat(given, 1) if kind == "Cat" else layer(given))
        return found[-1]


@pytest.mark.parametrize(("set", "classes"), slow_but([({"classes": 3}, 3)], [({}, 80), ({"classes": 3}, 3)]))
def test_equal_to_the_table_in_plain_torch(set: dict[str, int], classes: int) -> None:
    row = Row(
        "yolov8n", "the release", "YOLOv8n", set, make=lambda: YOLOv8(1 / 3, 1 / 4, 1024, classes), shape=(2, 3, 64, 96)
    )
    found = compared(row)
    assert (found.names, found.largest) == ("same, in order", 0)


@pytest.mark.parametrize("size", slow_but("ns", SCALES))
def test_names_shapes_and_figures_of_each_size(size: str) -> None:
    depth, width, most, published = SCALES[size]
    network = archc.load(f"yolov8{size}")
    with torch.device("meta"):
        theirs = YOLOv8(depth, width, most).state_dict()
    ours = network.module(device="meta").state_dict()
    assert [(key, t.shape) for key, t in ours.items()] == [(key, t.shape) for key, t in theirs.items()]
    assert network.stats().parameters == published - 16  # without the fixed row of `dfl`
