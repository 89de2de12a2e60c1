"""Inlay hints: the shape that stands behind each arrow and layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..dsl import ast
from ..dsl.walk import walk
from .document import Document
from .shapes import Seen, seen_at, shape, shapes, symbolic

_LISTED = 12
"""Shapes that a hint's tooltip tells one by one."""


@dataclass(frozen=True, slots=True)
class Inlay:
    """A shape to show behind a character. `changes` is whether it is another one than that before the arrow."""

    offset: int
    label: str
    tooltip: str
    changes: bool


def inlays(document: Document, start: int, end: int) -> list[Inlay]:
    """The hints from one character to another, in order. Where a block is applied with different shapes, sizes that
    differ are told as the first and the last."""
    found: dict[int, Inlay] = {}
    for statement in document.statements:
        if statement.span.end < start or statement.span.start > end:
            continue
        for node in _shown(statement):
            at = node.span.end
            if start <= at <= end and at not in found and (seen := seen_at(document, node)) is not None:
                found[at] = _hint(at, seen)
    return [found[at] for at in sorted(found)]


def _shown(root: ast.Syntax) -> Iterator[ast.Expr]:
    """The expressions behind which a shape may stand, those around others before these."""
    repeated: set[ast.Syntax] = set()
    for node, _ in walk(root):
        if isinstance(node, ast.Chain):
            # The first part is where the tensor comes from, unless it is a layer.
            yield from node.parts[1:]
        if isinstance(node, ast.Power):
            repeated.add(node.base)
        if isinstance(node, ast.Call | ast.Power | ast.Fold) and node not in repeated:
            yield node


def _hint(at: int, seen: Seen) -> Inlay:
    outputs, graph = seen.outputs(), seen.graph
    lines = [f"`{shape(types, graph)}`" for types in outputs[:_LISTED]]
    if len(outputs) == 1:
        names = symbolic(outputs[0])
        lines = [f"`{names}`"] if names != shape(outputs[0], graph) else []
    if len(outputs) > _LISTED:
        lines.append(f"and {len(outputs) - _LISTED} more")
    if len(seen.applications) > 1:
        lines.append(f"applied {len(seen.applications)} times in `{seen.run.name}`")
    changes = any(a.inputs != a.outputs for a in seen.applications)
    return Inlay(at, shapes(outputs, graph), "\n\n".join(lines), changes)
