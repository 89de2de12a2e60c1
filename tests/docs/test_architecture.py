"""The page about the architecture: it is short, and the tests that it names are there."""

from __future__ import annotations

import ast
import re

from checkout import PROJECT

from .support import DOCS

PAGE = (DOCS / "architecture.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(tests/[^`:]+)::(\w+)`", PAGE)
MOST_WORDS = 1_200


def test_every_test_that_it_names_exists() -> None:
    missing = []
    for path, name in NAMED:
        file = PROJECT / path
        tree = ast.parse(file.read_text(encoding="utf-8")) if file.is_file() else ast.Module([], [])
        if not any(isinstance(node, ast.FunctionDef) and node.name == name for node in tree.body):
            missing.append(f"{path}::{name}")
    assert NAMED and missing == []


def test_every_invariant_names_a_test_that_holds_it() -> None:
    table = PAGE.partition("## Invariants")[2].partition("## Recipes")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][2:]
    assert rows and [row for row in rows if not re.search(r"`tests/[^`]+::\w+`", row)] == []


def test_it_fits_two_pages_and_lists_no_files() -> None:
    prose = PAGE.partition("## Working on archc")[0]
    assert len(PAGE.split()) <= MOST_WORDS
    assert re.findall(r"`(?!tests/)[\w/]+\.(?:py|js|lark)`", prose) == []
