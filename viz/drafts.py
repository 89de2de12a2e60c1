"""Boxes in the making: layers that follow one another put into one, marks of shared weights, and the arrows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import or_

from ..compiler.ir.graph import Graph, Node, Value, concrete
from ..compiler.ir.types import Role
from .diagram import Chip, Diagram, Edge, Row, Shape
from .words import signs_of

TALLEST, HIGH = 5, 12
"""Layers that one box holds at most, and that one of a high stack does."""

STACKED = frozenset({("conv", "conv"), ("conv", "pool"), ("dense", "dense")})
"""Main layers that follow one another in a high stack."""

Told = tuple[int, Shape | None]
"""The number of the arrow that told a shape last on the way to a box, and that shape."""


@dataclass(slots=True)
class Draft:
    """A box in the making. `takes` holds the drafts and the values that it reads."""

    role: str
    rows: list[Row]
    nodes: list[Node]
    group: int | None
    times: int
    title: str = ""
    note: str = ""
    sketch: tuple[Chip, ...] = ()
    takes: list[tuple[int, Value]] = field(default_factory=list)
    training: bool = False
    count: int = 1
    inner: Diagram | None = None
    first: Shape | None = None

    @property
    def joins(self) -> bool:
        """Whether it is a merge that puts tensors side by side."""
        return self.role == "merge" and self.nodes[0].op.joins_shapes


def stacked(drafts: list[Draft], high: bool = False) -> tuple[list[Draft], list[int]]:
    """The drafts with chains of layers put into one, numbered anew; and for each draft its new number. Stacks that are
    `high` hold several convolutions, to the pool behind them, or several dense layers."""
    leaving = Counter(source for draft in drafts for source, _ in draft.takes)
    boxes: list[Draft] = []
    tops: list[int] = []
    place: list[int] = []
    for number, draft in enumerate(drafts):
        draft.takes = list(dict.fromkeys((place[source], value) for source, value in draft.takes))
        below = draft.takes[0][0] if len(draft.takes) == 1 else None
        if below is not None and leaving[tops[below]] == 1 and _fits(draft, boxes[below], high):
            boxes[below].rows += draft.rows
            boxes[below].nodes += draft.nodes
            tops[below] = number
        else:
            below = len(boxes)
            boxes.append(draft)
            tops.append(number)
        place.append(below)
    return boxes, place


def _fits(draft: Draft, box: Draft, high: bool) -> bool:
    """Whether a layer goes into the box before it, which has one main layer: convolution, norm, activation; or, where
    it began with the others, norm, activation, convolution."""
    tallest = HIGH if high else TALLEST
    if (draft.role, box.role) != ("layer", "layer") or box.group != draft.group or len(box.rows) >= tallest:
        return False
    if draft.count > 1 or box.count > 1:
        return False
    mains = [row.kind for row in box.rows if not row.minor]
    if draft.rows[0].minor:
        return not (mains and box.rows[0].minor)
    return not mains or (high and (mains[-1], draft.rows[0].kind) in STACKED)


def shared_weights(graph: Graph, where: dict[int, int]) -> Iterator[tuple[int, list[int]]]:
    """The nodes whose weights are used more than once, and for each use the place in which `where` has it."""
    users: dict[int, list[int]] = {}
    for node in [graph.nodes[index] for index in sorted(where)]:
        if node.op.has_weights:
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


class Shapes:
    """The shapes of a graph's tensors without the batch, at the nominal sizes; a parameter has no batch. What tensors
    of one type share is found once."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.known: dict[int, Shape] = {}

    def of(self, value: Value) -> Shape:
        type = self.graph.nodes[value[0]].outputs[value[1]]
        known = self.known.get(id(type))
        if known is None:
            sizes = tuple([axis.size for axis in type.axes if axis.role is not Role.BATCH])
            known = self.known[id(type)] = concrete(sizes, self.graph.nominal)
        return known


def arrows(shapes: Shapes, drafts: list[Draft]) -> list[Edge]:
    """The arrows. A shape is told where it is not the one that was told before, once for each value, and once where
    several of the same shape go side by side; what goes into a sum is told behind it, unless it is what was told last
    before the sum, or what a shortcut brings."""
    nodes, before = shapes.graph.nodes, _reach(drafts)
    known: list[Told] = [(-1, None)] * len(drafts)
    told: dict[Value, int] = {}
    edges: list[Edge] = []
    for number, draft in enumerate(drafts):
        sources = {source for source, _ in draft.takes}
        behind = reduce(or_, [before[source] for source in sources], 0)
        signs = _signs(draft)
        sums = draft.role == "merge" and not draft.joins
        whole = shapes.of((draft.nodes[0].index, 0)) if sums else None
        summed: list[tuple[tuple[bool, bool, int], Told]] = []
        last = {(source, shapes.of(value)): value for source, value in draft.takes}
        for source, value in draft.takes:
            past = bool(behind >> source & 1)
            drawn = nodes[value[0]].op.is_drawn
            role = "training" if draft.training else "drawn" if drawn else "skip" if past else "flow"
            shape = shapes.of(value)
            silent = past or drawn or value in told or sums
            tell = draft.role == "output" or (shape != known[source][1] and not silent)
            if tell:
                told[value] = len(edges)
            brought = (told[value], shape) if value in told else known[source]
            if sums:
                summed.append(((past and brought[1] == shape, shape == whole, brought[0]), brought))
            elif known[number][1] is None or known[source][1] == shape:
                known[number] = brought
            shown = tell and last[source, shape] == value
            edges.append(Edge(source, number, shape if shown else None, role, signs.get(value, "")))
        if summed:
            known[number] = max(summed, key=lambda found: found[0])[1]
    return edges


def _signs(draft: Draft) -> dict[Value, str]:
    """The signs at the ends of arrows, by the values that they bring: into a sum where it takes the value away; `±`
    where it adds it too. Of other layers whose inputs may not change places, the numbers of a value among them."""
    if draft.role not in ("merge", "layer"):
        return {}
    first = draft.nodes[0]
    places: dict[Value, list[int]] = {}
    for place, taken in enumerate(first.inputs):
        places.setdefault(taken, []).append(place)
    if first.op.is_commutative:
        signs = list(signs_of(first.op))
        found = {value: {signs[place] for place in at if place < len(signs)} for value, at in places.items()}
        return {value: "±" if 1 in each else "−" for value, each in found.items() if -1 in each}
    if len(set(first.op.arriving(first.inputs))) <= 1:
        return {}
    return {value: ", ".join(str(place + 1) for place in at) for value, at in places.items()}


def _reach(drafts: list[Draft]) -> list[int]:
    """For each draft the set of those that it depends on, as bits."""
    before = [0] * len(drafts)
    for number, draft in enumerate(drafts):
        for source, _ in draft.takes:
            before[number] |= before[source] | 1 << source
    return before
