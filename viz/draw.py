"""A graph drawn: a picture that a notebook displays and that is the bytes of a file."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil
from os import PathLike
from pathlib import Path

from ..compiler.files import atomic_write
from ..compiler.ir.graph import Graph
from ..dsl.diagnostics import ArchError, Diagnostic
from ..dsl.garbage import uncollected
from .build import diagram_of
from .builder import Source
from .diagram import Diagram
from .layout import FOR_OTHERS
from .page import page
from .paint import needed, painted
from .programs import one_drawing
from .render import FORMATS, ready, render
from .sheet import SHEET, SHRINKS, SMALLEST, UNITS, Length, Sheet
from .style import SMALL
from .svg import to_svg
from .ushape import in_the_way, ways_of
from .view import OVERVIEW, View

LARGEST_SHEET = Length(84.1, "cm")
"""The width of A0."""
LARGEST, FOLDS = 2000, 12
"""Boxes of a picture; frames of which is tried whether folding them makes it fit a width."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing that a notebook displays, as SVG. `content` are the bytes of a file of the kind `format`; `diagram` is
    what it shows, as a value, and `sheet` how it is put on paper."""

    diagram: Diagram
    content: bytes
    format: str
    sheet: Sheet = SHEET

    def save(self, path: str | PathLike[str]) -> None:
        """Writes the file. Raises ArchError: E0836 where its ending is that of another kind of picture, E0805 where
        it cannot be written."""
        ending = Path(path).suffix.removeprefix(".").lower()
        if ending in (*FORMATS, "html") and ending != self.format:
            message = f"this picture is {self.format.upper()}, and {Path(path).name} would be {ending.upper()}"
            hint = f"`net.draw({str(path)!r})` makes one of that kind"
            raise ArchError([Diagnostic("E0836", message, hints=(hint,))])
        atomic_write(path, self.content)

    def _repr_svg_(self) -> str:
        return to_svg(painted(self.diagram, self.sheet), inline=True).decode()

    def __repr__(self) -> str:
        d = self.diagram
        return f"<Picture of {d.name}: {len(d.boxes)} boxes, depth {d.depth} of {d.deepest}, {self.format}>"


@uncollected()
@one_drawing()
def draw(
    graph: Graph,
    format: str = "svg",
    view: View = OVERVIEW,
    theme: str | None = None,
    legend: bool = True,
    direction: str = "down",
    width: str | None = None,
    layout: str = "archc",
) -> Picture:
    """The drawing of an architecture as "svg", "png", "pdf", "tex", "dot" or "html", in a view, in the theme "light"
    or "dark", its arrows running "down", to the "right", or in a "u", laid out by "archc" or all of it by Graphviz's
    "dot". Without a theme a page has that of its reader, and everything else is light. With a `width` like "8.5cm" it
    has that, and shows as much as is legible then.

    Raises ArchError for an unknown format, theme, direction or path, for a format that nothing here can write, and for
    a drawing that is too large, or too wide for the sheet.
    """
    sheet = Sheet(theme, legend, direction, None if width is None else Length.of(width), layout)
    ready(format, sheet)
    source = Source(graph)
    if format == "html":
        content = page(source, view, theme, legend, direction).encode()
        return Picture(diagram_of(source, view), content, format, sheet)
    diagram = diagram_of(source, view, sheet)
    if sheet.bent and ways_of(diagram) is None:
        raise _no_u(source, view, sheet, diagram)
    if sheet.most is not None and (least := needed(diagram, sheet)) > sheet.most:
        raise _too_narrow(source, view, sheet, least)
    return pictured(diagram, format, sheet, lambda: _smaller(source, view, diagram))


def pictured(diagram: Diagram, format: str, sheet: Sheet, smaller: Callable[[], str]) -> Picture:
    """The picture of a diagram. Raises ArchError where it is too large, with the hint how to draw less."""
    if format != "dot" and len(diagram.boxes) > LARGEST:
        message = f"a drawing of {len(diagram.boxes):,} boxes is too large to lay out; {LARGEST:,} are the most"
        raise ArchError([Diagnostic("E0831", message, hints=(smaller(), FOR_OTHERS))])
    return Picture(diagram, render(diagram, format, sheet), format, sheet)


def _smaller(source: Source, view: View, diagram: Diagram) -> str:
    for depth in range(min(diagram.depth, diagram.deepest) - 1, 0, -1):
        boxes = len(diagram_of(source, replace(view, depth=depth)).boxes)
        if boxes <= LARGEST:
            return f"at a depth of {depth} it has {boxes}: `--depth {depth}`"
    return "no depth makes it small enough: draw a part of it (`--only`)"


def _no_u(source: Source, view: View, sheet: Sheet, diagram: Diagram) -> ArchError:
    hint = "`--direction right` draws what is no U"
    if view.depth is not None and ways_of(diagram_of(source, replace(view, depth=None), sheet)) is not None:
        hint = "without `--depth` it is one"
    message = "the boxes of this picture are no way down and up again, with skips between the two"
    box = in_the_way(diagram) or in_the_way(diagram_of(source, replace(view, depth=1), sheet))
    message += f"; in the way is `{box.path or box.title or box.rows[0].text}`" if box else ""
    return ArchError([Diagnostic("E0838", message, hints=(hint,))])


def _too_narrow(source: Source, view: View, sheet: Sheet, least: float) -> ArchError:
    """That a picture has no room in the width of its sheet, with what to fold, how to turn it, or what part of it to
    draw so that it has, and the width that it takes."""
    assert sheet.width
    size = SMALL * sheet.width.points / least
    message = f"in a width of {sheet.width} its smallest text would have {size:.1f} points; {SMALLEST} are the least"

    def fits(other: View, on: Sheet = sheet) -> bool:
        diagram = diagram_of(source, other, on)
        return (not on.bent or ways_of(diagram) is not None) and needed(diagram, on) <= (on.most or 0)

    wide = least * SHRINKS
    hints = [f"`--width {_rounded_up(wide, sheet.width.unit)}` is wide enough"]
    if wide > LARGEST_SHEET.points:
        hints = [f"{LARGEST_SHEET}, the width of A0, are too narrow too: draw a part of it with `--only`"]
    others = [replace(sheet, direction=other) for other in ("u", "down", "right") if other != sheet.direction]
    others = [on for on in others if not (on.bent and sheet.layout == "dot")]
    hints = [*(f"`--direction {on.direction}` fits" for on in others if fits(view, on)), *hints]
    shown = diagram_of(source, view, sheet)
    deepest = view.depth if view.depth is not None else 1
    for depth in range(deepest - 1, 0, -1):
        if fits(replace(view, depth=depth)):
            return ArchError([Diagnostic("E0837", message, hints=(f"`--depth {depth}` fits", *hints))])
    folds = [group.path for group in shown.groups if group.parent is None and group.path]
    for path in folds[:FOLDS]:
        if fits(replace(view, collapse=(*view.collapse, path))):
            return ArchError([Diagnostic("E0837", message, hints=(f"`--collapse {path}` fits", *hints))])
    parts = sorted((box for box in shown.boxes if box.role == "fold"), key=lambda box: -box.total_multiply_adds)
    paths = [box.path for box in parts if box.path] if len(hints) == 1 and not view.only else []
    part = next((path for path in paths[:FOLDS] if fits(replace(view, only=(path,)))), None)
    hints = [f"`--only {part}` fits", *hints] if part else hints
    return ArchError([Diagnostic("E0837", message, hints=tuple(hints))])


def _rounded_up(points: float, unit: str) -> Length:
    return Length(ceil(points / UNITS[unit] * 10) / 10, unit)


def figure(graph: Graph, caption: str) -> str:
    """The overview of an architecture as HTML, with a line of text below it; where there is too much to draw it says
    so."""
    try:
        shown = draw(graph)._repr_svg_()
    except ArchError as error:
        shown = f"<p>{html.escape(error.diagnostics[0].message)}</p>"
    return f'<figure style="margin:0;overflow-x:auto">{shown}<figcaption>{html.escape(caption)}</figcaption></figure>\n'
