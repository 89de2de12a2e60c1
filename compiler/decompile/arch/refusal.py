"""What the writer of `.arch` says where a graph has no text."""

from __future__ import annotations

from ....dsl.diagnostics import ArchError, Diagnostic
from ....dsl.source import Span


def unfaithful(reason: str, span: Span | None = None) -> ArchError:
    """The error (E0850) of a graph that no text gives again."""
    hint = "`archc compile -o net.json` writes any graph; a spec that does this is worth a report"
    message = f"this architecture has no exact form as a spec: {reason}"
    return ArchError([Diagnostic("E0850", message, span, hints=(hint,))])


def unapplied(path: str) -> ArchError:
    """The error of a second name that no statement gives."""
    return unfaithful(f"`{path}` is a second name of something shared, and nothing is applied under it")
