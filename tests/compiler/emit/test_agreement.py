"""What is written is what was checked: a file that is not what its module is never gets into place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archc.compiler.emit import python_file

NET = """arch net {
  input x: [N, 3, H, W] = [1, 3, 16, 16]
  h = x -> conv1: conv(8, 3, bias = true) -> bn1: bn -> relu -> dropout(0.3) -> conv2: conv(8, 3)
       -> bn2: bn -> relu -> maxpool(2)
  output a = (h -> gap -> fc: linear(5)) * 0.5
  output b = h -> gap -> aux: linear(5) when training
}
"""

# What an emitter may do wrong, as an edit of the right text; where it shows, and by which code.
WRONG = [
    ("* 0.5", "* 0.25", "E0822", "the output `a` differs"),
    ("self.bn1(self.conv1", "self.bn2(self.conv1", "E0822", "from `bn1` on"),
    ("nn.ReLU(inplace=True)", "nn.ReLU6(inplace=True)", "E0822", "computes something else"),
    ("nn.Dropout(0.3", "nn.Dropout(0.31", "E0822", "in training"),
    ("self.aux(", "self.fc(", "E0822", "`b`"),
    ("self.bn1 = nn.BatchNorm2d(8)", "self.bn1 = nn.BatchNorm2d(8, momentum=0.2)", "E0822", "the buffer `bn1.running"),
    ("self.bn1 = nn.BatchNorm2d(8)", "self.bn1 = nn.BatchNorm2d(8, eps=1e-4)", "E0822", "from `bn1` on"),
    ("self.fc = nn.Linear(8, 5)", "self.head = self.fc = nn.Linear(8, 5)", "E0822", "other names"),
    ("self.fc = nn.Linear(8, 5)", "self.fc = nn.Linear(8, 5).requires_grad_(False)", "E0822", "does not train"),
    ("self.fc = nn.Linear(8, 5)", "self.fc = nn.Linear(8, 6)", "E0822", "`fc.weight` has shape [6, 8]"),
    ("self.fc = nn.Linear(8, 5)", "self.fc = nn.Linear(8, 5, dtype=torch.float64)", "E0822", "torch.float64"),
    ("self.fc(", "self.missing(", "E0823", "has no attribute 'missing'"),
    ("import torch", "import torch, no_such_package", "E0823", "no_such_package"),
    ("def forward(self, x", "def forward(self x", "E0823", "SyntaxError"),
    ("class Net(", "class Other(", "E0823", "KeyError"),
]  # fmt: skip


def edited(emit: Callable[..., str], old: str, new: str) -> Callable[..., str]:
    def broken(*arguments: Any) -> str:
        text = emit(*arguments)
        assert old in text, text
        return text.replace(old, new)

    return broken


@pytest.mark.parametrize(("old", "new", "code", "where"), WRONG)
def test_wrong_python_is_refused_and_the_old_file_stays(
    archc: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, code: str, where: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.arch").write_text(NET)
    (tmp_path / "net.py").write_text("before")
    monkeypatch.setattr(python_file, "to_python", edited(python_file.to_python, old, new))
    result = archc("compile", "net.arch", "--device", "cpu")
    assert (result.status, result.out) == (1, ""), result
    assert f"[{code}]" in result.err and "net.py" in result.err and where in result.err, result.err
    assert (tmp_path / "net.py").read_text() == "before"
    assert {path.name for path in tmp_path.iterdir()} == {"net.arch", "net.py"}


def test_the_error_stands_at_the_layer_where_it_shows(
    archc: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "net.arch").write_text(NET)
    monkeypatch.setattr(python_file, "to_python", edited(python_file.to_python, "bn1(self", "bn2(self"))
    result = archc("compile", tmp_path / "net.arch", "--device", "cpu", "-o", tmp_path / "net.py")
    assert "net.arch:3:" in result.err and "bn1: bn" in result.err
