"""A diagram to the bytes of a file. Graphviz paints PNG: the package graphviz-pure, or the system's `dot`."""

from __future__ import annotations

import json

from ..dsl.diagnostics import ArchError, Diagnostic
from .diagram import Diagram
from .dot import to_dot
from .paint import painted
from .pdf import to_pdf
from .programs import Failed, Graphviz, programs, run, unusable
from .scene import Scene
from .sheet import SHEET, Sheet
from .svg import to_svg
from .tikz import to_tikz
from .words import clipped
from .xdot import fitted, measured, to_xdot

FORMATS = ("svg", "png", "pdf", "tex", "dot")
SIGNATURE = b"\x89PNG"
"""What a PNG starts with."""
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
    if format == "png":
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
    return to_pdf(scene) if format == "pdf" else _painted_by_graphviz(scene)


def _painted_by_graphviz(scene: Scene) -> bytes:
    """The PNG of the first Graphviz that does not fail. Raises ArchError, with the reason of the first, if all do."""
    failures = []
    for painter in programs("png"):
        try:
            return _painted(scene, painter)
        except Failed as failure:
            failures.append(str(failure))
    raise unusable(f"Graphviz failed: {clipped(failures[0], 200)}", "png")


def _painted(scene: Scene, painter: Graphviz) -> bytes:
    widths = None
    if not painter.helvetica:
        scene, widths = _fitted(scene, painter)
    inches = scene.width * scene.height / 72**2
    dpi = min(DPI, int((PIXELS / inches) ** 0.5))
    content = run("neato", "png", to_xdot(scene, dpi, widths), painter, neato_no_op=2)
    if not content.startswith(SIGNATURE):
        raise Failed("what it wrote is no PNG")
    return content


def _fitted(scene: Scene, painter: Graphviz) -> tuple[Scene, list[float] | None]:
    """The scene with texts of a size that fits the font; as it is where the program does not tell their widths."""

    def widths(one: Scene) -> list[float]:
        return measured(one, json.loads(run("neato", "json", to_xdot(one), painter, neato_no_op=2)))

    try:
        return fitted(scene, widths)
    except (Failed, ValueError, KeyError, TypeError):
        return scene, None
