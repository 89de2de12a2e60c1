"""`archc plot`: figures of an architecture as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .costs import checked_sizes_of
from .looking import looked_at
from .options import sizes_of
from .outputs import put_out, ready_for, target_path

if TYPE_CHECKING:
    from .analysis_commands import Plot


def run_plot(request: Plot) -> int:
    from ..viz.plot import PlotRequest, plotted

    given = sizes_of(request.sizes)
    architecture = looked_at(request)
    target = target_path(request.output, f"{architecture.name}-{request.what}.svg")
    if target is not None and not target.suffix:
        target = target.with_suffix(".svg")
    ready_for(target)
    options = PlotRequest(request.what, request.by, request.depth, request.dtype, checked_sizes_of(architecture, given))
    plot = plotted(architecture.ir, options, request.theme)
    put_out(target, plot.content(target.suffix.removeprefix(".").lower() if target else "svg"))
    return 0
