"""Layers that a forward never uses are named, and the hint leaves them out."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor, nn

import archc


class Spare(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.used, self.spare = nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 2), nn.BatchNorm1d(2))
        self.rows = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)])
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, x: Tensor) -> Tensor:
        return self.rows[2](self.rows[0](self.used(x)))


class Drops(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.used, self.lost = nn.Linear(4, 4), nn.Linear(4, 6)

    def forward(self, x: Tensor) -> Tensor:
        self.lost(x).reshape(-1, 2, 3)
        return self.used(x)


def test_what_the_hint_says_has_the_module_read() -> None:
    module = Spare()
    before = list(module.state_dict())
    with pytest.raises(archc.ArchError) as error:
        archc.from_torch(module, (2, 4))
    (found,) = error.value.diagnostics
    assert found.code == "E1209"
    assert found.message == "nothing that Spare returns depends on its `scale`, `spare`, `rows.1`"
    assert list(module.state_dict()) == before
    (hint,) = found.hints
    said = re.search("`(.+)`", str(hint))
    assert said is not None
    exec(said[1], {"module": module, "torch": torch})
    net = archc.from_torch(module, (2, 4))
    parts = ("used", "rows.0", "rows.2")
    assert list(net.module().state_dict()) == [f"{part}.{name}" for part in parts for name in ("weight", "bias")]


def test_what_is_computed_and_dropped_is_no_layer_to_leave_out_alone() -> None:
    with pytest.raises(archc.ArchError, match="depends on its `lost`") as error:
        archc.from_torch(Drops(), (2, 4))
    (found,) = error.value.diagnostics
    assert "drops the result" in str(found.hints)
