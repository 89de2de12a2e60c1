"""What can be done about what is wrong, and about the layout of a text."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass

from ..dsl.diagnostics import ArchError, Diagnostic
from ..dsl.format import format_source
from ..dsl.source import Span
from .document import Document
from .navigation import Edit


@dataclass(frozen=True, slots=True)
class Repair:
    """An edit that mends something, and what it says of itself. `sure` where there is no other."""

    title: str
    edit: Edit
    diagnostic: Diagnostic
    sure: bool


def repairs(document: Document, start: int, end: int) -> Iterator[Repair]:
    """The edits that the hints of diagnostics from one character to another mean, in this file."""
    for diagnostic in document.diagnostics:
        span = diagnostic.span
        if span is None or span.start > end or span.end < start:
            continue
        fixes = [fix for fix in diagnostic.fixes() if fix.span.source.text == document.source.text]
        for fix in fixes:
            yield Repair(fix.title, Edit(fix.span, fix.text), diagnostic, len(fixes) == 1)


def laid_out(document: Document) -> list[Edit]:
    """The edits that bring a file into the one layout; none where it does not parse."""
    source = document.source
    try:
        new = format_source(source)
    except ArchError:
        return []
    before, after = source.text.splitlines(keepends=True), new.splitlines(keepends=True)
    starts = [0]
    for line in before:
        starts.append(starts[-1] + len(line))
    changes = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return [
        Edit(Span(source, starts[a], starts[b]), "".join(after[c:d])) for kind, a, b, c, d in changes if kind != "equal"
    ]
