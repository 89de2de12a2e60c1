"""What the colours and signs of a picture mean: those that are in it."""

from __future__ import annotations

from collections.abc import Iterator

from .diagram import Diagram, Row
from .faces import badge, sign
from .layout import Spot
from .measure import text_width
from .scene import Outline, Text, circle, polyline, rectangle, shifted
from .style import FILLS, KINDS, SMALL, Theme
from .thumbnail import row_shapes
from .words import DEPTHWISE, GLYPHS

Shapes = list[Outline | Text]
ENTRY, SAMPLE, ABOVE = 14, 20, 16


def legend(diagram: Diagram, theme: Theme, width: float) -> tuple[Shapes, float, float]:
    """Its shapes, width and height; entries flow in lines not wider than `width` or the widest of them."""
    entries = list(_entries(diagram, theme))
    sizes = [_room(sample) + text_width(text, SMALL) + 14 for text, sample in entries]
    width = max([min(width, 420), *sizes])
    shapes: Shapes = []
    x, y, used = 0.0, float(ABOVE), 0.0
    for (text, sample), size in zip(entries, sizes, strict=True):
        if x and x + size > width:
            x, y = 0.0, y + ENTRY
        shapes += [shifted(shape, x, y + 5) for shape in sample]
        shapes.append(Text(x + _room(sample), y + 8, text, SMALL, theme.ink))
        x += size
        used = max(used, x - 14)
    return shapes, used, y + ENTRY - 4 if entries else 0.0


def _room(sample: Shapes) -> float:
    """The width that a sample takes, with the space behind it; a sign in letters may be wider than the others."""
    return max([SAMPLE, *(s.x + text_width(s.text, s.size) + 5 for s in sample if isinstance(s, Text))])


def _entries(diagram: Diagram, theme: Theme) -> Iterator[tuple[str, Shapes]]:
    rows = [row for box in diagram.boxes for row in box.rows]
    kinds = {row.kind for row in rows} | {chip.kind for box in diagram.boxes for chip in box.sketch}
    inner = [box for outer in diagram.boxes if outer.inner for box in outer.inner.boxes]
    kinds |= {row.kind for box in inner for row in box.rows}
    for kind, name in KINDS.items():
        if kind in kinds:
            yield name, _swatch(FILLS[kind])
    merges = {box.title for box in (*diagram.boxes, *inner) if box.role == "merge"}
    merges |= {name for name, glyph in GLYPHS.items() for box in diagram.boxes if glyph in {c.text for c in box.sketch}}
    for name, glyph in GLYPHS.items():
        if name in merges:
            yield {"multiply": "product"}.get(name, name), _glyph(glyph, theme)
    if merges - set(GLYPHS):
        yield "join of what comes in", _bar(theme)
    if any(box.count > 1 for box in diagram.boxes) or any(group.count > 1 for group in diagram.groups):
        yield "drawn once, counted as often as it says", _pile(theme)
    yield from _marks(diagram, rows, theme)
    chips = [chip.text for box in diagram.boxes for chip in box.sketch if chip.kind in FILLS]
    small = [row for box in inner for row in box.rows]
    if any(text.startswith(f"{DEPTHWISE} ") for text in chips):
        yield "depthwise convolution", [Text(2, 3, DEPTHWISE, SMALL, theme.ink)]
    for told in [text.partition(" /")[2].partition(",")[0] for text in chips if " /" in text][:1]:
        yield f"stride {told}", [Text(2, 3, f"/{told}", SMALL, theme.ink)]
    if any(row.depthwise for row in small):
        yield "depthwise", list(row_shapes(Row("conv", "", depthwise=True), Spot(0, -4, 15, 8), theme))
    if any(row.strided for row in small):
        kind = next(row.kind for row in small if row.strided)
        yield "with a stride", list(row_shapes(Row(kind, "", strided=True), Spot(0, -4, 15, 8), theme))


def _marks(diagram: Diagram, rows: list[Row], theme: Theme) -> Iterator[tuple[str, Shapes]]:
    if any(row.shared for row in rows):
        yield "same letter, same weights", list(badge(1, 8, 0, 5))
    if any(row.stochastic for row in rows):
        yield "left out at random in training", _swatch(theme.card, theme.line, "dashed")
    roles = {edge.role for edge in diagram.edges}
    if "training" in roles:
        yield "in training only", _arrow(theme, "dashed")
    if "drawn" in roles:
        yield "drawn at random", _arrow(theme, "dashed")


def _swatch(fill: str, line: str = "", dash: str = "") -> Shapes:
    return [Outline(rectangle(0, -4.5, 15, 9), line, fill, 1 if line else 0, dash)]


def _glyph(glyph: str, theme: Theme) -> Shapes:
    return [Outline(circle(8, 0, 5.5), theme.ink, theme.card), *sign(glyph, 8, 0, 3, theme.ink)]


def _bar(theme: Theme) -> Shapes:
    return [Outline(rectangle(0, -2.5, 15, 5), theme.ink, theme.bar)]


def _pile(theme: Theme) -> Shapes:
    return [Outline(rectangle(back, back - 5, 11, 6, 2), theme.line, theme.card, 0.8) for back in (4, 2, 0)]


def _arrow(theme: Theme, dash: str) -> Shapes:
    head = polyline([(15, 0), (11, -2.2), (11, 2.2), (15, 0)], 0)
    return [
        Outline(polyline([(0, 0), (14, 0)], 0), theme.line, width=1.1, dash=dash),
        Outline(head, theme.line, theme.line, 0.5),
    ]
