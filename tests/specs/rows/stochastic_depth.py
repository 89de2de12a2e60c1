"""Stochastic depth: torchvision's residual networks, with its `stochastic_depth` behind each branch's last norm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from oracles import Row
from torch import Tensor, nn
from torchvision.models import get_model
from torchvision.models.resnet import BasicBlock, Bottleneck
from torchvision.ops import stochastic_depth

from rows.resnet import OptionA


class CifarResNet(nn.Module):
    """Three stages of n of torchvision's basic units, with option A."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        self.layer1, self.layer2, self.layer3 = (self.stage(n, 16 * 2**i, 2 if i else 1) for i in range(3))
        self.fc = nn.Linear(64, 10)

    def stage(self, n: int, width: int, stride: int) -> nn.Sequential:
        first = BasicBlock(width // stride, width, stride, OptionA(width, stride) if stride > 1 else None)
        return nn.Sequential(first, *(BasicBlock(width, width) for _ in range(n - 1)))

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn1(self.conv1(x)).relu()
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1))


def dropping(network: nn.Module, survival: float, decay: str, mode: str) -> nn.Module:
    """The network, whose branch l of L survives with probability 1 - l / L * (1 - survival), or `survival`."""
    units = [m for m in network.modules() if isinstance(m, (BasicBlock, Bottleneck))]
    for place, unit in enumerate(units, 1):
        kept = 1 - place / len(units) * (1 - survival) if decay == "linear" else survival
        unit.get_submodule("bn3" if isinstance(unit, Bottleneck) else "bn2").register_forward_hook(after(kept, mode))
    return network


def after(kept: float, mode: str) -> Callable[[nn.Module, Any, Tensor], Tensor]:
    return lambda module, _, branch: stochastic_depth(branch, 1 - kept, mode, module.training)


def row(depth: int, survival: float = 0.5, decay: str = "linear", per: str = "batch", quick: bool = False) -> Row:
    own = {"depth": depth, "survival": survival, "decay": decay, "per": per}
    mode = {"batch": "batch", "image": "row"}[per]
    return Row(
        "stochastic_depth",
        "torchvision",
        f'resnet{depth} with stochastic_depth(mode="{mode}")',
        own,
        make=lambda: dropping(get_model(f"resnet{depth}", weights=None), survival, decay, mode),
        quick=quick,
    )


def cifar(depth: int, quick: bool = False) -> Row:
    return Row(
        "stochastic_depth_cifar",
        "torchvision",
        f"BasicBlock, {depth} layers, option A, with stochastic_depth",
        {"depth": depth},
        make=lambda: dropping(CifarResNet((depth - 2) // 6), 0.5, "linear", "batch"),
        shape=(2, 3, 32, 32),
        quick=quick,
    )


ROWS = [
    row(34),
    row(34, per="image"),
    row(34, 0.8, "uniform", "image"),
    row(34, 0.0),
    row(34, 1.0),
    row(18),
    row(50, per="image"),
    row(101),
    row(152),
    cifar(20, quick=True),
    cifar(110),
]
