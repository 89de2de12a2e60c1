"""`archc compile`: what it writes, what it says of it, and what it never writes over."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


def test_compile_writes_a_file_that_needs_torch_alone(archc, small: Path) -> None:
    result = archc("compile", small, "wide", "--device", "cpu")
    assert result.status == 0, result.err
    for word in ("parameters", "multiply-adds", "depth", "[1, 10]", "wide.py"):
        assert word in result.out
    text = (small.parent / "wide.py").read_text()
    assert not re.search(r"^(from|import) archc", text, re.MULTILINE)


def test_the_ending_decides_what_is_made(archc, small: Path) -> None:
    result = archc("compile", small, "small", "-o", "out.json", "--device", "cpu")
    assert result.status == 0, result.err
    assert json.loads((small.parent / "out.json").read_text())


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["-o", "absent/x.py"], "E0805"),
        (["-o", "small.arch"], "E0805"),
        (["--weights", "absent.pth"], "E0810"),
        (["--weights", "small.arch"], "E0810"),
    ],
)
def test_nothing_is_written_where_something_is_wrong(archc, small: Path, argv: list[str], code: str) -> None:
    artifact = small.parent / "small.py"
    artifact.write_text("before")
    spec = small.read_text()
    result = archc("compile", small, "small", "--device", "cpu", *argv)
    assert (result.status, result.out) == (1, "")
    assert f"[{code}]" in result.err
    assert artifact.read_text() == "before"
    assert small.read_text() == spec
    assert {p.name for p in small.parent.iterdir()} == {"small.arch", "small.py"}


@pytest.mark.parametrize("argv", [["compile", "--device", "cpu", "--emit", "py"], ["draw", "--format", "svg"], ["fmt"]])
def test_a_pipe_is_never_replaced_by_a_file(archc, small: Path, argv: list[str]) -> None:
    pipe = small.parent / "pipe"
    os.mkfifo(pipe)
    result = archc("fmt", pipe) if argv == ["fmt"] else archc(argv[0], small, "small", "-o", pipe, *argv[1:])
    code = "E0701" if argv == ["fmt"] else "E0805"
    assert result.status == 1 and f"[{code}]" in result.err and "it is a pipe" in result.err
    assert pipe.is_fifo()


def test_a_link_stays_one(archc, small: Path) -> None:
    link = small.parent / "link.json"
    link.symlink_to("real.json")
    result = archc("compile", small, "small", "-o", link, "--device", "cpu")
    assert result.status == 0, result.err
    assert link.is_symlink() and json.loads((small.parent / "real.json").read_text())


def test_text_goes_to_stdout(archc, small: Path) -> None:
    source = archc("compile", small, "small", "-o", "-", "--device", "cpu")
    assert source.status == 0, source.err
    compile(source.out, "small.py", "exec")
    graph = archc("compile", small, "small", "-o", "-", "--emit", "json", "--device", "cpu")
    assert json.loads(graph.out)
    assert [p.name for p in small.parent.iterdir()] == ["small.arch"]


@pytest.mark.parametrize("name", [None, "w.pth", "w.safetensors"])
def test_the_summary_says_how_to_use_the_file(
    archc, small: Path, name: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    import archc as package
    from archc.compiler.emit.weights import save_weights

    argv = ["compile", small, "small", "--device", "cpu"]
    if name is not None:
        save_weights(package.load(small, "small").module(seed=1), small.parent / name)
        argv += ["--weights", name]
    result = archc(*argv)
    assert result.status == 0, result.err
    assert ("small.py does not hold them" in result.out) is (name is not None)
    (line,) = [line.split(None, 1)[1] for line in result.out.splitlines() if line.split()[:1] == ["use"]]
    assert line.startswith("from small import ")
    monkeypatch.syspath_prepend(small.parent)
    try:
        exec(line, {"torch": torch})
        assert Path(sys.modules["small"].__file__ or "") == small.parent / "small.py"
    finally:
        sys.modules.pop("small", None)


CHAIN = "arch A {{ input x: [N, 3, 8, 8]  output x -> {}: conv(3, 3) -> {}: conv(3, 3) -> {}: conv(5, 1) }}"


def mapped(folder: Path, *names: str) -> Path:
    """A spec with the names a, b, c, and a checkpoint of the same network with other names."""
    from safetensors.torch import save_file

    import archc as package

    other = package.loads(CHAIN.format(*names)).module(seed=1)
    save_file(other.state_dict(), folder / "w.safetensors")
    (folder / "net.arch").write_text(CHAIN.format("a", "b", "c"))
    return folder / "net.arch"


def test_other_names_are_mapped_and_the_map_is_shown(archc, small: Path) -> None:
    import torch
    from safetensors.torch import load_file

    folder = small.parent
    spec = mapped(folder, "k1", "k2", "head")
    argv = ["compile", spec, "--device", "cpu", "--weights", "w.safetensors"]
    assert "[E0815]" in archc(*argv, "-o", "net.pt2").err
    result = archc(*argv, "-o", "net.pt2", "--map", "auto", "--write-map", "map.json")
    assert result.status == 0, result.err
    assert ["map", "head", "->", "c"] in [line.split() for line in result.out.splitlines()]
    pairs = {"k1": "a", "k2": "b", "head": "c"}
    names = {f"{name}.{last}": f"{to}.{last}" for name, to in pairs.items() for last in ("weight", "bias")}
    theirs = load_file(folder / "w.safetensors")
    assert json.loads((folder / "map.json").read_text()) == {n: to for n, to in names.items() if n in theirs}
    ours = torch.export.load(folder / "net.pt2").state_dict
    assert all(torch.equal(ours[names[name]], tensor) for name, tensor in theirs.items())
    again = archc(*argv, "-o", "net.py", "--map", "map.json")
    assert again.status == 0 and "load_state_dict" not in again.out


@pytest.mark.parametrize("more", [["--map", "auto"], ["--map", "auto", "--leave-out", "head"], ["--map", "map.json"]])
def test_one_of_several_sets_is_said_of_a_map_too(archc, small: Path, more: list[str]) -> None:
    import torch
    from safetensors.torch import load_file

    spec = mapped(small.parent, "k1", "k2", "head")
    states = load_file(small.parent / "w.safetensors")
    torch.save({"model": states, "ema": states}, small.parent / "both.pth")
    (small.parent / "map.json").write_text('{"k1.weight": "a.weight"}')
    more += ["--fresh", "c"] if "head" in more else []
    result = archc("compile", spec, "--device", "cpu", "--weights", "both.pth", *more, "-o", "net.json")
    assert result.status == 0, result.err
    assert result.err.count("warning[E0827]") == 1 and "others as `ema`" in result.err


def test_what_may_be_mapped_in_two_ways_is_refused(archc, small: Path) -> None:
    spec = mapped(small.parent, "first", "second", "head")
    argv = ["compile", spec, "--device", "cpu", "--weights", "w.safetensors", "-o", "net.json"]
    result = archc(*argv, "--map", "auto", "--write-map", "map.json")
    assert (result.status, result.out) == (1, "") and "[E0818]" in result.err and "first, second <-> a, b" in result.err
    assert not (small.parent / "net.json").exists() and not (small.parent / "map.json").exists()
    (small.parent / "hint.json").write_text('{"second.weight": "b.weight"}')
    assert archc(*argv, "--map", "hint.json").status == 0


@pytest.mark.parametrize(
    ("argv", "wrong"),
    [(["--map", "auto"], "--weights"), (["--weights", "w.safetensors", "--write-map", "m.json"], "--map")],
)
def test_a_map_needs_what_it_maps(archc, small: Path, argv: list[str], wrong: str) -> None:
    result = archc("compile", small, "small", *argv)
    assert result.status == 2 and f"it needs {wrong}" in result.err


def test_a_map_is_not_written_over_what_is_read(archc, small: Path) -> None:
    spec = mapped(small.parent, "k1", "k2", "head")
    before = (small.parent / "w.safetensors").read_bytes()
    argv = ["--weights", "w.safetensors", "--map", "auto", "--write-map", "w.safetensors"]
    result = archc("compile", spec, "--device", "cpu", *argv)
    assert result.status == 1 and "[E0805]" in result.err
    assert (small.parent / "w.safetensors").read_bytes() == before


def test_a_network_too_large_is_no_internal_error(archc, small: Path) -> None:
    small.write_text("arch A { input x: [N, 3, 8, 8]  output x -> conv(10 ** 12, 3) }")
    result = archc("compile", small, "--device", "cpu")
    assert result.status == 1 and "[E0807]" in result.err and "TiB" in result.err


def test_missing_spec(archc, tmp_path: Path) -> None:
    result = archc("compile", tmp_path / "absent.arch")
    assert (result.status, result.out) == (1, "")
    assert "absent.arch" in result.err


@pytest.mark.parametrize("ending", ["json", "arch"])
def test_what_says_the_graph_loads_no_torch(small: Path, ending: str) -> None:
    program = (
        "import sys; from archc.cli import main\n"
        f"status = main(['compile', 'small.arch', 'small', '-o', 'a.{ending}'])\n"
        "print([m for m in ('torch', 'networkx', 'rich') if m in sys.modules]); sys.exit(status)"
    )
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, cwd=small.parent, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "[]" and (small.parent / f"a.{ending}").stat().st_size


def test_training_is_made_to_fit(archc, tmp_path: Path) -> None:
    argv = ["resnet_cifar", "--set", "depth=14", "--device", "cpu", "-o", tmp_path / "lean.py"]
    result = archc("compile", *argv, "--fit", "60MB", "--batch", "64", "--optimizer", "sgd")
    assert result.status == 0, result.err
    assert "of the forward's multiply-adds" in result.out and "recompute(" in (tmp_path / "lean.py").read_text()
    result = archc("compile", *argv, "--fit", "1MB")
    assert result.status == 1 and "[E1309]" in result.err
    result = archc("compile", *argv, "--fit", "60MB", "--optimize")
    assert result.status == 2


@pytest.mark.parametrize("ending", ["py", "arch", "json", "pt2", "onnx"])
def test_every_file_is_checked_with_constants(archc, tmp_path: Path, ending: str) -> None:
    text = """arch A {
      input x: [N, 3, 8, 8]
      const middle = constant([[[0.25]], [[0.5]], [[0.75]]])
      const kept: bool = constant([[[1]], [[0]], [[1]]])
      output where(kept, x - middle -> conv(3, 3), -inf) -> softmax
    }"""
    (tmp_path / "a.arch").write_text(text)
    result = archc("compile", tmp_path / "a.arch", "-o", tmp_path / f"out.{ending}", "--device", "cpu")
    assert result.status == 0, result.err
    assert (tmp_path / f"out.{ending}").stat().st_size
