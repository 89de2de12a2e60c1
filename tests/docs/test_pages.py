"""The commands and the Python of the pages, run as a reader would, from top to bottom.

Blocks of the language `sh` hold commands after `$ ` and what they print; `...` stands for anything. Those of
`pycon` are doctests. Those of `python` run as they are, and print the `text` block that follows, if one does.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import re
import shlex
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from .support import DOCS, Block, blocks

Run = Callable[..., Any]
PAGES = [
    "tutorial.md",
    "python.md",
    "analyses.md",
    "comparison.md",
    "cookbook.md",
    "diff.md",
    "drawing.md",
    "equivalence.md",
    "reading.md",
    "repository.md",
    "rewrites.md",
    "scale.md",
    "studies.md",
]


def lasts(page: str) -> bool:
    return any("slow" in block.directives for block in blocks(page))


CASES = [
    *(pytest.param(page, False, id=page) for page in PAGES),
    *(pytest.param(page, True, id=f"{page}-whole", marks=pytest.mark.slow) for page in PAGES if lasts(page)),
]
"""Pages without their slow examples, and whole."""


@pytest.mark.parametrize(("page", "whole"), CASES)
def test_page(page: str, whole: bool, tmp_path: Path, archc: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # as for a reader's own script
    names: dict[str, Any] = {"__name__": "__main__"}
    try:
        run(page, whole, archc, names)
    finally:
        sys.modules.pop("Net", None)  # what the tutorial compiles and imports


def test_every_task_of_the_cookbook_has_a_snippet_that_runs() -> None:
    lines = (DOCS / "cookbook.md").read_text(encoding="utf-8").splitlines()
    tasks = [number for number, line in enumerate(lines, 1) if line.startswith("### ")]
    snippets = [b.line for b in blocks("cookbook.md") if b.language in ("sh", "python") and "skip" not in b.directives]
    empty = [
        lines[start - 1]
        for start, end in pairwise([*tasks, len(lines)])
        if not any(start < at < end for at in snippets)
    ]
    assert len(tasks) >= 20 and empty == []


def run(page: str, whole: bool, archc: Run, names: dict[str, Any]) -> None:
    printed = ""
    for block in blocks(page):
        if "skip" in block.directives or ("slow" in block.directives and not whole):
            continue
        if block.language == "arch" and "file" in block.directives:
            Path(block.directives["file"]).write_text(block.text, encoding="utf-8")
        elif block.language == "sh":
            commands(block, archc)
        elif block.language == "python":
            printed = execute(block, names)
        elif block.language == "text":
            assert printed == block.text, str(block)
        elif block.language == "pycon":
            doctests(block, names)


def commands(block: Block, archc: Run) -> None:
    """Runs the commands of a block, and compares what they print."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        line, _, wanted = part.partition("\n")
        program, *arguments = shlex.split(line)
        assert program == "archc", str(block)
        outcome = archc(*arguments)
        status = int(block.directives.get("status", "error[" in wanted))
        assert outcome.status == status, f"{block}: {line}\n{outcome.out}{outcome.err}"
        assert fits(wanted, outcome.err + outcome.out), f"{block}: {line} printed\n{outcome.err}{outcome.out}"


def fits(wanted: str, got: str) -> bool:
    """Whether a text is what was wanted, where `...` stands for anything."""
    pattern = "".join(
        r"(?:.*\n)*" if line == "..." else re.escape(line.rstrip()).replace(r"\.\.\.", ".*") + r" *\n"
        for line in wanted.splitlines()
    )
    return re.fullmatch(pattern, got if got.endswith("\n") else got + "\n") is not None


def execute(block: Block, names: dict[str, Any]) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(block.text, str(block), "exec"), names)
    return printed.getvalue()


def doctests(block: Block, names: dict[str, Any]) -> None:
    test = doctest.DocTestParser().get_doctest(block.text, {}, block.page, block.page, block.line)
    test.globs = names
    report = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    runner.run(test, out=report.write, clear_globs=False)
    assert not runner.failures, report.getvalue()
