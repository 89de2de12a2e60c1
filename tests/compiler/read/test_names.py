"""What a network that is read is called."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import archc


@pytest.mark.parametrize("name", ["conv", "in", "Été", "Net", "match"])
def test_a_class_of_any_name_has_a_text(name: str) -> None:
    module = type(name, (nn.Conv2d,), {})(3, 4, 3)
    net = archc.from_torch(module, (1, 3, 8, 8))
    assert archc.loads(net.source()).name == net.name
    assert net.name == {"Net": "Net", "conv": "conv_", "match": "match_", "in": "in_"}.get(name, net.name)


def test_a_file_of_any_name_has_a_text(tmp_path: Path) -> None:
    path = tmp_path / "9 my-net v1.2.pt2"
    torch.export.save(torch.export.export(nn.Conv2d(3, 4, 3), (torch.zeros(1, 3, 8, 8),)), path)
    net = archc.load(path)
    assert net.name == "_9_my_net_v1_2" and archc.loads(net.source()).name == net.name


@pytest.mark.parametrize("name", ["my net", "conv", "in", "Été", "9a"])
def test_a_name_that_no_spec_can_give_is_refused(name: str) -> None:
    with pytest.raises(archc.ArchError, match="no architecture can be called") as error:
        archc.from_torch(nn.Conv2d(3, 4, 3), (1, 3, 8, 8), name=name)
    assert error.value.diagnostics[0].code == "E0208"
