"""The reference pages are what the sources say, and every link of the documentation leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .generator import generate
from .support import DOCS

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@pytest.fixture(scope="module")
def pages() -> dict[Path, str]:
    return generate.pages()


def test_pages_are_in_sync(pages: dict[Path, str]) -> None:
    stale = [path.name for path, text in pages.items() if path.read_text(encoding="utf-8") != text]
    assert not stale, f"run python docs/generate.py: {stale}"


def test_every_family_has_one_picture(pages: dict[Path, str]) -> None:
    made = {path for path in pages if path.suffix == ".svg"}
    assert made == set((DOCS / "images").glob("*.svg"))
    assert len(made) == len(list((DOCS.parent / "specs" / "zoo").glob("*.arch")))


def test_pictures_read_on_light_and_dark_pages() -> None:
    for path in (DOCS / "images").glob("*.svg"):
        first = path.read_text(encoding="utf-8").splitlines()[2]
        assert re.fullmatch(r'<rect width="100%" height="100%" fill="#[0-9a-f]{6}"/>', first), path.name


def test_every_limit_has_words() -> None:
    assert generate.LIMIT_WORDS.keys() == generate.LIMITS.__dataclass_fields__.keys()


def anchors(page: str) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_lead_somewhere() -> None:
    broken = []
    for path in [DOCS.parent / "README.md", *DOCS.glob("*.md")]:
        text = path.read_text(encoding="utf-8")
        for target in LINK.findall(re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
            if target.startswith("http"):
                continue
            name, _, anchor = target.partition("#")
            page = path.parent / name if name else path
            if not page.exists() or (anchor and anchor not in anchors(page.read_text(encoding="utf-8"))):
                broken.append(f"{path.name}: {target}")
    assert not broken
