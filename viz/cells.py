"""The cells of a layout: each knows its size and where its axis runs, and puts what it holds in place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate

from .scene import Point

GAP, LABEL, FAN, ASIDE, LANE, PAD = 15, 7, 11, 18, 15, 11
"""Between boxes below one another; more where a shape is told, where arrows part or meet; between columns, for an arrow
beside a column, between a frame and what it holds."""
CLEAR = 5
"""How far arrows run from boxes that are not their ends."""


@dataclass(slots=True)
class Spot:
    """A rectangle in its place."""

    x: float = 0
    y: float = 0
    w: float = 0
    h: float = 0

    @property
    def middle(self) -> float:
        return self.x + self.w / 2

    @property
    def centre(self) -> float:
        return self.y + self.h / 2

    @property
    def right(self) -> float:
        return self.x + self.w

    @property
    def bottom(self) -> float:
        return self.y + self.h

    def meets(self, other: Spot) -> bool:
        """Whether it lies on another, or a line without width runs through it."""
        return self.x < other.right and other.x < self.right and self.y < other.bottom and other.y < self.bottom


@dataclass(slots=True)
class Layout:
    """Where everything is: boxes and frames, the corners of arrows and the texts along them, all in `w` and `h` points
    from the upper left corner. `lanes` has for an arrow that runs beside boxes where it does, and where it turns aside;
    `early` are the arrows that turn to their target's column right below their source, not above the target. `signs`
    stand at the ends of arrows."""

    boxes: dict[int, Spot] = field(default_factory=dict)
    frames: dict[int, Spot] = field(default_factory=dict)
    lanes: dict[int, list[tuple[float, float]]] = field(default_factory=dict)
    early: set[int] = field(default_factory=set)
    routes: dict[int, list[Point]] = field(default_factory=dict)
    labels: dict[int, Spot] = field(default_factory=dict)
    signs: dict[int, tuple[str, Spot]] = field(default_factory=dict)
    w: float = 0
    h: float = 0

    def move(self, x: float, y: float) -> None:
        """Moves everything to the right and down."""
        signs = (spot for _, spot in self.signs.values())
        for spot in (*self.boxes.values(), *self.frames.values(), *self.labels.values(), *signs):
            spot.x, spot.y = spot.x + x, spot.y + y
        for ways in (self.lanes, self.routes):
            for edge, way in ways.items():
                ways[edge] = [(a + x, b + y) for a, b in way]


class Cell:
    """A rectangle of the layout. `axis` is where the arrow through it runs, from its left side. `heads` are the boxes
    at its top."""

    w: float
    h: float
    axis: float
    heads: list[int]

    def place(self, x: float, y: float, plan: Layout) -> None:
        """Puts it with its upper left corner there."""
        raise NotImplementedError


class Leaf(Cell):
    """A box, with room for a text to the right of its axis."""

    def __init__(self, box: int, size: tuple[float, float], text: float = 0):
        self.box, self.size, self.heads = box, size, [box]
        self.axis, self.h = size[0] / 2, size[1]
        self.w = max(size[0], self.axis + text)

    def place(self, x: float, y: float, plan: Layout) -> None:
        plan.boxes[self.box] = Spot(x, y, *self.size)


class Frame(Cell):
    """A group around its content, with room for a heading of some size to the left of the axis."""

    def __init__(self, group: int, inner: Cell, header: tuple[float, float]):
        self.group, self.inner = group, inner
        self.left = max(PAD, header[0] + PAD - inner.axis)
        self.top = header[1] + 4
        self.w, self.h = self.left + inner.w + PAD, self.top + inner.h + PAD
        self.axis, self.heads = self.left + inner.axis, inner.heads

    def place(self, x: float, y: float, plan: Layout) -> None:
        plan.frames[self.group] = Spot(x, y, self.w, self.h)
        self.inner.place(x + self.left, y + self.top, plan)


class Column(Cell):
    """Cells below one another, their axes in line."""

    def __init__(self, rows: list[Cell], told: set[int], bars: set[int]):
        self.rows = rows
        self.axis = max(row.axis for row in rows)
        self.w = self.axis + max(row.w - row.axis for row in rows)
        self.heads = rows[0].heads
        self.tops: list[float] = []
        y = 0.0
        for number, row in enumerate(rows):
            if number:
                y += GAP + (LABEL if told & set(row.heads) else 0)
            self.tops.append(y)
            y += row.h
        self.h = y

    def place(self, x: float, y: float, plan: Layout) -> None:
        for row, top in zip(self.rows, self.tops, strict=True):
            row.place(x + self.axis - row.axis, y + top, plan)


class Beside(Cell):
    """Columns beside one another, and arrows that pass them on the right. With a `trunk` the first goes on in the line
    of what is above, else all stand evenly to its sides. `bar`: what they lead to is as wide as they are. `tiers`:
    nothing follows, so every second one stands lower, below the gap between its neighbours."""

    def __init__(self, columns: list[Cell], lanes: list[int], bar: bool, trunk: bool, tiers: bool = False):
        self.columns, self.lanes, self.bar, self.trunk, self.tiers = columns, lanes, bar, trunk, tiers
        self.above = FAN if len(columns) > 1 else 5 if lanes else 0
        self.below = FAN if len(columns) > 1 and not bar else 0
        self.inner = max(column.h for column in columns)
        self.lower = max(column.h for column in columns[::2]) + GAP if tiers else 0
        self.lefts = self._in_tiers() if tiers else list(accumulate((c.w + ASIDE for c in columns[:-1]), initial=0.0))
        first, last = columns[0], columns[-1]
        self.axis = first.axis if trunk else (first.axis + self.lefts[-1] + last.axis) / 2
        self.side = max(left + column.w for left, column in zip(self.lefts, columns, strict=True))
        self.w = self.side + LANE * len(lanes)
        self.h = self.above + (self.lower + max(c.h for c in columns[1::2]) if tiers else self.inner) + self.below
        self.heads = [head for column in columns for head in column.heads]

    def _in_tiers(self) -> list[float]:
        """The left sides: those of the upper tier as near as those of the lower, on the gaps between, allow."""
        lefts, upper, lower = [0.0], self.columns[0].w, 0.0
        for number in range(1, len(self.columns), 2):
            column = self.columns[number]
            gap = max(upper + ASIDE / 2, lower + column.axis)
            lefts.append(gap - column.axis)
            lower = gap - column.axis + column.w + ASIDE
            if number + 1 < len(self.columns):
                lefts.append(2 * gap - upper)
                upper = lefts[-1] + self.columns[number + 1].w
        return lefts

    def place(self, x: float, y: float, plan: Layout) -> None:
        for number, edge in enumerate(self.lanes):
            plan.lanes.setdefault(edge, []).append((x + self.side + LANE * (number + 0.75), y))
        for number, (column, left) in enumerate(zip(self.columns, self.lefts, strict=True)):
            top = number % 2 * self.lower if self.tiers else (self.inner - column.h) / 2
            column.place(x + left, y + self.above + top, plan)


class Ladder(Cell):
    """What cannot be taken apart: the longest path as a trunk, what remains in `columns` to its right."""

    def __init__(
        self,
        cells: dict[int, Cell],
        arrows: list[tuple[int, int, list[int]]],
        start: int,
        end: int,
        circles: set[int],
        columns: list[list[int]],
        told: set[int],
    ):
        self.cells, self.start, self.end, self.circles = cells, start, end, circles
        self.arrows, self.columns = arrows, columns
        before: dict[int, list[int]] = {node: [] for node in (*cells, end)}
        for a, b, _ in arrows:
            before[b].append(a)
        self.column = {node: number for number, path in enumerate(columns) for node in path}
        self.tops: dict[int, float] = {}
        bottom = [0.0] * len(columns)
        levels: list[tuple[float, int, int]] = []
        for node in sorted(cells):
            gap = GAP + (LABEL if told & set(cells[node].heads) else 0)
            ends = [self._bottom(a) + gap for a in before[node] if a in cells]
            above = bottom[self.column[node]]
            top = max([FAN, *ends, above + gap if above else 0])
            self.tops[node] = self._clear(node, top, before[node], levels)
            levels += self._levels(node, before[node])
            bottom[self.column[node]] = self._bottom(node)
        self.axes: list[float] = []
        x = 0.0
        for path in columns:
            left = max(cells[node].axis for node in path)
            self.axes.append(x + left)
            x += left + max(cells[node].w - cells[node].axis for node in path) + ASIDE
        self.side = x - ASIDE
        self.h = max(bottom) + FAN
        self.lanes, count = self._lanes()
        self.w = self.side + LANE * count
        self.axis = self.axes[0]
        self.heads = [head for node in cells if start in before[node] for head in cells[node].heads]

    def _bottom(self, node: int) -> float:
        return self.tops[node] + self.cells[node].h if node in self.cells else 0.0

    def _clear(self, node: int, top: float, before: list[int], levels: list[tuple[float, int, int]]) -> float:
        """The height for a node, below that at which an arrow to it can cross the columns between, and at which no
        arrow to another crosses."""
        column, high = self.column[node], self.cells[node].h
        top = max([top, *(level + CLEAR for level, _, _ in self._levels(node, before))])
        for level, first, last in sorted(levels):
            if first < column < last and top - CLEAR < level < top + high + CLEAR:
                top = level + CLEAR
        return top

    def _levels(self, node: int, before: list[int]) -> Iterator[tuple[float, int, int]]:
        """For each arrow to a node over other columns the first height below its source at which these are free."""
        for source in before:
            first, last = sorted((self.column.get(source, 0), self.column[node]))
            if last - first < 2:
                continue
            level = self._bottom(source) + CLEAR
            for other in sorted(self.tops, key=lambda n: (self.tops[n], n)):
                if first < self.column[other] < last and self.tops[other] - CLEAR < level < self._bottom(other) + CLEAR:
                    level = self._bottom(other) + CLEAR
            yield level, first, last

    def _span(self, a: int, b: int) -> tuple[float, float]:
        return self._bottom(a), self.tops.get(b, self.h)

    def _free(self, column: int, top: float, bottom: float, ends: Iterable[int]) -> bool:
        others = (n for n in self.columns[column] if n not in ends)
        return not any(self.tops[n] < bottom and self._bottom(n) > top for n in others)

    def _lanes(self) -> tuple[dict[int, tuple[int, float]], int]:
        """For each arrow that would cross boxes its lane and where it turns aside; and how many lanes there are."""
        busy: list[list[tuple[float, float]]] = []
        found: dict[int, tuple[int, float]] = {}
        for a, b, numbers in sorted(self.arrows, key=lambda arrow: self._length(arrow[0], arrow[1])):
            top, bottom = self._span(a, b)
            source, target = self.column.get(a, 0), self.column.get(b, 0)
            late = b in self.circles or b == self.end or source == target
            if self._free(source if late else target, top, bottom, (a, b)):
                continue
            for number in numbers:
                lane = next((i for i, taken in enumerate(busy) if all(bottom <= t or top >= e for t, e in taken)), None)
                if lane is None:
                    lane = len(busy)
                    busy.append([])
                busy[lane].append((top, bottom))
                found[number] = lane, top + 4
        return found, len(busy)

    def _length(self, a: int, b: int) -> tuple[float, int, int]:
        top, bottom = self._span(a, b)
        return bottom - top, a, b

    def place(self, x: float, y: float, plan: Layout) -> None:
        for node, cell in self.cells.items():
            cell.place(x + self.axes[self.column[node]] - cell.axis, y + self.tops[node], plan)
        for edge, (lane, top) in self.lanes.items():
            plan.lanes.setdefault(edge, []).append((x + self.side + LANE * (lane + 0.75), y + top))
        for _, b, numbers in self.arrows:
            if b in self.cells and b not in self.circles:
                plan.early.update(numbers)
