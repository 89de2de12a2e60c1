"""From a graph to its diagram: how much of it stands open."""

from __future__ import annotations

from collections.abc import Callable

from ..compiler.ir.graph import Graph
from .builder import DiagramBuilder, Source
from .diagram import Diagram
from .paint import placed
from .style import PAGE
from .view import OVERVIEW, Opened, View

FEWEST, MOST = 8, 20
"""Unless a depth is given, further levels are opened while there are fewer boxes than the first, and never to more
than the second."""

GATHER = 3
"""What does not fit is gathered step by step, until it fits, unless some scopes are to be opened: units that differ in
settings alone; then chains of layers into one box; then equal layers side by side."""


def diagram_of(graph: Graph, view: View = OVERVIEW) -> Diagram:
    """The diagram of a graph in a view. Raises ArchError for unknown paths."""
    source = Source(graph)
    opened = Opened(source.root, view)

    def at(levels: int, gather: int = 0) -> Diagram:
        return DiagramBuilder(source, opened, levels, gather).diagram()

    if view.depth is not None:
        return at(view.depth)
    diagram = overview(at)
    depth = diagram.depth
    for gather in range(1, GATHER + 1):
        if view.expand or _fits_page(diagram):
            break
        diagram = at(depth, gather)
    return diagram


def overview(at: Callable[[int], Diagram]) -> Diagram:
    """The diagram with so many levels open as make a good overview; `at` makes one with some number of them."""
    diagram = at(1)
    while (len(diagram.boxes) < FEWEST or diagram.nested) and diagram.depth < diagram.deepest:
        deeper = at(diagram.depth + 1)
        if len(deeper.boxes) > MOST or (diagram.nested and not _fits_page(deeper)):
            break
        diagram = deeper
    return diagram


def _fits_page(diagram: Diagram) -> bool:
    if len(diagram.boxes) > MOST:
        return False
    plan = placed(diagram)
    return plan.w <= PAGE[0] and plan.h <= PAGE[1]
