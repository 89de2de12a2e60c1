"""How the boxes of a diagram stand to each other: below one another, beside one another, or neither.

Between two boxes that every path passes, what does not depend on each other stands side by side, and a column is laid
out in the same way again; so a residual unit is a column with an arrow beside it, and a fractal columns in columns.
What cannot be taken apart like this stands in rows, with parts that can be as one cell each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from .cells import Beside, Cell, Column, Frame, Lanes, Leaf
from .channels import Flow
from .components import components
from .diagram import Diagram, Edge
from .labels import AWAY
from .layers import Layers
from .modules import modules
from .ranks import rows_of

EVEN = 0.6
"""Two columns are alike where one has at least this share of the other's multiply-adds."""
CROWD, FANS = 3, 4
"""So many columns that lead to the same, or come from the same, and their boxes are narrow."""
DEEPEST = 60
"""Levels of columns in columns; what is nested further stands in rows."""


@dataclass(slots=True)
class Content:
    """What a frame holds directly: boxes by their number, groups as -1 minus theirs, in topological order.

    Places in `items` count from 1; 0 stands for all that comes before, and the place behind the last for what comes
    after. `out` says for each place where its arrows lead.
    """

    items: list[int] = field(default_factory=list)
    arrows: list[tuple[int, int, int]] = field(default_factory=list)
    out: list[dict[int, list[int]]] = field(default_factory=list)


Sizes = list[tuple[float, float]]


def composed(diagram: Diagram, sizes: Sizes, headings: Sizes, texts: dict[int, float], flow: Flow) -> Cell:
    """The boxes and groups of a diagram as one cell, with the sizes of the boxes and of the groups' headings, and the
    widths of the texts along arrows."""
    return Composer(diagram, sizes, headings, texts, flow).region(None)


def crowded(arrows: Iterable[tuple[int, int]]) -> bool:
    """Whether many things stand side by side, as arrows lead from all of them to the same, or from the same to all."""
    ends = set(arrows)
    into, out = Counter(target for _, target in ends), Counter(source for source, _ in ends)
    return max(into.values(), default=0) >= CROWD or max(out.values(), default=0) >= FANS


class Composer:
    """Takes the regions of a diagram apart."""

    def __init__(self, diagram: Diagram, sizes: Sizes, headings: Sizes, texts: dict[int, float], flow: Flow):
        self.diagram, self.sizes, self.headings, self.flow = diagram, sizes, headings, flow
        self.bars = {box.id for box in diagram.boxes if box.face == "bar"}
        self.room = self._room(texts)
        self.training = {edge.target for edge in diagram.edges if edge.role == "training"}
        self.regions: dict[int | None, Content] = {None: Content(), **{group.id: Content() for group in diagram.groups}}
        first: dict[int, int] = {}
        for box in diagram.boxes:
            self.regions[box.group].items.append(box.id)
            for group in diagram.around(box.group):
                first.setdefault(-1 - group, box.id)
        for group in diagram.groups:
            if -1 - group.id in first:
                self.regions[group.parent].items.append(-1 - group.id)
        for region in self.regions.values():
            region.items.sort(key=lambda item: first.get(item, item))
        self.ins: list[set[int]] = [set() for _ in diagram.boxes]
        self.outs: list[set[int]] = [set() for _ in diagram.boxes]
        for number, edge in enumerate(diagram.edges):
            self._lift(number, edge)
            self.outs[edge.source].add(number)
            self.ins[edge.target].add(number)
        for region in self.regions.values():
            _connect(region)

    def _room(self, texts: dict[int, float]) -> dict[int, float]:
        """For each box the room to the right of its axis that texts along its arrows take: those below it, and those
        above it, which above a bar stand in the columns of their sources. Above arrows that run to the right there is
        room."""
        room: dict[int, float] = {}
        for number, width in texts.items() if self.flow.widths is None else ():
            edge = self.diagram.edges[number]
            box = edge.source if number in self.flow.stems or edge.target in self.bars else edge.target
            room[box] = max(room.get(box, 0), 2 * AWAY + width)
        return room

    def _lift(self, number: int, edge: Edge) -> None:
        """Enters an arrow in the regions that it runs through; -1 minus a group, or a box, or none for the outside."""
        source, target = self._ways_in(edge.source), self._ways_in(edge.target)
        common = 0
        while source[common] == target[common] and common < min(len(source), len(target)) - 1:
            common += 1
        home = -1 - source[common - 1] if common else None
        outside = 1 << 60
        self.regions[home].arrows.append((source[common], target[common], number))
        for place in range(common, len(source) - 1):
            self.regions[-1 - source[place]].arrows.append((source[place + 1], outside, number))
        for place in range(common, len(target) - 1):
            self.regions[-1 - target[place]].arrows.append((outside, target[place + 1], number))

    def _ways_in(self, box: int) -> list[int]:
        """The items through which an arrow from outside comes to a box: the groups around it from the outermost on, and
        itself."""
        return [*(-1 - group for group in reversed(self.diagram.around(self.diagram.boxes[box].group))), box]

    def region(self, group: int | None) -> Cell:
        inner = self.content(group)
        if group is None:
            return inner
        return Frame(group, inner, self.headings[group], self._nets(inner.ins), self.flow.widths is not None)

    def _nets(self, edges: set[int]) -> int:
        return len({self.flow.net[edge] for edge in edges})

    def content(self, group: int | None) -> Cell:
        """What stands in a group, or in none."""
        region = self.regions[group]
        return self._column(region, list(range(1, len(region.items) + 1)), 0, len(region.items) + 1, 0)

    # --- one region --------------------------------------------------------------------------

    def _column(self, region: Content, nodes: list[int], start: int, end: int, level: int) -> Cell:
        """What leads from one place to another: the places that every path passes, and between them what stands
        beside one another."""
        if level > DEEPEST:
            return self._layers(region, nodes, start, end, level)
        cuts = _cuts(region, nodes, start, end)
        if not cuts:
            if len(_parts(region, nodes)) > 1:
                return self._beside(region, nodes, start, end, level + 1)
            return self._layers(region, nodes, start, end, level + 1)
        rows = self._rows(region, nodes, start, end, level, cuts)
        return rows[0] if len(rows) == 1 else Column(rows)

    def _rows(self, region: Content, nodes: list[int], start: int, end: int, level: int, cuts: set[int]) -> list[Cell]:
        """The cells below one another that lead from one place to another; `cuts` are between them."""
        rows: list[Cell] = []
        between: list[int] = []
        before = start
        for node in [*nodes, end]:
            if node != end and node not in cuts:
                between.append(node)
                continue
            if between:
                rows.append(self._beside(region, between, before, node, level + 1))
            if node != end:
                rows.append(self.leaf(region, node))
            between, before = [], node
        return rows

    def _beside(self, region: Content, nodes: list[int], start: int, end: int, level: int) -> Cell:
        lanes = region.out[start].get(end, [])
        parts = sorted(_parts(region, nodes), key=lambda part: _order(region, part, end))
        cells = [self._column(region, part, start, end, level) for part in parts]
        joined = region.items[end - 1] if end <= len(region.items) else None
        aside = any(region.items[node - 1] in self.training for part in parts for node in part)
        uneven = len(cells) == 2 and joined not in self.bars and (joined is not None or aside)
        trunk = self._heavier(region, parts) if uneven else 0
        follows = joined is not None or any(region.out[node].get(end) for part in parts for node in part)
        last = len(cells) > FANS and not lanes and not follows
        return Beside(cells[::-1] if trunk == 2 else cells, Lanes(lanes, self.flow.net), bool(trunk), last)

    def _heavier(self, region: Content, parts: list[list[int]]) -> int:
        """Which of two columns is the trunk beside which the other is a shortcut, 1 or 2; 0 where they are alike. It is
        the one with more of the multiply-adds, or where none has any, the longer one."""
        first, second = (sum(self._weight(region.items[node - 1]) for node in part) for part in parts)
        if not first and not second:
            first, second = map(len, parts)
        return 0 if min(first, second) > EVEN * max(first, second) else 1 if first > second else 2

    def _weight(self, item: int) -> int:
        return self.diagram.groups[-1 - item].multiply_adds if item < 0 else self.diagram.boxes[item].multiply_adds

    def _layers(self, region: Content, nodes: list[int], start: int, end: int, level: int) -> Cell:
        """Rows of cells. Parts with one way in and one way out are a cell each, as far as there are levels."""
        if len(nodes) == 1:
            return self.leaf(region, nodes[0])
        inside = {start, end, *nodes}
        out = {a: {b: n for b, n in region.out[a].items() if b in inside} for a in (start, *nodes)}
        out[start].pop(end, None)
        cells: dict[int, Cell] = {}
        whole = {start: start, end: end}
        for first, inner, last in modules(nodes, out, start, end) if level <= DEEPEST else ():
            passed = inner and last in out[first]
            beside = [self._beside(region, inner, first, last, level + 1)] if passed else []
            rows = beside or self._rows(region, inner, first, last, level, _cuts(region, inner, first, last))
            cells[first] = Column([self.leaf(region, first), *rows, self.leaf(region, last)])
            whole |= dict.fromkeys((first, *inner, last), first)
        for node in nodes:
            if whole.setdefault(node, node) == node and node not in cells:
                cells[node] = self.leaf(region, node)
        led: dict[tuple[int, int], list[int]] = {}
        for a, after in out.items():
            for b, numbers in after.items():
                if whole[a] != whole[b] and numbers:
                    led.setdefault((whole[a], whole[b]), []).extend(numbers)
        order = rows_of(sorted(cells), sorted(led, key=lambda ends: min(led[ends])), start, end)
        return Layers(cells, [(a, b, numbers) for (a, b), numbers in led.items()], start, end, order, self.flow)

    def leaf(self, region: Content, node: int) -> Cell:
        item = region.items[node - 1]
        return self.region(-1 - item) if item < 0 else self.box(item, self.sizes[item])

    def box(self, box: int, size: tuple[float, float]) -> Leaf:
        ins = self.ins[box]
        face = self.diagram.boxes[box].face
        return Leaf(box, size, self.room.get(box, 0), ins, self.outs[box], face, self._nets(ins))


def _connect(region: Content) -> None:
    """Fills `out`."""
    place = {item: number for number, item in enumerate(region.items, 1)}
    end = len(region.items) + 1
    region.out = [{} for _ in range(end + 1)]
    led, leads = [False] * (end + 1), [False] * (end + 1)
    for source, target, number in region.arrows:
        a, b = place.get(source, 0), place.get(target, end)
        if a < b:
            region.out[a].setdefault(b, []).append(number)
            led[b] = leads[a] = True
    for node in range(1, end):
        if not led[node]:
            region.out[0].setdefault(node, [])
        if not leads[node]:
            region.out[node].setdefault(end, [])


def _cuts(region: Content, nodes: list[int], start: int, end: int) -> set[int]:
    """The places that every path between two places passes."""
    inside = {*nodes, end}
    found: set[int] = set()
    first = region.out[start]
    reach = max((b for b in nodes if b in first), default=end)  # the start may lead to much else
    for node in nodes:
        if reach <= node:
            found.add(node)
        reach = max(reach, *(b for b in region.out[node] if b in inside), node)
    return found


def _order(region: Content, part: list[int], end: int) -> tuple[int, int]:
    """Columns stand in the order in which what is below takes them, else in that of their ends."""
    ends = [node for node in part if end in region.out[node]]
    numbers = [number for node in ends for number in region.out[node][end]]
    return min(numbers, default=1 << 60), min(ends, default=part[0])


def _parts(region: Content, nodes: list[int]) -> list[list[int]]:
    """The places in as many lists as there are parts that no arrow connects."""
    return components(nodes, ((node, other) for node in nodes for other in region.out[node]))
