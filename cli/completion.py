"""What the shell offers when the tab key is hit."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from typer import BadParameter, Context

from ..dsl.diagnostics import ArchError

if TYPE_CHECKING:
    from ..compiler.program import Program
    from .settings import Named

NOT_FOUND = (ArchError, BadParameter, KeyError, OSError)
"""Why there is nothing to complete: the words so far name no architecture."""


def complete_specs(incomplete: str) -> list[str]:
    """Shipped names, then `.arch` files and folders."""
    from ..catalog import shipped

    folder, _, start = incomplete.rpartition("/")
    found = [] if folder else [name for name in shipped() if name.startswith(incomplete)]
    prefix = f"{folder}/" if folder or incomplete.startswith("/") else ""
    try:
        entries = sorted(os.scandir(prefix or "."), key=lambda entry: entry.name)
    except OSError:
        return found
    for entry in entries:
        if entry.name.startswith(start) and (start or not entry.name.startswith(".")):
            if entry.is_dir():
                found.append(f"{prefix}{entry.name}/")
            elif entry.name.endswith(".arch"):
                found.append(prefix + entry.name)
    return found


def complete_names(ctx: Context, incomplete: str) -> list[str]:
    """The architectures of the file that the command line names."""
    from ..catalog import defined_names, locate

    try:
        text = locate(ctx.params.get("spec") or "").path.read_text(encoding="utf-8", errors="replace")
    except NOT_FOUND:
        return []
    return [name for name in defined_names(text) if name.startswith(incomplete)]


def complete_settings(ctx: Context, incomplete: str) -> list[str]:
    """The parameters of the architecture that the command line names, those without a default first."""
    try:
        asked, program = _asked(ctx)
        parameters = program.arches()[asked.name or program.default_arch()].parameters
    except NOT_FOUND:
        return []
    required_first = sorted(parameters, key=lambda parameter: parameter.default is not None)
    return [f"{parameter.name}=" for parameter in required_first if parameter.name.startswith(incomplete)]


def complete_scopes(ctx: Context, incomplete: str) -> list[str]:
    """The scopes of the architecture that the command line names, one level below those that are written out."""
    from ..compiler.ir.graph import scopes

    try:
        asked, program = _asked(ctx)
        graph = program.elaborate(asked.name, asked.settings).graph
    except NOT_FOUND:
        return []
    if graph is None:
        return []
    level = incomplete.count(".")
    paths = (scope.path for scope in scopes(graph.root))
    return [path for path in paths if path and path.startswith(incomplete) and path.count(".") == level]


def _asked(ctx: Context) -> tuple[Named, Program]:
    """What the words so far ask for, and its file. Raises ArchError and usage errors."""
    from ..api import open_program
    from ..catalog import locate
    from .options import OfSpec

    given = ctx.params
    if not given.get("spec"):  # behind an option without its value click leaves the arguments as they came
        arguments = (param.name for param in ctx.command.params if param.param_type_name == "argument")
        given = {**given, **dict(zip(arguments, ctx.args, strict=False))}
    asked = OfSpec(given.get("spec") or "", given.get("name"), given.get("settings")).network()
    place = locate(asked.spec, asked.name)
    return replace(asked, name=place.name), open_program(place.path)


def complete_rewrites(incomplete: str) -> list[str]:
    """The rewrites by name."""
    from ..compiler.ir.rewrites import REWRITES

    return [name for name in REWRITES if name.startswith(incomplete)]


def complete_explained(incomplete: str) -> list[str]:
    """Codes, and the words and names of the language."""
    from ..compiler.elaborate.language import known_names
    from ..dsl.codes import all_pages

    known = (*all_pages(), *known_names())
    return [name for name in known if name.startswith(incomplete)]
