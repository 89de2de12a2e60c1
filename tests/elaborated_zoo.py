"""What ships, elaborated once in a process for all tests that only read it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from archc.api import open_program
from archc.compiler.ir.graph import Graph


@cache
def shipped_graphs(path: Path) -> dict[str, Graph]:
    """The architectures of a shipped file that need no parameters, by name, in order."""
    program = open_program(path)
    ready = [d.name for d in program.definitions() if d.kind == "arch" and d.has_defaults]
    found = {name: program.elaborate(name).graph for name in ready}
    assert found and all(graph is not None for graph in found.values()), path
    return {name: graph for name, graph in found.items() if graph is not None}
