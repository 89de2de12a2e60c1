"""What a page tells of a layer or a folded part: shapes, figures, receptive field, and where it stands in the spec."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from functools import cached_property
from typing import Any

from ..compiler.analyses.receptive_field import AxisField, ReceptiveField, receptive_fields
from ..compiler.ir.graph import Graph, Node, Origin, Value, outwards
from ..compiler.ops.axes import spatial_axes
from ..dsl.diagnostics import ArchError
from ..dsl.source import Span
from .builder import Source
from .diagram import Row
from .runs import Run
from .words import clipped, printable, sizes

LONGEST_LINE, LONGEST_PATH, LONGEST_DOC = 160, 200, 600
"""Characters of a line of source, of a path and of a doc string that a page shows."""


class Details:
    """The details of the rows of a page. `lines` are the lines of source that they name: the file, the number of the
    line, and its text before, in and after what is meant."""

    def __init__(self, source: Source):
        self.graph, self.regions, self.shapes = source.graph, source.regions, source.shapes
        self.sights = Sights(self.graph)
        self.lines: dict[tuple[str, int, str, str, str], int] = {}

    def of(self, row: Row, nodes: list[Node]) -> dict[str, Any]:
        """Of a layer, or of an input or output, which may have no node."""
        span = nodes[0].span if len(nodes) == 1 else None
        more: dict[str, Any] = {}
        if len(nodes) == 1:
            node = nodes[0]
            gives = self._shapes([(node.index, port) for port in range(len(node.outputs))])
            more = {"takes": self._shapes(node.inputs), "gives": gives, "sees": self.sights.of(node)}
        return self._known(row, nodes, span, more)

    def of_run(self, row: Row, run: Run, nodes: list[Node]) -> dict[str, Any]:
        """Of a folded part, or of equal ones in a row."""
        inside = {node.index for node in nodes}
        taken, given = self.regions.entering(inside), self.regions.leaving(inside)
        more = {
            "takes": self._shapes([value for value in taken if not self.graph.nodes[value[0]].op.is_drawn]),
            "gives": self._shapes(given),
            "sees": self.sights.of(self.graph.nodes[given[0][0]]) if len(given) == 1 else "",
            "layers": sum(node.op.is_module for node in nodes),
        }
        return self._known(row, nodes, call_of(run), more)

    def _known(self, row: Row, nodes: list[Node], span: Span | None, more: dict[str, Any]) -> dict[str, Any]:
        """What is known of a row, and more."""
        notes = [row.notes, "left out at random" if row.stochastic else ""]
        found = {
            "kind": row.kind,
            "text": row.text,
            "path": clipped(row.path, LONGEST_PATH),
            "parameters": row.parameters if nodes else None,
            "macs": row.multiply_adds if nodes else None,
            "note": ", ".join(filter(None, notes)),
            "line": self._line(span) if span else None,
            **more,
        }
        return {key: value for key, value in found.items() if value or value == 0}

    def _shapes(self, values: Iterable[Value]) -> str:
        texts = [sizes(self.shapes.of(value)) for value in dict.fromkeys(values)]
        if len(texts) > 4 and len(set(texts)) == 1:
            return f"{len(texts)} of {texts[0]}"
        return ", ".join(texts if len(texts) <= 4 else [*texts[:3], f"and {len(texts) - 3} more"])

    def _line(self, span: Span) -> int:
        """The number of a line of source among `lines`."""
        number, column = span.source.line_column(span.start)
        text = span.source.line(number)
        start, end = column - 1, min(column - 1 + span.end - span.start, len(text))
        low = 0 if end <= LONGEST_LINE else max(0, start - 20)
        high = low + LONGEST_LINE
        before, meant, after = text[low:start].lstrip(), text[start : min(end, high)], text[min(end, high) : high]
        name = span.source.path.name if span.source.path else span.source.name
        line = (
            clipped(name, 60),
            number,
            ("…" if low else "") + printable(before),
            printable(meant) + ("…" if end > high else ""),
            printable(after) + ("…" if end <= high < len(text) else ""),
        )
        return self.lines.setdefault(line, len(self.lines))


def call_of(run: Run) -> Span | None:
    """Where the spec calls the block that a part is; of a part that is none, where it has what comes first in it."""
    nodes = run.first.nodes()
    shared = _origins(nodes[0])
    for node in nodes:
        own = set(_origins(node))
        shared = [origin for origin in shared if origin in own]
    calls = [origin for origin in shared if origin.block == run.first.block]
    inner = calls[-1:] or _origins(nodes[0])[len(shared) :]
    return inner[0].span if inner else nodes[0].span


def _origins(node: Node) -> list[Origin]:
    """The calls of blocks around a node, outermost first."""
    return [*outwards(node.origin)][::-1]


class Sights:
    """The receptive fields of a graph's maps in words. They are worked out together, for the first that is asked of."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.told: dict[tuple[object, ...], str] = {}

    def of(self, node: Node) -> str:
        """That of what a node makes first; empty where it is no map."""
        if not node.outputs or not spatial_axes(node.outputs[0]):
            return ""
        found = self._found
        if isinstance(found, str):
            return f"too costly to find ({found})"
        field = found[node.index]
        key = field.unknown, *map(id, field.axes)
        if key not in self.told:
            self.told[key] = _sight(field)
        return self.told[key]

    @cached_property
    def _found(self) -> list[ReceptiveField] | str:
        """The receptive fields, or the code with which they are refused."""
        try:
            return receptive_fields(self.graph)
        except ArchError as error:
            return error.diagnostics[0].code


def _sight(field: ReceptiveField) -> str:
    """A receptive field in words: `11×11, step 4`, or `all of it` behind a global pool."""
    if field.unknown is not None:
        return ""
    inputs = dict.fromkeys(axis.input for axis in field.axes)
    texts = []
    for name in inputs:
        axes = [axis for axis in field.axes if axis.input == name]
        of = f" of {clipped(name, 24)}" if len(inputs) > 1 else ""
        texts.append(f"{_extent(axes)}{of}")
    return "; ".join(texts)


def _extent(axes: list[AxisField]) -> str:
    if all(axis.whole for axis in axes):
        return "all of it"
    size = "×".join("all" if axis.whole else "?" if axis.size is None else str(axis.size) for axis in axes)
    if any(axis.size is None and not axis.whole for axis in axes):
        return "differs with the size of the input" if all(axis.size is None for axis in axes) else size
    steps: list[Fraction] = [axis.stride for axis in axes if axis.stride is not None]
    step = "×".join(map(str, steps)) if len(set(steps)) > 1 else str(steps[0]) if steps else ""
    holes = ", with gaps" if any(axis.holes for axis in axes) else ""
    return f"{size}, step {step}{holes}" if step else f"{size}{holes}"
