"""`archc rewrite`: what it prints, what it writes, and what it leaves alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import archc as package
from archc.compiler.ir.rewrites import REWRITES

Run = Callable[..., Any]

SPEC = """
block unit(c) = id + (c1: conv(c, 3) -> b1: bn -> relu -> c2: conv(c, 3)) -> relu
arch net(width: int = 4) {
  input image: [N, 3, H, W] = [1, 3, 16, 16]
  output image -> stem: conv(width, 3) -> u{1..}: unit(width) ** 3 -> gap -> fc: linear(5)
}
"""


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.arch").write_text(SPEC)
    return tmp_path / "net.arch"


def test_the_report_says_what_changes(net: Path, archc: Run) -> None:
    outcome = archc("rewrite", "remove", "net.arch", "--with", "modules=[u2]", "--set", "width=6")
    assert outcome.status == 0 and "u2" in outcome.out and "-660" in outcome.out
    assert archc("rewrite", "swap", "net.arch", "--with", "a=u1", "--with", "b=u3").out.endswith(
        "Kendall's tau of the order: -1\n"
    )
    data = json.loads(archc("rewrite", "swap", "net.arch", "--with", "a=u1", "--with", "b=u2", "--format", "json").out)
    assert data["parameters"] == 0 and data["notes"] == {"kendall_tau": pytest.approx(1 / 3)}
    assert sorted(p.name for p in net.parent.iterdir()) == ["net.arch"]


@pytest.mark.parametrize("modules", ["u1,u3", "[u1,u3]", '"u1", "u3"'])
def test_a_list_may_lack_its_brackets(net: Path, archc: Run, modules: str) -> None:
    removed = archc("rewrite", "remove", net, "--with", f"modules={modules}").out
    assert "u1, 3   2 x unit(4)" in removed and "u2" not in removed
    assert "tau" in archc("rewrite", "reorder", net, "--with", f"modules={modules}", "--with", "order=1,0").out


def test_the_list_has_every_rewrite_with_its_settings(archc: Run) -> None:
    outcome = archc("rewrite", "--list")
    assert outcome.status == 0
    assert all(f"\n{name}" in f"\n{outcome.out}" for name in REWRITES)
    assert "    modules: paths of the modules that are left out" in outcome.out


@pytest.mark.parametrize("kept", ["kept.safetensors", "kept.pth"])
@pytest.mark.parametrize("module", ["small.pt2", "small.py", None])
def test_weights_are_carried(net: Path, archc: Run, kept: str, module: str | None) -> None:
    before = package.load(net)
    whole = before.module(seed=3)
    torch.save(whole.state_dict(), "whole.pth")
    options = ["-o", module] if module else []
    outcome = archc(
        "rewrite",
        "remove",
        "net.arch",
        "--with",
        "modules=u2",
        *options,
        "--weights",
        "whole.pth",
        "--weights-out",
        kept,
    )
    assert outcome.status == 0, outcome.err
    after = before.rewrite("remove", modules="u2")
    wanted = after.module(seed=0).eval()
    from archc.compiler.emit.weights import load_weights

    load_weights(wanted, kept)
    assert {n: t.tolist() for n, t in wanted.state_dict().items()} == {
        n: t.tolist() for n, t in whole.state_dict().items() if not n.startswith("u2.")
    }
    if module == "small.pt2":
        program = torch.export.load(module).module()
        x = torch.randn(2, 3, 16, 16)
        assert torch.allclose(program(x), wanted(x), atol=1e-5)
    files = {"net.arch", "whole.pth", kept, *([module] if module else [])}
    assert {p.name for p in net.parent.iterdir()} == files


def test_a_spec_of_the_result(net: Path, archc: Run) -> None:
    outcome = archc("rewrite", "remove", "net.arch", "--with", "modules=u2", "-o", "small.arch")
    assert outcome.status == 0, outcome.err
    assert not package.load("small.arch").diff(package.load(net).rewrite("remove", modules="u2"))
    assert archc("rewrite", "remove", "net.arch", "--with", "modules=u2", "-o", "-", "--emit", "arch").out.startswith(
        Path("small.arch").read_text().splitlines()[0]
    )


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["remov", "net.arch"], 1, "did you mean `remove`"),
        (["remove", "net.arch", "--with", "modules=u9"], 1, "net has no module `u9`"),
        (["remove", "net.arch", "--with", "module=u1"], 1, "remove has no parameter `module`"),
        (["remove", "net.arch", "--with", "name=u1"], 1, "remove has no parameter `name`"),
        (["remove", "net.arch", "--with", "self=u1"], 1, "remove has no parameter `self`"),
        (["remove", "net.arch"], 1, "remove needs `modules`"),
        (["net.arch", "remove"], 2, "the rewrite comes first: `archc rewrite remove net.arch`"),
        (["remove", "net.arch", "--set", "modules=u1"], 2, "its own setting: `--with modules=u1`"),
        (["remove", "net.arch", "--with", "modules"], 2, "'modules' is not of the form name=value"),
        (["remove", "net.arch", "--with", "modules=u1", "--weights-out", "a.pth"], 2, "it needs --weights"),
        (["remove", "net.arch", "--with", "modules=u1", "--weights", "a.pth"], 2, "it needs -o or --weights-out"),
        (["remove", "net.arch", "--with", "modules=u1", "-o", "no/a.py"], 1, "there is no folder"),
        (["remove", "net.arch", "--with", "modules=u1", "-o", "net.arch"], 1, "this command reads it"),
        (["remove", "net.arch", "--with", "modules=u1", "-o", "a.txt"], 2, "says nothing of what to make"),
    ],
)
def test_what_is_refused(net: Path, archc: Run, arguments: list[str], status: int, said: str) -> None:
    outcome = archc("rewrite", *arguments)
    assert outcome.status == status and said in " ".join(outcome.err.replace("│", " ").split())
    assert net.read_text() == SPEC and [p.name for p in net.parent.iterdir()] == ["net.arch"]


def test_a_checkpoint_of_another_network_is_refused_and_nothing_written(net: Path, archc: Run) -> None:
    torch.save({"other.weight": torch.zeros(3), "more.weight": torch.zeros(1), "fc.bias": torch.zeros(5)}, "other.pth")
    command = ["rewrite", "remove", "net.arch", "--with", "modules=u1", "--weights", "other.pth"]
    outcome = archc(*command, "-o", "a.py", "--weights-out", "b.pth")
    assert outcome.status == 1 and "E0815" in outcome.err
    torch.save(package.load(net).module(seed=0).state_dict(), "whole.pth")
    outcome = archc(*command[:-1], "whole.pth", "-o", "a.py", "--weights-out", "a.py")
    assert outcome.status == 1 and "E1060" in outcome.err
    assert {p.name for p in net.parent.iterdir()} == {"net.arch", "other.pth", "whole.pth"}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_the_carried_checkpoint_has_the_precision_of_the_one_given(archc: Run, net: Path, dtype: torch.dtype) -> None:
    torch.save(package.load(net).module(seed=0, dtype=dtype).state_dict(), "w.pth")
    outcome = archc("rewrite", "fold_batch_norm", net, "--weights", "w.pth", "--weights-out", "out.pth")
    assert outcome.status == 0, outcome.err
    assert {t.dtype for t in torch.load("out.pth").values()} == {dtype}


def test_an_unknown_rewrite_is_named(net: Path, archc: Run) -> None:
    outcome = archc("rewrite", "widden", "net.arch")
    assert outcome.status == 1 and "E0442" in outcome.err and "did you mean `widen`?" in outcome.err
