"""A file as it is understood: its syntax, its names, what is wrong with it, and what its architectures apply where."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..compiler.elaborate.arch import Elaborated
from ..compiler.elaborate.inputs import settle_nominal
from ..compiler.elaborate.rewriting import Rewrites
from ..compiler.ir.graph import Graph, Node
from ..compiler.program import Checked, Program, is_default
from ..dsl import ast
from ..dsl.diagnostics import ArchError, Diagnostic, Fault, Label
from ..dsl.parse import Reading
from ..dsl.source import Source, Span
from .names import Resolved
from .trace import Application, Stopped, Traced
from .workspace import Workspace


@dataclass(slots=True, eq=False)
class Run:
    """One architecture as it was elaborated. `machine` holds what was made, also where something is wrong. It is
    `whole` unless something that it is of could not be read."""

    name: str
    machine: Traced
    elaborated: Elaborated
    whole: bool
    _places: dict[Span, list[Node]] | None = None

    @property
    def graph(self) -> Graph:
        """The graph as the text says it, before rewrites; as much of it as was made before an error."""
        return self.machine.graph

    @property
    def result(self) -> Graph | None:
        """The architecture that comes of it, None where something but a claim is wrong."""
        return (self.elaborated.graph or self.elaborated.despite) if self.whole else None

    def by_place(self) -> dict[Span, list[Node]]:
        """The nodes by the place that made them."""
        if self._places is None:
            self._places = {}
            for node in self.graph.nodes:
                if node.span is not None:
                    self._places.setdefault(node.span, []).append(node)
        return self._places


@dataclass(frozen=True, slots=True)
class Given:
    """Parameters for one of the architectures of a file; without a name, or where there is none of it, for the one
    that is meant where none is named."""

    name: str | None
    parameters: dict[str, Any]


@dataclass(slots=True, eq=False)
class Document:
    """A file at one moment. `runs` are the architectures with their parameters' defaults, by name, in the order in
    which they were elaborated: the first one is that at which the editor is, or that for which parameters are given.
    `diagnostics` stand all in this file. It is `finished` when everything has been checked."""

    path: Path
    source: Source
    reading: Reading
    workspace: Workspace
    runs: dict[str, Run] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    finished: bool = False
    given: str | None = None
    """The architecture for which parameters are given."""
    files: frozenset[Path] = frozenset()
    """The files that it imports, by whatever way."""

    @property
    def names(self) -> Resolved | None:
        """What its names mean, None where it cannot be read at all."""
        return self.workspace.resolved(self.reading)

    @property
    def statements(self) -> tuple[ast.Statement, ...]:
        """The statements that could be read, those with an error in them too."""
        return self.reading.whole.statements if self.reading.whole is not None else ()

    def arches(self) -> list[ast.ArchDef]:
        return [s for s in self.statements if isinstance(s, ast.ArchDef)]

    def applications(self, span: Span) -> tuple[Run, list[Application]] | None:
        """What is applied at a place, in the first architecture that applies something there."""
        for run in self.runs.values():
            found = run.machine.applied.get(span)
            if found:
                return run, found
        return None


def opened(workspace: Workspace, path: Path) -> Document | None:
    """A file with its syntax alone, None where there is none. Takes a few milliseconds."""
    source = workspace.source(path)
    if source is None:
        return None
    reading = workspace.reading(source)
    return Document(path, source, reading, workspace, diagnostics=reading.diagnostics)


def analysed(
    workspace: Workspace,
    path: Path,
    offset: int = 0,
    stopped: Callable[[], bool] = lambda: False,
    given: Given | None = None,
) -> Iterator[Document]:
    """The document of a file in steps: first with the architecture at a character, or with that for which parameters
    are `given`, then with everything. It is the same object each time. Ends early once `stopped` says so."""
    document = opened(workspace, path)
    if document is not None:
        with suppress(Stopped):
            yield from _Analysis(document, offset, stopped, given).steps()


class _Analysis:
    def __init__(self, document: Document, offset: int, stopped: Callable[[], bool], given: Given | None):
        self.document, self.offset, self.stopped, self.given = document, offset, stopped, given
        self.machine: Traced | None = None
        self.found: dict[tuple[object, ...], Diagnostic] = {}

    def steps(self) -> Iterator[Document]:
        document = self.document
        program = self._program(tolerant=False)
        self._report(program.diagnostics)
        document.files = _imported(program)
        known = program.arches()
        first = _at(document.arches(), self.offset)
        if self.given is not None and (name := _meant(self.given.name, program)) is not None:
            document.given = name
            elaborated = program.elaborate(name, self.given.parameters)
            self._report(elaborated.diagnostics)
            self._run(name, elaborated)
            document.diagnostics = placed(self.found.values(), document)
            yield document
        if first is not None and first not in known:
            self._despite_errors(first)
        turns = program.check(first)
        for checked in turns:
            self._keep(checked, known[checked.name])
            break
        document.diagnostics = placed(self.found.values(), document)
        yield document
        for checked in turns:
            if self.stopped():
                return
            self._keep(checked, known[checked.name])
        document.diagnostics, document.finished = placed(self.found.values(), document), True
        yield document

    def _program(self, tolerant: bool) -> Program:
        return self.document.workspace.program(self.document.path, self._traced, tolerant)

    def _traced(self, name: str, here: Span, rewrites: Rewrites) -> Traced:
        self.machine = Traced(name, here, rewrites, self.stopped)
        return self.machine

    def _despite_errors(self, name: str) -> None:
        """Elaborates what can be read of an architecture, for what it applies alone: what else is wrong may follow from
        what cannot be read."""
        program = self._program(tolerant=True)
        known = program.arches()
        for checked in program.check(name) if name in known else ():
            if checked.name == name:
                self._keep(checked, known[name], report=False)
            break

    def _keep(self, checked: Checked, arch: ast.ArchDef, report: bool = True) -> None:
        if report:
            self._report(checked.elaborated.diagnostics)
        if is_default(arch, checked.parameters):
            self._run(checked.name, checked.elaborated, report)
        self.machine = None

    def _run(self, name: str, elaborated: Elaborated, whole: bool = True) -> None:
        machine, self.machine = self.machine, None
        if machine is not None and name not in self.document.runs:
            whole = whole and not machine.broken and bool(machine.graph.outputs)
            self.document.runs[name] = Run(name, machine, elaborated, whole)
            with suppress(Fault):  # sizes of an unfinished graph, as far as they are known
                settle_nominal(machine.graph)

    def _report(self, diagnostics: Iterable[Diagnostic]) -> None:
        for diagnostic in diagnostics:
            self.found.setdefault(diagnostic.key, diagnostic)


def _imported(program: Program) -> frozenset[Path]:
    pending = [program.loaded] if program.loaded is not None else []
    for loaded in pending:
        pending += [other for other in loaded.imports.values() if other not in pending]
    return frozenset(path for loaded in pending[1:] if (path := loaded.syntax.source.path) is not None)


def _meant(name: str | None, program: Program) -> str | None:
    if name in program.arches():
        return name
    with suppress(ArchError):
        return program.default_arch()
    return None


def _at(arches: list[ast.ArchDef], offset: int) -> str | None:
    """The architecture at a character if it needs no parameters, else the first that needs none."""
    ready = [arch for arch in arches if arch.has_defaults]
    return next((a.name for a in ready if a.span.start <= offset <= a.span.end), ready[0].name if ready else None)


def placed(diagnostics: Iterable[Diagnostic], document: Document) -> list[Diagnostic]:
    """Diagnostics as those of one file: what is wrong in one that it imports stands where that is called, else at the
    import."""
    workspace, path = document.workspace, document.path
    uses = [s for s in document.statements if isinstance(s, ast.Use)]
    at = {workspace.imported(path, use.path): use.path_span for use in uses}
    start = Span(document.source, 0, 0)
    elsewhere = next(iter(at.values()), start)
    found = []
    for d in diagnostics:
        if d.span is None:
            d = replace(d, span=start)
        elif d.span.source.path != path:
            called = next((label.span for label in d.chain if label.span.source.path == path), None)
            span = called or at.get(d.span.source.path, elsewhere)
            d = replace(d, span=span, labels=(Label(d.span, "it is here"), *d.labels))
        found.append(d)
    return found
