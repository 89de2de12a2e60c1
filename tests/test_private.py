"""Interfaces that libraries do not document are used in one file, which says which versions have them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from archc.compiler.emit import private

PACKAGE = Path(private.__file__).parents[2]
HOME = Path(private.__file__)
# torch documents `torch._assert`.
PRIVATE = re.compile(
    r"\b(?:from|import) (?:torch|typer|click|lark)[\w.]*(?:\._(?!_)\w+| import [^\n]*\b_(?!_)\w+)"
    r"|\b(?:torch|typer|click|lark)(?:\.\w+)*\._(?!_|assert\b)\w+|parametrize\._\w+"
)
ROOMS = ("cli", "compiler", "dsl", "grammar", "viz")


def files() -> list[Path]:
    return [path for room in ROOMS for path in (PACKAGE / room).rglob("*.py")] + list(PACKAGE.glob("*.py"))


def test_private_interfaces_stand_in_one_file() -> None:
    # The first reads such names out of files, and calls none; the second is the text of a helper in written Python.
    names = {"checkpoint_file.py", "init.py"}
    found = {p.name: PRIVATE.findall(p.read_text("utf-8")) for p in files() if p != HOME and p.name not in names}
    assert {name: uses for name, uses in found.items() if uses} == {}


@pytest.mark.parametrize(
    "name", [n for n in vars(private) if getattr(vars(private)[n], "__module__", "") == private.__name__]
)
def test_each_is_told_with_its_versions(name: str) -> None:
    assert name == "Parametrized" or f"| `{name}` |" in (private.__doc__ or "")
