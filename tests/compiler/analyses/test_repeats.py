"""Tables of costs in which scopes that come again are one row."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import archc
from archc.compiler.analyses.repeats import Line, collapsed
from archc.compiler.analyses.tables import latex


def expanded(lines: list[Line]) -> list[str]:
    """The paths that the lines stand for."""
    paths: list[str] = []
    at = 0

    def take(level: int, prefix: str) -> None:
        nonlocal at
        while at < len(lines) and lines[at].level == level:
            name, start = lines[at].name, at
            numbered = re.fullmatch(r"(.*?)(\d+)\.\.(\d+)", name)
            stem = numbered[1] if numbered else ""
            names = [f"{stem}{n}" for n in range(int(numbered[2]), int(numbered[3]) + 1)] if numbered else [name]
            assert len(names) == lines[start].count
            for one in names:
                at = start + 1
                paths.append(prefix + one)
                take(level + 1, f"{prefix}{one}.")

    take(0, "")
    return paths


@pytest.mark.parametrize(
    "name", ["resnet50", "gpt2", "densenet121", "inception_v3", "fractalnet", "fof", "ror3_56_cifar", "swin_t", "unet"]
)
def test_every_row_is_in_a_line_and_sums_are_those_of_the_rows(name: str) -> None:
    stats = archc.load(name).stats()
    lines = collapsed(stats.rows)
    assert expanded(lines) == [row.path for row in stats.rows]
    for column in ("parameters", "buffers", "multiply_adds", "activations", "kept"):
        outer = {row.path: getattr(row, column) for row in stats.rows}
        for level in range(3):
            wanted = sum(cost for path, cost in outer.items() if path.count(".") == level)
            assert sum(getattr(line, column) for line in lines if line.level == level) == wanted


def test_what_differs_is_not_collapsed() -> None:
    text = "arch A { input x: [N, 3, 8, 8]\n output x -> s: [[conv(4, 3)], [conv(4, 3)], [conv(4, 3)], [conv(4, 5)]] }"
    names = [(line.name, line.count) for line in collapsed(archc.loads(text).stats().rows)]
    assert names == [("s", 1), ("0", 1), ("1..2", 2), ("3", 1)]


def test_a_notebook_shows_the_table() -> None:
    page = archc.load("resnet18").stats()._repr_html_()
    assert page.count("<tr>") > 10 and "2 x basic" in page and "11,689,512" in page


def test_latex_takes_the_table(archc, tmp_path: Path) -> None:
    """The oracle is LaTeX."""
    text = archc("stats", "resnet18", "--format", "latex").out
    odd = latex(["a_b", "c"], [["[1]", "50 %"], ["  *", r"{x} \ ~ ^ < > $ # & _"]], {1}, ["total", ""])
    assert r"\toprule" in text and r"\quad 0..1 & 2 x basic" in text and "total & " in text
    if shutil.which("pdflatex") is None:
        pytest.skip("there is no pdflatex")
    body = "\n\n".join([text, "\n".join(odd)])
    page = rf"\documentclass{{article}}\usepackage{{booktabs}}\begin{{document}}{body}\end{{document}}"
    (tmp_path / "t.tex").write_text(page)
    made = subprocess.run(["pdflatex", "-halt-on-error", "t.tex"], cwd=tmp_path, capture_output=True, check=False)
    assert made.returncode == 0, made.stdout.decode()
