"""Writes a graph as a spec, and reads the file again before it is moved into place."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from ...dsl.diagnostics import ArchError
from ..decompile.arch.spec import written
from ..files import atomic_write
from ..ir.graph import Graph
from ..program import Program


def to_arch(graph: Graph, path: str | os.PathLike[str]) -> None:
    """Writes a spec that imports nothing. The file defines the same architecture: it has been read and elaborated.

    Raises ArchError (E0805, E0850, E0851).
    """

    def write(temporary: Path) -> None:
        def read(text: str) -> Program:
            temporary.write_bytes(text.encode())
            return Program.open(temporary)

        try:
            written(graph, read)
        except ArchError as error:
            hint = f"{Path(path).name} has not been written"
            raise ArchError([replace(d, hints=(*d.hints, hint)) for d in error.diagnostics]) from None

    atomic_write(path, write, suffix=".arch")
