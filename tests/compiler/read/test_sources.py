"""`package.module:callable` and `file.py:callable` in the place of a spec."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import archc as package

NET = """
from torch import nn

print("made")
ready = nn.Sequential(nn.Conv2d(3, 4, 3))


class Net(nn.Sequential):
    in_size = (8, 8)

    def __init__(self, width=4):
        super().__init__(nn.Conv2d(3, width, 3), nn.ReLU())


def broken():
    raise RuntimeError("no weights")


def number():
    return 3
"""


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "net.py"
    path.write_text(NET)
    return path


def test_a_command_takes_python(net: Path, archc: Callable[..., Any]) -> None:
    assert archc("compile", "net.py:Net", "--set", "width=6", "-o", "net.arch").status == 0
    text = Path("net.arch").read_text()
    assert "conv(6, 3, padding = 0, bias = true)" in text and "Read from net.py:Net" in text
    assert archc("equiv", "net.py:Net(width = 6)", "net.arch").status == 0
    assert archc("check", "net.py:ready", "--input", "1,3,9,9").status == 0
    assert "net.Net" not in archc("compile", "net:Net", "-o", "-", "--emit", "arch").out


@pytest.mark.parametrize(
    ("spec", "code", "words"),
    [
        ("net.py:broken", "E1201", "no weights"),
        ("net.py:number", "E1201", "type int"),
        ("net.py:none", "E1201", "none"),
        ("none.py:Net", "E1201", "none.py"),
        ("no.such:Net", "E1201", "no"),
        ("net.py:ready", "E1202", "shape"),
    ],
)
def test_refusals(net: Path, spec: str, code: str, words: str) -> None:
    with pytest.raises(package.ArchError) as error:
        package.load(spec)
    (found,) = error.value.diagnostics
    assert found.code == code and words in found.message


def test_shipped_names_stay_specs() -> None:
    with pytest.raises(package.ArchError, match="E1202"):
        package.load("resnet50", input=(1, 3, 8, 8))


@pytest.mark.parametrize(
    "name",
    [
        "squeezenet1_1",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("mobilenet_v3_small", "shufflenet_v2_x0_5")),
    ],
)
def test_models_of_torchvision_say_their_shapes(name: str) -> None:
    net = package.load(f"torchvision.models:{name}")
    assert net.ir.inputs[0].nominal == (1, 3, 224, 224)
