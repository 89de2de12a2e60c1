"""`archc.from_torch` of modules that are registered in more places than they are applied in."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import archc


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.layer1 = nn.Conv2d(3, 8, 3), nn.Sequential(nn.Conv2d(8, 8, 3), nn.ReLU())
        self.layer2 = nn.Conv2d(8, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer2(self.layer1(self.conv(x)))


class Whole(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.stem, self.layer1, self.head = self.encoder.conv, self.encoder.layer1, nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(x))


class Parts(Whole):
    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder.layer2(self.layer1(self.stem(x))))


class Positions(nn.Module):
    """A part that the network keeps, and each of its blocks has, as in CoaT (https://arxiv.org/abs/2104.06399)."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.last, self.cpe = nn.Conv2d(3, 3, 1), nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.ReLU())
        self.blocks = nn.ModuleList(Position(self.cpe) for _ in range(count))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return self.last(x)


class Position(nn.Module):
    def __init__(self, cpe: nn.Module) -> None:
        super().__init__()
        self.cpe, self.norm = cpe, nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.norm(self.cpe(x))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (Whole(), "shared layer1 = [conv(8, 3, padding = 0), relu]"),
        (Parts(), "shared layer1 = [conv(8, 3, padding = 0), relu]"),
        (Positions(1), "order last, cpe\n  shared cpe = [conv(3, 3), relu]\n  output x -> blocks.0: "),
        (Positions(3), "blocks: (id + (cpe: cpe -> norm: bn)) ** 3"),
    ],
)
def test_a_module_with_more_names_than_applications_has_a_text(source: nn.Module, said: str) -> None:
    net = archc.from_torch(source, (1, 3, 8, 8))
    text = net.source()
    assert said in text
    x = torch.randn(2, 3, 8, 8)
    for made in (net.module(weights=source), archc.loads(text).module(weights=source)):
        assert list(made.state_dict()) == list(source.state_dict())
        assert [name for name, _ in made.named_modules()] == [name for name, _ in source.named_modules()]
        assert torch.equal(source.eval()(x), made.eval()(x))
