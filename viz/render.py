"""A diagram to the bytes of a file. Graphviz paints PNG and PDF: the package graphviz-pure, or the system's `dot`."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from ..dsl.diagnostics import ArchError, Diagnostic
from .diagram import Diagram
from .dot import to_dot
from .paint import painted
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
        _painters(format)


def render(diagram: Diagram, format: str = "svg", theme: str = "light", legend: bool = True) -> bytes:
    """The drawing as the bytes of a file. Raises ArchError as `ready` does, and where Graphviz fails."""
    ready(format, theme)
    if format == "dot":
        return to_dot(diagram, theme).encode()
    scene = painted(diagram, theme, legend)
    if format == "svg":
        return to_svg(scene)
    return _painted_by_graphviz(scene, format)


@dataclass(frozen=True)
class Graphviz:
    """A Graphviz: its program, and whether it has a font with the widths of Helvetica."""

    program: Path
    helvetica: bool


def _painted_by_graphviz(scene: Scene, format: str) -> bytes:
    """What the first Graphviz paints that does not fail. Raises ArchError, with the reason of the first, if all do."""
    failures = []
    for painter in _painters(format):
        try:
            return _painted(scene, format, painter)
        except _Failed as failure:
            failures.append(str(failure))
    raise _unusable(f"Graphviz failed: {clipped(failures[0], 200)}", format)


class _Failed(Exception):
    """Why a program painted nothing."""


def _painted(scene: Scene, format: str, painter: Graphviz) -> bytes:
    widths = None
    if not painter.helvetica:
        scene, widths = _fitted(scene, painter)
    inches = scene.width * scene.height / 72**2
    dpi = min(DPI, int((PIXELS / inches) ** 0.5)) if format == "png" else None
    content = _run(to_xdot(scene, dpi, widths), format, painter)
    if not content.startswith(SIGNATURES[format]):
        raise _Failed(f"what it wrote is no {format.upper()}")
    return content


def _fitted(scene: Scene, painter: Graphviz) -> tuple[Scene, list[float] | None]:
    """The scene with texts of a size that fits the font; as it is where the program does not tell their widths."""
    try:
        return fitted(scene, lambda one: measured(one, json.loads(_run(to_xdot(one), "json", painter))))
    except (_Failed, ValueError, KeyError, TypeError):
        return scene, None


def _run(source: str, format: str, painter: Graphviz) -> bytes:
    import graphviz
    from graphviz.backend import dot_command

    usual, dot_command.DOT_BINARY = dot_command.DOT_BINARY, painter.program
    try:
        return graphviz.pipe("neato", format, source.encode(), neato_no_op=2, quiet=True)
    except (OSError, graphviz.ExecutableNotFound, graphviz.CalledProcessError) as error:
        errors = getattr(error, "stderr", None) or str(error)
        text = errors.decode(errors="replace") if isinstance(errors, bytes) else errors
        raise _Failed(text.strip().partition("\n")[0]) from None
    finally:
        dot_command.DOT_BINARY = usual


def _painters(format: str) -> list[Graphviz]:
    """The programs that can paint, the best first. Raises ArchError where there is none.

    graphviz-pure paints the same everywhere and brings a font of Helvetica's widths, but writes no PDF.
    """
    bundled, system = _bundled() if format == "png" else None, shutil.which("dot")
    painters = [Graphviz(bundled, True)] if bundled else []
    painters += [Graphviz(Path(system), False)] if system else []
    if painters:
        return painters
    if format == "pdf":
        raise _unusable("no Graphviz here writes PDF: graphviz-pure, which is what there is, does not", format)
    raise _unusable("there is no Graphviz here", format)


def _bundled() -> Path | None:
    """The program of the package graphviz-pure."""
    found = shutil.which("graphviz-pure")
    if found:
        return Path(found)
    try:
        shipped = files("graphviz-pure") or []
    except PackageNotFoundError:
        return None
    for entry in shipped:
        path = Path(str(entry.locate()))
        if entry.stem == "graphviz-pure" and entry.suffix in ("", ".exe") and path.is_file():
            return path
    return None


def _unusable(message: str, format: str) -> ArchError:
    hint = "`pip install graphviz-pure` brings one; `--format svg` and `--format dot` need none"
    if format == "pdf":
        hint = "install Graphviz (`apt install graphviz`, `brew install graphviz`); browsers print an SVG as PDF too"
    return ArchError([Diagnostic("E0833", message, hints=(hint,))])
