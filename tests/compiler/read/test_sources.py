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
    assert "conv(6, 3, padding = 0, bias = true)" in text and '"""Read from net.py:Net."""' in text
    assert archc("equiv", "net.py:Net(width = 6)", "net.arch").status == 0
    assert archc("check", "net.py:ready", "--input", "1,3,9,9").status == 0
    assert "net.Net" not in archc("compile", "net:Net", "-o", "-", "--emit", "arch").out


@pytest.mark.parametrize(
    ("spec", "code", "words"),
    [
        ("net.py:broken", "E1201", "no weights"),
        ("net.py:number", "E1201", "type int"),
        ("net.py:none", "E1201", "none"),
        ("net.py:Net.none", "E1201", "none"),
        ("net.py", "E1201", "is Python, and no spec"),
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


def test_what_is_in_a_file_is_offered(net: Path) -> None:
    with pytest.raises(package.ArchError) as error:
        package.load("net.py:net")
    assert error.value.diagnostics[0].hints == ("did you mean `Net`?", "these are in it: `ready`, `Net`")
    with pytest.raises(package.ArchError) as error:
        package.load("net.py")
    assert error.value.diagnostics[0].hints == ("these are in it: `net.py:Net`",)
    Path("made.py").write_text("def make(width=3): ...\ndef needs(width): ...\n")
    with pytest.raises(package.ArchError) as error:
        package.load("made.py")
    assert error.value.diagnostics[0].hints == ("these are in it: `made.py:make`",)
    with pytest.raises(package.ArchError) as error:
        package.load("torchvision.models:resnet_18")
    assert error.value.diagnostics[0].hints[0].startswith("did you mean `resnet18`")


def test_both_sides_of_a_comparison_may_need_shapes(net: Path, archc: Callable[..., Any]) -> None:
    assert archc("compile", "net.py:ready", "--input", "1,3,9,9", "-o", "net.arch").status == 0
    for command in ("equiv", "diff"):
        assert "--input" in archc(command, "net.py:ready", "net.arch").err
        assert archc(command, "net.py:ready", "net.arch", "--input", "1,3,9,9", "--check").status == 0
        assert archc(command, "net.arch", "net.py:ready", "--input", "1,3,9,9", "--check").status == 0
        assert "E1202" in archc(command, "net.arch", "net.arch", "--input", "1,3,9,9").err


def test_weights_are_no_spec(tmp_path: Path) -> None:
    package.loads("arch A { input x: [N, 3]  output x -> linear(2) }").module()
    (tmp_path / "net.pth").write_bytes(b"PK")
    with pytest.raises(package.ArchError, match="is a file of torch, as of weights, and no spec") as error:
        package.load(tmp_path / "net.pth")
    assert "--weights" in str(error.value)


def test_networks_and_programs_in_the_place_of_weights_and_specs(tmp_path: Path, monkeypatch: Any) -> None:
    import torch

    monkeypatch.chdir(tmp_path)
    net = package.loads("arch A { input x: [N, 3]  output x -> linear(2) }")
    torch.export.save(torch.export.export(net.module(), (torch.zeros(2, 3),)), "net.pt2")
    with pytest.raises(package.ArchError, match=r"E0810.*is no checkpoint") as error:
        net.module(weights="net.pt2")
    assert "archc compile net.pt2" in str(error.value)
    torch.jit.trace(torch.nn.Linear(3, 2), torch.zeros(1, 3)).save("net.pt")
    with pytest.raises(package.ArchError, match=r"E0905.*TorchScript"):
        package.load("net.pt")
    Path("net.py").write_text(NET)
    with pytest.raises(package.ArchError, match=r"E1201.*is Python"):
        package.load("net.py", input=(1, 3))


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
