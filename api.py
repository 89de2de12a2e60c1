"""The Python interface: `load`, `loads`, `check` and `Architecture`. Users import it as `archc`."""

from __future__ import annotations

import math
import numbers
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .catalog import locate
from .dsl.diagnostics import ArchError, Diagnostic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import networkx
    import torch

    from .compiler.analyses.stats import Stats
    from .compiler.ir.graph import Graph
    from .compiler.program import Program


class Architecture:
    """A network, elaborated: every tensor typed, every parameter named. `load` and `loads` make it.

    `ir` is the compiler's own graph; `graph` shows it to networkx.
    """

    def __init__(self, ir: Graph):
        self.ir = ir

    @property
    def name(self) -> str:
        return self.ir.name

    @property
    def doc(self) -> str | None:
        """What the spec says of it."""
        return self.ir.doc

    @property
    def parameters(self) -> dict[str, Any]:
        """The values of the spec's parameters, those that were given and the defaults."""
        return dict(self.ir.parameters)

    @cached_property
    def graph(self) -> networkx.MultiDiGraph:
        """The graph: nodes by index with `op`, `path`, `types`; edges with `port` and `slot`."""
        return self.ir.networkx()

    def stats(self) -> Stats:
        """Parameters, multiply-adds and depth, for each scope and in total, at the spec's nominal sizes."""
        return self._stats

    @cached_property
    def _stats(self) -> Stats:
        from .compiler.analyses.stats import stats

        return stats(self.ir)

    def module(
        self,
        *,
        device: str | torch.device = "cpu",
        dtype: torch.dtype | str | None = None,
        seed: int | None = None,
        externs: Mapping[str, Callable[..., Any]] | None = None,
    ) -> torch.fx.GraphModule:
        """Builds the torch module, freshly initialised, in training mode.

        With a `seed` the weights are the same everywhere; without one they come from torch's global generator. `dtype`
        is one of torch's floating types, or its name.
        `externs` gives the code of the layers that the spec declares `extern`, by name. Raises ArchError.
        """
        from .compiler.emit.fx import to_graph_module

        return to_graph_module(self.ir, device=device, dtype=dtype, seed=seed, externs=externs)

    def __repr__(self) -> str:
        from .compiler.ir.counts import short
        from .figures import called, plural, signature

        total = self._stats
        figures = f"{plural(total.parameters, 'parameter')}, {short(total.multiply_adds)} multiply-adds"
        return f"<Architecture {called(self.name, self.parameters)}: {figures}, {signature(self.ir)}>"


def load(path_or_name: str | os.PathLike[str], name: str | None = None, **parameters: Any) -> Architecture:
    """The architecture of a `.arch` file, or one that ships with archc.

    `name` chooses among those that the file defines; the keywords are parameters of the spec:
    `load("resnet", depth=101)`. Raises ArchError, which carries diagnostics.
    """
    place = locate(path_or_name, name)
    return elaborated(open_program(place.path), place.name, parameters)


def loads(text: str, name: str | None = None, **parameters: Any) -> Architecture:
    """The architecture that a text of `.arch` defines; else like `load`."""
    from .compiler.program import Program

    return elaborated(Program.parse(text), name, parameters)


def check(path: str | os.PathLike[str] | None = None, *, text: str | None = None) -> list[Diagnostic]:
    """What is wrong with a file, a shipped spec or a text: nothing, where the list is empty.

    Everything that it defines is elaborated with its defaults, and its expectations are compared.
    """
    if (path is None) == (text is None):
        raise TypeError("check takes a path or text=, one of the two")
    from .compiler.program import Program

    try:
        program = open_program(locate(path).path) if path is not None else Program.parse(text or "")
        return program.check_all()[1]
    except ArchError as error:
        return list(error.diagnostics)


def open_program(path: Path) -> Program:
    """The file, read and parsed. Raises ArchError."""
    if path.is_dir():
        hint = "name one of its files; `archc check` takes a folder"
        raise ArchError([Diagnostic("E1003", f"{path} is a folder, not a spec", hints=(hint,))])
    from .compiler.program import Program

    return Program.open(path)


def elaborated(program: Program, name: str | None, parameters: dict[str, Any]) -> Architecture:
    """The one that was asked for. Raises ArchError, with all that is wrong with it."""
    if name is not None and not isinstance(name, str):
        message = f"an architecture is named by a string, and not by {described(name)}"
        raise ArchError([Diagnostic("E0208", message, hints=("parameters are given by name: `load(path, n=3)`",))])
    found = program.elaborate(name, {key: plain(key, value) for key, value in parameters.items()})
    if found.graph is None:
        raise ArchError(found.diagnostics)
    return Architecture(found.graph)


def plain(name: str, value: Any) -> Any:
    """A parameter's value as the language has it: numbers of numpy as Python's, tuples as lists. Raises ArchError."""
    if getattr(value, "shape", None) == () and callable(getattr(value, "item", None)):
        value = value.item()  # a number of numpy's or torch's
    if isinstance(value, bool | str):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, list | tuple):
        return [plain(name, item) for item in value]
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real) and math.isfinite(value):
        return float(value)
    message = f"the parameter `{name}` cannot be {described(value)}"
    hint = "parameters are numbers, true or false, strings, and lists of these; leave it out for its default"
    raise ArchError([Diagnostic("E0311", message, hints=(hint,))])


def described(value: Any) -> str:
    text = repr(value) if value is None or isinstance(value, int | float | complex) else ""
    return text if 0 < len(text) <= 40 else f"a value of type {type(value).__name__}"
