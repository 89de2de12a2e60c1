"""What notebooks show: pictures of architectures within a page of others."""

from __future__ import annotations

import html
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from ..compiler.ir.graph import Graph
from ..dsl.diagnostics import ArchError, Diagnostic
from .build import diagram_of
from .diagram import Diagram
from .draw import draw
from .page import page
from .paint import painted
from .render import FORMATS
from .svg import to_svg
from .view import View


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
        """Writes the file. Raises ArchError (E0836) where its ending is that of another kind of picture, OSError where
        it cannot be written."""
        ending = Path(path).suffix.removeprefix(".").lower()
        if ending in (*FORMATS, "html") and ending != self.format:
            message = f"this picture is {self.format.upper()}, and {Path(path).name} would be {ending.upper()}"
            hint = f"`net.draw({str(path)!r})` makes one of that kind"
            raise ArchError([Diagnostic("E0836", message, hints=(hint,))])
        Path(path).write_bytes(self.content)

    def _repr_svg_(self) -> str:
        return to_svg(painted(self.diagram, self.theme, self.legend), inline=True).decode()

    def __repr__(self) -> str:
        d = self.diagram
        return f"<Picture of {d.name}: {len(d.boxes)} boxes, depth {d.depth} of {d.deepest}, {self.format}>"


def picture(graph: Graph, format: str, view: View, theme: str | None, legend: bool) -> Picture:
    """The drawing of an architecture, or with the format "html" its page. Raises ArchError as `draw` and `page` do."""
    if format == "html":
        content = page(graph, view, theme, legend).encode()
        return Picture(diagram_of(graph, view), content, format, theme or "light", legend)
    drawing = draw(graph, format, view, theme or "light", legend)
    return Picture(drawing.diagram, drawing.content, format, theme or "light", legend)


def figure(graph: Graph, caption: str) -> str:
    """The overview of an architecture as HTML, with a line of text below it; where there is too much to draw it says
    so."""
    try:
        shown = picture(graph, "svg", View(), None, True)._repr_svg_()
    except ArchError as error:
        shown = f"<p>{html.escape(error.diagnostics[0].message)}</p>"
    return f'<figure style="margin:0;overflow-x:auto">{shown}<figcaption>{html.escape(caption)}</figcaption></figure>\n'
