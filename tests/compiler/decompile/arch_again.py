"""Graphs of specs, and what tests of the writer of `.arch` do with them."""

from __future__ import annotations

from typing import Any

from archc.compiler.decompile.arch.same import first_discrepancy
from archc.compiler.decompile.arch.spec import written
from archc.compiler.ir.graph import Graph
from archc.compiler.passes.replay import Replay
from archc.compiler.program import Program
from archc.dsl.format import format_source
from archc.dsl.source import Source

HEAD = "arch Net {\n  input x: [N, 3, 32, 32]\n"


def body(text: str) -> str:
    """The text with line breaks and indentation left out."""
    return " ".join(text.split())


def elaborated(text: str, name: str | None = None) -> Graph:
    found = Program.parse(text).elaborate(name)
    assert found.graph is not None, (text, [d.message for d in found.diagnostics])
    return found.graph


def again(graph: Graph) -> str:
    """The text of a graph, which elaborated is that graph, and is laid out as the formatter would."""
    text = written(graph)
    assert first_discrepancy(graph, elaborated(text, graph.name)) is None
    assert format_source(Source(text, "again.arch")) == text
    assert "use " not in text
    return text


def replayed(graph: Graph, leave_out: set[int] = frozenset(), ops: dict[int, Any] | None = None) -> Graph:  # type: ignore[assignment]
    replay = Replay(graph)
    for node in graph.nodes:
        if node.index in leave_out:
            replay.skip(node, replay.values[node.inputs[0]])
        else:
            replay.again(node, (ops or {}).get(node.index))
    return replay.finish()
