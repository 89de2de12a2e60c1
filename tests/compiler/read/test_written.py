"""Python that archc wrote is read again."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import torch

import archc
from archc.compiler.decompile.python.file import to_python

TEXT = """
block cn(p) = id + (dw: dwconv(3) -> ln: ln -> pw: conv(8, 1) -> gelu -> survive(p, per = "image"))
arch Net {
  input x: [N, 3, H, W] = [2, 3, 16, 16]
  output x -> stem: [conv(8, 4, 4, padding = 0), ln] -> stages: [cn(0.9), cn(0.5)] -> head: [gap, flatten, linear(5)]
}
"""


def test_what_was_written_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = archc.loads(TEXT)
    (tmp_path / "written_net.py").write_text(to_python(net.ir), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    written = importlib.import_module("written_net").Net()
    again = archc.from_torch(written, (2, 3, 16, 16))
    assert 'survive(0.5, per = "image")' in again.source() or 'survive(per = "image")' in again.source()
    assert "ln" in again.source() and "permute" not in again.source()
    made = again.module()
    made.load_state_dict(written.state_dict())
    x = torch.randn(3, 3, 16, 16)
    for mode in (True, False):
        results = []
        for module in (written.train(mode), made.train(mode)):
            torch.manual_seed(1)
            results.append(module(x))
        assert torch.equal(*results)


def test_a_class_of_the_same_name_that_computes_otherwise_is_no_layer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = to_python(archc.loads(TEXT).ir).replace("factor = factor / self.p", "factor = factor / self.p / 2")
    (tmp_path / "other_net.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(archc.ArchError, match="bernoulli_"):
        archc.from_torch(importlib.import_module("other_net").Net(), (2, 3, 16, 16))
