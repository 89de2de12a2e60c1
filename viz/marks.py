"""The marks of layers that share weights."""

from __future__ import annotations

from dataclasses import replace

from ..compiler.ir.graph import Graph
from .drafts import Draft


def mark_shared(graph: Graph, drafts: list[Draft], where: dict[int, int]) -> None:
    """Numbers the boxes whose weights are used more than once: the same number for the same weights."""
    users: dict[int, list[int]] = {}
    for node in graph.nodes:
        if node.op.has_weights and node.index in where:
            users.setdefault(node.owner, []).append(where[node.index])
    numbers: dict[tuple[int, ...], int] = {}
    for owner, places in users.items():
        if len(places) < 2:
            continue
        among = tuple(dict.fromkeys(places))
        if len(among) == 1 and drafts[among[0]].role == "fold":
            _note(drafts[among[0]])
            continue
        number = numbers.setdefault(among, len(numbers) + 1)
        path = graph.nodes[owner].path
        for place in among:
            row = drafts[place].rows[0]
            if row.shared:
                continue
            sharing = f"shared with {path}" if place != among[0] else ""
            if len(among) == 1:
                sharing = f"the same {len(places)} times"
            drafts[place].rows[0] = replace(row, shared=number, sharing=sharing)


def _note(draft: Draft) -> None:
    if "shared weights" not in draft.note:
        draft.note = ", ".join(filter(None, [draft.note, "shared weights"]))
