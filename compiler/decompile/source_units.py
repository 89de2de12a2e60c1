"""Which places get a forward of their own, and what each forward does.

A place can be called where its parts are a convex piece of the graph: no data leaves it and comes back. Where some
does, the place is dissolved: it stays a container of modules, and the forward around it calls them one by one.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ..ir.graph import Value
from .source_parts import Part, Parts, Place
from .source_sharing import applications, common, holders, order_kept, outside


@dataclass(slots=True, eq=False)
class Unit:
    """One execution of a place: `parts` are those that it runs itself. What is shared has one for each application."""

    place: Place
    parent: Unit | None
    parts: list[Part] = field(default_factory=list)
    children: list[Unit] = field(default_factory=list)
    turn: int = 0
    home: Place | None = None
    """The shared place whose application number `turn` this is part of."""
    dissolved: bool = False
    everything: list[int] = field(default_factory=list)
    """The indices of all parts inside, in order."""


Item = Part | Unit


@dataclass(slots=True, eq=False)
class Body:
    """What the forward of a place does. Values are those of its first application.

    `steps` are the items in order; `inputs` and `outputs` are the values that come in and go out.
    """

    units: list[Unit]
    steps: list[Item] = field(default_factory=list)
    inputs: list[tuple[Value, ...]] = field(default_factory=list)
    counts: bool = False
    """Whether the forward is told which application it is, as some modules are each application's own."""
    turns: dict[Unit, int] = field(default_factory=dict)
    outputs: list[tuple[int, int]] = field(default_factory=list)
    """Each by the position of its part among the unit's, and its port."""

    def values_out(self, unit: Unit) -> list[Value]:
        return [(unit.everything[position], port) for position, port in self.outputs]

    def values_in(self, unit: Unit) -> list[Value]:
        return [values[self.turns[unit]] for values in self.inputs]


class Plan:
    """Bodies by place; a place without one is a container."""

    def __init__(self, parts: Parts, outputs: Iterable[Value], training_only: set[int]):
        self.parts = parts.parts
        self.root = parts.root
        self.outputs = list(outputs)
        self.training_only = training_only
        self.holders = holders(parts.root)
        self.users: dict[Value, list[int]] = defaultdict(list)
        for part in self.parts:
            for value in part.inputs:
                self.users[value].append(part.index)
        self.before = order_kept(self.parts)
        self.unit_of: dict[int, Unit] = {}
        self.fresh: dict[Place, Place] = {}
        """The lists of modules of which every application of something shared takes its own, and what is shared."""
        self.top = Unit(parts.root, None)
        self._make_units()
        self.bodies: dict[Place, Body] = {}
        self._schedule()

    # --- units -----------------------------------------------------------------------------

    def _make_units(self) -> None:
        repeated = applications(self.root, self.parts)
        plain: dict[Place, Unit] = {self.root: self.top}

        def unit_at(place: Place) -> Unit:
            chain = []
            while place not in plain:
                chain.append(place)
                assert place.parent is not None
                place = place.parent
            unit = plain[place]
            for item in reversed(chain):
                unit = plain[item] = _child(unit, item)
            return unit

        taken: set[int] = set()
        for home, turns in repeated.items():
            taken.update(index for turn in turns for index in turn)
            for number, turn in enumerate(turns):
                place = outside(self._site(home, turn[0], turn[-1]), repeated) if number else home.parent
                assert place is not None
                unit = _child(unit_at(place), home)
                unit.turn, unit.home = number, home
                self._fill(unit, turn)
            self.fresh.update((self.parts[a].place, home) for a, b in zip(*turns[:2], strict=True) if self._anew(a, b))
        for part in self.parts:
            if part.index not in taken:
                again = part.owner != part.index
                site = self._site(self.parts[part.owner], part.index, part.index) if again else part.place
                unit = unit_at(outside(site, repeated))
                unit.parts.append(part)
                self.unit_of[part.index] = unit
        for part in self.parts:
            unit: Unit | None = self.unit_of[part.index]
            while unit is not None:
                unit.everything.append(part.index)
                unit = unit.parent

    def _anew(self, first: int, second: int) -> bool:
        return self.parts[first].named and self.parts[first].owner != self.parts[second].owner

    def _fill(self, unit: Unit, turn: list[int]) -> None:
        """The units inside one application of something shared."""
        units = {unit.place: unit}
        for index in turn:
            part = self.parts[index]
            chain, place = [], part.place
            while place not in units:
                chain.append(place)
                assert place.parent is not None
                place = place.parent
            at = units[place]
            for item in reversed(chain):
                at = units[item] = _child(at, item)
                at.turn, at.home = unit.turn, unit.home
            at.parts.append(part)
            self.unit_of[index] = at

    def _site(self, target: Place | Part, first: int, last: int) -> Place:
        """Where something shared is applied again: the holder of the name that is nearest to the parts around."""
        around = [self.parts[i].place for i in (first - 1, last + 1) if 0 <= i < len(self.parts)]
        around += [self.parts[value[0]].place for value in self.parts[first].inputs]
        best, score = None, -1
        for holder, _ in self.holders.get(target, [(target.place if isinstance(target, Part) else self.root, "")]):
            depth = max((common(holder, place).depth for place in around), default=0)
            if depth > score:
                best, score = holder, depth
        assert best is not None
        return best

    # --- bodies ----------------------------------------------------------------------------

    def _schedule(self) -> None:
        work = [self.top]
        called: dict[Place, list[Unit]] = defaultdict(list)
        steps: dict[Unit, list[Item]] = {}
        while work:
            unit = work.pop()
            called[unit.place].append(unit)
            steps[unit] = self._order(unit)
            work.extend(item for item in steps[unit] if isinstance(item, Unit))
        for place, units in called.items():
            units.sort(key=lambda u: u.everything[0] if u.everything else -1)
            self.bodies[place] = Body(units, steps[units[0]])
        for body in self.bodies.values():
            self._ends(body)
        for place in sorted(self.bodies, key=lambda p: -p.depth):
            body = self.bodies[place]
            home = body.units[0].home
            for item in body.steps:
                inner = self.bodies[item.place].counts if isinstance(item, Unit) else item.place in self.fresh
                body.counts |= (
                    bool(inner)
                    and home is not None
                    and (item.home if isinstance(item, Unit) else self.fresh[item.place]) is home
                )

    def _order(self, unit: Unit) -> list[Item]:
        """The items of a forward, in application order; whatever cannot be called as one piece is dissolved first."""
        for child in _descendants(unit):
            if not child.everything or child.place in self.fresh or self._mixed(child):
                child.dissolved = True
        while True:
            items = list(_items(unit))
            at = {index: n for n, item in enumerate(items) for index in _indices(item)}
            edges = [set[int]() for _ in items]
            for index, n in at.items():
                for source in (*(value[0] for value in self.parts[index].inputs), self.before.get(index, index)):
                    m = at.get(source, n)
                    if m != n:
                        edges[m].add(n)
            order, left = _sorted(items, edges)
            if not left:
                return order
            for cycle in _cycles(left, edges):
                _loosest(items[n] for n in cycle).dissolved = True

    def _mixed(self, unit: Unit) -> bool:
        kinds = {index in self.training_only for index in unit.everything}
        return len(kinds) > 1

    def _ends(self, body: Body) -> None:
        first = body.units[0]
        body.turns = {unit: number for number, unit in enumerate(body.units)}
        inputs: dict[tuple[Value, ...], None] = {}
        within = [set(unit.everything) for unit in body.units]
        for position in range(len(first.everything)):
            for slot in range(len(self.parts[first.everything[position]].inputs)):
                values = tuple(self.parts[u.everything[position]].inputs[slot] for u in body.units)
                if values[0][0] not in within[0]:
                    inputs[values] = None
        body.inputs = list(inputs)
        if first.place is self.root:
            body.outputs = [(index, port) for index, port in self.outputs]
            return
        given = set(self.outputs)
        for position, index in enumerate(first.everything):
            for port in range(self.parts[index].ports):
                for unit, inner in zip(body.units, within, strict=True):
                    value = (unit.everything[position], port)
                    if value in given or any(user not in inner for user in self.users[value]):
                        body.outputs.append((position, port))
                        break


def _child(parent: Unit, place: Place) -> Unit:
    unit = Unit(place, parent)
    parent.children.append(unit)
    return unit


def _descendants(unit: Unit) -> Iterator[Unit]:
    stack = list(unit.children)
    while stack:
        child = stack.pop()
        yield child
        stack.extend(child.children)


def _items(unit: Unit) -> Iterator[Item]:
    yield from unit.parts
    stack = list(unit.children)
    while stack:
        child = stack.pop()
        if child.dissolved:
            yield from child.parts
            stack.extend(child.children)
        else:
            yield child


def _indices(item: Item) -> list[int]:
    return item.everything if isinstance(item, Unit) else [item.index]


def _loosest(items: Iterable[Item]) -> Unit:
    """The unit between whose parts the most others come."""
    units = [item for item in items if isinstance(item, Unit)]
    return max(units, key=lambda u: (u.everything[-1] - u.everything[0] - len(u.everything), len(u.everything)))


def _sorted(items: list[Item], edges: list[set[int]]) -> tuple[list[Item], set[int]]:
    """The items in topological order, earliest first, and the numbers of those on or behind cycles."""
    waiting = Counter(n for targets in edges for n in targets)
    ready = [(_indices(item)[0], n) for n, item in enumerate(items) if not waiting[n]]
    heapq.heapify(ready)
    order: list[Item] = []
    done: set[int] = set()
    while ready:
        _, n = heapq.heappop(ready)
        order.append(items[n])
        done.add(n)
        for m in edges[n]:
            waiting[m] -= 1
            if not waiting[m]:
                heapq.heappush(ready, (_indices(items[m])[0], m))
    return order, set(range(len(items))) - done


def _cycles(left: set[int], edges: list[set[int]]) -> list[set[int]]:
    """Those of the items that depend on each other."""
    import networkx

    graph = networkx.DiGraph((n, m) for n in left for m in edges[n])
    return [found for found in networkx.strongly_connected_components(graph) if len(found) > 1]
