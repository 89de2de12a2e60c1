"""A spec as a whole: what it defines, whether it is right, and the graphs of its architectures."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from shlex import quote
from typing import Any

from ..dsl import ast
from ..dsl.diagnostics import ArchError, Diagnostic, Fault, Label, finding, refused
from ..dsl.garbage import uncollected
from ..dsl.limits import LIMITS, higher, raised
from ..dsl.source import Source
from ..dsl.walk import walk
from .analyses.claimed import Figures
from .elaborate.arch import ArchElaboration, Elaborated, elaborate
from .elaborate.imports import LoadedFile, Loader
from .elaborate.suggestions import did_you_mean
from .elaborate.unknown_names import unknown_names, unused_parameters
from .ir.graph import Graph
from .ir.words import say
from .ops.build import ArgumentError
from .passes.registry import Passes
from .passes.stages import stages

VARIANTS_CHECKED = 64
"""How many combinations of an arch's stated choices (`18 | 34 | 50`) one check goes through."""


@dataclass(slots=True)
class Checked:
    """One arch of a check: its name, the choices it was checked with, and the outcome."""

    name: str
    parameters: dict[str, Any]
    elaborated: Elaborated


@dataclass(slots=True)
class Program:
    """A loaded spec. `diagnostics` are those of reading, parsing and resolving names; `machine` makes what
    elaborates."""

    loaded: LoadedFile | None
    diagnostics: list[Diagnostic]
    figures: Figures = field(default_factory=Figures)
    passes: Passes = field(default_factory=Passes)
    machine: Callable[..., ArchElaboration] = ArchElaboration

    @classmethod
    def open(cls, path: Path, loader: Loader | None = None) -> Program:
        """Reads a spec from a file, by a loader of one's own where one is given."""
        return cls._of(lambda loader: loader.open(path), loader)

    @classmethod
    def parse(cls, text: str, name: str = "<text>") -> Program:
        """Takes a spec as text; it can import what ships with archc."""
        return cls._of(lambda loader: loader.take(Source(text, name)))

    @classmethod
    def _of(cls, load: Callable[[Loader], LoadedFile | None], loader: Loader | None = None) -> Program:
        loader = loader or Loader()
        with _undisturbed():
            loaded = load(loader)
            if loaded is not None:
                loader.diagnostics.extend(unknown_names(loaded))
                if not loader.diagnostics:
                    loader.diagnostics.extend(unused_parameters(loaded))
        return cls(loaded, loader.diagnostics)

    # --- what it defines ---------------------------------------------------------------------

    def definitions(self) -> list[ast.Declaration]:
        """Everything that the file itself defines, in order."""
        statements = self.loaded.syntax.statements if self.loaded else ()
        return [statement for statement in statements if isinstance(statement, ast.Declaration)]

    def arches(self) -> dict[str, ast.ArchDef]:
        """The file's architectures by name, in order."""
        return {d.name: d for d in self.definitions() if isinstance(d, ast.ArchDef)}

    def unchecked(self) -> list[ast.ArchDef]:
        """The architectures that a check passes over: they need parameters, and no variant in the file gives them."""
        arches = self.arches().values()
        used = {node.id for arch in arches for node, _ in walk(arch) if isinstance(node, ast.Name)}
        return [arch for arch in arches if not arch.has_defaults and arch.name not in used]

    def default_arch(self) -> str:
        """The architecture that is meant where none is named: the only one, or the only one that needs no parameters.

        Raises ArchError where there is none or more than one.
        """
        arches = list(self.arches().values())
        ready = [d for d in arches if d.has_defaults]
        for choice in (arches, ready):
            if len(choice) == 1:
                return choice[0].name
        names = ", ".join(d.name for d in ready or arches)
        if not arches:
            raise refused("E0206", "this spec defines no arch", "`arch Name { ... }` defines one")
        raise refused("E0207", f"this spec defines several arches: {names}", self._say_which(arches))

    @staticmethod
    def _say_which(arches: list[ast.ArchDef]) -> str:
        chosen = next((d for d in arches if d.has_defaults), arches[0])
        if chosen.span.source.path is None:
            return f"say which one, as in `loads(text, {chosen.name!r})`"
        return f"name it behind the file: `{quote(chosen.span.source.name)} {chosen.name}`"

    # --- graphs ------------------------------------------------------------------------------

    def elaborate(self, name: str | None = None, parameters: dict[str, Any] | None = None) -> Elaborated:
        """The graph of an architecture (without a name, the default one), its claims checked; or what is wrong."""
        if self.loaded is None or self.errors:
            return Elaborated(None, self.diagnostics)
        if name is None:
            try:
                name = self.default_arch()
            except ArchError as error:
                return Elaborated(None, list(error.diagnostics))
        known = self.arches()
        if name not in known:
            hints = did_you_mean(name, known) or (f"it defines {', '.join(known)}",)
            return Elaborated(None, [finding("E0208", f"this spec defines no arch `{name}`", None, *hints)])
        with _undisturbed():
            return elaborate(self.loaded, name, parameters or {}, self.figures, self.passes, machine=self.machine)

    @property
    def errors(self) -> list[Diagnostic]:
        return [d for d in self.diagnostics if d.severity == "error"]

    def check(self, first: str | None = None) -> Iterator[Checked]:
        """Every architecture that needs no further parameters, with each of its stated choices; the one that is to come
        `first` with its defaults before all others. What is wrong with some choices alone says with which.

        Where reading found errors, these are still gone through, so that one check tells everything.
        """
        if self.loaded is None:
            return
        # What does not parse is left out of the tree, so figures would be those of something else.
        nodes, work, seen = 0, 0, set[tuple[object, ...]]()
        measures = None if any(d.code.startswith("E01") for d in self.errors) else self.figures
        for arch, choice in _in_turn(list(self.arches().values()), first):
            left = max(LIMITS.evaluation_steps - work, 0)
            with _undisturbed(), raised({"nodes": LIMITS.nodes - nodes, "evaluation_steps": left}):
                found = elaborate(self.loaded, arch.name, choice, measures, self.passes, machine=self.machine)
            by_nodes = nodes > 0 and any(d.code == "E0912" for d in found.diagnostics)
            if by_nodes or (work > 0 and found.steps > left):
                yield Checked(arch.name, choice, Elaborated(None, [_left_out(arch, by_nodes)]))
                return
            work += found.work
            nodes += len(found.despite.nodes) if found.despite is not None else 0
            chosen = _chosen(arch, choice)
            found.diagnostics = [
                d if d.key in seen else replace(d, labels=(*d.labels, *chosen)) for d in found.diagnostics
            ]
            seen.update(d.key for d in found.diagnostics)
            yield Checked(arch.name, choice, found)

    def check_all(self) -> tuple[list[Checked], list[Diagnostic]]:
        """The whole check: every architecture, and everything that is wrong with the file, each thing once."""
        architectures = list(self.check())
        found = {d.key: d for d in self.diagnostics}
        for checked in architectures:
            for diagnostic in checked.elaborated.diagnostics:
                found.setdefault(diagnostic.key, diagnostic)
        return architectures, list(found.values())


def _left_out(arch: ast.ArchDef, by_nodes: bool) -> Diagnostic:
    what = f"{LIMITS.nodes:,} nodes" if by_nodes else f"{LIMITS.evaluation_steps:,} steps of evaluation"
    message = f"one check goes through {what}: `{arch.name}` and what follows are left out"
    hint = f"check it alone: `archc check FILE {arch.name}`"
    code, limit = ("E0912", "nodes") if by_nodes else ("E0910", "evaluation_steps")
    return finding(code, message, arch.name_span, hint, *higher(limit))


def rewritten(graph: Graph, name: str, settings: dict[str, Any]) -> Graph:
    """The graph after a rewrite, by the rewrite's name. Raises ArchError where that cannot be done."""
    try:
        with _undisturbed():
            return Passes().make(name, settings).apply(graph)
    except ArgumentError as error:
        raise refused("E0303", str(error), *error.hints) from None
    except Fault as problem:
        raise ArchError([problem.diagnostic]) from None


def staged(graph: Graph, places: Sequence[int], sizes: dict[str, int]) -> list[Graph]:
    """The graph cut into stages before the nodes at these places. Raises ArchError where that cannot be done."""
    try:
        return stages(graph, places, sizes)
    except Fault as problem:
        usual = ", ".join(f"{name}={size}" for name, size in graph.nominal.items() if size > 1)
        hint = f"sizes that are given are no longer open: `net.stages({len(places) + 1}, {usual})`"
        raise ArchError([replace(problem.diagnostic, hints=(*problem.diagnostic.hints, hint))]) from None


def _in_turn(arches: list[ast.ArchDef], first: str | None) -> list[tuple[ast.ArchDef, dict[str, Any]]]:
    """What a check goes through: architectures with their choices."""
    ready = [arch for arch in arches if arch.has_defaults]
    turns = [
        (arch, choice) for arch in ready for choice in sorted(_choices(arch), key=lambda c: not is_default(arch, c))
    ]
    return sorted(turns, key=lambda turn: turn[0].name != first or not is_default(*turn)) if first else turns


def is_default(arch: ast.ArchDef, choice: dict[str, Any]) -> bool:
    """Whether choices of an architecture are the defaults of its parameters."""
    return not _chosen(arch, choice)


def _chosen(arch: ast.ArchDef, choice: dict[str, Any]) -> tuple[Label, ...]:
    """The choices that are not the defaults, each at its parameter."""
    return tuple(
        Label(parameter.span, f"with `{parameter.name} = {say(choice[parameter.name])}`")
        for parameter in arch.parameters
        if parameter.name in choice and choice[parameter.name] != _literal(parameter.default)
    )


def sized(graph: Graph, sizes: dict[str, int]) -> Graph:
    """The graph with values for some of its open sizes. Raises ArchError (E0441) where a layer does not take them."""
    if not sizes:
        return graph
    (made,) = staged(graph, [], sizes)
    made.name = graph.name
    return made


def _choices(statement: ast.ArchDef) -> Iterator[dict[str, Any]]:
    """The combinations of the literal values that an arch's parameters may take; its defaults where there are none."""
    names, values = [], []
    for parameter in statement.parameters:
        alternatives = parameter.type.alternatives if parameter.type else ()
        literals = [v for v in map(_literal, alternatives) if v is not None]
        if literals:
            names.append(parameter.name)
            values.append(literals if _literal(parameter.default) in literals else [*literals, None])
    for combination in itertools.islice(itertools.product(*values), VARIANTS_CHECKED):
        yield {name: value for name, value in zip(names, combination, strict=True) if value is not None}


def _literal(node: Any) -> int | float | bool | str | None:
    """The value of a number, truth value or text that is written out, None for anything else."""
    if isinstance(node, (ast.Number, ast.Boolean)):
        return node.value
    if isinstance(node, ast.Text) and all(isinstance(p, str) for p in node.parts):
        return "".join(p for p in node.parts if isinstance(p, str))
    return None


def recursion_depth() -> int:
    """The frames of Python that an elaboration may take."""
    return 60 * LIMITS.instantiation_depth + 4 * LIMITS.nesting


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Room for deep recursion, and no garbage collection while a graph is built, whose objects all stay alive."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, recursion_depth()))
    try:
        with uncollected():
            yield
    finally:
        sys.setrecursionlimit(limit)
