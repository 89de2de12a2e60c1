"""What cannot be taken apart: boxes in rows, which arrows cross in lanes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from .cells import ASIDE, Cell, Lanes, Leaf
from .channels import Channel, Flow
from .layout import Layout
from .ranks import Rows

SWEEPS = 3
"""How often columns are moved to where their arrows lead, to the right and back."""
BESIDE = 6
"""Between a box and a lane."""


class Layers(Cell):
    """Cells in rows. An entry of a row is the number of a cell, or -1 minus that of one whose arrows pass the row.
    Entries of a block stand below one another; `blocks` go from left to right."""

    wide = True

    def __init__(
        self,
        cells: dict[int, Cell],
        arrows: list[tuple[int, int, list[int]]],
        start: int,
        end: int,
        order: Rows,
        flow: Flow,
    ):
        self.cells, self.rows, self.order, self.start, self.end = cells, order.rows, order, start, end
        self.row = {node: number for number, row in enumerate(order.rows) for node in row if node >= 0}
        self.row |= {start: -1, end: len(order.rows)}
        self.arrows = [(a, b, numbers) for a, b, numbers in arrows if numbers]
        self.ins = {number for a, _, numbers in self.arrows if a == start for number in numbers}
        self.outs = {number for _, b, numbers in self.arrows if b == end for number in numbers}
        self.lanes = {
            (number, entry): Lanes(self._passing(-1 - entry, number), flow.net)
            for number, row in enumerate(order.rows)
            for entry in row
            if entry < 0
        }
        self.block = {place: number for number, block in enumerate(order.blocks) for place in block}
        self.across = self._columns()
        self.w = max(self.across[self.block[place]] + self._sides(place)[1] for place in self.block)
        self.axis = self.across[order.trunk]
        self.first = min(self.across[self.block[0, entry]] - self._sides((0, entry))[0] for entry in order.rows[0])

    def _passing(self, node: int, row: int) -> set[int]:
        return {number for a, b, numbers in self.arrows if a == node and self.row[b] > row for number in numbers}

    # --- where the columns are ---------------------------------------------------------------

    def _sides(self, place: tuple[int, int]) -> tuple[float, float]:
        """The room to the left and the right of the axis of an entry."""
        if place[1] < 0:
            return self.lanes[place].w / 2, self.lanes[place].w / 2
        cell = self.cells[place[1]]
        return cell.axis, cell.w - cell.axis

    def _pairs(self) -> Iterator[tuple[int, int, float]]:
        """Blocks beside one another, and how far their axes are apart at least."""
        for number, row in enumerate(self.rows):
            for one, other in pairwise(row):
                gap = (0 if other < 0 else BESIDE) if one < 0 else BESIDE if other < 0 else ASIDE
                left, right = (number, one), (number, other)
                yield self.block[left], self.block[right], self._sides(left)[1] + gap + self._sides(right)[0]

    def _columns(self) -> list[float]:
        """Where the axes of the blocks are: as far left as they can, then each in the middle of what it is connected
        with, as far as there is room."""
        count = len(self.order.blocks)
        before: list[dict[int, float]] = [{} for _ in range(count)]
        after: list[dict[int, float]] = [{} for _ in range(count)]
        for left, right, far in self._pairs():
            before[right][left] = after[left][right] = max(far, before[right].get(left, 0))
        least = [max(self._sides(place)[0] for place in block) for block in self.order.blocks]
        across = [0.0] * count
        for number in range(count):
            across[number] = max([least[number], *(across[left] + far for left, far in before[number].items())])
        links: list[list[int]] = [[] for _ in range(count)]
        for one, other in self.order.links:
            if self.block[one] != self.block[other]:
                links[self.block[one]].append(self.block[other])
                links[self.block[other]].append(self.block[one])
        for _ in range(SWEEPS):
            for number in (*reversed(range(count)), *range(count)):
                low = max([least[number], *(across[left] + far for left, far in before[number].items())])
                high = min((across[right] - far for right, far in after[number].items()), default=across[number])
                if links[number]:
                    goal = sum(across[other] for other in links[number]) / len(links[number])
                    across[number] = min(max(goal, low), max(high, low))
        return across

    # --- its place ---------------------------------------------------------------------------

    def place(self, x: float, plan: Layout) -> None:
        self.x = x
        for (row, entry), block in self.block.items():
            middle = x + self.across[block]
            if entry < 0:
                self.lanes[row, entry].left = middle - self.lanes[row, entry].w / 2
            else:
                self.cells[entry].place(middle - self.cells[entry].axis, plan)
        for number, row in enumerate(self.rows):
            for place, entry in enumerate(row):
                cell = self.cells.get(entry)
                if isinstance(cell, Leaf) and cell.joins:
                    low = self._border(number, row[place - 1], cell, 1) if place else x - 4
                    high = self._border(number, row[place + 1], cell, 0) if place + 1 < len(row) else x + self.w + 4
                    cell.room = low, high

    def _border(self, row: int, entry: int, cell: Leaf, side: int) -> float:
        """How far a join may reach to what stands beside it: another join has half of the room."""
        if entry < 0:
            lanes = self.lanes[row, entry]
            return lanes.left + lanes.w if side else lanes.left
        other, axis = self.cells[entry], self.x + self.across[self.block[row, entry]]
        if isinstance(other, Leaf) and other.joins:
            return (cell.spot.middle + axis) / 2 + (3 if side else -3)
        return axis - other.axis + (other.w + 4 if side else -4)

    def aim(self, edge: int) -> float:
        return self._aim(0, edge)

    def _aim(self, row: int, edge: int) -> float:
        for entry in self.rows[row]:
            if entry < 0 and edge in self.lanes[row, entry].edges:
                return self.lanes[row, entry].aim()
            if entry >= 0 and edge in self.cells[entry].ins:
                return self.cells[entry].aim(edge)
        raise KeyError(edge)

    def enter(self, strip: Channel) -> None:
        self._enter(0, strip)

    def _enter(self, row: int, strip: Channel) -> None:
        for entry in self.rows[row]:
            if entry >= 0:
                self.cells[entry].enter(strip)
            else:
                self.lanes[row, entry].enter(strip)

    def route(self, flow: Flow, plan: Layout) -> None:
        self.strips: list[Channel] = []
        for number, row in enumerate(self.rows):
            if number:
                coming = {edge for entry in row for edge in self._coming(number, entry)} & flow.at.keys()
                strip = Channel(flow, {edge: self._aim(number, edge) for edge in sorted(coming)})
                self._enter(number, strip)
                strip.close()
                self.strips.append(strip)
            for entry in row:
                if entry >= 0:
                    self.cells[entry].route(flow, plan)
        self.heights = [max((self.cells[n].h for n in row if n >= 0), default=0.0) for row in self.rows]
        self.h = sum(self.heights) + sum(strip.h for strip in self.strips)

    def _coming(self, row: int, entry: int) -> set[int]:
        return set(self.lanes[row, entry].edges) if entry < 0 else self.cells[entry].ins

    def lower(self, y: float, plan: Layout) -> None:
        for number, (row, high) in enumerate(zip(self.rows, self.heights, strict=True)):
            for entry in row:
                if entry >= 0:
                    self.cells[entry].lower(y + (high - self.cells[entry].h) / 2, plan)
            y += high
            if number < len(self.strips):
                self.strips[number].y = y
                y += self.strips[number].h
