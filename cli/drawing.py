"""`archc draw`: an architecture as a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..catalog import locate
from ..dsl.diagnostics import ArchError, Diagnostic
from .looking import looked_at
from .outputs import put_out, ready_for

if TYPE_CHECKING:
    from ..compiler.ir.graph import Graph

SUFFIXES = {
    ".svg": "svg",
    ".html": "html",
    ".htm": "html",
    ".png": "png",
    ".pdf": "pdf",
    ".dot": "dot",
    ".gv": "dot",
}


@dataclass(frozen=True, slots=True)
class Request:
    """A command line of `archc draw`."""

    spec: str
    name: str | None
    settings: dict[str, Any]
    output: str | None
    format: str | None
    depth: int | None
    expand: tuple[str, ...] = ()
    collapse: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    theme: str | None = None
    legend: bool = True


def run_draw(request: Request) -> int:
    format = request.format or format_by_suffix(request.output)
    promised = SUFFIXES.get(Path(request.output or "").suffix.lower(), format)
    if promised != format:
        message = f"{request.output} would be {promised.upper()}, and --format says {format}"
        raise ArchError([Diagnostic("E0836", message, hints=("leave --format out: the ending says it",))])
    if format != "html":
        from ..viz.render import ready

        ready(format)
    place = locate(request.spec, request.name)
    graph = looked_at(place, request.settings).ir
    target = target_path(request.output, graph.name, format)
    ready_for(target)
    put_out(target, *drawn(request, graph, format))
    return 0


def drawn(request: Request, graph: Graph, format: str) -> tuple[bytes, str]:
    """The bytes of the file, and what is said of it."""
    from ..viz.view import View

    view = View(request.depth, request.expand, request.collapse, request.only)
    if format == "html":
        from ..viz.page import page

        content = page(graph, view, request.theme, request.legend).encode()
        return content, f"a page of {len(content) // 1000} kB, which opens in a browser"
    from ..viz.draw import draw

    drawing = draw(graph, format, view, request.theme or "light", request.legend)
    diagram = drawing.diagram
    return drawing.content, f"{len(diagram.boxes)} boxes, depth {diagram.depth} of {diagram.deepest}"


def format_by_suffix(output: str | None) -> str:
    """What an output's ending asks for, SVG where it has none. Raises ArchError for an ending of something else."""
    suffix = Path(output or "").suffix.lower()
    if output is None or output == "-" or not suffix or Path(output).is_dir():
        return "svg"
    if suffix not in SUFFIXES:
        hint = f"known are {', '.join(SUFFIXES)}; `--format` says it whatever the ending"
        raise ArchError([Diagnostic("E0830", f"no drawing is a `{suffix}` file", hints=(hint,))])
    return SUFFIXES[suffix]


def target_path(output: str | None, name: str, format: str) -> Path | None:
    """The file to write, None for the standard output."""
    if output == "-":
        return None
    path = Path(output or ".")
    return path / f"{name}.{format}" if path.is_dir() or str(output).endswith("/") else path
