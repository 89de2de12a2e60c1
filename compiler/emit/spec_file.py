"""Writes a graph as a spec, and reads the file again before it is moved into place."""

from __future__ import annotations

import os
from pathlib import Path

from ...dsl.diagnostics import ArchError, Diagnostic
from ...dsl.source import Span
from ..decompile.arch_same import first_discrepancy
from ..decompile.arch_source import written
from ..files import HINT, atomic_write
from ..ir.graph import Graph
from ..program import Program


def to_arch(graph: Graph, path: str | os.PathLike[str]) -> None:
    """Writes a spec that imports nothing. The file defines the same architecture: it has been read and elaborated.

    Raises ArchError (E0805, E0822, E0850, E0851).
    """

    def write(temporary: Path) -> None:
        temporary.write_bytes(written(graph).encode())
        found = Program.open(temporary).elaborate(graph.name)
        if found.graph is None:
            raise _another(path, f"it has errors: {found.diagnostics[0].message}")
        other = first_discrepancy(graph, found.graph)
        if other is not None:
            raise _another(path, other.what, other.node.span if other.node is not None else None)

    atomic_write(path, write, suffix=".arch")


def _another(path: str | os.PathLike[str], how: str, span: Span | None = None) -> ArchError:
    message = f"{Path(path).name} defines another architecture: {how}"
    return ArchError([Diagnostic("E0822", message, span, hints=(HINT,))])
