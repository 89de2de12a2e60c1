"""What a module's Python decides by sizes: it comes out the same at all sizes that are read, or these are fixed, or the
module is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import archc

Asks = Callable[[nn.Module, Tensor], Any]


class Decides(nn.Module):
    """Another network where the answer is another."""

    def __init__(self, asks: Asks, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        self.asks = asks

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) if self.asks(self, x) else self.layer(x) * 2


class Around(nn.Module):
    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.ReLU(), part)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


def image(asks: Asks) -> nn.Module:
    return Decides(asks, nn.Conv2d(3, 8, 3, padding=1))


def dims(net: archc.Architecture) -> str:
    return net.source().partition("input x: ")[2].partition(" =")[0].partition("\n")[0]


def is_module(net: archc.Architecture, source: nn.Module, shapes: Sequence[Sequence[int]]) -> bool:
    """At all shapes, in both modes."""
    made = net.module(weights=source)
    found = []
    for shape in shapes:
        x = torch.randn(shape)
        for mode in (True, False):
            found.append(torch.equal(source.train(mode)(x), made.train(mode)(x)))
    return all(found)


BATCHES: list[tuple[str, Asks]] = [
    ("N > 1", lambda m, x: x.shape[0] > 1),
    ("N != 1", lambda m, x: x.size(0) != 1),
    ("N < 64", lambda m, x: x.size()[0] < 64),
    ("N % 2 == 0", lambda m, x: x.shape[0] % 2 == 0),
    ("N >= 2", lambda m, x: m.training or x.shape[0] >= 2),
    ("N < 50", lambda m, x: not m.training or x.shape[0] < 50),
    ("N == 2", lambda m, x: int(x.shape[0]) < 64),
    ("192 * N < 100000", lambda m, x: x.numel() < 100000),
    ("N == 2", lambda m, x: len(x) < 64),
]


@pytest.mark.parametrize(("text", "asks"), BATCHES)
def test_what_the_batch_decides_is_refused(text: str, asks: Asks) -> None:
    """With the condition, the part and the line, whatever sizes would be tried."""
    with pytest.raises(archc.ArchError) as caught:
        archc.from_torch(Around(image(asks)), (1, 3, 8, 8))
    (found,) = caught.value.diagnostics
    assert found.code == "E1210" and f"`{text}`" in found.message
    assert "in `inner.1`, " in found.message and f"{__file__}:" in found.message
    assert ("use the size itself" in found.hints[0]) == (text == "N == 2")


@pytest.mark.parametrize(("batch", "factor"), [(1, 2), (2, 1)])
def test_the_sizes_that_the_hint_says_are_read(batch: int, factor: int) -> None:
    source = image(lambda m, x: x.shape[0] > 1)
    with pytest.raises(archc.ArchError) as caught:
        archc.from_torch(source, (batch, 3, 8, 8))
    sizes = [[batch, 3, 8, 8]]
    assert f"`sizes={sizes}`" in caught.value.diagnostics[0].hints[0]
    net = archc.from_torch(source, (batch, 3, 8, 8), sizes=sizes)
    assert is_module(net, source, sizes)
    assert ("2 *" in net.source()) == (factor == 2)


IMAGES: dict[str, Asks] = {
    "above": lambda m, x: x.shape[2] > 100,
    "below": lambda m, x: x.shape[2] < 100,
    "even": lambda m, x: x.shape[2] % 2 == 0,
    "odd": lambda m, x: x.shape[2] % 2 == 1,
    "square": lambda m, x: x.shape[2] == x.shape[3],
    "area": lambda m, x: x.shape[-2:].numel() > 100000,
    "largest": lambda m, x: max(x.shape[-1], 50) == 50,
    "half": lambda m, x: x.shape[2] / 2 < 50,
    "number": lambda m, x: [1, 2][int(x.shape[2]) // 100] == 1,
    "of what is made": lambda m, x: m.get_submodule("layer")(x)[:, :, ::2].shape[2] < 50,
    "in training": lambda m, x: not m.training or x.shape[3] < 100,
}


@pytest.mark.parametrize("name", IMAGES)
def test_what_height_and_width_decide_fixes_them(name: str) -> None:
    source = image(IMAGES[name])
    net = archc.from_torch(source, (1, 3, 16, 16))
    assert dims(net) == "[N, 3, 16, 16]"
    assert is_module(net, source, [(1, 3, 16, 16), (3, 3, 16, 16)])


def test_sizes_that_are_said_to_be_open_are_refused() -> None:
    with pytest.raises(archc.ArchError) as caught:
        archc.from_torch(image(IMAGES["above"]), (1, 3, 16, 16), sizes=[["N", 3, "H", "W"]])
    assert caught.value.diagnostics[0].code == "E1210" and "`H <= 100`" in caught.value.diagnostics[0].message


@pytest.mark.parametrize("number", [20, 200])
def test_what_the_number_of_tokens_decides_fixes_it(number: int) -> None:
    source = Decides(lambda m, x: x.shape[1] < 128, nn.Linear(6, 6))
    net = archc.from_torch(source, (1, number, 6))
    assert dims(net) in (f"tokens [N, {number}, 6]", f"[N, {number}, 6]")
    assert is_module(net, source, [(1, number, 6), (3, number, 6)])


OPEN: dict[str, Asks] = {
    "there is an image": lambda m, x: x.shape[0] > 0 and x.numel() != 0,
    "channels": lambda m, x: x.shape[1] == 3,
    "as asked before": lambda m, x: x.shape == m.get_submodule("layer")(x).shape[:1] + x.shape[1:],
    "what always holds": lambda m, x: x.shape[2] + x.shape[3] >= 2 and x.shape[2] * 2 > x.shape[2],
}


@pytest.mark.parametrize("name", OPEN)
def test_what_is_always_so_leaves_sizes_open(name: str) -> None:
    source = image(OPEN[name])
    net = archc.from_torch(source, (1, 3, 16, 16))
    assert dims(net) == "[N, 3, H, W]"
    assert is_module(net, source, [(1, 3, 1, 1), (3, 3, 130, 7)])


def test_what_the_layers_require_decides_nothing_more() -> None:
    """A kernel of 5 needs 5 rows: asking for 4 tells nothing new, asking for 6 does."""
    for least, shape in ((4, "[N, 3, H, W]"), (6, "[N, 3, 16, 16]")):
        source = Decides(lambda m, x, n=least: x.shape[2] >= n, nn.Conv2d(3, 8, 5))
        assert dims(archc.from_torch(source, (1, 3, 16, 16))) == shape


def test_the_smallest_sizes_are_tried() -> None:
    """A batch of one, and what is left of the smallest image."""
    seen: set[tuple[int, ...]] = set()

    class Seen(nn.Conv2d):
        def forward(self, input: Tensor) -> Tensor:
            if all(type(size) is int for size in input.shape):
                seen.add((*input.shape, self.training))
            return super().forward(input)

    archc.from_torch(nn.Sequential(Seen(3, 8, 5), nn.ReLU()), (4, 3, 32, 32))
    assert {(1, 3, 5, 5, True), (1, 3, 5, 5, False)} <= seen
