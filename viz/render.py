"""A diagram to the bytes of a file. Graphviz paints PNG and PDF: the package graphviz-pure, or the system's `dot`."""

from __future__ import annotations

import json

from ..dsl.diagnostics import ArchError, Diagnostic
from .diagram import Diagram
from .dot import to_dot
from .paint import painted
from .pdf import cut
from .programs import Failed, Graphviz, programs, run, unusable
from .scene import Scene
from .sheet import SHEET, Sheet
from .svg import to_svg
from .tikz import to_tikz
from .words import clipped
from .xdot import fitted, measured, to_xdot

FORMATS = ("svg", "png", "pdf", "tex", "dot")
SIGNATURES = {"png": b"\x89PNG", "pdf": b"%PDF"}
"""What these files start with."""
DPI, PIXELS = 192, 4e7
"""Of a PNG, and its pixels at most; a larger picture has them coarser."""


def ready(format: str, sheet: Sheet = SHEET) -> None:
    """Raises ArchError for an unknown format, theme or direction, for a width of what has none, and for a format that
    nothing here can paint."""
    if format not in (*FORMATS, "html"):
        hint = f"known are {', '.join(FORMATS)} and html"
        raise ArchError([Diagnostic("E0830", f"no drawing is called `{clipped(format)}`", hints=(hint,))])
    sheet.check()
    if sheet.width and format in ("dot", "html"):
        message = f"{format.upper()} has no width: it is laid out where it is read"
        raise ArchError([Diagnostic("E0837", message, hints=("svg, png, pdf and tex have one",))])
    if sheet.bent and format in ("dot", "html"):
        message = f"{format.upper()} is no U: it is laid out where it is read"
        raise ArchError([Diagnostic("E0838", message, hints=("svg, png, pdf and tex can be one",))])
    if sheet.layout == "dot" and format in ("dot", "html"):
        what = f"{format.upper()} is not laid out by `dot`: it is laid out where it is read"
        raise ArchError([Diagnostic("E0839", what, hints=("svg, png, pdf and tex can be",))])
    if format in ("png", "pdf"):
        programs(format)


def render(diagram: Diagram, format: str = "svg", sheet: Sheet = SHEET) -> bytes:
    """The drawing as the bytes of a file. Raises ArchError as `ready` does, and where Graphviz fails."""
    ready(format, sheet)
    if format == "dot":
        return to_dot(diagram, sheet).encode()
    scene = painted(diagram, sheet)
    if format == "svg":
        return to_svg(scene)
    if format == "tex":
        return to_tikz(scene).encode()
    return _painted_by_graphviz(scene, format)


def _painted_by_graphviz(scene: Scene, format: str) -> bytes:
    """What the first Graphviz paints that does not fail. Raises ArchError, with the reason of the first, if all do."""
    failures = []
    for painter in programs(format):
        try:
            return _painted(scene, format, painter)
        except Failed as failure:
            failures.append(str(failure))
    raise unusable(f"Graphviz failed: {clipped(failures[0], 200)}", format)


def _painted(scene: Scene, format: str, painter: Graphviz) -> bytes:
    widths = None
    if not painter.helvetica:
        scene, widths = _fitted(scene, painter)
    inches = scene.width * scene.height / 72**2
    dpi = min(DPI, int((PIXELS / inches) ** 0.5)) if format == "png" else None
    content = run("neato", format, to_xdot(scene, dpi, widths), painter, neato_no_op=2)
    if not content.startswith(SIGNATURES[format]):
        raise Failed(f"what it wrote is no {format.upper()}")
    return cut(content, scene.width, scene.height) if format == "pdf" else content


def _fitted(scene: Scene, painter: Graphviz) -> tuple[Scene, list[float] | None]:
    """The scene with texts of a size that fits the font; as it is where the program does not tell their widths."""

    def widths(one: Scene) -> list[float]:
        return measured(one, json.loads(run("neato", "json", to_xdot(one), painter, neato_no_op=2)))

    try:
        return fitted(scene, widths)
    except (Failed, ValueError, KeyError, TypeError):
        return scene, None
