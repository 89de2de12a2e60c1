"""`archc draw`: an architecture as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..dsl.diagnostics import ArchError, Diagnostic
from .looking import looked_at
from .outputs import STDOUT, put_out, ready_for, target_path

if TYPE_CHECKING:
    from .making_commands import Draw

SUFFIXES = {
    ".svg": "svg",
    ".html": "html",
    ".htm": "html",
    ".png": "png",
    ".pdf": "pdf",
    ".dot": "dot",
    ".gv": "dot",
}


def run_draw(request: Draw) -> int:
    format = request.format or format_by_suffix(request.output)
    promised = SUFFIXES.get(Path(request.output or "").suffix.lower(), format)
    if promised != format:
        message = f"{request.output} would be {promised.upper()}, and --format says {format}"
        raise ArchError([Diagnostic("E0836", message, hints=("leave --format out: the ending says it",))])
    if format != "html":
        from ..viz.render import ready

        ready(format)
    architecture = looked_at(request)
    target = target_path(request.output, f"{architecture.name}.{format}")
    ready_for(target)
    picture = architecture.draw(
        format=format,
        depth=request.depth,
        expand=request.expand or (),
        collapse=request.collapse or (),
        only=request.only or (),
        theme=request.theme,
        legend=request.legend,
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
    if output is None or output == STDOUT or not suffix or Path(output).is_dir():
        return "svg"
    if suffix not in SUFFIXES:
        hint = f"known are {', '.join(SUFFIXES)}; `--format` says it whatever the ending"
        raise ArchError([Diagnostic("E0830", f"no drawing is a `{suffix}` file", hints=(hint,))])
    return SUFFIXES[suffix]
