"""What torch needs several calls for is read as an expert would write it: one `rearrange`, one `unbind`, rates of
stochastic depth from the first block on."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

import archc
from archc.compiler.decompile.python.file import to_python


class Windows(nn.Module):
    """A layer on the windows of a map with the channels last."""

    def __init__(self, channels: int, size: int):
        super().__init__()
        self.size = size
        self.mix = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        n, h, w, c = x.shape
        s = self.size
        x = x.view(n, h // s, s, w // s, s, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, s * s, c)
        x = self.mix(x).softmax(1)
        return x.view(n, h // s, w // s, s, s, c).permute(0, 1, 3, 2, 4, 5).reshape(n, h, w, c)


class InWindows(nn.Sequential):
    """Three units, on 4 x 4 windows, on 2 x 2, and on one."""

    def __init__(self) -> None:
        super().__init__(Windows(8, 3), nn.MaxPool2d((2, 1)), Windows(8, 3), nn.MaxPool2d((2, 1)), Windows(8, 3))

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 2, 3, 1)
        for unit in (self[0], self[2], self[4]):
            x = unit(x)
            x = x[:, : x.shape[1] // 2, : x.shape[2] // 2] if unit is not self[4] else x
        return x


def checked(source: nn.Module, *shape: int) -> str:
    """The text of a module, which is held to it once more."""
    net = archc.from_torch(source, shape, name="Net")
    assert not net.warnings
    made, x = archc.loads(net.source()).module(), torch.randn(3, *shape[1:])
    made.load_state_dict(source.state_dict())
    assert list(made.state_dict()) == list(source.state_dict())
    for mode in (True, False):
        torch.manual_seed(1)
        expected = source.train(mode)(x)
        torch.manual_seed(1)
        assert torch.equal(made.train(mode)(x), expected)
    return " ".join(net.source().split())


def test_windows_are_one_call_and_one_window_is_as_several() -> None:
    text = checked(InWindows(), 1, 8, 12, 12)
    assert text.count('rearrange("n (a b) (c d) e -> (n a c) (b d) e", b = 3, d = 3)') == 1
    assert text.count('rearrange("(n a b) (c d) e -> n (a c) (b d) e", ') == 1
    assert "permute([0, 1" not in text and "reshape" not in text
    assert text.count("block ") == 1 and "windows(1)" in text


class Calls(nn.Module):
    def __init__(self, forward: Callable[[Tensor], Any]):
        super().__init__()
        self._forward = forward

    def forward(self, x: Tensor) -> Any:
        return self._forward(x)


def _kinds(x: Tensor) -> Tensor:
    kinds = x.flatten(2).mT.reshape(x.shape[0], -1, 3, 2, 4).permute(2, 0, 3, 1, 4)
    return (kinds[0] @ kinds[1].mT).softmax(-1) @ kinds[-1]


def _overwritten(x: Tensor) -> Tensor:
    y = x.reshape(x.shape[0], 3, 8, 6, 6).exp()
    y[:, 0].mul_(2)
    return y[:, 1] + y[:, 0] * y[:, 2]


def _in_part(x: Tensor) -> Tensor:
    y = x.reshape(x.shape[0], 3, 8, 6, 6).exp()
    return y[:, 0] + y[:, 2]


@pytest.mark.parametrize(
    ("forward", "words", "others"),
    [
        (_kinds, ['rearrange("n a (b c d) -> n b c a d", c = 2, d = 4) -> unbind(1)'], ["select", "permute"]),
        (_overwritten, [], ["unbind"]),
        (_in_part, ["select(1)", "select(1, 2)"], ["unbind"]),
    ],
    ids=["all", "overwritten", "in part"],
)
def test_places_that_are_taken_one_by_one_are_unbound(
    forward: Callable[[Tensor], Any], words: list[str], others: list[str]
) -> None:
    text = checked(Calls(forward), 1, 24, 6, 6)
    assert all(word in text for word in words), text
    assert not any(word in text for word in others), text


class Residual(nn.Module):
    def __init__(self, p: float):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.depth = StochasticDepth(p, "row")

    def forward(self, x: Tensor) -> Tensor:
        return x + self.depth(self.conv(x))


def test_a_rate_of_zero_is_as_the_others() -> None:
    text = checked(nn.Sequential(*(Residual(0.2 * i / 4) for i in range(5))), 1, 4, 8, 8)
    assert "[residual(1 - 0.05 * i) for i in 0..4]" in text
    assert text.count("survive") == 2  # in the block, and in the default of its `per`


def test_a_rate_of_zero_that_archc_wrote_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = archc.loads(
        "block unit(p) = id + (conv(4, 3) -> survive(p))\n"
        "arch Net { input x: [N, 4, H, W] = [1, 4, 8, 8]   output x -> [unit(1 - 0.1 * i) for i in 0..3] }"
    )
    (tmp_path / "rates.py").write_text(to_python(net.ir), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    again = archc.from_torch(importlib.import_module("rates").Net(), (1, 4, 8, 8), name="Net")
    assert [node.op.p for node in again.ir.nodes if node.op.kind == "survive"] == [1, 0.9, 0.8, 0.7]
