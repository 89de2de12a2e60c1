"""The marks of layers that share weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..compiler.ir.graph import Graph, Node
from .drafts import Draft


def shared_weights(graph: Graph, where: dict[int, int]) -> Iterator[tuple[int, list[int]]]:
    """The nodes whose weights are used more than once, and for each use the place in which `where` has it."""
    users: dict[int, list[int]] = {}
    for node in graph.nodes:
        if node.op.has_weights and node.index in where:
            users.setdefault(node.owner, []).append(where[node.index])
    return ((owner, places) for owner, places in users.items() if len(places) > 1)


def noted(note: str, more: str = "shared weights") -> str:
    """The note of a folded part that shares weights within, or, as `more` says, some of its weights with others."""
    return note if more in note else ", ".join(filter(None, [note, more]))


SOME = "some weights shared"


def has_others(nodes: list[Node], owners: set[int]) -> bool:
    """Whether nodes have weights besides those of some owners."""
    return any(node.op.has_weights and node.owner not in owners for node in nodes)


def mark_shared(graph: Graph, drafts: list[Draft], where: dict[int, int]) -> None:
    """Numbers the boxes whose weights are used more than once: the same number for the same weights."""
    numbers: dict[tuple[int, ...], int] = {}
    found = [(owner, places, tuple(dict.fromkeys(places))) for owner, places in shared_weights(graph, where)]
    apart = {owner for owner, _, among in found if len(among) > 1}
    for owner, places, among in found:
        first = drafts[among[0]]
        if len(among) == 1 and first.role == "fold":
            first.note = noted(first.note)
            continue
        number = numbers.setdefault(among, len(numbers) + 1)
        for place in among:
            draft = drafts[place]
            row = draft.rows[0]
            if row.shared:
                continue
            sharing = f"shared with {graph.nodes[owner].path}" if place != among[0] else ""
            if len(among) == 1:
                sharing = f"the same {len(places)} times"
            partly = draft.role == "fold" and has_others(draft.nodes, apart)
            draft.note = noted(draft.note, SOME) if partly else draft.note
            draft.rows[0] = replace(row, shared=number, sharing=sharing, partly=partly)
