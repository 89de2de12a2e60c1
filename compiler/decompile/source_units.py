"""Which scopes get a forward of their own, and what each forward does.

A scope can be called where its parts are a convex piece of the graph: no data leaves it and comes back. Where some
does, the scope is dissolved: it stays a container of modules, and the forward around it calls them one by one.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ..ir.graph import Scope, Value
from ..ir.sharing import Names, applications, order_kept
from .source_parts import Part, Parts


@dataclass(slots=True, eq=False)
class Unit:
    """One execution of a scope: `parts` are those that it runs itself. What is shared has one for each application."""

    scope: Scope
    parent: Unit | None
    parts: list[Part] = field(default_factory=list)
    children: list[Unit] = field(default_factory=list)
    turn: int = 0
    home: Scope | None = None
    """The shared scope whose application number `turn` this is part of."""
    dissolved: bool = False
    everything: list[int] = field(default_factory=list)
    """The indices of all parts inside, in order."""


Item = Part | Unit


@dataclass(slots=True, eq=False)
class Body:
    """What the forward of a scope does. Values are those of its first application.

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
    """Bodies by scope; a scope without one is a container."""

    def __init__(self, parts: Parts, outputs: Iterable[Value], training_only: set[int]):
        self.parts = parts.parts
        self.root = parts.graph.root
        self.outputs = list(outputs)
        self.training_only = training_only
        self.names = Names(parts.graph)
        self.users: dict[Value, list[int]] = defaultdict(list)
        for part in self.parts:
            for value in part.inputs:
                self.users[value].append(part.index)
        self.before = order_kept(self.parts)
        self.unit_of: dict[int, Unit] = {}
        self.fresh: dict[Scope, Scope] = {}
        """The lists of modules of which every application of something shared takes its own, and what is shared."""
        self.top = Unit(self.root, None)
        self._make_units()
        self.bodies: dict[Scope, Body] = {}
        self._schedule()

    # --- units -----------------------------------------------------------------------------

    def _make_units(self) -> None:
        repeated = applications(self.root, self.parts, self.parts)
        plain: dict[Scope, Unit] = {self.root: self.top}

        def unit_at(scope: Scope) -> Unit:
            chain = []
            while scope not in plain:
                chain.append(scope)
                assert scope.parent is not None
                scope = scope.parent
            unit = plain[scope]
            for item in reversed(chain):
                unit = plain[item] = _child(unit, item)
            return unit

        taken: set[int] = set()
        for home, turns in repeated.items():
            taken.update(index for turn in turns for index in turn)
            for number, turn in enumerate(turns):
                scope = _outside(self._site(home, turn[0], turn[-1]), repeated) if number else home.parent
                assert scope is not None
                unit = _child(unit_at(scope), home)
                unit.turn, unit.home = number, home
                self._fill(unit, turn)
            self.fresh.update((self.parts[a].scope, home) for a, b in zip(*turns[:2], strict=True) if self._anew(a, b))
        for part in self.parts:
            if part.index not in taken:
                again = part.owner != part.index
                site = self._site(self.parts[part.owner], part.index, part.index) if again else part.scope
                unit = unit_at(_outside(site, repeated))
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
        units = {unit.scope: unit}
        for index in turn:
            part = self.parts[index]
            chain, scope = [], part.scope
            while scope not in units:
                chain.append(scope)
                assert scope.parent is not None
                scope = scope.parent
            at = units[scope]
            for item in reversed(chain):
                at = units[item] = _child(at, item)
                at.turn, at.home = unit.turn, unit.home
            at.parts.append(part)
            self.unit_of[index] = at

    def _site(self, target: Scope | Part, first: int, last: int) -> Scope:
        """Where something shared is applied again: the holder of the name that is nearest to the parts around."""
        around = [self.parts[i].scope for i in (first - 1, last + 1) if 0 <= i < len(self.parts)]
        around += [self.parts[value[0]].scope for value in self.parts[first].inputs]
        return self.names.nearest(target, around)

    # --- bodies ----------------------------------------------------------------------------

    def _schedule(self) -> None:
        work = [self.top]
        called: dict[Scope, list[Unit]] = defaultdict(list)
        steps: dict[Unit, list[Item]] = {}
        while work:
            unit = work.pop()
            called[unit.scope].append(unit)
            steps[unit] = self._order(unit)
            work.extend(item for item in steps[unit] if isinstance(item, Unit))
        for scope, units in called.items():
            units.sort(key=lambda u: u.everything[0] if u.everything else -1)
            self.bodies[scope] = Body(units, steps[units[0]])
        for body in self.bodies.values():
            self._ends(body)
        for scope in sorted(self.bodies, key=lambda p: -self.names.depth_of(p)):
            body = self.bodies[scope]
            home = body.units[0].home
            for item in body.steps:
                inner = self.bodies[item.scope].counts if isinstance(item, Unit) else item.scope in self.fresh
                body.counts |= (
                    bool(inner)
                    and home is not None
                    and (item.home if isinstance(item, Unit) else self.fresh[item.scope]) is home
                )

    def _order(self, unit: Unit) -> list[Item]:
        """The items of a forward, in application order; whatever cannot be called as one piece is dissolved first."""
        for child in _descendants(unit):
            if not child.everything or child.scope in self.fresh or self._mixed(child):
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
        if first.scope is self.root:
            body.outputs = [(index, port) for index, port in self.outputs]
            return
        given = set(self.outputs)
        for position, index in enumerate(first.everything):
            for port in range(len(self.parts[index].outputs)):
                for unit, inner in zip(body.units, within, strict=True):
                    value = (unit.everything[position], port)
                    if value in given or any(user not in inner for user in self.users[value]):
                        body.outputs.append((position, port))
                        break


def _outside(scope: Scope, repeated: dict[Scope, list[list[int]]]) -> Scope:
    """The scope, or the first around it that is in nothing applied several times: those run only what is theirs."""
    at: Scope | None = scope
    while at is not None:
        if at in repeated and at.parent is not None:
            scope = at.parent
        at = at.parent
    return scope


def _child(parent: Unit, scope: Scope) -> Unit:
    unit = Unit(scope, parent)
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
