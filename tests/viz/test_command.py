"""`archc draw`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from archc.viz import programs

Run = Callable[..., Any]


def test_it_writes_an_svg_here(archc: Run, small: Path) -> None:
    outcome = archc("draw", "small.arch", "small")
    assert outcome.status == 0, outcome.err
    assert outcome.out.startswith("wrote small.svg: ")
    assert (small.parent / "small.svg").read_text(encoding="utf-8").startswith("<?xml")


@pytest.mark.parametrize(("name", "start"), [("a.svg", b"<?xml"), ("a.png", b"\x89PNG"), ("a.dot", b"digraph")])
def test_the_ending_decides(archc: Run, small: Path, name: str, start: bytes) -> None:
    assert archc("draw", small, "small", "-o", name).status == 0
    assert (small.parent / name).read_bytes().startswith(start)


def test_the_format_beats_the_ending(archc: Run, small: Path) -> None:
    assert archc("draw", small, "small", "-o", "a.txt", "--format", "dot").status == 0
    assert (small.parent / "a.txt").read_bytes().startswith(b"digraph")


def test_a_folder_and_the_standard_output(archc: Run, small: Path) -> None:
    assert archc("draw", small, "small", "-o", small.parent, "--format", "dot").status == 0
    outcome = archc("draw", small, "small", "-o", "-", "--format", "dot")
    assert outcome.out == (small.parent / "small.dot").read_text(encoding="utf-8")


def test_parameters_and_depth(archc: Run, small: Path) -> None:
    outcome = archc("draw", small, "small", "--set", "depth=5", "--set", "width=24", "--depth", "1", "-o", "a.dot")
    assert outcome.status == 0
    text = (small.parent / "a.dot").read_text(encoding="utf-8")
    assert "5 × unit" in text and "24×32×32" in text
    assert "small(width = 24, depth = 5)" in text


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("-o", "a.gif"), "E0830"),
        (("--only", "nothing"), "E0834"),
        (("-o", "nowhere/a.svg"), "E0805"),
        (("-o", "small.arch", "--format", "svg"), "E0805"),
    ],
)
def test_what_cannot_be_written(archc: Run, small: Path, arguments: tuple[str, ...], code: str) -> None:
    before = small.read_bytes()
    outcome = archc("draw", "small.arch", "small", *arguments)
    assert outcome.status == 1
    assert code in outcome.err
    assert small.read_bytes() == before
    assert sorted(path.name for path in small.parent.iterdir()) == ["small.arch"]


@pytest.mark.parametrize("format", ["svg", "png"])
def test_graphviz_is_stopped(archc: Run, small: Path, format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "LONGEST", 0.001)
    outcome = archc("draw", "small.arch", "small", "--layout", "dot", "-o", f"small.{format}")
    assert outcome.status == 1 and "E0831" in outcome.err and "`--format dot`, without `--layout`" in outcome.err
    assert sorted(path.name for path in small.parent.iterdir()) == ["small.arch"]
    assert archc("draw", "small.arch", "small", "--format", "dot", "-o", "small.dot").status == 0


def test_the_time_of_graphviz_is_that_of_a_whole_drawing(
    archc: Run, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each program is within it, and all together are not."""
    clock = count(0, 0.6 * programs.LONGEST)
    monkeypatch.setattr(programs, "monotonic", lambda: next(clock))
    outcome = archc("draw", "small.arch", "small", "--layout", "dot")
    assert outcome.status == 1 and "E0831" in outcome.err


def test_wrong_command_lines(archc: Run, small: Path) -> None:
    assert archc("draw", small, "small", "--depth", "0").status == 2
    assert archc("draw", small, "small", "--format", "gif").status == 2
    assert archc("draw", small, "small", "--theme", "sepia").status == 2


def test_the_codes_can_be_looked_up(archc: Run) -> None:
    assert "2,000 boxes" in archc("explain", "E0831").out


def test_torch_stays_out(small: Path) -> None:
    code = (
        "import sys; from archc.cli import main; assert main(['draw', 'small.arch', 'small']) == 0\n"
        "loaded = {'torch', 'sympy', 'networkx', 'numpy'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=small.parent)


def test_what_is_open(archc: Run, small: Path) -> None:
    assert archc("draw", small, "small", "--depth", "1", "--expand", "*", "-o", "a.dot").status in (0, 1)
    outcome = archc("draw", small, "small", "--only", "nowhere", "-o", "b.svg")
    assert "there is no scope `nowhere`" in outcome.err and not (small.parent / "b.svg").exists()


def test_theme_and_legend(archc: Run, small: Path) -> None:
    for number, options in enumerate(((), ("--theme", "dark"), ("--no-legend",))):
        assert archc("draw", small, "small", *options, "-o", f"{number}.svg").status == 0
    assert len({(small.parent / f"{number}.svg").read_bytes() for number in range(3)}) == 3


def test_an_ending_that_promises_another_kind_is_refused(archc: Callable[..., Any], tmp_path: Path) -> None:
    outcome = archc("draw", "resnet18", "--format", "png", "-o", tmp_path / "x.svg")
    assert outcome.status == 1 and "E0836" in outcome.err and not (tmp_path / "x.svg").exists()
