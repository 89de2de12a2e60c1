"""How a picture is put on paper: its theme, which way arrows run, and how wide it is."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..dsl.diagnostics import ArchError, Diagnostic
from .style import SMALL, THEMES
from .words import clipped

STRAIGHT = ("down", "right")
DIRECTIONS = (*STRAIGHT, "u")
LAYOUTS = ("archc", "dot")
UNITS = {"cm": 72 / 2.54, "mm": 72 / 25.4, "in": 72.0, "pt": 1.0, "px": 0.75}
"""In points."""
SMALLEST = 6
"""The size of the smallest shapes and figures of a picture of some width, in points."""
SHRINKS = SMALLEST / SMALL


@dataclass(frozen=True, slots=True)
class Length:
    """A length, in one of the units."""

    value: float
    unit: str = "pt"

    @classmethod
    def of(cls, text: str) -> Length:
        """The length of a text like `8.5cm`. Raises ArchError (E0837) for anything else."""
        found = re.fullmatch(r"\s*(\d{1,6}(?:\.\d{1,6})?)\s*([a-z]+)\s*", text)
        if found is None or found[2] not in UNITS or not float(found[1]):
            message = f"`{clipped(text)}` is no width"
            raise ArchError([Diagnostic("E0837", message, hints=(f"`8.5cm` is one; units are {', '.join(UNITS)}",))])
        return cls(float(found[1]), found[2])

    @property
    def points(self) -> float:
        return self.value * UNITS[self.unit]

    def __str__(self) -> str:
        return f"{self.value:g}{self.unit}"


@dataclass(frozen=True, slots=True)
class Sheet:
    """The theme is "light" or "dark"; without one a page has that of its reader, and everything else is light. Arrows
    run down, or to the `right`, or down and up again in a `u`. A picture of some `width` is made smaller to have it,
    and is itself at most `most` points wide, so that nothing in it gets too small. `layout` says who lays it out."""

    theme: str | None = None
    legend: bool = True
    direction: str = "down"
    width: Length | None = None
    layout: str = "archc"

    @property
    def colors(self) -> str:
        return self.theme or "light"

    @property
    def turned(self) -> bool:
        return self.direction == "right"

    @property
    def bent(self) -> bool:
        return self.direction == "u"

    @property
    def most(self) -> float | None:
        return self.width.points / SHRINKS if self.width else None

    def check(self) -> None:
        """Raises ArchError for a theme, a direction or a layout that there is not (E0830), and for a U that `dot` would
        lay out (E0839)."""
        words = [("theme", self.colors, THEMES), ("direction", self.direction, DIRECTIONS)]
        for what, word, known in (*words, ("layout", self.layout, LAYOUTS)):
            if word not in known:
                hint = f"known are {', '.join(known)}"
                raise ArchError([Diagnostic("E0830", f"no {what} is called `{clipped(word)}`", hints=(hint,))])
        if self.bent and self.layout == "dot":
            hint = "`--direction right` and `--direction down` can be laid out by it"
            raise ArchError([Diagnostic("E0839", "`dot` lays nothing out as a U", hints=(hint,))])


SHEET = Sheet()
