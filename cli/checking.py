"""`archc check`: one spec, several, or every spec of a folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..api import found as found_by
from ..api import open_program
from ..catalog import locate, network_of
from ..compiler.analyses.figures import totals, unstated, without
from ..compiler.ir.counts import short
from ..compiler.ir.titles import called
from ..dsl.diagnostics import ArchError, Diagnostic, refused
from ..figures import interface, legal_sizes, plural
from .options import named, usage
from .progress import phase
from .reporting import specs_under
from .settings import NAME
from .terminal import aligned, report, say, say_json, style, table

if TYPE_CHECKING:
    from ..compiler.ir.graph import Graph
    from ..dsl import ast
    from .settings import Named
    from .specs_commands import Check, CheckFormat

    Job = Callable[[], "Checked"]


@dataclass(slots=True)
class Checked:
    """What the check of one file found: its architectures with the parameters they were given, and what is wrong."""

    path: Path
    graphs: list[tuple[dict[str, Any], Graph]] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    skipped: list[ast.ArchDef] = field(default_factory=list)
    """The architectures that need parameters which no variant gives, and so were not checked."""
    claims: int = 0
    """How many claims hold."""

    @property
    def ok(self) -> bool:
        return not self.count("error")

    def count(self, severity: str) -> int:
        """How many errors there are, or warnings."""
        return sum(d.severity == severity for d in self.diagnostics)


def run_check(request: Check) -> int:
    words = [request.spec, *([] if request.name is None else [request.name]), *(request.more or ())]
    if len(words) == 1 or (len(words) == 2 and NAME.match(words[1]) and not os.path.isdir(words[0])):
        jobs, several = jobs_of(request.network(), request)
    elif request.settings:
        raise usage("parameters belong to one spec, and there are several: 'my.arch(n = 3)' sets its own", "--set")
    else:
        several, jobs = True, {}
        for word in words:
            jobs |= jobs_or_error(word, request)
    found = []
    for number, (what, job) in enumerate(jobs.items(), 1):
        if len(jobs) > 1:
            phase(f"check: {what}, {number} of {len(jobs)}")
        found.append(job())
    return show(found, request.format, [*jobs] if several else None)


def jobs_or_error(word: str, request: Check) -> dict[str, Job]:
    """What a word among others asks for; where there is no such thing, or it cannot be read, that is what is found."""
    try:
        jobs, _ = jobs_of(named(word, "SPEC"), request)
    except ArchError as error:
        return {word: partial(Checked, Path(word), diagnostics=list(error.diagnostics))}
    return {what: partial(done_or_error, word, job) for what, job in jobs.items()}


def done_or_error(word: str, job: Job) -> Checked:
    try:
        return job()
    except ArchError as error:
        return Checked(Path(word), diagnostics=list(error.diagnostics))


def jobs_of(asked: Named, request: Check) -> tuple[dict[str, Job], bool]:
    """What is to be checked by what it is called: a spec, a network that is none, or all specs of a folder; and whether
    it is a folder."""
    spec, name, settings = asked.spec, asked.name, asked.settings
    if network_of(spec, name) is not None:

        def of_network() -> Checked:
            read = found_by(spec, name, settings, request.inputs, request.extern)
            return Checked(Path(spec), [(settings, read.ir)], list(read.warnings))

        return {f"{spec}:{name}" if name else spec: of_network}, False
    place = locate(spec, name)
    if not os.path.isdir(place.path):
        told = called(f"{place.path}:{place.name}" if place.name else str(place.path), settings)
        return {told: partial(check_file, place.path, place.name, settings)}, False
    if name or settings:
        raise refused("E1003", f"{spec} is a folder: NAME and --set belong to one spec")
    return {str(path): partial(check_file, path, None, {}) for path in specs_under(place.path)}, True


def show(found: list[Checked], format: CheckFormat, names: list[str] | None = None) -> int:
    """Prints what was found, and gives the exit status."""
    diagnostics = [diagnostic for checked in found for diagnostic in checked.diagnostics]
    match format:
        case "text":
            show_file(found[0]) if names is None else show_several(dict(zip(names, found, strict=True)))
        case "json":
            show_json(found)
        case "github":
            from ..dsl.annotations import github_commands

            for command in github_commands(diagnostics):
                say(command)
        case "sarif":
            from .. import __version__
            from ..dsl.annotations import to_sarif

            say_json(to_sarif(diagnostics, __version__))
    return 0 if all(checked.ok for checked in found) else 1


def check_file(path: Path, name: str | None, settings: dict[str, Any]) -> Checked:
    """Checks one architecture, or without a name and settings everything that a file defines."""
    checked = Checked(path)
    try:
        program = open_program(path)
        if name is not None or settings:
            found = program.elaborate(name, settings)
            checked.diagnostics, checked.claims = found.diagnostics, found.claims
            checked.graphs = [(settings, found.graph)] if found.graph is not None else []
            return checked
        checked.skipped = program.unchecked()
        architectures, checked.diagnostics = program.check_all()
        checked.claims = sum(a.elaborated.claims for a in architectures)
        checked.graphs = [(a.parameters, a.elaborated.graph) for a in architectures if a.elaborated.graph is not None]
    except ArchError as error:
        checked.diagnostics = list(error.diagnostics)
    return checked


def show_file(checked: Checked) -> None:
    report(checked.diagnostics)
    if not checked.ok:
        return
    rows = []
    for settings, graph in checked.graphs:
        figures = totals(graph)
        legal = legal_sizes(graph, "any size")
        costs = (
            f"{figures['parameters']:,} parameters",
            f"{short(figures['multiply_adds'])} multiply-adds{without(graph, 'macs')}",
        )
        rows.append([called(graph.name, settings), *costs, f"legal: {legal}"])
    for line in aligned(rows, frozenset({1, 2})):
        say(f"{style('ok', 'green')} {line}")
    for definition in checked.skipped:
        say(f"{definition.name} not checked: {needs(definition)}")
    if len(checked.graphs) > 1 or not (checked.graphs or checked.skipped):
        warned = checked.count("warning")
        found = plural(warned, "warning") if warned else "nothing wrong"
        say(f"{checked.path}: {plural(len(checked.graphs), 'architecture')}, {found}")


def needs(definition: ast.ArchDef) -> str:
    """What an architecture that was not checked lacks: ``needs n (`--set n=...`)``."""
    names = definition.required
    return f"needs {' and '.join(names)} (`{' '.join(f'--set {name}=...' for name in names)}`)"


def show_several(found: dict[str, Checked]) -> None:
    for checked in found.values():
        report(checked.diagnostics)
    rows = []
    for name, checked in found.items():
        errors, warned = checked.count("error"), checked.count("warning")
        result = plural(errors, "error") if errors else f"ok, {plural(warned, 'warning')}" if warned else "ok"
        counts = len(checked.graphs), len(checked.skipped), checked.claims
        rows.append([name, *map(str, counts), result])
    table(["spec", "architectures", "not checked", "claims held", "result"], rows, frozenset({1, 2, 3}))
    wrong = sum(not checked.ok for checked in found.values())
    skipped = sum(len(checked.skipped) for checked in found.values())
    unchecked = f"; {plural(skipped, 'architecture')} not checked, for want of parameters" if skipped else ""
    say(f"{plural(len(found), 'spec')}, {wrong if wrong else 'nothing'} wrong{unchecked}")


def show_json(found: list[Checked]) -> None:
    from .. import __version__
    from ..dsl.render import to_json

    say_json(
        {
            "archc": __version__,
            "ok": all(checked.ok for checked in found),
            "specs": [
                {
                    "path": str(checked.path),
                    "ok": checked.ok,
                    "architectures": [described(settings, graph) for settings, graph in checked.graphs],
                    "claims_held": checked.claims,
                    "not_checked": [{"name": d.name, "needs": list(d.required)} for d in checked.skipped],
                    "diagnostics": [to_json(d) for d in checked.diagnostics],
                }
                for checked in found
            ],
        }
    )


def described(settings: dict[str, Any], graph: Graph) -> dict[str, Any]:
    return {"name": graph.name, "set": settings, **totals(graph), "lacks": unstated(graph), **interface(graph)}
