"""`archc compile --optimize`: files for inference, which run where archc is not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import archc as package

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch has no oneDNN")

# The process has torch alone: an import of archc, or of anything beside it, fails.
ALONE = """
import json, os, sys, traceback
sys.modules["archc"] = None
import torch
for line in sys.stdin:
    folder, uses = json.loads(line)
    os.chdir(folder)
    names = {"torch": torch}
    try:
        exec(uses, names)
        with torch.no_grad():
            torch.save([names["net"](x) for x in torch.load("inputs.pt")], "outputs.pt")
        print(json.dumps(""), flush=True)
    except Exception:
        print(json.dumps(traceback.format_exc()), flush=True)
"""
Alone = Callable[[list[str], list[Tensor]], list[Tensor]]
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


@pytest.fixture(scope="module")
def alone() -> Iterator[Alone]:
    """What a file computes in another process, the same one for all."""
    command = [sys.executable, "-c", ALONE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        requests, answers = process.stdin, process.stdout
        assert requests is not None and answers is not None

        def ask(uses: list[str], inputs: list[Tensor]) -> list[Tensor]:
            torch.save(inputs, "inputs.pt")
            Path("outputs.pt").unlink(missing_ok=True)
            print(json.dumps([str(Path.cwd()), "\n".join(uses)]), file=requests, flush=True)
            answer = answers.readline()
            assert answer == '""\n', json.loads(answer)
            return torch.load("outputs.pt")

        yield ask


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


def test_a_file_of_kernels_computes_the_same_without_archc(archc, net: tuple[Path, nn.Module], alone: Alone) -> None:
    spec, module = net
    result = archc("compile", spec, "net", "--weights", "net.pth", "--optimize", "-o", "fast.pt2", "--device", "cpu")
    assert result.status == 0, result.err
    uses = uses_in(result.out)
    assert len(uses) == 2
    inputs = [torch.randn(shape) for shape in ((1, 3, 16, 16), (3, 3, 20, 22), (2, 3, 2, 4))]
    for lines in (uses[:1], uses):
        for x, found in zip(inputs, alone(lines, inputs), strict=True):
            assert torch.allclose(found, module(x), rtol=1e-4, atol=1e-5)


def test_it_says_what_was_done_and_what_was_not(archc, net: tuple[Path, nn.Module]) -> None:
    out = archc("compile", net[0], "net", "--optimize", "-o", "fast.pt2", "--device", "cpu").out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "done batch norms folded into the layer before: 2" in lines
    assert "done batch norms made bounds with their rectifiers, the scale taken into convolutions: 1" in lines
    assert [line for line in lines if line.startswith("not done upconv: no kernel computes `upconv`")]


def test_a_file_of_bfloat16_takes_floats_and_gives_its_own_type(
    archc, net: tuple[Path, nn.Module], alone: Alone
) -> None:
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
def test_a_compiled_file_computes_the_same_without_archc(archc, net: tuple[Path, nn.Module], alone: Alone) -> None:
    spec, module = net
    argv = ("--weights", "net.pth", "--optimize", "--engine", "inductor")
    result = archc("compile", spec, "net", *argv, "-o", "fast.pt2", "--device", "cpu")
    assert result.status == 0, result.err
    assert "runs on" in result.out
    inputs = [torch.randn(shape) for shape in ((1, 3, 16, 16), (3, 3, 20, 22))]
    for x, found in zip(inputs, alone(uses_in(result.out), inputs), strict=True):
        assert torch.allclose(found, module(x), rtol=1e-4, atol=1e-5)


def test_modules_of_torch_are_specs_too(archc, small: Path, alone: Alone) -> None:
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
