"""The README: its spec, its commands and its Python do what it says."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from checkout import PROJECT, PYPROJECT

from .support import Block, blocks
from .test_language import check
from .test_pages import execute

README = "../README.md"

MINE = "arch mine(depth: int = 2) {\n  input x: [N, 3, 8, 8]\n  output x -> conv(3, 1) ** depth\n}\n"
"""What the reader's own spec may be."""

BLOCKS = list(blocks(README))


def commands() -> list[str]:
    """Every command of the README, without the comment beside it."""
    lines = [line.partition("#")[0].strip() for b in BLOCKS if b.language == "sh" for line in b.text.splitlines()]
    return [line for line in lines if line]


TOUR = [line for line in commands() if line.startswith("archc ")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the tour takes for given."""
    import torch

    import archc

    folder = tmp_path_factory.mktemp("tour")
    (folder / "my.arch").write_text(MINE)
    torch.save(archc.load("resnet18").module(seed=0).state_dict(), folder / "resnet18.pth")
    return folder


@pytest.mark.parametrize("line", [line for line in TOUR if not line.startswith("archc serve ")])
def test_tour(line: str, folder: Path, archc: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    outcome = archc(*shlex.split(line)[1:])
    assert outcome.status == 0, f"{outcome.out}{outcome.err}"


@pytest.mark.parametrize("line", [line for line in TOUR if line.startswith("archc serve ")])
def test_what_the_tour_serves(line: str, folder: Path) -> None:
    """It says where, answers there, and ends when it is told to."""
    runs = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    runs += "from archc.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", runs, *shlex.split(line)[1:]]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            address = process.stdout.readline().split()[-1]
            with urlopen(address, timeout=120) as page:
                assert page.status == 200 and b"my.arch" in page.read()
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=120) == 0
        finally:
            process.kill()


def test_every_file_of_the_tour_is_one_that_the_reader_is_told_of() -> None:
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    before = text.partition("## A tour")[2].partition("```")[0]
    taken = (re.sub(r"-o \S+", "", line) for line in TOUR)
    given = {word for line in taken for word in shlex.split(line) if re.fullmatch(r".*\.(arch|pth)", word)}
    assert given == {"my.arch", "resnet18.pth"}
    assert all(f"`{name}`" in before for name in given)


def test_installing_is_what_ci_does() -> None:
    """CI runs the two commands as the README has them; here they are held to what the package offers."""
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    ci = (PROJECT / ".ci" / "run").read_text(encoding="utf-8")
    assert "README.md" in ci and "## Two commands" in ci and "## Two commands\n" in text
    extras = set(re.findall(r"'\.\[(\w+)\]'", text))
    assert extras == {"test", "docs", "onnx", "plot"} <= PYPROJECT["project"]["optional-dependencies"].keys()
    assert f"Python {PYPROJECT['project']['requires-python'].removeprefix('>=')} or newer" in text
    outside = [line for line in commands() if line not in TOUR]
    assert len(outside) == 2
    for line in outside:
        assert line.startswith("python3 -m venv .venv && .venv/bin/pip install ")
    assert outside[0].endswith(".venv/bin/archc compile resnet50")
    assert outside[1].endswith(" install -e '.[test]' && .venv/bin/pytest -n auto")
    assert "archc compile resnet50" in TOUR


def test_the_spec(tmp_path: Path) -> None:
    specs = [b for b in BLOCKS if b.language == "arch"]
    assert specs
    assert not [problem for b in specs for problem in check(b, tmp_path)]


def test_the_python() -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    printed = ""
    for block in BLOCKS:
        if block.language == "python":
            printed = execute(block, names)
        elif block.language == "text":
            assert printed == block.text, str(block)


def test_every_block_is_tested() -> None:
    assert not [str(b) for b in BLOCKS if not _known(b)]


def _known(block: Block) -> bool:
    return block.language in ("arch", "sh", "python", "text")
