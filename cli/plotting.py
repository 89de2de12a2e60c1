"""`archc plot`: figures of an architecture as a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..catalog import locate
from .costs import sizes_of
from .looking import looked_at
from .outputs import put_out, ready_for


@dataclass(frozen=True, slots=True)
class Request:
    """A command line of `archc plot`."""

    spec: str
    name: str | None
    settings: dict[str, Any]
    output: str | None
    what: str
    by: str
    depth: int | None
    dtype: str
    sizes: dict[str, int]
    theme: str


def run_plot(request: Request) -> int:
    from ..viz.plot import Request as Figures
    from ..viz.plot import plotted

    place = locate(request.spec, request.name)
    architecture = looked_at(place, request.settings)
    target = target_path(request.output, f"{architecture.name}-{request.what}.svg")
    ready_for(target)
    sizes = sizes_of(architecture, request.sizes)
    plot = plotted(
        architecture.ir, Figures(request.what, request.by, request.depth, request.dtype, sizes), request.theme
    )
    put_out(target, plot.content(target.suffix.removeprefix(".").lower() if target else "svg"))
    return 0


def target_path(output: str | None, name: str) -> Path | None:
    """The file to write, None for the standard output. One without an ending is SVG."""
    if output == "-":
        return None
    path = Path(output or ".")
    path = path / name if path.is_dir() or str(output).endswith("/") else path
    return path if path.suffix else path.with_suffix(".svg")
