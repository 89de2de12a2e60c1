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
        (["-o", "small.arch", "--emit", "py"], "E0805"),
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
    assert result.status == 1 and "[E0805]" in result.err and "it is a pipe" in result.err
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
def test_the_summary_says_how_to_use_the_file(archc, small: Path, name: str | None) -> None:
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
    run = subprocess.run(
        [sys.executable, "-c", f"import torch; {line}"], cwd=small.parent, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


def test_a_network_too_large_is_no_internal_error(archc, small: Path) -> None:
    small.write_text("arch A { input x: [N, 3, 8, 8]  output x -> conv(10 ** 12, 3) }")
    result = archc("compile", small, "--device", "cpu")
    assert result.status == 1 and "[E0807]" in result.err and "TiB" in result.err


def test_missing_spec(archc, tmp_path: Path) -> None:
    result = archc("compile", tmp_path / "absent.arch")
    assert (result.status, result.out) == (1, "")
    assert "absent.arch" in result.err
