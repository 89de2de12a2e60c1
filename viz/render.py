"""A diagram to the bytes of a file. Graphviz paints PNG and PDF: the package graphviz-pure, or the system's `dot`."""

from __future__ import annotations

import json

from ..dsl.diagnostics import ArchError, Diagnostic
from .diagram import Diagram
from .dot import to_dot
from .paint import painted
from .programs import Failed, Graphviz, programs, run, unusable
from .scene import Scene
from .style import THEMES
from .svg import to_svg
from .words import clipped
from .xdot import fitted, measured, to_xdot

FORMATS = ("svg", "png", "pdf", "dot")
SIGNATURES = {"png": b"\x89PNG", "pdf": b"%PDF"}
"""What these files start with."""
DPI, PIXELS = 192, 4e7
"""Of a PNG, and its pixels at most; a larger picture has them coarser."""


def ready(format: str, theme: str = "light") -> None:
    """Raises ArchError for an unknown format or theme, and for one that nothing here can paint."""
    for what, word, known in (("drawing", format, FORMATS), ("theme", theme, tuple(THEMES))):
        if word not in known:
            hint = f"known are {', '.join(known)}{' and html' if known is FORMATS else ''}"
            raise ArchError([Diagnostic("E0830", f"no {what} is called `{clipped(word)}`", hints=(hint,))])
    if format in ("png", "pdf"):
        programs(format)


def render(diagram: Diagram, format: str = "svg", theme: str = "light", legend: bool = True) -> bytes:
    """The drawing as the bytes of a file. Raises ArchError as `ready` does, and where Graphviz fails."""
    ready(format, theme)
    if format == "dot":
        return to_dot(diagram, theme).encode()
    scene = painted(diagram, theme, legend)
    if format == "svg":
        return to_svg(scene)
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
    return content


def _fitted(scene: Scene, painter: Graphviz) -> tuple[Scene, list[float] | None]:
    """The scene with texts of a size that fits the font; as it is where the program does not tell their widths."""

    def widths(one: Scene) -> list[float]:
        return measured(one, json.loads(run("neato", "json", to_xdot(one), painter, neato_no_op=2)))

    try:
        return fitted(scene, widths)
    except (Failed, ValueError, KeyError, TypeError):
        return scene, None
