"""A graph drawn: its diagram, and the bytes of a file."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..compiler.ir.graph import Graph
from ..dsl.diagnostics import ArchError, Diagnostic
from .build import diagram_of
from .diagram import Diagram
from .render import ready, render
from .view import View, checked

LARGEST = 2000
"""Boxes of a drawing."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A diagram, and the bytes of its file."""

    diagram: Diagram
    content: bytes


def draw(
    graph: Graph, format: str = "svg", view: View | None = None, theme: str = "light", legend: bool = True
) -> Drawing:
    """The drawing of an architecture as "svg", "png", "pdf" or "dot", in a view, in the theme "light" or "dark".

    Raises ArchError for an unknown format, theme or path, for a format that nothing here can write, and for a drawing
    that is too large.
    """
    view = view or View()
    checked(view)
    ready(format, theme)
    diagram = diagram_of(graph, view)
    if format != "dot" and len(diagram.boxes) > LARGEST:
        raise ArchError([_too_large(graph, view, diagram)])
    return Drawing(diagram, render(diagram, format, theme, legend))


def _too_large(graph: Graph, view: View, diagram: Diagram) -> Diagnostic:
    message = f"a drawing of {len(diagram.boxes):,} boxes is too large to lay out; {LARGEST:,} are the most"
    for depth in range(min(diagram.depth, diagram.deepest) - 1, 0, -1):
        boxes = len(diagram_of(graph, replace(view, depth=depth)).boxes)
        if boxes <= LARGEST:
            return Diagnostic("E0831", message, hints=(f"at a depth of {depth} it has {boxes}: `--depth {depth}`",))
    hint = "no depth makes it small enough: draw a part of it (`--only`), or all of it as `dot` for another tool"
    return Diagnostic("E0831", message, hints=(hint,))
