"""The arrows between the boxes of a diagram, and which shapes are told along them."""

from __future__ import annotations

from ..compiler.ir.graph import Graph, Value, concrete
from .diagram import Edge, Shape
from .drafts import Draft
from .words import signs_of


def shape_of(graph: Graph, value: Value) -> Shape:
    """The shape of a tensor without the batch, at the nominal sizes."""
    return concrete(graph.type_of(value).dims, graph.nominal)[1:]


def arrows(graph: Graph, drafts: list[Draft]) -> list[Edge]:
    """The arrows. A shape is told where it is not the one that was told before, once for each value, and once where
    several of the same shape go side by side; what goes into a sum is told behind it."""
    before = _reach(drafts)
    known: list[Shape | None] = [None] * len(drafts)
    told: set[Value] = set()
    edges: list[Edge] = []
    for number, draft in enumerate(drafts):
        sources = {source for source, _ in draft.takes}
        last = {(source, shape_of(graph, value)): value for source, value in draft.takes}
        for source, value in draft.takes:
            past = any(before[other] >> source & 1 for other in sources if other != source)
            drawn = not graph.nodes[value[0]].op.carries_data
            role = "training" if draft.training else "drawn" if drawn else "skip" if past else "flow"
            shape = shape_of(graph, value)
            silent = past or drawn or value in told or (draft.role == "merge" and not draft.joins)
            tell = draft.role == "output" or (shape != known[source] and not silent)
            if tell:
                told.add(value)
            if known[number] is None or known[source] == shape:
                known[number] = shape if tell or value in told else known[source]
            shown = tell and last[source, shape] == value
            edges.append(Edge(source, number, shape if shown else None, role, _sign(draft, value)))
    return edges


def _sign(draft: Draft, value: Value) -> str:
    """The sign at the end of an arrow into a sum that takes the value away; `±` where it adds it too. Of other layers
    whose inputs may not change places, the number that the value has among them."""
    if draft.role not in ("merge", "layer"):
        return ""
    first = draft.nodes[0]
    places = [place for place, taken in enumerate(first.inputs, 1) if taken == value]
    if first.op.is_commutative:
        found = {sign for place, sign in enumerate(signs_of(first.op), 1) if place in places}
        return "" if -1 not in found else "±" if 1 in found else "−"
    return ", ".join(map(str, places)) if len(set(first.op.arriving(first.inputs))) > 1 else ""


def _reach(drafts: list[Draft]) -> list[int]:
    """For each draft the set of those that it depends on, as bits."""
    before = [0] * len(drafts)
    for number, draft in enumerate(drafts):
        for source, _ in draft.takes:
            before[number] |= before[source] | 1 << source
    return before
