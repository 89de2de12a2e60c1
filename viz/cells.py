"""The cells of a layout: each knows its size and where its axis runs, and puts what it holds in place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise, zip_longest

from .channels import APART, GAP, Channel, Flow, Tip
from .layout import Layout, Spot

ASIDE, LANE, STEP, PAD = 18, 15, 8, 11
"""Between columns, for an arrow beside a column, more for each further one, between a frame and what it holds."""
PORT, TIGHT, EDGE, BORDER, REACH, NEAR, SIDE = 18, 10, 6, 2, 22, 14, 5
"""How far arrows into a box stand apart, and into a bar; from the ends of these; those out of it; how far a bar goes on
beyond the outermost; how near to the middle an arrow runs straight into a box; how far beside a circle an arrow runs
that ends at its side."""


class Cell:
    """A rectangle of the layout. `axis` is where the arrow through it runs, from its left side, and `first` where the
    first arrow from above may come in. `ins` and `outs` are the arrows that come in and go out.

    It gets its place in three steps: `place` says where it is across, `route` lays its arrows and so finds its height,
    and `lower` says where it is from above.
    """

    w: float
    h: float
    axis: float
    first: float
    ins: set[int]
    outs: set[int]
    wide = single = False
    """Whether arrows come in at places of their own, one beside another; whether one tensor comes in, at the axis."""

    def place(self, x: float, plan: Layout) -> None:
        raise NotImplementedError

    def aim(self, edge: int) -> float:
        """Where an arrow that comes in would best run, once this is placed."""
        raise NotImplementedError

    def enter(self, strip: Channel) -> None:
        """Says where the arrows that come in from a strip go on."""
        raise NotImplementedError

    def route(self, flow: Flow, plan: Layout) -> None:
        raise NotImplementedError

    def lower(self, y: float, plan: Layout) -> None:
        raise NotImplementedError


class Leaf(Cell):
    """A box, with room for a text to the right of its axis. Circles and bars have `room` to both sides, where arrows
    may come to them, or they may grow."""

    def __init__(
        self, box: int, size: tuple[float, float], text: float, ins: set[int], outs: set[int], face: str, nets: int
    ):
        self.box, self.face, self.ins, self.outs = box, face, ins, outs
        wide = max(size[0], nets * TIGHT + 8) if face == "bar" else size[0]
        self.size = wide, size[1]
        self.axis, self.h = wide / 2, size[1]
        self.w = max(wide, self.axis + text)
        self.first = max(0, self.axis - PORT * (nets - 1)) if face != "circle" else self.axis - 6
        self.single = nets == 1 and face != "bar"
        self.spot = Spot()
        self.room = (0.0, 0.0)

    @property
    def joins(self) -> bool:
        return self.face in ("circle", "bar")

    def place(self, x: float, plan: Layout) -> None:
        self.spot = plan.boxes[self.box] = Spot(x, 0, *self.size)
        self.room = self.spot.x, self.spot.right

    def aim(self, edge: int) -> float:
        return self.spot.middle

    def enter(self, strip: Channel) -> None:
        edges = sorted((strip.at[edge], edge) for edge in self.ins if edge in strip.at)
        if self.face == "circle":
            self._around(strip, edges)
            return
        if self.face == "bar":
            near = [x for x, _ in edges if self.room[0] < x < self.room[1]]
            left = max(self.room[0], min([self.spot.x, *(x - REACH for x in near)]))
            right = min(self.room[1], max([self.spot.right, *(x + REACH for x in near)]))
            self.spot.x, self.spot.w = min(left, self.spot.x), max(right, self.spot.right) - min(left, self.spot.x)
        low, high = (end - sign * min(EDGE, self.spot.w / 6) for end, sign in ((self.spot.x, -1), (self.spot.right, 1)))
        wanted = _spread([x for x, _ in edges], low, high) if self.face == "bar" else self._ports(edges, low, high)
        crowded = any(after - before < APART for before, after in pairwise(wanted))
        for (_, edge), x in zip(edges, wanted, strict=True):
            strip.put(edge, x, *((x, x) if crowded else (low, high)))
            strip.flow.tips[edge] = Tip()

    def _ports(self, edges: list[tuple[float, int]], low: float, high: float) -> list[float]:
        """Places on the top of a box: what comes from about its middle runs straight in, the rest beside it."""
        axis, count = self.spot.middle, len(edges)
        if not count:
            return []
        pivot = min(range(count), key=lambda n: abs(edges[n][0] - axis))
        if abs(edges[pivot][0] - axis) >= NEAR:
            step = min(PORT, (high - low) / max(1, count - 1))
            return [axis + (n - (count - 1) / 2) * step for n in range(count)]
        start = min(max(edges[pivot][0], low), high)
        left, right = (start - low) / max(1, pivot), (high - start) / max(1, count - 1 - pivot)
        return [start + (n - pivot) * min(PORT, left if n < pivot else right) for n in range(count)]

    def _around(self, strip: Channel, edges: list[tuple[float, int]]) -> None:
        """The ends of arrows at a circle: on its top, or at the side where nothing is in the way."""
        axis, radius = self.spot.middle, self.spot.w / 2
        sides: dict[int, list[tuple[float, int]]] = {-1: [], 1: []}
        above: list[tuple[float, int]] = []
        for x, edge in edges:
            beside = abs(x - axis) > radius + SIDE and self.room[0] <= x <= self.room[1]
            (sides[1 if x > axis else -1] if beside else above).append((x, edge))
        for side, found in sides.items():
            found.sort(key=lambda end: (abs(end[0] - axis), end[1]))
            for place, (x, edge) in enumerate(found):
                strip.put(edge, x, x, x)
                below = (place - (len(found) - 1) / 2) * min(APART, 1.5 * radius / len(found))
                strip.flow.tips[edge] = Tip(_inside(radius, below), side, below)
        step = min(APART, 1.5 * radius / max(1, len(above)))
        straight = (place for place, (x, _) in enumerate(above) if abs(x - axis) < 0.5)
        pivot = next(straight, 0 if len(above) == 1 else (len(above) - 1) / 2)
        for place, (_, edge) in enumerate(above):
            off = min(max((place - pivot) * step, -0.8 * radius), 0.8 * radius)
            strip.put(edge, axis + off, axis - 0.9 * radius, axis + 0.9 * radius, step / 2)
            strip.flow.tips[edge] = Tip(_inside(radius, strip.to[edge] - axis))

    def route(self, flow: Flow, plan: Layout) -> None:
        middle = self.spot.x + self.axis if self.face != "bar" else self.spot.middle
        wide = (self.spot.x + EDGE, self.spot.right - EDGE) if self.face == "bar" else None
        flow.leave(self.outs, middle, self.spot.w / 2 - BORDER, wide)

    def lower(self, y: float, plan: Layout) -> None:
        self.spot.y = y


def _inside(radius: float, off: float) -> float:
    """How far the border of a circle is below its highest point, so far off the middle."""
    return radius - max(0.0, radius**2 - off**2) ** 0.5


def _spread(wanted: list[float], low: float, high: float) -> list[float]:
    """Places as near to those that are wanted, in order, as stand apart."""
    step = min(TIGHT, (high - low) / max(1, len(wanted) - 1))
    found: list[float] = []
    for x in wanted:
        found.append(max(min(max(x, low), high), found[-1] + step if found else low))
    last = high
    for place in range(len(found) - 1, -1, -1):
        found[place] = min(found[place], last)
        last = found[place] - step
    return found


class Frame(Cell):
    """A group around its content, with room for a heading of some size to the left of the arrows into it. Where many
    come in they part below the heading. Where arrows run to the right it is `turned`: all stands below the heading."""

    def __init__(self, group: int, inner: Cell, header: tuple[float, float], nets: int, turned: bool = False):
        self.group, self.inner, self.header, self.nets = group, inner, header, nets
        self.ins, self.outs = inner.ins, inner.outs
        entry = inner.axis if inner.wide else inner.first
        self.before, self.least = (PAD, header[1] + PAD) if turned else (header[1] + 4, 0.0)
        self.left = header[0] + 4 if turned else max(PAD, header[0] + PAD - entry)
        self.w, self.axis, self.first = self.left + inner.w + PAD, self.left + inner.axis, self.left + entry
        self.single = nets == 1 if inner.wide else inner.single
        self.gate: Channel | None = None
        self.spot = Spot()

    def place(self, x: float, plan: Layout) -> None:
        self.spot = plan.frames[self.group] = Spot(x, 0, self.w, 0)
        self.inner.place(x + self.left, plan)

    def aim(self, edge: int) -> float:
        if self.inner.wide and self.nets == 1:
            return self.spot.x + self.axis
        return max(self.inner.aim(edge), self._free)

    @property
    def _free(self) -> float:
        """From where on no heading is in the way."""
        return self.spot.x + self.header[0] + 6

    def enter(self, strip: Channel) -> None:
        if not self.inner.wide:
            self.inner.enter(strip)
            return
        nets: dict[tuple[int, int], list[int]] = {}
        for edge in sorted(self.ins & strip.at.keys(), key=lambda edge: (strip.at[edge], edge)):
            nets.setdefault(strip.flow.net[edge], []).append(edge)
        low, high = self._free, self.spot.right - EDGE
        for first, *others in nets.values():
            found = [self.aim(edge) for edge in (first, *others)]
            x = min(max(strip.at[first], min(found)), max(found))
            strip.put(first, min(max(x, low), high), low, high)
            strip.to.update(dict.fromkeys(others, strip.to[first]))

    def route(self, flow: Flow, plan: Layout) -> None:
        aims = {edge: self.inner.aim(edge) for edge in sorted(self.ins & flow.at.keys())} if self.inner.wide else {}
        self.gate = Channel(flow, aims) if aims else None
        if self.gate:
            self.inner.enter(self.gate)
            self.gate.close()
        self.inner.route(flow, plan)
        self.h = max(self.before + (self.gate.h if self.gate else 0) + self.inner.h + PAD, self.least)
        self.spot.h = self.h

    def lower(self, y: float, plan: Layout) -> None:
        self.spot.y = y
        y += self.before
        if self.gate:
            self.gate.y = y
            y += self.gate.h
        self.inner.lower(y, plan)


class Column(Cell):
    """Cells below one another, their axes in line."""

    def __init__(self, rows: list[Cell]):
        self.rows = rows
        self.axis = max(row.axis for row in rows)
        self.w = self.axis + max(row.w - row.axis for row in rows)
        self.first = self.axis - rows[0].axis + rows[0].first
        self.ins, self.outs, self.wide, self.single = rows[0].ins, rows[-1].outs, rows[0].wide, rows[0].single
        self.strips: list[Channel] = []

    def place(self, x: float, plan: Layout) -> None:
        for number, row in enumerate(self.rows):
            row.place(x + self.axis - row.axis, plan)
            if number and isinstance(row, Leaf) and row.joins:
                row.room = x - 4, x + self.w + 4

    def aim(self, edge: int) -> float:
        return self.rows[0].aim(edge)

    def enter(self, strip: Channel) -> None:
        self.rows[0].enter(strip)

    def route(self, flow: Flow, plan: Layout) -> None:
        self.strips = []
        self.rows[0].route(flow, plan)
        for row in self.rows[1:]:
            strip = Channel(flow, {edge: row.aim(edge) for edge in sorted(row.ins & flow.at.keys())})
            row.enter(strip)
            strip.close()
            self.strips.append(strip)
            row.route(flow, plan)
        self.h = sum(row.h for row in self.rows) + sum(strip.h for strip in self.strips)

    def lower(self, y: float, plan: Layout) -> None:
        for row, strip in zip_longest(self.rows, self.strips):
            row.lower(y, plan)
            y += row.h
            if strip:
                strip.y = y
                y += strip.h


class Lanes:
    """Lines beside boxes, side by side, for arrows that pass these: one for all arrows of a tensor."""

    def __init__(self, edges: Iterable[int], net: Sequence[tuple[int, int]]):
        self.edges = sorted(edges)
        self.nets = list(dict.fromkeys(net[edge] for edge in self.edges))
        self.w = LANE + STEP * (len(self.nets) - 1) if self.nets else 0.0
        self.left = 0.0

    def aim(self) -> float:
        return self.left + self.w / 2

    def enter(self, strip: Channel) -> None:
        """In the order in which they come."""
        first = {strip.flow.net[edge]: strip.at[edge] for edge in reversed(self.edges) if edge in strip.at}
        order = sorted(first, key=lambda net: (first[net], net))
        for edge in self.edges:
            if edge in strip.at:
                x = self.left + LANE / 2 + STEP * order.index(strip.flow.net[edge])
                strip.put(edge, x, x - APART, x + APART)


class Beside(Cell):
    """Columns beside one another, and arrows that pass them on the right. With a `trunk` the first goes on in the line
    of what is above, else all stand evenly to its sides. Of many that are the `last`, so that nothing follows, every
    second one stands lower, below the gap between its neighbours."""

    wide = True

    def __init__(self, columns: list[Cell], lanes: Lanes, trunk: bool, last: bool = False):
        self.columns, self.lanes, self.trunk, self.last = columns, lanes, trunk, last
        self.tiers = last and all(column.single for column in columns[1::2])
        in_line = list(accumulate((column.w + ASIDE for column in columns[:-1]), initial=0.0))
        self.lefts = self._in_tiers() if self.tiers else in_line
        first = columns[0]
        self.axis = first.axis if trunk else (first.axis + self.lefts[-1] + columns[-1].axis) / 2
        self.side = max(left + column.w for left, column in zip(self.lefts, columns, strict=True))
        self.w = self.side + lanes.w
        self.first = first.first
        self.ins = set(lanes.edges).union(*(column.ins for column in columns))
        self.outs = set(lanes.edges).union(*(column.outs for column in columns))
        self.wide = len(columns) > 1 or bool(lanes.edges)

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

    def place(self, x: float, plan: Layout) -> None:
        for column, left in zip(self.columns, self.lefts, strict=True):
            column.place(x + left, plan)
        self.lanes.left = x + self.side

    def aim(self, edge: int) -> float:
        return next((column.aim(edge) for column in self.columns if edge in column.ins), self.lanes.aim())

    def enter(self, strip: Channel) -> None:
        for number, (column, left) in enumerate(zip(self.columns, self.lefts, strict=True)):
            column.enter(strip)
            if self.tiers and number % 2:
                self._keep_to(self.lanes.left - self.side + left + column.axis, column.ins, strip)
        self.lanes.enter(strip)

    def _keep_to(self, gap: float, edges: set[int], strip: Channel) -> None:
        """Lets the arrows into the lower tier run between the boxes of the upper one."""
        for edge in sorted(edges & strip.to.keys()):
            if abs(strip.to[edge] - gap) > APART:
                strip.put(edge, gap, gap - APART, gap + APART)

    def route(self, flow: Flow, plan: Layout) -> None:
        for column in self.columns:
            column.route(flow, plan)
        upper, lower = self.columns[::2], self.columns[1::2] if self.tiers else []
        self.inner = max(column.h for column in (upper if self.tiers else self.columns))
        self.lower_tier = self.inner + GAP
        self.h = self.lower_tier + max(column.h for column in lower) if lower else self.inner

    def lower(self, y: float, plan: Layout) -> None:
        for number, column in enumerate(self.columns):
            top = number % 2 * self.lower_tier if self.tiers else (self.inner - column.h) / 2
            column.lower(y + top, plan)
