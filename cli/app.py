"""The commands, in the order in which the help lists them. What each does stands in the modules beside this one."""

from __future__ import annotations

from .analysis_commands import diff, equiv, field, paths, plot, stats
from .making_commands import compile_, draw, rewrite
from .shell import app
from .specs_commands import check, explain, fmt, list_

for name, command in (
    ("check", check),
    ("compile", compile_),
    ("rewrite", rewrite),
    ("draw", draw),
    ("stats", stats),
    ("paths", paths),
    ("field", field),
    ("plot", plot),
    ("diff", diff),
    ("equiv", equiv),
    ("list", list_),
    ("fmt", fmt),
    ("explain", explain),
):
    app.command(name)(command)
