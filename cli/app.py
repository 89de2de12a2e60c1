"""The commands, in the order in which the help lists them. What each does stands in the modules beside this one."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from .analysis_commands import Bench, Diff, Equiv, Field, Paths, Plan, Plot, Stats
from .making_commands import Compile, Draw, Rewrite
from .shell import Command, program
from .specs_commands import Check, Explain, Format, Init, List, Lsp, Serve

COMMANDS: dict[str, Command] = {
    "init": (Init, "starting"),
    "check": (Check, "checking"),
    "compile": (Compile, "compiling"),
    "rewrite": (Rewrite, "rewriting"),
    "draw": (Draw, "drawing"),
    "stats": (Stats, "costs"),
    "paths": (Paths, "analysing"),
    "field": (Field, "analysing"),
    "bench": (Bench, "benching"),
    "plan": (Plan, "planning"),
    "plot": (Plot, "drawing"),
    "diff": (Diff, "comparing"),
    "equiv": (Equiv, "equivalence"),
    "list": (List, "reporting"),
    "fmt": (Format, "formatting"),
    "explain": (Explain, "explaining"),
    "lsp": (Lsp, "serving"),
    "serve": (Serve, "serving"),
}

app = program(COMMANDS)


def app_for(argv: Sequence[str]) -> typer.Typer:
    """The command line with the one command that is called, where it is plain: typer takes time to make each."""
    name = argv[0] if argv else ""
    return program({name: COMMANDS[name]}) if name in COMMANDS else app
