"""What is written is what was checked: a file that is not what its module is never gets into place."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from small_nets import small_file

import archc as package
from archc.catalog import shipped_files
from archc.compiler.decompile.arch import spec as arch_text
from archc.compiler.decompile.python.file import to_python
from archc.compiler.emit import export, python_file
from archc.compiler.emit.export import to_pt2
from archc.compiler.emit.python_file import to_py
from archc.dsl.format import format_source

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
    monkeypatch.setattr(python_file, "to_python", edited(to_python, old, new))
    result = archc("compile", "net.arch", "--device", "cpu")
    assert (result.status, result.out) == (1, ""), result
    assert f"[{code}]" in result.err and "net.py" in result.err and where in result.err, result.err
    assert (tmp_path / "net.py").read_text() == "before"
    assert {path.name for path in tmp_path.iterdir()} == {"net.arch", "net.py"}


def test_the_error_stands_at_the_layer_where_it_shows(
    archc: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "net.arch").write_text(NET)
    monkeypatch.setattr(python_file, "to_python", edited(to_python, "bn1(self", "bn2(self"))
    result = archc("compile", tmp_path / "net.arch", "--device", "cpu", "-o", tmp_path / "net.py")
    assert "net.arch:3:" in result.err and "bn1: bn" in result.err


def exports_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes an exporter write another network than the one that it is given."""
    real = export.export

    def other(module: torch.nn.Module, graph: Any) -> Any:
        with torch.no_grad():
            module.get_parameter("fc.bias").add_(1.0)
            try:
                return copy.deepcopy(real(module, graph))
            finally:
                module.get_parameter("fc.bias").sub_(1.0)

    monkeypatch.setattr(export, "export", other)


@pytest.mark.parametrize("emit", ["pt2", "onnx"])
def test_a_wrong_export_is_refused_and_the_old_file_stays(
    archc: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, emit: str
) -> None:
    if emit == "onnx":
        pytest.importorskip("onnxruntime")
    (tmp_path / "net.arch").write_text(NET)
    target = tmp_path / f"net.{emit}"
    target.write_text("before")
    exports_another(monkeypatch)
    result = archc("compile", tmp_path / "net.arch", "-o", target, "--device", "cpu")
    assert result.status == 1 and "[E0822]" in result.err and target.name in result.err, result.err
    assert target.read_text() == "before" and {p.name for p in tmp_path.iterdir()} == {"net.arch", target.name}


@pytest.mark.parametrize(("old", "new"), [("0.5", "0.25"), ("bn1", "norm"), ("output a", "outputs a")])
def test_a_wrong_spec_is_refused_and_the_old_file_stays(
    archc: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str
) -> None:
    (tmp_path / "net.arch").write_text(NET)
    (tmp_path / "again.arch").write_text("before")
    monkeypatch.setattr(arch_text, "format_source", edited(format_source, old, new))
    result = archc("compile", tmp_path / "net.arch", "-o", tmp_path / "again.arch")
    assert result.status == 1 and "[E0850]" in result.err and "again.arch" in result.err, result.err
    assert (tmp_path / "again.arch").read_text() == "before"


def test_the_text_on_the_standard_output_has_run_too(
    archc: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "net.arch").write_text(NET)
    monkeypatch.setattr(python_file, "to_python", edited(to_python, "* 0.5", "* 0.25"))
    result = archc("compile", tmp_path / "net.arch", "-o", "-", "--device", "cpu")
    assert (result.status, result.out) == (1, "") and "[E0822]" in result.err


def test_the_report_says_what_was_compared(archc: Any, tmp_path: Path) -> None:
    (tmp_path / "net.arch").write_text(NET)
    modules = set(sys.modules)
    lines = archc("compile", tmp_path / "net.arch", "-o", tmp_path / "net.py", "--device", "cpu").out.splitlines()
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in lines}
    assert rows["ran"] == "net.py against the module on cpu: equal"
    assert rows["eval"] == "at [1, 3, 16, 16] and [2, 3, 5, 6]"
    assert rows["train"] == "at [2, 3, 5, 6] with gradients and [3, 3, 7, 8]"
    assert not {name for name in set(sys.modules) - modules if name == "net" or "tmp" in name}


def test_what_is_not_compared_is_said(archc: Any, tmp_path: Path) -> None:
    spec = "arch A { input x: [1, 3, 4, 4]  output x -> conv(3, 3) -> gap -> bn }"
    (tmp_path / "a.arch").write_text(spec)
    result = archc("compile", tmp_path / "a.arch", "-o", tmp_path / "a.py", "--device", "cpu")
    assert result.status == 0 and "left out" in result.out and "training: Expected more than 1 value" in result.out


def test_the_module_is_as_before(tmp_path: Path) -> None:
    net = package.loads(NET)
    module = net.module(seed=0)
    module.get_submodule("bn1").eval()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    luck = torch.get_rng_state()
    to_py(module, net.ir, tmp_path / "net.py", fresh=True)
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())
    assert module.training and not module.get_submodule("bn1").training
    assert torch.equal(luck, torch.get_rng_state())
    assert all(p.grad is None and p.requires_grad for p in module.parameters())


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
def test_exports_of_every_precision_with_code_of_the_host(tmp_path: Path, dtype: str) -> None:
    spec = """extern twice()(x: [N, C, H, W]) -> [N, C, H, W] {}
    arch A { input x: [N, 3, H, W] = [1, 3, 8, 8]  output x -> conv(4, 3) -> bn -> twice -> gap -> linear(3) }"""
    net = package.loads(spec)
    module = net.module(dtype=dtype, externs={"twice": lambda x: x + x})
    found = to_pt2(module, net.ir, tmp_path / "a.pt2")
    assert found.outcome == "equal" and len(found.trials) == 3


@pytest.mark.parametrize(
    "body",
    [
        "shared s = conv(3, 3)   output x -> a: s -> relu -> b: s",
        "output x -> maxpool(2) -> maxpool(3, 2, ceil = true) -> conv(4, 3) -> gap",
    ],
    ids=["weights with two names", "pools that round up"],
)
def test_exports_at_all_sizes(tmp_path: Path, body: str) -> None:
    net = package.loads(f"arch A {{ input x: [N, 3, H, W] = [1, 3, 32, 32]\n{body} }}")
    found = to_pt2(net.module(), net.ir, tmp_path / "a.pt2")
    assert found.outcome == "equal" and len(found.trials) == 3


def test_a_module_without_numbers_is_written_and_that_it_did_not_run_is_said(tmp_path: Path) -> None:
    net = package.loads(NET)
    for write, name in ((to_pt2, "net.pt2"), (to_py, "net.py")):
        found = write(net.module(device="meta"), net.ir, tmp_path / name)
        assert not found.trials and "meta" in " ".join(found.left_out) and (tmp_path / name).exists()


# fmt: off
NAMES = [
    "self", "run", "N", "out", "x", "s0", "torch", "F", "nn", "Tensor", "getattr", "len", "forward", "model",
    "m", "i", "step", "type", "None_", "A", "cat", "add", "size", "input", "shape", "a", "b",
]
# fmt: on
PLACES = {
    "arch": "arch {} {{ input image: [N, 3, 8, 8]  output image -> conv(4, 3) -> relu }}",
    "input": "arch A {{ input {0}: [N, 3, 8, 8]  output ({0} -> conv(4, 3)) + ({0} -> conv(4, 1)) }}",
    "param": "arch A {{ input image: [N, 3, 8, 8]  param {0} = ones([1, 3, 8, 8])  output image * {0} -> conv(4, 3) }}",
    "label": "arch A {{ input image: [N, 3, 8, 8]  output (image -> {}: conv(4, 3) -> bn) + (image -> conv(4, 1)) }}",
    "block": "block {0}(c) = conv(c, 3) -> relu -> conv(c, 1)\n"
    "arch Net {{ input image: [N, 3, 8, 8]  output image -> {0}(4) -> {0}(4) }}",
    "output": "arch A {{ input image: [N, 3, 8, 8]  output {} = image -> conv(4, 3)  output second = image -> relu }}",
    "size": "arch A {{ input image: [{0}, 3, 8, 8]  output image -> conv(4, 3) }}",
}


@pytest.mark.parametrize("place", PLACES)
def test_any_name_that_is_accepted_compiles(archc: Any, tmp_path: Path, place: str) -> None:
    """Every name in some place, and some names in every place."""
    first = list(PLACES).index(place) % 3
    assert_compiles(archc, tmp_path, place, NAMES[first::3], ("py", "arch"))


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_any_name_that_is_accepted_compiles_everywhere(archc: Any, tmp_path: Path, place: str) -> None:
    assert_compiles(archc, tmp_path, place, NAMES, ("py", "arch", "pt2", "onnx"))


def assert_compiles(archc: Any, folder: Path, place: str, names: list[str], formats: tuple[str, ...]) -> None:
    accepted = [name for name in names if not package.check(text=PLACES[place].format(name))]
    assert len(accepted) > len(names) // 2
    for name in accepted:
        (folder / "spec.arch").write_text(PLACES[place].format(name))
        for emit in formats:
            result = archc("compile", folder / "spec.arch", "-o", folder / f"out.{emit}", "--device", "cpu")
            assert result.status == 0, (name, result.err)


@pytest.mark.slow
@pytest.mark.parametrize("emit", ["py", "pt2", "onnx", "json", "arch", "graphml"])
@pytest.mark.parametrize("path", shipped_files(), ids=lambda path: path.stem)
def test_every_family_compiles_to_every_format(archc: Any, tmp_path: Path, path: Path, emit: str) -> None:
    target = tmp_path / f"net.{emit}"
    result = archc("compile", small_file(path, tmp_path), "least", "-o", target, "--device", "cpu")
    assert result.status == 0 and target.exists(), result.err
    assert ("against the module on cpu: " in result.out) is (emit in ("py", "pt2", "onnx"))
