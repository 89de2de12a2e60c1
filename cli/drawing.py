"""`archc draw` and `archc plot`: an architecture, and its figures, as a picture."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..dsl.diagnostics import refused
from .costs import checked_sizes_of
from .looking import looked_at
from .options import sizes_of
from .outputs import STDOUT, put_out, ready_for, target_path
from .progress import phase

if TYPE_CHECKING:
    from .analysis_commands import Plot
    from .making_commands import Draw

SUFFIXES = {
    ".svg": "svg",
    ".html": "html",
    ".htm": "html",
    ".png": "png",
    ".pdf": "pdf",
    ".tex": "tex",
    ".dot": "dot",
    ".gv": "dot",
}


def run_draw(request: Draw) -> int:
    format = request.format or format_by_suffix(request.output)
    promised = SUFFIXES.get(Path(request.output or "").suffix.lower(), format)
    if promised != format:
        message = f"{request.output} would be {promised.upper()}, and --format says {format}"
        raise refused("E0836", message, "leave --format out: the ending says it")
    from ..viz.render import ready

    ready(format)
    architecture = looked_at(request)
    target = target_path(request.output, f"{architecture.name}.{format}")
    ready_for(target)
    phase("draw: laying out")
    picture = architecture.draw(
        format=format,
        depth=request.depth,
        expand=request.expand or (),
        collapse=request.collapse or (),
        only=request.only or (),
        theme=request.theme,
        legend=request.legend,
        direction=request.direction,
        width=request.width,
        layout=request.layout,
    )
    diagram = picture.diagram
    described = f"{len(diagram.boxes)} boxes, depth {diagram.depth} of {diagram.deepest}"
    if format == "html":
        described = f"a page of {len(picture.content) // 1000} kB, which opens in a browser"
    put_out(target, picture.content, described)
    return 0


def format_by_suffix(output: str | None) -> str:
    """What an output's ending asks for, SVG where it has none. Raises ArchError for an ending of something else."""
    suffix = Path(output or "").suffix.lower()
    if output is None or output == STDOUT or not suffix or os.path.isdir(output):
        return "svg"
    if suffix not in SUFFIXES:
        hint = f"known are {', '.join(SUFFIXES)}; `--format` says it whatever the ending"
        raise refused("E0830", f"no drawing is a `{suffix}` file", hint)
    return SUFFIXES[suffix]


def run_plot(request: Plot) -> int:
    from ..viz.plot import PlotRequest, plotted

    given = sizes_of(request.sizes)
    architecture = looked_at(request)
    target = target_path(request.output, f"{architecture.name}-{request.what}.svg")
    if target is not None and not target.suffix:
        target = target.with_suffix(".svg")
    ready_for(target)
    options = PlotRequest(request.what, request.by, request.depth, request.dtype, checked_sizes_of(architecture, given))
    phase("plot: counting")
    plot = plotted(architecture.ir, options, request.theme)
    put_out(target, plot.content(target.suffix.removeprefix(".").lower() if target else "svg"))
    return 0
