"""`archc compile --optimize`: files for inference, which run where archc is not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import archc as package

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch has no oneDNN")

# The process has torch alone: an import of archc, or of anything beside it, fails.
ALONE = """
import sys
sys.modules["archc"] = None
import torch
inputs = torch.load("inputs.pt")
{load}
with torch.no_grad():
    torch.save([net(x) for x in inputs], "outputs.pt")
"""
UNIT = """
use small from "small.arch"
arch net {
  input x: [N, 3, H, W] = [1, 3, 16, 16]
  y = x -> a: conv(8, 3) -> bn -> relu
  z = y -> c: conv(8, 3) -> d: bn -> relu -> e: conv(8, 1)
  output y + z -> relu -> upconv: upconv(8) -> avgpool(2) -> norm: bn -> relu -> f: conv(8, 1) -> gap -> fc: linear(5)
}
"""


def lively(module: nn.Module) -> nn.Module:
    """A module in evaluation whose norms have statistics and scales that are not 0 or 1."""
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point() and tensor.dim() == 1:
            tensor.uniform_(0.5, 1.5) if name.endswith(("running_var", "weight")) else tensor.normal_(0, 0.3)
    return module.eval()


def alone(uses: list[str], inputs: list[Tensor]) -> list[Tensor]:
    """What a file computes in a process of its own."""
    torch.save(inputs, "inputs.pt")
    script = ALONE.format(load="\n".join(uses))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return torch.load("outputs.pt")


def uses_in(out: str) -> list[str]:
    return [line.strip().removeprefix("use").strip() for line in out.splitlines() if line.strip().startswith("use ")]


@pytest.fixture
def net(small: Path) -> tuple[Path, nn.Module]:
    """A spec in the working directory, and its module, whose weights are in net.pth."""
    torch.manual_seed(0)
    path = small.with_name("net.arch")
    path.write_text(UNIT)
    module = lively(package.load(path, "net").module(seed=0))
    torch.save(module.state_dict(), "net.pth")
    return path, module


@pytest.mark.parametrize("folded", [False, True])
def test_a_file_of_kernels_computes_the_same_without_archc(archc, net: tuple[Path, nn.Module], folded: bool) -> None:
    spec, module = net
    result = archc("compile", spec, "net", "--weights", "net.pth", "--optimize", "-o", "fast.pt2", "--device", "cpu")
    assert result.status == 0, result.err
    uses = uses_in(result.out)
    assert len(uses) == 2
    inputs = [torch.randn(shape) for shape in ((1, 3, 16, 16), (3, 3, 20, 22), (2, 3, 2, 4))]
    for x, found in zip(inputs, alone(uses if folded else uses[:1], inputs), strict=True):
        assert torch.allclose(found, module(x), rtol=1e-4, atol=1e-5)


def test_it_says_what_was_done_and_what_was_not(archc, net: tuple[Path, nn.Module]) -> None:
    out = archc("compile", net[0], "net", "--optimize", "-o", "fast.pt2", "--device", "cpu").out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "done batch norms folded into the layer before: 2" in lines
    assert "done batch norms made bounds with their rectifiers, the scale taken into convolutions: 1" in lines
    assert [line for line in lines if line.startswith("not done upconv: no kernel computes `upconv`")]


def test_a_file_of_bfloat16_takes_floats_and_gives_its_own_type(archc, net: tuple[Path, nn.Module]) -> None:
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("this processor has no bfloat16")
    spec, module = net
    argv = ("--weights", "net.pth", "--optimize", "--dtype", "bfloat16", "--batch", "2", "--size", "H=16,W=16")
    result = archc("compile", spec, "net", *argv, "-o", "fast.pt2", "--device", "cpu")
    assert result.status == 0, result.err
    assert "[2, 3, 16, 16]" in result.out and "legal sizes" not in result.out
    x = torch.randn(2, 3, 16, 16)
    (found,) = alone(uses_in(result.out), [x])
    assert found.dtype is torch.bfloat16
    assert (found.float() - module(x)).abs().max() < 3e-2 * module(x).abs().max()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no compiler of C++")
def test_a_compiled_file_computes_the_same_without_archc(archc, net: tuple[Path, nn.Module]) -> None:
    spec, module = net
    argv = ("--weights", "net.pth", "--optimize", "--engine", "inductor")
    result = archc("compile", spec, "net", *argv, "-o", "fast.pt2", "--device", "cpu")
    assert result.status == 0, result.err
    assert "runs on" in result.out
    inputs = [torch.randn(shape) for shape in ((1, 3, 16, 16), (3, 3, 20, 22))]
    for x, found in zip(inputs, alone(uses_in(result.out), inputs), strict=True):
        assert torch.allclose(found, module(x), rtol=1e-4, atol=1e-5)


def test_modules_of_torch_are_specs_too(archc, small: Path) -> None:
    small.with_name("mine.py").write_text(
        "from torch import nn\n"
        "def make():\n"
        "    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))\n"
    )
    result = archc("compile", "mine.py:make", "--input", "1,3,8,8", "--optimize", "-o", "fast.pt2", "--device", "cpu")
    assert result.status == 0, result.err
    assert "batch norms folded into the layer before: 1" in result.out
    (found,) = alone(uses_in(result.out), [torch.randn(5, 3, 8, 8)])
    assert found.shape == (5, 2)


def test_where_nothing_can_be_compiled_the_old_file_stays(archc, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._inductor import config

    monkeypatch.setattr(config.cpp, "cxx", (None, "no-such-compiler"))
    Path("fast.pt2").write_text("before")
    argv = ("--optimize", "--engine", "inductor", "-o", "fast.pt2", "--device", "cpu")
    result = archc("compile", small, "small", *argv)
    assert result.status == 1 and "[E0821]" in result.err and "AOTInductor" in result.err
    assert Path("fast.pt2").read_text() == "before"
    assert {path.name for path in small.parent.iterdir()} == {"small.arch", "fast.pt2"}


@pytest.mark.parametrize(
    ("argv", "what"),
    [
        (["--engine", "kernels"], "--optimize"),
        (["--dtype", "bfloat16"], "--optimize"),
        (["--batch", "2"], "--optimize"),
        (["--optimize", "--emit", "py"], "pt2"),
        (["--optimize", "-o", "net.onnx"], "pt2"),
        (["--optimize", "-o", "-"], "pt2"),
        (["--optimize", "--size", "Q=3"], "Q"),
    ],
)
def test_options_that_contradict_are_usage_errors(archc, small: Path, argv: list[str], what: str) -> None:
    result = archc("compile", small, "small", *argv)
    assert result.status == 2 and what in result.err
