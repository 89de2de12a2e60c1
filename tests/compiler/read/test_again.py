"""Parts that training computes again are read as such."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils import checkpoint as utils
from torch.utils.checkpoint import checkpoint

import archc
from archc.compiler.decompile.python.file import to_python

TEXT = """
block layer(p) = recompute(norm: bn -> relu -> conv: conv(4, 1)) -> drop: dropout(p)
arch Net {
  input x: [N, 3, 16, 16] = [2, 3, 16, 16]
  output x -> stem: conv(8, 3) -> one: layer(0.1) -> two: recompute(layer(0.2)) -> gap -> fc: linear(5)
}
"""


def again(net: archc.Architecture) -> list[tuple[str, ...]]:
    """The layers of each part, by their paths."""
    parts: dict[object, list[str]] = {}
    for node in net.ir.nodes:
        if node.recompute is not None and node.op.is_module:
            parts.setdefault(node.recompute, []).append(node.path)
    return [tuple(paths) for paths in parts.values()]


def test_what_archc_wrote_for_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = archc.loads(TEXT)
    (tmp_path / "written_again.py").write_text(to_python(net.ir), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("written_again")
    before = dict(vars(module))
    read = archc.from_torch(module.Net(), (2, 3, 16, 16))
    assert again(read) == again(net) and len(again(net)) == 2
    assert again(archc.loads(read.source())) == again(net)
    assert vars(module)["recompute"] is before["recompute"] and vars(module)["checkpoint"] is before["checkpoint"]


class Unit(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.a(x) + self.b(x)


class Net(nn.Module):
    """Two parts, one after the other, one by a name of its own and one by the module of torch's; and a method."""

    def __init__(self, reentrant: bool) -> None:
        super().__init__()
        self.stem, self.one, self.two, self.out = nn.Conv2d(3, 4, 1), Unit(), Unit(), nn.Conv2d(4, 2, 1)
        self.reentrant = reentrant

    def last(self, x: Tensor, y: Tensor) -> Tensor:
        return self.out(x + y)

    def forward(self, x: Tensor) -> Tensor:
        x = y = self.stem(x)
        if self.training:
            x = checkpoint(self.one, x, use_reentrant=self.reentrant)
            x = utils.checkpoint(self.two, x, use_reentrant=self.reentrant, preserve_rng_state=True) + y
        else:
            x = self.two(self.one(x)) + y
        return checkpoint(self.last, x, y, use_reentrant=self.reentrant)


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpoints_of_torch_are_read(reentrant: bool) -> None:
    source = Net(reentrant)
    net = archc.from_torch(source, (2, 3, 8, 8))
    assert again(net) == [("one.a", "one.b"), ("two.a", "two.b"), ("out",)]
    assert "block unit() = recompute((a: conv(4, 3)) + b: conv(4, 1))\n" in net.source()
    assert utils.checkpoint is checkpoint
    made = net.module()
    made.load_state_dict(source.state_dict())
    x, found = torch.randn(2, 3, 8, 8), []
    for module in (source, made):
        module(x).square().sum().backward()
        found.append([p.grad for p in module.parameters()])
    torch.testing.assert_close(*found)


class Importing(nn.Module):
    """Its forward imports a Python module that takes torch's function by name."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        late = importlib.import_module("imported_late")
        return late.checkpoint(self.conv, x, use_reentrant=False)


def test_what_is_imported_meanwhile_has_the_function_of_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "imported_late.py").write_text("from torch.utils.checkpoint import checkpoint\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    archc.from_torch(Importing(), (2, 3, 8, 8))
    assert sys.modules.pop("imported_late").checkpoint is checkpoint
