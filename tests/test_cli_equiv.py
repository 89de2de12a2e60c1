"""`archc equiv`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import archc as package

Run = Callable[..., Any]

FORMS = """
use aggregated from "zoo/resnext.arch"
arch Net(form: "a" | "b" | "c" = "a", classes: int = 5) {
  input image: [N, 3, H, W] = [1, 3, 16, 16]
  output image -> conv(8, 3) -> units: [aggregated(8, 2, 4, 16, form)] -> gap -> fc: linear(classes)
}
"""
KERNELS = """
arch Kernels(k: int = 3, dropped: bool = false, width: int = 4) {
  input image: [N, 3, H, W] = [1, 3, 8, 8]
  output image -> conv(width, k) -> relu -> conv(2, 3) -> (if dropped then dropout(0.5) else id)
}
arch Fixed {
  input image: [N, 3, 8, 8]
  output image -> conv(4, 3) -> relu -> conv(2, 3)
}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.arch").write_text(FORMS)
    (tmp_path / "kernels.arch").write_text(KERNELS)
    return tmp_path


def test_equal_with_the_map(archc: Run, folder: Path) -> None:
    outcome = archc("equiv", "net.arch", "net.arch(form = c)", "--check")
    assert (outcome.status, outcome.err) == (0, "")
    head, verdict, weights, _, *rows = outcome.out.splitlines()
    assert head == "Net(form = a) -> Net(form = c)"
    assert verdict == "equal: the same function in evaluation and in training, up to a map of weights"
    assert weights == "weights: 23 tensors, 12 of them as they are"
    made = dict(row.strip().split("  ", 1) for row in rows)
    assert made["units.0.conv1.weight"].strip() == "units.0.paths.0..3.conv1.weight, joined along axis 0"
    assert made["units.0.conv3.weight"].strip() == "units.0.paths.0..3.conv3.weight, joined along axis 1"


def test_the_other_way_round_are_parts(archc: Run, folder: Path) -> None:
    lines = archc("equiv", "net.arch(form = c)", "net.arch").out.splitlines()
    made = dict(line.strip().split("  ", 1) for line in lines[4:-1])
    assert made["units.0.paths.1.conv1.weight"].strip() == "units.0.conv1.weight, rows 2..3"
    assert made["units.0.paths.0.conv3.weight"].strip() == "units.0.conv3.weight, columns 0..1"


def test_a_checkpoint_is_carried_over(archc: Run, folder: Path) -> None:
    nets = {form: package.load("net.arch", form=form) for form in "ac"}
    module = nets["a"].module(seed=3).eval()
    torch.save(module.state_dict(), "a.pth")
    outcome = archc("equiv", "net.arch", "net.arch(form = c)", "--weights", "a.pth", "-o", "c.safetensors")
    told, _, size = outcome.out.splitlines()[-1].partition("; with them the two differ by ")
    assert told == "wrote c.safetensors: weights of Net" and float(size.split()[0]) < 1e-14
    other = nets["c"].module().eval()
    other.load_state_dict(load_file("c.safetensors"))
    image = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(other(image), module(image))


def test_different_with_a_counterexample(archc: Run, folder: Path) -> None:
    sides = ("kernels.arch:Kernels", "kernels.arch:Kernels(k = 5)")
    outcome = archc("equiv", *sides, "--counterexample", "apart.safetensors", "--check")
    assert outcome.status == 1
    lines = outcome.out.splitlines()
    assert lines[1].startswith("different: with H = 8, W = 8, place 4 of its output depends on row")
    assert lines[-1] == "wrote apart.safetensors"
    found = load_file("apart.safetensors")
    module = package.load("kernels.arch", "Kernels", k=5).module(dtype="float64").eval()
    module.load_state_dict({n.removeprefix("weights/"): t for n, t in found.items() if n.startswith("weights/")})
    with torch.no_grad():
        torch.testing.assert_close(module(found["inputs/x + u/0"]), found["outputs/x + u/0"])
    changed = (found["outputs/x + u/0"] - found["outputs/x/0"])[:, :, 4]
    assert changed.abs().max() > 0


def test_different_at_sizes_that_are_all_fixed(archc: Run, folder: Path) -> None:
    for k in (3, 5):
        text = f"arch A {{ input x: [1, 3, 8, 8]  output x -> conv(4, {k}) -> relu -> conv(4, {k}) }}"
        Path(f"fixed{k}.arch").write_text(text)
    line = archc("equiv", "fixed3.arch", "fixed5.arch").out.splitlines()[1]
    assert line.startswith("different: place 4 of its output depends on row")


def test_undecided_says_where(archc: Run, folder: Path) -> None:
    """At one size nothing is tried out that would tell them apart."""
    outcome = archc("equiv", "kernels.arch:Kernels", "kernels.arch:Kernels(width = 8)", "--check", "--size", "H=8,W=8")
    assert outcome.status == 1
    assert outcome.out.splitlines()[1:] == [
        "undecided: no rule makes one of the other",
        "they part at conv_2 and conv_2",
    ]


@pytest.mark.parametrize(
    ("one", "other", "lines"),
    [
        # Weights of which one would need two counterparts.
        (
            "x -> a: conv(4, 3) -> relu -> b: conv(4, 3)",
            "x -> f -> relu -> c: f",
            ["they part at a and f", "note: f.weight of B would be both b.weight and a.weight of A"],
        ),
        # Sums whose terms are as many, and differ further in.
        (
            "(x -> conv(4, 3) -> relu) + (x -> one: conv(4, 1) -> relu)",
            "(x -> conv(4, 3) -> relu) + (x -> one: conv(4, 1) -> tanh)",
            ["they part at relu_2 and tanh"],
        ),
        # What has no weights is the same expression on both sides.
        ("x -> relu -> a: (sigmoid -> conv(4, 3))", "x -> relu -> a: conv(4, 3)", ["they part at a.sigmoid and relu"]),
    ],
)
def test_undecided_names_the_places(archc: Run, folder: Path, one: str, other: str, lines: list[str]) -> None:
    head = "input x: [N, 4, 8, 8]"
    shared = "shared f = conv(4, 3)" if "f ->" in other else ""
    (folder / "two.arch").write_text(
        f"arch A {{ {head}  output {one} }}\narch B {{ {head}  {shared}  output {other} }}"
    )
    found = archc("equiv", "two.arch:A", "two.arch:B", "--size", "N=2").out.splitlines()
    assert found[1].startswith("undecided")
    assert [line for line in found[2:] if line.startswith(("they part", "note"))] == lines


def test_widths_and_functions_that_differ_are_told_apart(archc: Run, folder: Path) -> None:
    wide = archc("equiv", "kernels.arch:Kernels", "kernels.arch:Kernels(width = 8)").out.splitlines()[1]
    assert wide.startswith("different: weights of B move its outputs in 181 independent directions")


def test_evaluation_alone_and_one_size_alone(archc: Run, folder: Path) -> None:
    dropped = archc("equiv", "kernels.arch:Kernels", "kernels.arch:Kernels(dropped = true)").out.splitlines()
    assert dropped[1] == "equal: the same function in evaluation, up to a map of weights"
    assert "note: in training they part at conv_2 and dropout" in dropped
    fixed = ("equiv", "kernels.arch:Fixed", "kernels.arch:Kernels")
    told = archc(*fixed).out.splitlines()[1]
    assert told.startswith("different: they take other inputs") and "`--size H=8,W=8` compares them there" in told
    sized = archc(*fixed, "--size", "H=8,W=8").out.splitlines()
    assert sized[1].endswith("up to a map of weights, with H = 8, W = 8")
    assert sized[3] == "weights: all 2 tensors as they are"


def test_json(archc: Run, folder: Path) -> None:
    found = json.loads(archc("equiv", "net.arch", "net.arch(form = c)", "--format", "json").out)
    assert (found["verdict"], found["training"], found["by_name"]) == ("equal", True, None)
    tensors = {made["name"]: made for made in found["weights"]}
    first, second, *_ = tensors["units.0.conv3.weight"]["pieces"]
    assert first == {
        "rows": [0, 32],
        "columns": [0, 2],
        "from": {"name": "units.0.paths.0.conv3.weight", "rows": [0, 32], "columns": [0, 2]},
    }
    assert (second["columns"], second["from"]["name"]) == ([2, 4], "units.0.paths.1.conv3.weight")
    assert tensors["fc.weight"]["same_as"] == "fc.weight"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("net.arch", "net.arch", "--size", "Q=3"), "E1050"),
        (("net.arch", "net.arch", "--counterexample", "x.pt"), "E1051"),
        (("net.arch", "net.arch(classes = 6)", "--weights", "a.pth", "-o", "b.pth"), "E0860"),
        (("net.arch", "net.arch", "--weights", "a.pth", "-o", "b.pth"), "E0810"),
    ],
)
def test_refusals(archc: Run, folder: Path, arguments: tuple[str, ...], code: str) -> None:
    outcome = archc("equiv", *arguments)
    assert outcome.status == 1 and f"error[{code}]" in outcome.err
    assert sorted(p.name for p in folder.iterdir()) == ["kernels.arch", "net.arch"]


def test_a_checkpoint_of_one_library_becomes_one_of_another(archc: Run, folder: Path) -> None:
    """The oracle: both libraries run with their checkpoints."""
    import torchvision
    from pytorchcv.models.resnet import resnet18

    theirs, others = torchvision.models.resnet18().eval(), resnet18().eval()
    torch.save(theirs.state_dict(), "in.pth")
    names = ("torchvision.models:resnet18", "pytorchcv.models.resnet:resnet18")
    outcome = archc("equiv", *names, "--size", "H=224,W=224", "--weights", "in.pth", "-o", "out.pth")
    assert outcome.status == 0, outcome.err
    others.load_state_dict(torch.load("out.pth"))
    image = torch.rand(1, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(theirs(image), others(image))


def test_weights_need_an_output(archc: Run, folder: Path) -> None:
    assert archc("equiv", "net.arch", "net.arch", "--weights", "a.pth").status == 2
    assert archc("equiv", "net.arch", "net.arch", "-o", "b.pth").status == 2


def test_what_is_read_is_not_written_over(archc: Run, folder: Path) -> None:
    checkpoint = folder / "w.pth"
    torch.save(package.load(folder / "net.arch").module(seed=0).state_dict(), checkpoint)
    before = checkpoint.read_bytes()
    sides = ("net.arch(form = a)", "net.arch(form = c)", "--weights", "w.pth")
    for name in ("w.pth", "net.arch", "new.py"):
        outcome = archc("equiv", *sides, "-o", name)
        assert outcome.status == 1 and "E0805" in outcome.err
    assert checkpoint.read_bytes() == before and (folder / "net.arch").read_text() == FORMS


def test_why_training_is_not_compared_is_said(archc: Run, folder: Path) -> None:
    (folder / "a.arch").write_text("arch A { input x: [N, 3]\n  output p = x -> relu\n  output q = x -> sigmoid }")
    (folder / "b.arch").write_text("arch A { input x: [N, 3]\n  output q = x -> sigmoid\n  output p = x -> relu }")
    outcome = archc("equiv", "a.arch", "b.arch")
    assert "in evaluation, up" in outcome.out and "note: training is not compared, as the outputs" in outcome.out
