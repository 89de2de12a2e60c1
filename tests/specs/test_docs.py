"""`docs/specs.md` says what is so."""

from __future__ import annotations

from pathlib import Path

import pytest
import torchvision
from lines import FAMILIES, library_lines, rows, spec_lines
from twins import VARIANTS

import archc

PAGE = (Path(__file__).parents[2] / "docs" / "specs.md").read_text(encoding="utf-8").split("\n")
COUNTED = ("0", "29")
"""The release of torchvision whose lines the page gives."""


@pytest.mark.parametrize("name", VARIANTS)
def test_figures(name: str) -> None:
    figures = archc.load(name).stats()
    row = f"| `{name}` | {figures.parameters:,} | {figures.multiply_adds:,} | 0 | 0 | 0 | 0 |"
    assert row in PAGE


@pytest.mark.parametrize("family", FAMILIES)
def test_lines_of_the_spec(family: str) -> None:
    counted = spec_lines(family)
    assert any(line.startswith(f"| `{family}.arch` | {counted.code} | {counted.whole} |") for line in PAGE)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_spec_is_shorter_than_the_library(family: str) -> None:
    counted, library = spec_lines(family), library_lines(family)
    assert counted.whole < library.classes < library.network < library.code < library.whole
    assert counted.code < counted.whole


@pytest.mark.skipif(tuple(torchvision.__version__.split(".")[:2]) != COUNTED, reason="another release of torchvision")
def test_lines_of_the_library() -> None:
    assert [row for row in rows() if row not in PAGE] == []
