"""What a window is told, as JSON. Places are counted as JavaScript counts, in units of UTF-16."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from typing import Any

from ..compiler.analyses.figures import totals, without
from ..compiler.ir.graph import Graph
from ..dsl.diagnostics import ArchError, Diagnostic, Label
from ..dsl.render import to_json
from ..dsl.source import Span
from ..editor.document import Document
from ..editor.fixing import repairs
from ..figures import for_training, signature
from ..grammar.highlight import contexts

_POSSESSIVE = re.compile(r"(?<!\\)([*+?])\+")
_WIDE = re.compile("[\U00010000-\U0010ffff]")


class Units:
    """The characters of a text as units of UTF-16, and back."""

    def __init__(self, text: str):
        self._wide = [] if text.isascii() else [found.start() for found in _WIDE.finditer(text)]

    def of(self, offset: int) -> int:
        """The unit at which a character begins."""
        return offset + bisect_left(self._wide, offset)

    def character(self, unit: int) -> int:
        """The character that a unit belongs to."""
        return unit - bisect_left([place + number + 1 for number, place in enumerate(self._wide)], unit)


def diagnostics(document: Document, units: Units) -> list[dict[str, Any]]:
    """What is wrong with a text, each with the edits that would mend it."""
    edits: dict[Diagnostic, list[dict[str, Any]]] = {}
    for repair in repairs(document, 0, len(document.source.text)):
        edit = {"title": repair.title, "text": repair.edit.text, **between(repair.edit.span, units)}
        edits.setdefault(repair.diagnostic, []).append(edit)
    return [
        {
            "code": found.code,
            "severity": found.severity,
            "message": found.message,
            **(between(found.span, units) if found.span is not None else {"from": 0, "to": 0}),
            "line": found.span.line if found.span is not None else 1,
            "hints": list(found.hints),
            "notes": [_note(label, document, units) for label in (*found.labels, *found.chain)],
            "edits": edits.get(found, []),
        }
        for found in document.diagnostics
    ]


def between(span: Span, units: Units) -> dict[str, int]:
    """Where a span begins and ends."""
    return {"from": units.of(span.start), "to": units.of(span.end)}


def _note(label: Label, document: Document, units: Units) -> dict[str, Any]:
    here = label.span.source.path == document.path
    return {"text": label.text, "at": str(label.span), **(between(label.span, units) if here else {})}


def figures(graph: Graph) -> dict[str, Any]:
    """What an architecture costs at the usual sizes, what it takes, and which sizes are legal."""
    return {
        "name": graph.name,
        "title": graph.title,
        "doc": graph.doc or "",
        "shape": signature(graph),
        "totals": totals(graph),
        "lacks": without(graph).strip(),
        "legal": graph.requirements.describe(),
        "training": for_training(graph),
        "layers": sum(node.op.is_module for node in graph.nodes),
    }


def refusal(error: ArchError) -> dict[str, Any]:
    """Why something is not done."""
    return {"diagnostics": [to_json(found) for found in error.diagnostics]}


def colouring(layers: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """The rules of the highlighter, by the context in which they hold; the first is that of a file.

    JavaScript has no possessive quantifiers, which only save time here.
    """
    return {
        name: [
            {
                "pattern": _POSSESSIVE.sub(r"\1", rule.pattern),
                "kinds": rule.kinds,
                "opens": rule.opens,
                "closes": rule.closes,
            }
            for rule in rules
        ]
        for name, rules in contexts(tuple(layers)).items()
    }
