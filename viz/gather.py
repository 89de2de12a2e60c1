"""What an overview draws as one where single boxes would not fit a page: units that differ in settings alone, and equal
layers side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..compiler.ir.graph import Node
from .runs import Run, Runs
from .tree import Cluster


def gathered(runs: Runs, items: list[Run | Node], is_folded: Callable[[Cluster], bool], level: int) -> list[Run | Node]:
    """The members of an open part with more of them put together: at level 1 what follows one another, is folded, and
    was made by the same lines of the spec with other settings; from 3 on also equal layers side by side."""
    if level >= 1:
        items = _unlike_rows(runs, items, is_folded)
    if level >= 3:
        items = _layers_beside(runs, items)
    return items


def _unlike_rows(runs: Runs, items: list[Run | Node], is_folded: Callable[[Cluster], bool]) -> list[Run | Node]:
    found: list[Run | Node] = []
    row: list[Cluster] = []

    def close() -> None:
        if row:
            found.append(Run(list(row), unlike=not all(runs.equal(row[0], part) for part in row[1:])))
            row.clear()

    for item in items:
        fits = isinstance(item, Run) and not item.rest and not item.first.is_atom and item.first.block is not None
        if not isinstance(item, Run) or not fits or not all(map(is_folded, item.parts)):
            close()
            found.append(item)
            continue
        if row and not runs.goes_on(row, item.first):
            close()
        row += item.parts
    close()
    return found


def _layers_beside(runs: Runs, items: list[Run | Node]) -> list[Run | Node]:
    """Layers need not be neighbours in the order of application; they take the place of the last."""
    alone = [item if isinstance(item, Node) else _only_layer(item) for item in items]
    groups: dict[tuple[Any, ...], list[Node]] = {}
    for node in alone:
        place = runs.place_of(node) if node is not None else None
        if node is not None and place is not None:
            groups.setdefault(place, []).append(node)
    rows = {group[-1].index: group for group in groups.values() if len(group) > 1}
    gone = {node.index for group in rows.values() for node in group}
    found: list[Run | Node] = []
    for item, node in zip(items, alone, strict=True):
        if node is not None and node.index in rows:
            found.append(Run([Cluster("", None, "", members=[other]) for other in rows[node.index]], beside=True))
        elif node is None or node.index not in gone:
            found.append(item)
    return found


def _only_layer(run: Run) -> Node | None:
    """The layer that is all there is in a run."""
    if len(run.parts) > 1 or run.rest:
        return None
    nodes = list(run.first.nodes())
    return nodes[0] if len(nodes) == 1 else None
