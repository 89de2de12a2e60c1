"""The scopes that the text declares as shared, from the regions of their applications."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from ...ir.graph import Graph, Node, Scope
from ...ir.region_tree import Region, RegionTree


@dataclass(slots=True, eq=False)
class Cell:
    """A scope that is applied several times: the runs of nodes of its applications, the first one first, and the scopes
    that these stand in. `fresh` are the lists in it of which each application has a module of its own; `frozen` are the
    starts of the applications that freeze that, where the first one does not."""

    scope: Scope
    runs: list[tuple[int, int]]
    sites: list[Scope]
    fresh: list[Scope] = field(default_factory=list)
    frozen: set[int] = field(default_factory=set)
    name: str = ""


def cells_of(tree: RegionTree) -> list[Cell]:
    """The scopes that are shared as a whole, those around others first. What is shared within one is found in its first
    application."""
    found: list[Cell] = []
    tried: set[Scope] = set()
    fresh: dict[Scope, list[Scope]] = defaultdict(list)
    for holder, home in tree.lists.items():
        fresh[home].append(holder)
    stack = [(child, tree.root) for child in reversed(tree.root.children)]
    while stack:
        region, around = stack.pop()
        if region.scope not in tried:
            tried.add(region.scope)
            cell = _cell(tree.graph, [again for again in tree.of_scope[region.scope] if around in again.outwards()])
            if cell is not None:
                cell.fresh = fresh.get(cell.scope, [])
                found.append(cell)
                around = region
        stack.extend((child, around) for child in reversed(region.children))
    return found


def _cell(graph: Graph, regions: list[Region]) -> Cell | None:
    """What these applications of a scope share, but for `fresh`; None where a text cannot say it of the scope as a
    whole."""
    runs = [run for region in regions if (run := _run(region)) is not None]
    if len(runs) < 2 or len(runs) < len(regions) or len({end - start for start, end in runs}) > 1:
        return None
    first, *later = [graph.nodes[start:end] for start, end in runs]
    frozen = [_freezes(first, row) for row in later]
    parts = _recomputed(graph, runs[0])
    if None in frozen or any(_recomputed(graph, run) != parts for run in runs[1:]):
        return None
    sites = [region.parent.scope for region in regions if region.parent is not None]
    freezing = {start for (start, _), freezes in zip(runs[1:], frozen, strict=True) if freezes}
    return Cell(regions[0].scope, runs, sites, frozen=freezing)


def _run(region: Region) -> tuple[int, int] | None:
    """The nodes of an application, where they stand together."""
    indices = region.all_indices()
    start, end = min(indices, default=0), max(indices, default=-1) + 1
    return (start, end) if len(indices) == end - start > 0 else None


def _freezes(first: list[Node], again: list[Node]) -> bool | None:
    """Whether an application freezes what is fresh in it and was not frozen at first; None where that holds for some of
    it, or it trains what was frozen."""
    fresh = [(a, b) for a, b in zip(first, again, strict=True) if b.owner == b.index and b.op.has_weights]
    if any(a.frozen and not b.frozen for a, b in fresh):
        return None
    found = {b.frozen for a, b in fresh if not a.frozen}
    return None if len(found) > 1 else True in found


def _recomputed(graph: Graph, run: tuple[int, int]) -> list[int | None]:
    """For each node of an application, the number of the part in it that is recomputed. One that holds all of it is no
    part of it. An application that ends or begins within such a part has no numbers."""
    start, end = run
    parts = [node.recompute for node in graph.nodes[start:end]]
    if all(part is parts[0] for part in parts):
        return [None] * len(parts)
    around = [graph.nodes[i].recompute for i in (start - 1, end) if 0 <= i < len(graph.nodes)]
    if any(part is not None and any(part is other for other in parts) for part in around):
        return [start]
    numbers: dict[int, int] = defaultdict(lambda: len(numbers))
    return [None if part is None else numbers[id(part)] for part in parts]
