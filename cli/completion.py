"""What the shell offers when the tab key is hit."""

from __future__ import annotations

import os

from typer import Context


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
    from ..dsl.diagnostics import ArchError

    try:
        text = locate(ctx.params.get("spec") or "").path.read_text(encoding="utf-8", errors="replace")
    except (ArchError, OSError):
        return []
    return [name for name in defined_names(text) if name.startswith(incomplete)]


def complete_rewrites(incomplete: str) -> list[str]:
    """The rewrites by name."""
    from ..compiler.ir.rewrites import REWRITES

    return [name for name in REWRITES if name.startswith(incomplete)]


def complete_explained(incomplete: str) -> list[str]:
    """Codes, and the words and names of the language."""
    from ..compiler.elaborate.language import known_names
    from ..dsl.codes import all_codes, all_words

    return [name for name in (*all_codes(), *all_words(), *known_names()) if name.startswith(incomplete)]
