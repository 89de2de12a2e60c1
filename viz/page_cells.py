"""How the parts of a page stand to each other, as data for its script, which measures them and puts them in place.

`compose.py` takes the content of each frame apart, once, with all that it holds folded. Unfolding something makes it
larger and moves what is around it, but changes nothing in how that stands to each other.

A cell is written as the number of a box, or -1 minus that of a group; or as a list that starts with "column", "beside"
or "ladder" and goes on as the constructors of `cells.py` do.
"""

from __future__ import annotations

from typing import Any

from .cells import Beside, Cell, Column, Ladder, Leaf
from .compose import Composer, Content, crowded
from .diagram import Diagram


class PageComposer(Composer):
    """The contents of the frames of a diagram, each on its own."""

    def __init__(self, diagram: Diagram):
        super().__init__(diagram, [], [], {})
        self.folded: list[tuple[float, float]] = []

    def crowded(self) -> list[bool]:
        """For each group, then for what stands in none, whether many things stand side by side in it or around it."""
        found = [False] * (len(self.diagram.groups) + 1)
        found[-1] = self._is_crowded(self.regions[None])
        for group in self.diagram.groups:
            above = group.parent if group.parent is not None else -1
            found[group.id] = found[above] or self._is_crowded(self.regions[group.id])
        return found

    def _is_crowded(self, region: Content) -> bool:
        return crowded((a, b) for a, b, number in region.arrows if self.diagram.edges[number].role != "skip")

    def cells(self, sizes: list[tuple[float, float]], folded: list[tuple[float, float]]) -> list[Any]:
        """The cells of each group's content, then of what stands in none, for boxes and folded groups of some sizes."""
        self.sizes, self.folded = sizes, folded
        groups = (*range(len(self.diagram.groups)), None)
        return [written(self.content(group)) if self.regions[group].items else ["column", []] for group in groups]

    def leaf(self, region: Content, node: int) -> Cell:
        item = region.items[node - 1]
        return Leaf(item, self.folded[-1 - item] if item < 0 else self.sizes[item])


def written(cell: Cell) -> Any:
    match cell:
        case Leaf():
            return cell.box
        case Column():
            return ["column", [written(row) for row in cell.rows]]
        case Beside():
            columns = [written(column) for column in cell.columns]
            return ["beside", columns, cell.lanes, int(cell.bar), int(cell.trunk), int(cell.tiers)]
        case Ladder():
            cells = [[node, written(inner)] for node, inner in cell.cells.items()]
            arrows = [[a, b, numbers] for a, b, numbers in cell.arrows]
            return ["ladder", cells, arrows, cell.start, cell.end, sorted(cell.circles), cell.columns]
    raise TypeError(f"no cell of a region is a {type(cell).__name__}")
