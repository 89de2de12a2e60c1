"""The scopes that the text declares as shared, from the regions of their applications."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from ...ir.graph import Graph, Node, Scope
from ...ir.region_tree import Region, RegionTree


@dataclass(slots=True, eq=False)
class Cell:
    """A scope that is applied several times, or under another name than its own: the runs of nodes of its applications,
    the first one first, and the scopes that these stand in.

    The declaration is written from the first application, and applications may add to it. `frozen` are the starts of
    those that freeze the whole of it. Where the first is one of them, `thawed` are its nodes that the declaration does
    not freeze. Where all of the first is recomputed, `recomputed` are the runs in it that the declaration recomputes,
    as the other applications show. `fresh` are the lists in it of which each application has a module of its own."""

    scope: Scope
    runs: list[tuple[int, int]]
    sites: list[Scope]
    frozen: set[int]
    thawed: set[int]
    recomputed: list[tuple[int, int]]
    fresh: list[Scope] = field(default_factory=list)
    name: str = ""


def cells_of(tree: RegionTree) -> list[Cell]:
    """The scopes that are shared as a whole, those around others first. What is shared within one is found in its first
    application."""
    found: list[Cell] = []
    tried: set[Scope] = set()
    whole: set[Scope] = set()
    fresh: dict[Scope, list[Scope]] = defaultdict(list)
    for holder, home in tree.lists.items():
        fresh[home].append(holder)
    stack = [(child, tree.root) for child in reversed(tree.root.children)]
    while stack:
        region, around = stack.pop()
        if region.scope in whole:
            continue
        if region.scope not in tried:
            tried.add(region.scope)
            regions = [again for again in tree.of_scope[region.scope] if around in again.outwards()]
            cell = _cell(tree.graph, regions) if len(regions) > 1 or tree.kept(region.scope, 1) else None
            if cell is not None:
                cell.fresh = fresh.get(cell.scope, [])
                found.append(cell)
                whole.add(cell.scope)
                region = around = regions[0]
        stack.extend((child, around) for child in reversed(region.children))
    return found


def _cell(graph: Graph, regions: list[Region]) -> Cell | None:
    """What these applications of a scope share, but for `fresh`; None where a text cannot say it of the scope as a
    whole."""
    runs = [run for region in regions if (run := _run(region)) is not None]
    if len(runs) < len(regions) or len({end - start for start, end in runs}) > 1:
        return None
    frozen = _frozen([graph.nodes[start:end] for start, end in runs])
    recomputed = _recomputed(graph, runs)
    if frozen is None or recomputed is None:
        return None
    sites = [region.parent.scope for region in regions if region.parent is not None]
    return Cell(regions[0].scope, runs, sites, *frozen, recomputed)


def _run(region: Region) -> tuple[int, int] | None:
    """The nodes of an application, where they stand together."""
    indices = region.all_indices()
    start, end = min(indices, default=0), max(indices, default=-1) + 1
    return (start, end) if len(indices) == end - start > 0 else None


def _frozen(rows: list[list[Node]]) -> tuple[set[int], set[int]] | None:
    """The starts of the applications that freeze all of it, and the nodes of the first that the declaration does not
    freeze. What is fresh shows it, as that has weights of its own at each application. None where an application
    freezes some of what another trains."""
    fresh = [place for place, node in enumerate(rows[-1]) if node.owner == node.index and node.op.has_weights]
    found = [[row[place].frozen for place in fresh] for row in rows]
    declared = next((row for row in found if not all(row)), None)
    if declared is None:
        return set(), set()
    if any(row != declared and not all(row) for row in found):
        return None
    starts = {row[0].index for row, freezes in zip(rows, found, strict=True) if all(freezes)}
    if not all(found[0]):
        return starts, set()
    if not all(node.frozen for node in rows[0] if node.op.has_weights):
        return None
    kept = {place for place, freezes in zip(fresh, declared, strict=True) if freezes}
    return starts, {node.index for place, node in enumerate(rows[0]) if place not in kept}


def _recomputed(graph: Graph, runs: list[tuple[int, int]]) -> list[tuple[int, int]] | None:
    """The runs in the first application that the declaration recomputes, where all of it is recomputed: what is
    recomputed in the applications of which that does not hold. None where these are not alike."""
    found = [_parts(graph, start, end) for start, end in runs if not _in_one_part(graph.nodes[start:end])]
    if not found:
        return []
    if found[0] is None or any(parts != found[0] for parts in found):
        return None
    start = runs[0][0]
    return [(start + a, start + b) for a, b in found[0]] if _in_one_part(graph.nodes[start : runs[0][1]]) else []


def _in_one_part(nodes: list[Node]) -> bool:
    """Whether all of some nodes is recomputed together."""
    return nodes[0].recompute is not None and all(node.recompute is nodes[0].recompute for node in nodes)


def _parts(graph: Graph, start: int, end: int) -> list[tuple[int, int]] | None:
    """The runs of nodes in an application that are recomputed, from its start. None where it ends or begins within
    one."""
    around = [graph.nodes[i].recompute for i in (start - 1, end) if 0 <= i < len(graph.nodes)]
    runs = recomputed(graph.nodes[start:end])
    if any(graph.nodes[a].recompute is part for a, _ in runs for part in around):
        return None
    return [(a - start, b - start) for a, b in runs]


def recomputed(nodes: Sequence[Node]) -> list[tuple[int, int]]:
    """The runs of nodes that are recomputed together, in order."""
    parts = groupby(nodes, key=lambda node: id(node.recompute) if node.recompute is not None else None)
    rows = [[node.index for node in run] for part, run in parts if part is not None]
    return [(row[0], row[-1] + 1) for row in rows]
