"""How wide a text is. Pictures are set in Helvetica or in a font of its measures (Arial, Liberation Sans, Arimo)."""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from unicodedata import category, east_asian_width

PLAIN = (
    "278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 278 "
    "278 584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 667 778 722 667 611 722 "
    "667 944 667 667 611 278 278 278 469 556 333 556 556 500 556 556 278 556 556 222 222 500 222 833 556 556 556 "
    "556 333 500 278 556 500 722 500 500 500 334 260 334 584"
)
BOLD = (
    "278 333 474 556 556 889 722 238 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 333 "
    "333 584 584 584 611 975 722 722 722 722 667 611 778 722 278 556 722 611 833 722 778 667 778 722 667 611 722 "
    "667 944 667 667 611 333 278 333 584 556 333 556 611 556 611 556 333 611 611 278 278 556 278 889 611 611 611 "
    "611 389 556 333 611 556 778 556 556 500 389 280 389 584"
)
"""Of the characters from the blank to the tilde, in thousandths of the size: Adobe's metrics of Helvetica."""


def _advances(widths: str) -> dict[str, int]:
    found = {chr(32 + place): int(width) for place, width in enumerate(widths.split())}
    return found | dict.fromkeys("×−±÷", 584) | dict.fromkeys("·\u00a0", 278) | {"–": 556, "…": 1000}


ADVANCES = {False: _advances(PLAIN), True: _advances(BOLD)}
"""The widths of characters in Helvetica, and in its bold."""


@lru_cache(maxsize=4096)
def text_width(text: str, size: float, bold: bool = False) -> float:
    """The width of a line in points; of characters that Helvetica lacks an upper estimate."""
    known = ADVANCES[bold]
    return sum(known.get(character) or _foreign(character, bold) for character in text) * size / 1000


def is_known(text: str) -> bool:
    """Whether Helvetica has all characters of a text, so that its width is exact."""
    return all(character in ADVANCES[False] for character in text)


def _foreign(character: str, bold: bool) -> float:
    if category(character) in ("Mn", "Me", "Cf"):
        return 0
    plain = 1250 if ord(character) > 0xFFFF else 1000 if east_asian_width(character) in "WF" else 700
    return 1.09 * plain if bold else plain


def fitted(text: str, width: float, size: float, bold: bool = False) -> str:
    """The text, cut so that it is not wider than that."""
    if text_width(text, size, bold) <= width:
        return text
    lengths = range(1, len(text) + 1)
    kept = bisect_right(lengths, width, key=lambda end: text_width(f"{text[:end].rstrip()}…", size, bold))
    return f"{text[:kept].rstrip()}…" if kept else ""
