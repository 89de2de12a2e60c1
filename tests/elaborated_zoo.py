"""What ships, elaborated once in a process for all tests that only read it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from archc import api
from archc.api import open_program
from archc.catalog import shipped_files
from archc.compiler.ir.graph import Graph
from archc.compiler.program import Program

FIRST_OR_ALL = pytest.mark.parametrize(
    ("path", "count"),
    [
        *(pytest.param(path, 1, id=path.stem) for path in shipped_files()),
        *(pytest.param(path, None, id=f"all of {path.stem}", marks=pytest.mark.slow) for path in shipped_files()),
    ],
)
"""Each shipped file: the first of its architectures, and in the slow suite all of them."""


load = cache(api.load)


@cache
def _opened(path: Path) -> Program:
    return open_program(path)


@cache
def names(path: Path) -> list[str]:
    """The architectures of a shipped file that need no parameters, in order."""
    found = [d.name for d in _opened(path).definitions() if d.kind == "arch" and d.has_defaults]
    assert found, path
    return found


@cache
def shipped_graph(path: Path, name: str) -> Graph:
    graph = _opened(path).elaborate(name).graph
    assert graph is not None, (path, name)
    return graph


def shipped_graphs(path: Path, count: int | None = None) -> dict[str, Graph]:
    """The architectures of a shipped file that need no parameters, by name: all, or the first so many."""
    return {name: shipped_graph(path, name) for name in names(path)[:count]}
