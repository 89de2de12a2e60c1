"""Every code of a diagnostic: E01 syntax, E02 names, E03 values and calls, E04 shapes and rewrites, E05 labels and
sharing, E06 claims, E07 imports, E08 compiling and drawing, E09 limits, E10 the command line, E11
graphs of networkx.

Each is explained by a page of `explanations`, and by nothing else: `# CODE: title`, paragraphs and, where an example
helps, what is wrong and what is right, each in a fence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

EXPLANATIONS = Path(__file__).parent / "explanations"
_PAGE = re.compile(
    r"# E\d{4}: (?P<title>[^\n]+)\n\n(?P<text>.+?)\n"
    r"(?:\nWrong:\n\n```arch\n(?P<wrong>.*?)\n```\n\nRight:\n\n```arch\n(?P<right>.*?)\n```\n)?",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Code:
    """What a code means: a short title, paragraphs that teach, and examples, None where there is none."""

    title: str
    paragraphs: tuple[str, ...]
    wrong: str | None
    right: str | None


def all_codes() -> list[str]:
    """The codes that have a page, in order."""
    return sorted(page.stem for page in EXPLANATIONS.glob("E*.md"))


def explained(code: str) -> Code:
    """What the page of a code says. Raises `FileNotFoundError` where there is none, `ValueError` for another form."""
    page = _PAGE.fullmatch((EXPLANATIONS / f"{code}.md").read_text(encoding="utf-8"))
    if page is None:
        raise ValueError(f"the page of {code} has another form")
    paragraphs = tuple(" ".join(paragraph.split("\n")) for paragraph in page["text"].split("\n\n"))
    return Code(page["title"], paragraphs, page["wrong"], page["right"])
