"""A peer's checkpoint on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from oracles import Row
from twins import loaded, randomised, unfilled

from archc.compiler.emit.weights import save_weights


@pytest.mark.parametrize("suffix", [".safetensors", pytest.param(".pth", marks=pytest.mark.slow)])
def test_a_checkpoint_is_loaded(archc, tmp_path: Path, suffix: str) -> None:
    row = Row("resnet18", "torchvision", "resnet18")
    with unfilled():
        reference = loaded(row.theirs(), randomised(row.theirs("meta"))).eval()
    checkpoint, program = tmp_path / f"net{suffix}", tmp_path / "net.pt2"
    save_weights(reference, checkpoint)
    outcome = archc("compile", "resnet18", "--weights", checkpoint, "-o", program, "--device", "cpu")
    assert outcome.status == 0, outcome.err
    images = torch.randn(2, 3, 96, 64)
    with torch.no_grad():
        assert torch.equal(torch.export.load(program).module()(images), reference(images))


def test_a_checkpoint_of_another_network(archc, tmp_path: Path) -> None:
    checkpoint, file = tmp_path / "net.safetensors", tmp_path / "net.py"
    with unfilled():
        save_weights(Row("resnet34", "torchvision", "resnet34").theirs(), checkpoint)
    outcome = archc("compile", "resnet18", "--weights", checkpoint, "-o", file, "--device", "cpu")
    assert outcome.status == 1
    assert "layer1.2.bn1.weight" in outcome.err
    assert not file.exists()
