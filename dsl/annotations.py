"""Diagnostics for services that show them beside a change: GitHub's workflow commands, and SARIF."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .codes import explained
from .diagnostics import Diagnostic, Label
from .source import Span

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def github_commands(diagnostics: Iterable[Diagnostic]) -> list[str]:
    """A workflow command for each, with which GitHub shows it at its line of the file.

    https://docs.github.com/actions/reference/workflow-commands-for-github-actions
    """
    return [_command(diagnostic) for diagnostic in diagnostics]


def _command(diagnostic: Diagnostic) -> str:
    properties: dict[str, object] = {}
    if diagnostic.span is not None:
        (line, column), (end_line, end_column) = _ends(diagnostic.span)
        properties = {"file": _relative(diagnostic.span), "line": line, "endLine": end_line}
        if line == end_line:
            properties |= {"col": column, "endColumn": end_column}
    properties["title"] = f"archc {diagnostic.code}"
    escaped = (f"{name}={_escaped(str(value), ':,')}" for name, value in properties.items())
    return f"::{diagnostic.severity} {','.join(escaped)}::{_escaped(_text(diagnostic))}"


def _escaped(text: str, more: str = "") -> str:
    """The text with what ends a command, or one of its properties, as percent codes."""
    return "".join(f"%{ord(c):02X}" if c in "%\r\n" + more else c for c in text)


def to_sarif(diagnostics: Iterable[Diagnostic], version: str) -> dict[str, Any]:
    """A log of SARIF 2.1.0 with one run, that of archc in this version."""
    listed = list(diagnostics)
    codes = sorted({diagnostic.code for diagnostic in listed})
    rules = [{"id": code, "shortDescription": {"text": explained(code).title}} for code in codes]
    driver = {"name": "archc", "version": version, "rules": rules}
    results = [_result(diagnostic, codes.index(diagnostic.code)) for diagnostic in listed]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(diagnostic: Diagnostic, rule: int) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": diagnostic.code,
        "ruleIndex": rule,
        "level": diagnostic.severity,
        "message": {"text": _text(diagnostic)},
    }
    if diagnostic.span is not None:
        result["locations"] = [{"physicalLocation": _location(diagnostic.span)}]
    related = (*diagnostic.labels, *diagnostic.chain)
    if related:
        result["relatedLocations"] = [_related(label, number) for number, label in enumerate(related)]
    return result


def _related(label: Label, number: int) -> dict[str, Any]:
    return {"id": number, "message": {"text": label.text}, "physicalLocation": _location(label.span)}


def _location(span: Span) -> dict[str, Any]:
    (line, column), (end_line, end_column) = _ends(span)
    region = {"startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column}
    return {"artifactLocation": {"uri": quote(os.fsencode(_relative(span)))}, "region": region}


def _ends(span: Span) -> tuple[tuple[int, int], tuple[int, int]]:
    """The line and column where it begins, and those behind its end, from 1."""
    return span.source.line_column(span.start), span.source.line_column(span.end)


def _relative(span: Span) -> str:
    """The file as seen from the working folder, with slashes; as it is where it lies outside."""
    if span.source.path is None:
        return span.source.name
    path = Path(os.path.abspath(span.source.path))
    here = Path.cwd()
    return (path.relative_to(here) if path.is_relative_to(here) else path).as_posix()


def _text(diagnostic: Diagnostic) -> str:
    return "\n".join([diagnostic.message, *(f"hint: {hint}" for hint in diagnostic.hints)])
