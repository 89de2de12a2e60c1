"""A diagram to the bytes of a file. Graphviz paints PNG and PDF: the system's `dot`, else the package graphviz-pure."""

from __future__ import annotations

import shutil
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from ..dsl.diagnostics import ArchError, Diagnostic
from .diagram import Diagram
from .dot import to_dot
from .paint import painted
from .style import THEMES
from .svg import to_svg
from .words import clipped
from .xdot import to_xdot

FORMATS = ("svg", "png", "pdf", "dot")
DPI, PIXELS = 192, 4e7
"""Of a PNG, and its pixels at most; a larger picture has them coarser."""


def ready(format: str, theme: str = "light") -> None:
    """Raises ArchError for an unknown format or theme, and for one that nothing here can paint."""
    for what, word, known in (("drawing", format, FORMATS), ("theme", theme, tuple(THEMES))):
        if word not in known:
            hint = f"known are {', '.join(known)}{' and html' if known is FORMATS else ''}"
            raise ArchError([Diagnostic("E0830", f"no {what} is called `{clipped(word)}`", hints=(hint,))])
    if format in ("png", "pdf"):
        _program(format)


def render(diagram: Diagram, format: str = "svg", theme: str = "light", legend: bool = True) -> bytes:
    """The drawing as the bytes of a file. Raises ArchError as `ready` does, and where Graphviz fails."""
    ready(format, theme)
    if format == "dot":
        return to_dot(diagram, theme).encode()
    scene = painted(diagram, theme, legend)
    if format == "svg":
        return to_svg(scene)
    inches = scene.width * scene.height / 72**2
    dpi = min(DPI, int((PIXELS / inches) ** 0.5)) if format == "png" else None
    return _painted_by_graphviz(to_xdot(scene, dpi), format)


def _painted_by_graphviz(source: str, format: str) -> bytes:
    import graphviz
    from graphviz.backend import dot_command

    usual, dot_command.DOT_BINARY = dot_command.DOT_BINARY, _program(format)
    try:
        return graphviz.pipe("neato", format, source.encode(), neato_no_op=2, quiet=True)
    except (OSError, graphviz.ExecutableNotFound, graphviz.CalledProcessError) as error:
        reason = str(getattr(error, "stderr", None) or error).strip().partition("\n")[0]
        raise _unusable(f"Graphviz failed: {clipped(reason, 200)}", format) from None
    finally:
        dot_command.DOT_BINARY = usual


def _program(format: str) -> Path:
    """The program that paints. Raises ArchError where there is none."""
    found = shutil.which("dot")
    if found:
        return Path(found)
    if format == "pdf":
        raise _unusable("no Graphviz here writes PDF: graphviz-pure, which is what there is, does not", format)
    found = shutil.which("graphviz-pure")
    if found:
        return Path(found)
    try:
        shipped = files("graphviz-pure") or []
    except PackageNotFoundError:
        shipped = []
    for entry in shipped:
        path = Path(str(entry.locate()))
        if entry.stem == "graphviz-pure" and entry.suffix in ("", ".exe") and path.is_file():
            return path
    raise _unusable("there is no Graphviz here", format)


def _unusable(message: str, format: str) -> ArchError:
    hint = "`pip install graphviz-pure` brings one; `--format svg` and `--format dot` need none"
    if format == "pdf":
        hint = "install Graphviz (`apt install graphviz`, `brew install graphviz`); browsers print an SVG as PDF too"
    return ArchError([Diagnostic("E0833", message, hints=(hint,))])
