"""What a box looks like: its size, and its shapes in a place."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from .diagram import Box, Chip, Row
from .layout import Spot
from .measure import fitted, text_width
from .scene import Outline, Text, circle, polyline, rectangle
from .style import BAR, CIRCLE, DARK_INK, DARK_MUTED, FILLS, INSET, LINE, PILL, RINGS, ROW, SMALL, TEXT, THIN, Theme
from .thumbnail import Thumbnail
from .words import GLYPHS

Shapes = Iterator[Outline | Text]
LINES = 3
"""In which a folded box tells its layers where it is to be narrow."""
CORNER, PILE, BADGE, WIDEST, STUB = 5, 3, 12, 280, 4
"""The corners of a folded box, how far the boxes behind it look out, the room for the mark of shared weights, the width
of a box whose words need much, and so many characters of a name that tell nothing."""
NOTED, BELOW = 7, 10
"""Between a layer and its label beside it, and the room for a label below it."""


def size_of(box: Box, width: float, thumb: Thumbnail | None = None, lines: int = 1) -> tuple[float, float]:
    """The size of a box about so wide. A folded one has its layers in at most so many `lines`."""
    match box.face:
        case "circle":
            return 2 * CIRCLE, 2 * CIRCLE
        case "bar":
            return min(width, text_width(box.rows[0].text, SMALL) + 2 * INSET), BAR
        case "pill":
            return min(width, text_width(box.rows[0].text, TEXT) + 20 + _side(box.rows[0])), PILL
        case "card":
            width = _widened(width, _excess(box, width))
            if thumb:
                crowded = _is_crowded(box, thumb, width - 2 * PILE)
                return width, LINE + thumb.h + (18 if crowded else 8) + (2 * PILE if box.count > 1 else 0)
            rows = len(_wrapped(box, width - (2 * PILE if box.count > 1 else 0), lines))
            return width, (1 + rows) * LINE + 2 + (2 * PILE if box.count > 1 else 0)
    pile = 2 * PILE if box.count > 1 else 0
    width = _widened(width, max(_taken(row) for row in box.rows) - width + pile)
    return width, sum(heights_of(box, width)) + pile


def heights_of(box: Box, width: float) -> list[int]:
    """The heights of the layers of a stack that is so wide: a label that has no room beside its layer, with the notes
    behind it, stands below."""
    room = width - (2 * PILE if box.count > 1 else 0)
    return [THIN if row.minor else ROW + (BELOW if _is_labelled_below(row, room) else 0) for row in box.rows]


def _is_labelled_below(row: Row, width: float) -> bool:
    return bool(row.label) and _taken(row) + NOTED + text_width(_labelled(row), SMALL) > width


def _labelled(row: Row) -> str:
    return ", ".join(filter(None, [row.label, row.notes]))


def _widened(width: float, excess: float) -> float:
    """A width with room for more, up to the widest."""
    return max(width, min(width + excess, WIDEST))


def _taken(row: Row) -> float:
    """The width that a row needs to tell the whole of its layer and its figures."""
    costs = text_width(row.figures, SMALL) + 6 if row.figures else 0
    return text_width(row.text, SMALL if row.minor else TEXT) + costs + (BADGE if row.shared else 0) + 2 * INSET + 1


def _excess(box: Box, width: float) -> float:
    """How much wider a card is to be for the whole of its title, which has half of the room at least."""
    room = width - 2 * INSET - (BADGE if box.rows[0].shared else 0) - (2 * PILE if box.count > 1 else 0)
    side = text_width(box.note or box.figures, TEXT if box.note else SMALL)
    return text_width(box.title, TEXT, True) + (min(side, room / 2) + 9 if side else 0) - room


def shapes_of(box: Box, spot: Spot, theme: Theme, thumb: Thumbnail | None = None) -> Shapes:
    match box.face:
        case "circle":
            yield from _circle(box, spot, theme)
        case "bar":
            yield from _bar(box, spot, theme)
        case "pill":
            yield from _pill(box.rows[0], spot, theme)
        case "card":
            yield from _card(box, spot, theme, thumb)
        case _:
            yield from _stack(box, spot, theme)


def _circle(box: Box, spot: Spot, theme: Theme) -> Shapes:
    """The sign is drawn with lines, as letters stand in their line where the font wants them."""
    yield Outline(circle(spot.middle, spot.centre, CIRCLE), theme.ink, theme.card, 1.2)
    yield from sign(GLYPHS[box.title], spot.middle, spot.centre, 4.2, theme.ink)


def sign(glyph: str, x: float, y: float, r: float, color: str) -> Shapes:
    up, d = 1.2 if glyph == "±" else 0, 0.75 * r
    across, down = ((x - r, y - up), (x + r, y - up)), ((x, y - r), (x, y + r - 2 * up))
    below = (x - r, y + r), (x + r, y + r)
    both = ((x - d, y - d), (x + d, y + d)), ((x - d, y + d), (x + d, y - d))
    for stroke in {"×": both, "+": (across, down), "±": (across, down, below)}.get(glyph, (across,)):
        yield Outline(polyline(stroke, 0), color, width=1.3)


def _bar(box: Box, spot: Spot, theme: Theme) -> Shapes:
    """A concatenation has square ends and a strong border, every other join round ends."""
    dash = "dashed" if box.rows[0].stochastic else ""
    corner = 0 if box.joins else BAR / 2
    yield Outline(rectangle(spot.x, spot.y, spot.w, spot.h, corner), theme.ink, theme.bar, 1.2, dash)
    text = fitted(box.rows[0].text, spot.w - 6, SMALL)
    yield Text(spot.middle, spot.centre + 2.8, text, SMALL, theme.ink, "middle")


def _pill(row: Row, spot: Spot, theme: Theme) -> Shapes:
    """A tensor that the network is given, or makes; one of its own tells its parameters."""
    dash = "dashed" if row.stochastic else ""
    yield Outline(rectangle(spot.x, spot.y, spot.w, spot.h, PILL / 2), theme.line, theme.card, dash=dash)
    aside = _side(row)
    text = fitted(row.text, spot.w - 12 - aside, TEXT)
    yield Text(spot.middle - aside / 2, spot.centre + 3.5, text, TEXT, theme.ink, "middle")
    if aside:
        yield Text(spot.right - 9, spot.centre + 3.5, _told(row), SMALL, theme.muted, "end")


def _side(row: Row) -> float:
    """The room that figures and notes take at the right of a pill."""
    return text_width(_told(row), SMALL) + 7 if _told(row) else 0


def _told(row: Row) -> str:
    return ", ".join(filter(None, [row.figures, row.notes]))


# --- stacks of layers ----------------------------------------------------------------------------


def _stack(box: Box, whole: Spot, theme: Theme) -> Shapes:
    spot = _front(box, whole)
    yield from _behind(box, spot, theme, 0)
    y = spot.y
    for row, height in zip(box.rows, heights_of(box, whole.w), strict=True):
        yield from _row(row, Spot(spot.x, y, spot.w, height), theme)
        y += height
    dash = "dashed" if any(row.stochastic for row in box.rows) else ""
    yield Outline(rectangle(spot.x, spot.y, spot.w, spot.h), theme.line, dash=dash)


def _ring(row: Row) -> str:
    """The colour of the weights that a row shares."""
    return RINGS[(row.shared - 1) % len(RINGS)]


def _row(row: Row, spot: Spot, theme: Theme) -> Shapes:
    fill = FILLS.get(row.kind, theme.card)
    ink, muted = (DARK_INK, DARK_MUTED) if row.kind in FILLS else (theme.ink, theme.muted)
    yield Outline(rectangle(spot.x, spot.y, spot.w, spot.h), "", fill, 0)
    size = SMALL if row.minor else TEXT
    below = BELOW if _is_labelled_below(row, spot.w) else 0
    middle = spot.y + (spot.h - below) / 2
    base = middle + size * 0.35
    costs = row.figures
    right = spot.right - INSET
    if row.shared:
        right -= BADGE
        yield Outline(rectangle(spot.x + 1, spot.y + 1, spot.w - 2, spot.h - 2), _ring(row), width=2)
        yield from badge(row.shared, spot.right - 9, middle, min(5.5, middle - spot.y - 0.5))
    if costs:
        yield Text(right, base, costs, SMALL, muted, "end")
        right -= text_width(costs, SMALL) + 6
    left = spot.x + INSET
    text = fitted(row.text, right - left, size)
    yield Text(left, base, text, size, ink)
    whole = _labelled(row)
    if below:
        yield Text(left, spot.bottom - 4, fitted(whole, spot.right - INSET - left, SMALL), SMALL, muted)
        return
    left += text_width(text, size) + NOTED
    note = fitted(whole, right - left, SMALL)
    if whole and (note == whole or len(note) > STUB):
        yield Text(left, base, note, SMALL, muted)


def badge(number: int, x: float, y: float, r: float) -> Shapes:
    """The mark of shared weights: the same letter and colour wherever they are used."""
    letter = chr(64 + number) if number <= 26 else str(number)
    yield Outline(circle(x, y, r), DARK_INK, "#ffffff", 1.4)
    yield Text(x, y + 2.5, letter, 7, DARK_INK, "middle", True)


# --- piles ---------------------------------------------------------------------------------------


def _front(box: Box, spot: Spot) -> Spot:
    """The room of the foremost card of a pile."""
    return Spot(spot.x, spot.y, spot.w - 2 * PILE, spot.h - 2 * PILE) if box.count > 1 else spot


def _behind(box: Box, front: Spot, theme: Theme, corner: float) -> Shapes:
    for back in (2 * PILE, PILE) if box.count > 1 else ():
        yield Outline(rectangle(front.x + back, front.y + back, front.w, front.h, corner), theme.line, theme.card, 0.8)


# --- folded boxes --------------------------------------------------------------------------------


def _card(box: Box, spot: Spot, theme: Theme, thumb: Thumbnail | None) -> Shapes:
    """Title and note, sketch and figures; a pile of cards where it stands for several."""
    row = box.rows[0]
    dash = "dashed" if row.stochastic else "dotted" if box.role == "rest" else ""
    front = _front(box, spot)
    yield from _behind(box, front, theme, CORNER)
    border, width = (_ring(row), 2) if row.shared and not row.partly else (theme.line, 1.1)
    yield Outline(rectangle(front.x, front.y, front.w, front.h, CORNER), border, theme.card, width, dash)
    yield from _lines(box, front, theme, row.shared, thumb is not None)
    if thumb:
        middle = front.w / 2 if not box.note or _is_crowded(box, thumb, front.w) else front.w * 0.3
        yield from thumb.shapes(front.x + max(INSET, middle - thumb.w / 2), front.y + LINE + 3, theme)


def _lines(box: Box, front: Spot, theme: Theme, shared: int, pictured: bool) -> Shapes:
    costs = box.figures
    right, left = front.right - INSET, front.x + INSET
    base = front.y + (LINE + 2) / 2 + 3.5
    if shared:
        yield from badge(shared, front.right - 10, base - 3.5, 5.5)
        right -= BADGE
    side = box.note or costs
    size, color = (TEXT, theme.ink) if box.note else (SMALL, theme.muted)
    room = right - left - (min(text_width(side, size), (right - left) / 2) + 8 if side else 0)
    title = fitted(box.title, room, TEXT, True)
    yield Text(left, base, title, TEXT, theme.ink, bold=True)
    if side:
        start = left + text_width(title, TEXT, True) + 8
        yield Text(right, base, fitted(side, right - start, size), size, color, "end")
    middle = front.bottom - LINE / 2 - 1
    if costs and box.note:
        yield Text(front.right - INSET, middle + 2.8, costs, SMALL, theme.muted, "end")
    rows = [] if pictured else _rows(box, front)
    for number, chips in enumerate(rows, 1 - len(rows)):
        x = left
        for chip in chips:
            width = _chip_width(chip)
            yield from _chip(chip, x, middle + number * LINE, width, theme)
            x += width + 3


def _is_crowded(box: Box, thumb: Thumbnail, width: float) -> bool:
    """Whether the figures stand below the small picture, as there is no room beside it."""
    return bool(box.note) and thumb.w + text_width(box.figures, SMALL) + 3 * INSET > width


def shown_chips(box: Box, whole: Spot) -> tuple[Chip, ...]:
    """The layers that a folded box in its place tells."""
    return tuple(chip for row in _rows(box, _front(box, whole)) for chip in row)


def _rows(box: Box, front: Spot) -> list[tuple[Chip, ...]]:
    """The chips in the lines below the title."""
    rows = _wrapped(box, front.w, int((front.h - 2) // LINE) - 1)
    rooms = [front.w - 2 * INSET] * len(rows)
    rooms[-1:] = [room - _costs(box) for room in rooms[-1:]]
    return [_fitting(row, room) for row, room in zip(rows, rooms, strict=True)]


def _costs(box: Box) -> float:
    """The room that figures take in the last line of a folded box."""
    return text_width(box.figures, SMALL) + 6 if box.figures and box.note else 0


def _wrapped(box: Box, width: float, most: int) -> list[tuple[Chip, ...]]:
    """The chips in at most so many lines, the figures in the last, which may have more than there is room for."""
    if not most or (not box.sketch and not _costs(box)):
        return []
    room = width - 2 * INSET
    rows: list[tuple[Chip, ...]] = [()]
    for chip in box.sketch:
        if rows[-1] and _reach((*rows[-1], chip)) > room:
            rows.append(())
        rows[-1] = (*rows[-1], chip)
    if rows[-1] and _reach(rows[-1]) > room - _costs(box):
        rows.append(())
    return [*rows[: most - 1], tuple(chip for row in rows[most - 1 :] for chip in row)] if len(rows) > most else rows


def _reach(chips: tuple[Chip, ...]) -> float:
    """How far chips reach beside one another."""
    return sum(_chip_width(chip) + 3 for chip in chips) - 3


def _fitting(chips: tuple[Chip, ...], room: float) -> tuple[Chip, ...]:
    """The chips that there is room for: the first, then the last, then those in between."""
    if _reach(chips) <= room:
        return chips
    between = Chip("", "…")
    chips = tuple(chip for chip in chips if chip != between)
    widths, room = list(map(_chip_width, chips)), room - _chip_width(between)
    tail = chips[-1:] if widths[0] + widths[-1] + 6 <= room else ()
    room -= widths[-1] + 3 if tail else 0
    shown = sum(reach <= room for reach in accumulate(width + 3 for width in widths[: len(chips) - len(tail)]))
    return (*chips[:shown], between, *tail)


def _chip_width(chip: Chip) -> float:
    return 12 if chip.text in GLYPHS.values() else text_width(chip.text, SMALL) + 7


def _chip(chip: Chip, x: float, middle: float, width: float, theme: Theme) -> Shapes:
    if chip.text in GLYPHS.values():
        yield Outline(circle(x + 6, middle, 5.5), theme.ink, theme.card)
        yield from sign(chip.text, x + 6, middle, 3, theme.ink)
        return
    fill = FILLS.get(chip.kind)
    if fill or chip.kind == "merge":
        yield Outline(rectangle(x, middle - 6, width, 12), "", fill or theme.bar, 0)
    yield Text(x + width / 2, middle + 2.8, chip.text, SMALL, DARK_INK if fill else theme.ink, "middle")
