"""Diagnostics: what archc says about a spec, as values."""

from __future__ import annotations

from dataclasses import dataclass, field

from .source import Span


@dataclass(frozen=True, slots=True)
class Label:
    """A span, and what to say beside it."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding.

    `code` is stable and explained by a page of `explanations`. `labels` point at further places that
    matter; `chain` is the instantiations that led there, innermost first; `hints` say what to do. `severity` is
    "error", or "warning" for what is accepted and may not be what was meant.
    """

    code: str
    message: str
    span: Span | None = None
    labels: tuple[Label, ...] = ()
    chain: tuple[Label, ...] = ()
    hints: tuple[str, ...] = ()
    severity: str = "error"

    @property
    def key(self) -> tuple[object, ...]:
        """Diagnostics with equal keys say the same thing of the same place."""
        where = (self.span.source.name, self.span.start, self.span.end) if self.span else None
        return self.code, where

    def places(self) -> list[Span]:
        """Where it stands, and the instantiations that led there."""
        own = [self.span] if self.span is not None else []
        return [*own, *(label.span for label in self.chain)]


class ArchError(Exception):
    """Bad input. `diagnostics` says what is wrong, where, and what to do about it."""

    def __init__(self, diagnostics: list[Diagnostic] | tuple[Diagnostic, ...]):
        self.diagnostics = tuple(diagnostics)
        super().__init__(diagnostics)

    def __str__(self) -> str:
        """The diagnostics as the command line shows them: source, labels, hints."""
        from .render import render

        return "\n" + render(self.diagnostics)


# Users know it by the name that they import it by.
ArchError.__module__ = "archc"


class Fault(Exception):
    """Carries one diagnostic up to the place that collects them. Never leaves the compiler.

    `origin` is the instantiation in which it arose, where that is not the one in which it is collected.
    """

    def __init__(self, diagnostic: Diagnostic):
        self.diagnostic = diagnostic
        self.origin: object | None = None
        super().__init__(diagnostic.message)


class Poisoned(Fault):
    """Stops what depends on something that has already been reported. Collecting it adds nothing."""

    def __init__(self) -> None:
        super().__init__(Diagnostic("", "already reported"))


@dataclass(slots=True)
class Diagnostics:
    """Collects findings, each once."""

    found: dict[tuple[object, ...], Diagnostic] = field(default_factory=dict)

    def add(self, diagnostic: Diagnostic) -> None:
        self.found.setdefault(diagnostic.key, diagnostic)

    @property
    def errors(self) -> list[Diagnostic]:
        return [d for d in self.found.values() if d.severity == "error"]

    def __iter__(self):
        return iter(self.found.values())

    def __len__(self) -> int:
        return len(self.found)


def finding(code: str, message: str, span: Span | None, *hints: str, labels: tuple[Label, ...] = ()) -> Diagnostic:
    """An error at a place."""
    return Diagnostic(code, message, span, labels=labels, hints=hints)


def refused(code: str, message: str, *hints: str) -> ArchError:
    """An `ArchError` with one diagnostic, of no place in a spec."""
    return ArchError([finding(code, message, None, *hints)])


def warning(code: str, message: str, span: Span | None, *hints: str) -> Fault:
    """A `Fault` with one warning: to be reported, as what it is about stands."""
    return Fault(Diagnostic(code, message, span, hints=hints, severity="warning"))


def fault(code: str, message: str, span: Span | None, *hints: str, labels: tuple[Label, ...] = ()) -> Fault:
    """A `Fault` with one error diagnostic."""
    return Fault(finding(code, message, span, *hints, labels=labels))
