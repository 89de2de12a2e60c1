"""From a graph to its diagram: how much of it stands open."""

from __future__ import annotations

from collections.abc import Callable

from ..compiler.ir.graph import Graph
from ..dsl.diagnostics import ArchError
from .builder import Source
from .diagram import Diagram
from .drafts import HIGH
from .paint import needed, placed
from .sheet import SHEET, Sheet
from .style import PAGE
from .ushape import unframed, ways_of
from .view import OVERVIEW, View

FEWEST, MOST = 8, 20
"""Unless a depth is given, further levels are opened while there are fewer boxes than the first, and never to more
than the second."""

DEEPER = 2
"""So many levels more are tried for a U."""
GATHER = 3
"""What does not fit is gathered step by step, until it fits, unless some scopes are to be opened: units that differ in
settings alone; then chains of layers into one box; then equal layers side by side."""


def diagram_of(graph: Graph | Source, view: View = OVERVIEW, sheet: Sheet = SHEET) -> Diagram:
    """The diagram of a graph in a view, which for a sheet that has a width, or a U, shows less, until it fits, if no
    depth is given. A graph that is drawn in several views is taken apart once, as a `Source`. Raises ArchError for
    unknown paths."""
    source = source_of(graph)

    def at(levels: int, gather: int = 0) -> Diagram:
        diagram = source.diagram(view, levels, gather)
        return unframed(diagram) if sheet.bent else diagram

    if view.depth is not None:
        return at(view.depth)
    diagram = overview(at, sheet)
    deeper = range(diagram.depth + 1, min(diagram.depth + DEEPER, diagram.deepest) + 1) if sheet.bent else ()
    for depth in (*range(diagram.depth, 0, -1), *deeper):
        for gather in range(1 if view.expand or sheet.bent else GATHER + 1):
            if gather and not _is_worth(diagram, gather):
                continue
            before, diagram = diagram, at(depth, gather) if gather or depth != diagram.depth else diagram
            if not (gather and diagram == before) and _fits(diagram, sheet):
                return diagram
        if sheet.width is None and not sheet.bent:
            break
    return diagram


def source_of(graph: Graph | Source) -> Source:
    """The graph, taken apart unless it is already."""
    return graph if isinstance(graph, Source) else Source(graph)


def overview(at: Callable[[int], Diagram], sheet: Sheet = SHEET) -> Diagram:
    """The diagram with so many levels open as make a good overview; `at` makes one with some number of them."""
    diagram = at(1)
    while (len(diagram.boxes) < FEWEST or diagram.nested) and diagram.depth < diagram.deepest:
        deeper = at(diagram.depth + 1)
        if len(deeper.boxes) > MOST or (diagram.nested and not _fits(deeper, sheet)):
            break
        diagram = deeper
    return diagram


def _is_worth(diagram: Diagram, gather: int) -> bool:
    """Whether the next step may make what did not fit fit: not the first where no part is folded, nor the second where
    all its stacks, as high as may be, are too many. The last is taken in any case."""
    if gather == 1:
        return any(box.role == "fold" for box in diagram.boxes)
    return gather == GATHER or sum(len(box.rows) for box in diagram.boxes) <= MOST * HIGH


def _fits(diagram: Diagram, sheet: Sheet) -> bool:
    """Whether a diagram fits a page: not if it is too large to lay out."""
    try:
        return _is_small(diagram, sheet)
    except ArchError:
        return False


def _is_small(diagram: Diagram, sheet: Sheet) -> bool:
    ways = ways_of(diagram) if sheet.bent else None
    if sheet.bent and ways is None:
        return False
    if len(diagram.boxes) - (len(ways.side) if ways else 0) > MOST or (
        sheet.most is not None and needed(diagram, sheet) > sheet.most
    ):
        return False
    plan, (wide, high) = placed(diagram, sheet), PAGE[::-1] if sheet.turned else PAGE
    return plan.w <= max(wide, sheet.most or 0) and plan.h <= high
