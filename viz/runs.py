"""Equal parts, which a drawing shows once: in a row, or side by side; and what an overview draws as one besides.

Parts are equal where the same lines of the spec made them, layer for layer, with the same settings on the same shapes:
a power, a comprehension, a loop, a block called again with the same arguments. Where single boxes would not fit a page,
units that differ in settings alone go into one as well, and equal layers side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..compiler.ir.graph import Node, Value
from ..compiler.ir.region_tree import RegionTree
from .tree import Cluster

FEWEST_ATOMS = 3
"""So many equal small chains in a row are drawn as one; of larger parts two."""
FEWEST_BRANCHES = 5
"""Of so many equal branches only the first and the last are drawn."""
PERIOD = 3
"""Members that may repeat together, such as a unit and the activation after it."""


@dataclass(slots=True)
class Run:
    """Parts that compute the same, each from the one before. `rest`: those of equal branches that are not drawn.
    `unlike`: their settings differ. `beside`: single layers, which stand side by side."""

    parts: list[Cluster]
    rest: bool = False
    unlike: bool = False
    beside: bool = False

    @property
    def first(self) -> Cluster:
        return self.parts[0]

    def nodes(self) -> list[Node]:
        return [node for part in self.parts for node in part.nodes()]


@dataclass(slots=True)
class _Structure:
    """What a part computes: `layers` is equal for equal parts; `owners` whose weights its layers use, as their places
    in the part and as nodes."""

    nodes: list[Node]
    layers: list[tuple[Any, ...]]
    owners: list[tuple[int | None, int]]
    takes: list[Value]
    own: set[int] = field(default_factory=set)


class Runs:
    """Finds the runs among the members of a part."""

    def __init__(self, regions: RegionTree):
        self.graph = graph = regions.graph
        self.users = [regions.users_of(node) for node in graph.nodes]
        self.outputs = {value[0] for output in graph.outputs for value in output.values}
        self.structures: dict[tuple[int, int], _Structure] = {}
        self.known: dict[tuple[int, int], list[Run | Node]] = {}
        self.keys: dict[int, Any] = {}

    def among(self, members: list[Cluster | Node]) -> list[Run | Node]:
        """The members, with those that are equal put together: found once, unless several members repeat together,
        which are then a part of their own each time."""
        key = id(members[0]), len(members)
        if key in self.known:
            return self.known[key]
        found: list[Run | Node] = []
        place, longest = 0, 1
        while place < len(members):
            branches = self._branches(members, place)
            if branches:
                found += [Run(branches[:1]), Run(branches[1:-1], rest=True), Run(branches[-1:])]
                place += len(branches)
                continue
            row, period = self._row(members, place)
            found.append(Run(row) if row else members[place])  # type: ignore[arg-type]
            place += max(1, len(row) * period)
            longest = max(longest, period)
        if longest == 1:
            self.known[key] = found
        return found

    def _row(self, members: list[Cluster | Node], place: int) -> tuple[list[Cluster], int]:
        """The run that begins at a place, and how many members repeat in it; none for a layer."""
        for period in range(1, PERIOD + 1):
            several = period > 1 or isinstance(members[place], Node)
            if several and all(isinstance(m, Node) or m.is_atom for m in members[place : place + period]):
                continue
            window = _window(members, place, period)
            if window is None:
                break
            row = [window]
            while True:
                after = _window(members, place + len(row) * period, period)
                if after is None or not self._continues(row, after):
                    break
                row.append(after)
            if len(row) >= (FEWEST_ATOMS if window.is_atom else 2):
                return row, period
        member = members[place]
        return ([member], 1) if isinstance(member, Cluster) else ([], 1)

    def _continues(self, row: list[Cluster], part: Cluster) -> bool:
        return self.equal(row[0], part) and self._follows(row, part)

    def goes_on(self, row: list[Cluster], part: Cluster) -> bool:
        """Whether a part goes on with a row of others that were made by the same lines, if with other settings."""
        return _alike(self.structure(row[0]), self.structure(part)) and self._follows(row, part)

    def equal(self, one: Cluster, other: Cluster) -> bool:
        return _equal(self.structure(one), self.structure(other))

    def place_of(self, node: Node) -> tuple[Any, ...] | None:
        """What is the same for equal layers whose only consumer is the same; none where there are several, or none."""
        goals, taken = self.users[node.index], tuple(map(self.graph.type_of, node.inputs))
        if len(goals) != 1 or node.index in self.outputs:
            return None
        return (*goals, node.span, node.op.key, taken, node.outputs, node.frozen, node.recompute)

    def _follows(self, row: list[Cluster], part: Cluster) -> bool:
        """Whether a part takes what the first took, or what the last gave, and the last gave it to nobody else."""
        first, last, structure = self.structure(row[0]), self.structure(row[-1]), self.structure(part)
        if last.own & self.outputs:
            return False
        if any(
            mine != firsts and mine[0] not in last.own
            for mine, firsts in zip(structure.takes, first.takes, strict=True)
        ):
            return False
        return all(self.users[index] <= structure.own | last.own for index in last.own)

    def _branches(self, members: list[Cluster | Node], place: int) -> list[Cluster]:
        """Equal parts side by side, which take the same and give to the same; none where they are few."""
        found: list[Cluster] = []
        goal: set[int] = set()
        for at in range(place, len(members)):
            member = members[at]
            if not isinstance(member, Cluster):
                break
            structure = self.structure(member)
            gives = set().union(*(self.users[index] for index in structure.own)) - structure.own
            if structure.own & self.outputs:
                break
            before = self.structure(found[0]) if found else structure
            if found and (structure.takes != before.takes or gives != goal or not _equal(before, structure)):
                break
            if not found:
                goal = gives
            found.append(member)
        return found if len(found) >= FEWEST_BRANCHES and len(goal) == 1 else []

    def alike(self, part: Cluster) -> tuple[Any, ...]:
        """The same for parts with equal layers that share weights in the same places and give the same to others."""
        found, outside = self.structure(part), dict[int, int]()
        owners = [place if place is not None else -1 - outside.setdefault(o, len(outside)) for place, o in found.owners]
        given = [
            (place, value[1], taker)
            for place, node in enumerate(found.nodes)
            for taker in self.users[node.index] - found.own
            for value in self.graph.nodes[taker].inputs
            if value[0] == node.index
        ]
        ranks = {taker: rank for rank, taker in enumerate(sorted({taker for *_, taker in given}))}
        leaving = sorted((ranks[taker], place, number) for place, number, taker in given)
        return tuple(found.layers), tuple(owners), tuple(leaving)

    def structure(self, part: Cluster) -> _Structure:
        """That of a part: what begins with the same member and has as many is the same, in each diagram."""
        key = id(part.members[0]), len(part.members)
        known = self.structures.get(key)
        if known is None:
            known = self.structures[key] = self._structure(part)
        return known

    def _structure(self, part: Cluster) -> _Structure:
        nodes = part.nodes()
        place = {node.index: i for i, node in enumerate(nodes)}
        outside: dict[Value, int] = {}
        layers: list[tuple[Any, ...]] = []
        for node in nodes:
            inputs = tuple(
                (place[v[0]], v[1]) if v[0] in place else (-1 - outside.setdefault(v, len(outside)), 0)
                for v in node.inputs
            )
            key = self.keys.get(id(node.op))
            if key is None:
                key = self.keys[id(node.op)] = node.op.key
            block = node.origin.block if node.origin else None
            taken = tuple([self.graph.type_of(v) for v in node.inputs if v[0] not in place])
            layers.append((node.span, block, key, inputs, taken, node.outputs, node.frozen, node.recompute is None))
        owners = [(place.get(node.owner), node.owner) for node in nodes]
        return _Structure(nodes, layers, owners, list(outside), set(place))


def _window(members: list[Cluster | Node], place: int, period: int) -> Cluster | None:
    window = members[place : place + period]
    if len(window) < period:
        return None
    if period == 1 and isinstance(window[0], Cluster):
        return window[0]
    return Cluster("", None, "", members=window)


def _equal(a: _Structure, b: _Structure) -> bool:
    """Whether two parts compute the same, with weights of their own or both with the same."""
    if len(a.layers) != len(b.layers) or a.layers != b.layers:
        return False
    return all(x[1] == y[1] or (x[0] is not None and x[0] == y[0]) for x, y in zip(a.owners, b.owners, strict=True))


def _alike(a: _Structure, b: _Structure) -> bool:
    """Whether two parts have the same kinds of layers from the same places in the source, connected in the same way,
    with weights of their own."""
    if len(a.nodes) != len(b.nodes) or len(a.takes) != len(b.takes):
        return False
    pairs = zip(a.nodes, b.nodes, a.layers, b.layers, strict=True)
    if any((x.span, x.op.kind, u[3], x.frozen) != (y.span, y.op.kind, v[3], y.frozen) for x, y, u, v in pairs):
        return False
    return all(structure.own.issuperset(owner for _, owner in structure.owners) for structure in (a, b))


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
    nodes = run.first.nodes()
    return nodes[0] if len(nodes) == 1 else None
