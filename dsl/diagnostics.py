"""Diagnostics: what archc says about a spec, as values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from .source import Span


@dataclass(frozen=True, slots=True)
class Label:
    """A span, and what to say beside it."""

    span: Span
    text: str


class Hint(str):
    """A hint that tools can apply: one of `new` in the place of `old`, a word of what the diagnostic is about, or where
    that is empty in the place of the whole. Where `span` is given, that is what the hint is about."""

    __slots__ = ("new", "old", "span")

    new: tuple[str, ...]
    old: str
    span: Span | None

    def __new__(cls, text: str, *new: str, old: str = "", span: Span | None = None) -> Hint:
        made = super().__new__(cls, text)
        made.new, made.old, made.span = new, old, span
        return made

    def place(self, about: Span | None) -> Span | None:
        """What is replaced, None where it is not certain which word is meant."""
        span = self.span or about
        if span is None or not self.old:
            return span
        word = rf"(?<!\w){re.escape(self.old)}(?!\w)"
        found = [*re.finditer(word, span.text)]
        if len(found) > 1:  # the name of an argument rather than a value
            found = [*re.finditer(rf"{word}(?=\s*=(?![=>]))", span.text)]
        if len(found) != 1:
            return None
        return Span(span.source, span.start + found[0].start(), span.start + found[0].end())


class Fix(NamedTuple):
    """An edit that a hint means: a text in the place of another, and the hint."""

    title: str
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

    def fixes(self) -> Iterator[Fix]:
        """The edits that its hints mean, as far as they say them exactly."""
        for hint in self.hints:
            if isinstance(hint, Hint) and (span := hint.place(self.span)) is not None:
                for new in hint.new:
                    yield Fix(str(hint) if len(hint.new) == 1 else f"write `{new}`", span, new)

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
