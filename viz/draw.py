"""A graph drawn: a picture that a notebook displays and that is the bytes of a file."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

from ..compiler.files import atomic_write
from ..compiler.ir.graph import Graph
from ..dsl.diagnostics import ArchError, Diagnostic
from .build import diagram_of
from .diagram import Diagram
from .page import page
from .paint import painted
from .render import FORMATS, ready, render
from .svg import to_svg
from .view import OVERVIEW, View

LARGEST = 2000
"""Boxes of a picture."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing that a notebook displays, as SVG. `content` are the bytes of a file of the kind `format`; `diagram` is
    what it shows, as a value."""

    diagram: Diagram
    content: bytes
    format: str
    theme: str = "light"
    legend: bool = True

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
        return to_svg(painted(self.diagram, self.theme, self.legend), inline=True).decode()

    def __repr__(self) -> str:
        d = self.diagram
        return f"<Picture of {d.name}: {len(d.boxes)} boxes, depth {d.depth} of {d.deepest}, {self.format}>"


def draw(
    graph: Graph, format: str = "svg", view: View = OVERVIEW, theme: str | None = None, legend: bool = True
) -> Picture:
    """The drawing of an architecture as "svg", "png", "pdf", "dot" or "html", in a view, in the theme "light" or
    "dark". Without a theme a page has that of its reader, and everything else is light.

    Raises ArchError for an unknown format, theme or path, for a format that nothing here can write, and for a drawing
    that is too large.
    """
    if format == "html":
        content = page(graph, view, theme, legend).encode()
        return Picture(diagram_of(graph, view), content, format, theme or "light", legend)
    ready(format, theme or "light")
    diagram = diagram_of(graph, view)
    return pictured(diagram, format, theme or "light", legend, lambda: _smaller(graph, view, diagram))


def pictured(diagram: Diagram, format: str, theme: str, legend: bool, smaller: Callable[[], str]) -> Picture:
    """The picture of a diagram. Raises ArchError where it is too large, with the hint how to draw less."""
    if format != "dot" and len(diagram.boxes) > LARGEST:
        message = f"a drawing of {len(diagram.boxes):,} boxes is too large to lay out; {LARGEST:,} are the most"
        raise ArchError([Diagnostic("E0831", message, hints=(smaller(),))])
    return Picture(diagram, render(diagram, format, theme, legend), format, theme, legend)


def _smaller(graph: Graph, view: View, diagram: Diagram) -> str:
    for depth in range(min(diagram.depth, diagram.deepest) - 1, 0, -1):
        boxes = len(diagram_of(graph, replace(view, depth=depth)).boxes)
        if boxes <= LARGEST:
            return f"at a depth of {depth} it has {boxes}: `--depth {depth}`"
    return "no depth makes it small enough: draw a part of it (`--only`), or all of it as `dot` for another tool"


def figure(graph: Graph, caption: str) -> str:
    """The overview of an architecture as HTML, with a line of text below it; where there is too much to draw it says
    so."""
    try:
        shown = draw(graph)._repr_svg_()
    except ArchError as error:
        shown = f"<p>{html.escape(error.diagnostics[0].message)}</p>"
    return f'<figure style="margin:0;overflow-x:auto">{shown}<figcaption>{html.escape(caption)}</figcaption></figure>\n'
