"""Colours, fonts and measures.

Fills are the qualitative scheme "light" of Paul Tol (SRON/EPS/TN/09-002), made for cells with dark text in them and
told apart by colour-blind readers; every box says in words what it is, so colour is never all that tells. Marks of
shared weights are his scheme "bright".
"""

from __future__ import annotations

from dataclasses import dataclass

FAMILY = "Helvetica,Arial,sans-serif"

FILLS: dict[str, str] = {
    "conv": "#77aadd",
    "dense": "#ffaabb",
    "norm": "#eedd88",
    "activation": "#ee8866",
    "pool": "#44bb99",
    "attention": "#bbcc33",
    "resample": "#99ddff",
    "other": "#dddddd",
    "added": "#44bb99",
    "removed": "#ee8866",
    "changed": "#eedd88",
    "renamed": "#99ddff",
    "consequence": "#dddddd",
}
"""By kind of layer; in the picture of a difference by status."""

KINDS: dict[str, str] = {
    "conv": "convolution",
    "dense": "dense layer",
    "norm": "normalisation",
    "activation": "activation",
    "pool": "pooling",
    "attention": "attention",
    "resample": "resampling",
    "other": "other layer",
    "added": "+ added",
    "removed": "− removed",
    "changed": "~ changed",
    "renamed": "~ renamed",
    "consequence": "= the same on other shapes",
}
"""What the legend calls them."""

STROKES = {"added": "#228833", "removed": "#ee6677"}
"""Of the arrows of a difference."""

RINGS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377")
"""Of layers that share weights, by turns."""

DARK_INK, DARK_MUTED = "#0e1318", "#2b333b"
"""Text on fills, in both themes."""


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours around the fills: page, text, quiet text, lines, cards of folded boxes, joins, frames by turns."""

    page: str
    ink: str
    muted: str
    line: str
    card: str
    bar: str
    frames: tuple[str, ...]


THEMES: dict[str, Theme] = {
    "light": Theme("#ffffff", "#1b2229", "#4a5560", "#5b6770", "#ffffff", "#e3e7ec", ("#f4f6f9", "#eaeef3")),
    "dark": Theme("#12161b", "#e8edf2", "#aab4be", "#94a1ad", "#29323b", "#3b4651", ("#1a2027", "#212932")),
}

PAGE = 870, 1280
"""Width and height of what fits on a page of A4 with its smallest text at five points."""
TEXT, SMALL, TITLE = 10, 8, 14
WIDE, NARROW, SLIM = 224, 146, 112
"""Widths of boxes, in diagrams with few and many branches, and in those of a given width with no room for these."""
ROW, THIN, LINE = 19, 12, 18
"""Heights: of a layer, of a minor one, of a line of a folded box."""
INSET = 7
"""Between the border of a box and its text."""
CIRCLE, BAR, PILL = 8, 14, 18
"""The radius of a circle, the heights of a bar and of a pill."""
