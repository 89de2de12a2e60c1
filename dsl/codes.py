"""Every code of a diagnostic: E01 syntax, E02 names, E03 values and calls, E04 shapes and rewrites, E05 labels and
sharing, E06 claims, E07 imports, E08 compiling and drawing, E09 limits, E10 the command line, E11
graphs of networkx, E12 PyTorch modules. And every word and operator of the grammar.

Each is explained by a page of `explanations`, and by nothing else: `# CODE: title` or `# word, word: title`, paragraphs
and an example, or for a code what is wrong and what is right, each in a fence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

EXPLANATIONS = Path(__file__).parent / "explanations"
_PAGE = re.compile(
    r"# (?P<names>E\d{4}|[a-z, ]+|[^\w\n:]+): (?P<title>[^\n]+)\n\n(?P<text>.+?)\n"
    r"(?:\n(?:Wrong:\n\n```arch\n(?P<wrong>.*?)\n```\n\nRight:\n\n)?```arch\n(?P<right>.*?)\n```\n)?",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Page:
    """What a code, a word or an operator means: a short title, paragraphs that teach, and examples, None where there is
    none."""

    title: str
    paragraphs: tuple[str, ...]
    wrong: str | None
    right: str | None


@cache
def all_pages() -> dict[str, str]:
    """All that has a page, each with the place of that: the codes in order, the words and the operators."""
    codes = {page.stem: page.stem for page in sorted(EXPLANATIONS.glob("E*.md"))}
    named = {
        name: f"{page.parent.name}/{page.stem}"
        for kind in ("words", "operators")
        for page in sorted(EXPLANATIONS.glob(f"{kind}/*.md"))
        for name in page.read_text(encoding="utf-8").partition(":")[0].removeprefix("# ").split(", ")
    }
    return codes | named


def all_codes() -> list[str]:
    """The codes that have a page, in order."""
    return [name for name, place in all_pages().items() if name == place]


def all_words() -> dict[str, str]:
    """The words of the grammar, each with the place of its page."""
    return {name: place for name, place in all_pages().items() if place.startswith("words/")}


def all_operators() -> dict[str, str]:
    """The operators of the grammar, each with the place of its page."""
    return {name: place for name, place in all_pages().items() if place.startswith("operators/")}


def explained(name: str) -> Page:
    """What the page of a code, a word or an operator says. Raises `FileNotFoundError` where there is none, `ValueError`
    for another form."""
    path = EXPLANATIONS / f"{all_pages().get(name, name)}.md"
    page = _PAGE.fullmatch(path.read_text(encoding="utf-8"))
    if page is None:
        raise ValueError(f"the page of {name} has another form")
    paragraphs = tuple(" ".join(paragraph.split("\n")) for paragraph in page["text"].split("\n\n"))
    return Page(page["title"], paragraphs, page["wrong"], page["right"])
