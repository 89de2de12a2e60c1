"""Colours, fonts and measures. The colours stay apart for colour-blind readers, and as greys in print."""

from __future__ import annotations

FONT = "Helvetica"
"""What the layout measures with; browsers and printers have it or Arial, which is as wide."""

FAMILY = "Helvetica,Arial,sans-serif"

FILLS: dict[str, str] = {
    "conv": "#a9cbea",
    "dense": "#c5b4e3",
    "norm": "#fdf3cf",
    "activation": "#fbd9c4",
    "pool": "#b2dfc4",
    "attention": "#f0b3cf",
    "merge": "#ffffff",
    "io": "#ffffff",
    "other": "#e8eaed",
    "fold": "#ffffff",
    "": "#ffffff",
}

INK = "#1f2933"
MUTED = "#52606d"
LINE = "#7b8794"
BORDER = "#52606d"
FRAMES = ("#f3f5f8", "#e9edf2")
"""Backgrounds of groups, by turns."""

TEXT, SMALL, TITLE = 10, 8, 14
WIDE, NARROW = 236, 148
FIGURES = 70
"""Widths of boxes, in diagrams with few and many branches, and of the figures in them."""
GAP = "\u00a0\u00a0"
"""Between text and the edge of its box."""
CHIP_GAP = 2
INSET = 8
"""By how much the lines of a rounded box are narrower than its border."""
