"""The picture of an architecture beside its text, its totals above it, and the boxes of a place of the text."""

from __future__ import annotations

from dataclasses import dataclass

from ..compiler.analyses.figures import totals, without
from ..compiler.ir.counts import short
from ..dsl import ast
from ..dsl.source import Span
from ..viz.diagram import Diagram
from ..viz.draw import Picture, draw
from .document import Document, Run
from .hover import path_to
from .shapes import seen_at


@dataclass(frozen=True, slots=True)
class Lens:
    """What stands above an architecture: its totals, or why there are none. `name` is what can be drawn."""

    span: Span
    title: str
    name: str | None


def lenses(document: Document) -> list[Lens]:
    """The totals of each architecture at its parameters' defaults."""
    found = []
    for arch in document.arches():
        run = document.runs.get(arch.name)
        if not arch.has_defaults:
            found.append(Lens(arch.name_span, f"needs {' and '.join(arch.required)}", None))
        elif run is not None and run.result is not None:
            figures = totals(run.result)
            macs = f"{short(figures['multiply_adds'])} multiply-adds{without(run.result, 'macs')}"
            depth = f"depth {figures['depth']}{without(run.result, 'depth')}"
            costs = f"{figures['parameters']:,} parameters · {macs} · {depth}"
            found.append(Lens(arch.name_span, costs, arch.name))
    return found


def run_at(document: Document, name: str | None, offset: int) -> Run | None:
    """The architecture of a name; without one that at a character, or the first."""
    if name is not None:
        return document.runs.get(name)
    around = next((a.name for a in document.arches() if a.span.start <= offset <= a.span.end), None)
    return document.runs.get(around or "") or next(iter(document.runs.values()), None)


def picture(run: Run, theme: str = "light") -> Picture | None:
    """The drawing of an architecture as SVG, None where it has errors. Raises ArchError where it is too large."""
    return None if run.result is None else draw(run.result, "svg", theme=theme)


def boxes_at(document: Document, run: Run, diagram: Diagram, offset: int) -> list[str]:
    """The elements of an SVG, such as `n3` and `g0`, that show what a place of the text applies: boxes, else the frames
    around what is not drawn by itself."""
    for node in reversed(path_to(document.statements, offset)):
        if isinstance(node, ast.Declaration):
            break
        seen = seen_at(document, node)
        if seen is None or seen.run is not run:
            continue
        places = {n.place for a in seen.applications for n in seen.nodes(a)} - {""}
        if found := _showing(diagram, places):
            return found
    return []


def _showing(diagram: Diagram, places: set[str]) -> list[str]:
    around = {place[:at] for place in places for at in range(len(place) + 1) if at == len(place) or place[at] == "."}
    boxes = [f"n{box.id}" for box in diagram.boxes if any(row.path in around for row in box.rows if row.path)]
    return boxes or [f"g{group.id}" for group in diagram.groups if group.path in around]
