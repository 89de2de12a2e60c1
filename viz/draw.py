"""A graph drawn: its diagram, and the bytes of a file."""

from __future__ import annotations

from dataclasses import dataclass

from ..compiler.ir.graph import Graph
from ..dsl.diagnostics import ArchError, Diagnostic
from .build import diagram_of
from .diagram import Diagram
from .render import LARGEST, render


@dataclass(frozen=True, slots=True)
class Drawing:
    """A diagram, and the bytes of its file."""

    diagram: Diagram
    content: bytes


def draw(graph: Graph, format: str = "svg", depth: int | None = None) -> Drawing:
    """The drawing of an architecture as "svg", "png" or "dot".

    `depth` is how many levels of scopes stand open, from 1; without it as many as make a good overview. Raises
    ArchError for an unknown format, and for a drawing that is too large to lay out.
    """
    if depth is not None and depth < 1:
        raise ArchError([Diagnostic("E0832", f"a drawing has a depth of at least 1, not {depth}")])
    diagram = diagram_of(graph, depth)
    if format != "dot" and len(diagram.boxes) > LARGEST:
        raise ArchError([_too_large(graph, diagram)])
    return Drawing(diagram, render(diagram, format))


def _too_large(graph: Graph, diagram: Diagram) -> Diagnostic:
    message = f"a drawing of {len(diagram.boxes):,} boxes is too large to lay out; {LARGEST} are the most"
    for depth in range(min(diagram.depth, diagram.deepest) - 1, 0, -1):
        boxes = len(diagram_of(graph, depth).boxes)
        if boxes <= LARGEST:
            return Diagnostic("E0831", message, hints=(f"at a depth of {depth} it has {boxes}: `--depth {depth}`",))
    hint = "no depth makes it small enough: give parts of it to blocks, or draw it as `dot` for another tool"
    return Diagnostic("E0831", message, hints=(hint,))
