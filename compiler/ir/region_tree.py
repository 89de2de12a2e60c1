"""The graph as a tree of regions: each application of a scope, with what is applied in it.

A scope is where parameters live, and one that is shared is applied several times. A region is one of these times, so
that every node is in one region. The tree is cheap to make; which regions can be called as functions, and in what
order, is in `regions.py`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from .graph import Graph, Node, Origin, Scope, Value
from .lowering import ModuleCall
from .sharing import Names, applications, counterparts, registered


@dataclass(slots=True, eq=False)
class Region:
    """One application of a scope, or the call of a block in it that opens no scope (`call`, see `calls.py`).

    `turn` numbers the applications of a shared scope, from 0. `nodes` stand in the scope itself, `children` are the
    regions directly inside, and `indices` are all nodes within, in application order. Inputs of the arch and parameters
    are in none of these three: a parameter is at hand wherever its scope is. `parameters` are those of the scope that
    this application uses. `reason` says why the region cannot be called; None where it can.

    Of a region that can be called, `steps` are what its forward does, in order: nodes, and regions to call. `inputs`
    are the tensors that come in, in the order in which a block is given them or in that of first use, and `outputs`
    those that go out: what a block puts out, in its order, which may be among the inputs, may come twice, and may be
    used by nothing; then what else is taken, in application order.
    """

    scope: Scope
    parent: Region | None
    turn: int = 0
    nodes: list[Node] = field(default_factory=list)
    children: list[Region] = field(default_factory=list)
    indices: list[int] = field(default_factory=list)
    reason: str | None = None
    steps: list[Node | Region] = field(default_factory=list)
    inputs: list[Value] = field(default_factory=list)
    outputs: list[Value] = field(default_factory=list)
    parameters: list[Node] = field(default_factory=list)
    call: Origin | None = None

    def __repr__(self) -> str:
        again = f", application {self.turn + 1}" if self.turn else ""
        call = f"{self.call} in " if self.call is not None else ""
        return f"<Region {call}{self.scope.path or 'at the top'}{again}>"

    def outwards(self) -> Iterator[Region]:
        """The region and those around it, innermost first."""
        region: Region | None = self
        while region is not None:
            yield region
            region = region.parent

    def within(self) -> Iterator[Region]:
        """The region and those in it, each before what it holds."""
        stack: list[Region] = [self]
        while stack:
            region = stack.pop()
            yield region
            stack.extend(reversed(region.children))

    def all_indices(self) -> set[int]:
        """All nodes within, parameters included."""
        return {node.index for region in self.within() for node in (*region.nodes, *region.parameters)}


@dataclass(slots=True)
class _Place:
    """One application that is filled: its region, the nodes in it, and the regions known in it. `instead` says which
    scopes of its own it has in place of those of the first application."""

    region: Region
    indices: list[int]
    instead: dict[Scope, Scope]
    known: dict[Scope, Region] = field(init=False)

    def __post_init__(self) -> None:
        self.known = {self.region.scope: self.region}


class RegionTree:
    """The regions of a graph, without a word on which can be called.

    `root` is the whole graph. `of_scope` has the regions of a scope in the order of their application; a scope in which
    nothing is applied and no parameter stands has none. `widest`: what is around something shared and nothing else is
    applied as often as that. `by_first`: where the first application of something takes one tensor in two places, so do
    the others.
    """

    def __init__(self, graph: Graph, widest: bool = False, by_first: bool = False):
        self.graph = graph
        self.widest, self.by_first = widest, by_first
        self.root = Region(graph.root, None)
        self.of_scope: dict[Scope, list[Region]] = defaultdict(list)
        self.rows: dict[Scope, int] = {}
        """What is applied several times as a whole, and how often wherever it stands."""
        self.lists: dict[Scope, Scope] = {}
        """Lists of which every application of something shared takes a module of its own, with what is shared."""
        self.first: dict[Scope, Scope] = {}
        """For the scopes in such a list those that stand for them at the first application."""
        self._twins: dict[tuple[Scope, int], dict[Scope, Scope]] = {}
        self._sites: dict[int, Scope] = {}
        self._left: dict[Scope | Node, list[Scope]] = {}
        self._region_of: dict[int, Region] = {}
        self._applied_in = self._labelled_once()
        self._make()

    @cached_property
    def names(self) -> Names:
        return Names(self.graph)

    def region_of(self, index: int) -> Region:
        """The innermost region that a node is applied in. Inputs of the arch are at the top."""
        return self._region_of.get(index, self.root)

    def layer(self, scope: Scope) -> tuple[Node, ModuleCall] | None:
        """The one layer that a scope applies, and the torch module that it is: its weights are given, and are all that
        the scope holds, under their own names. None where there is more to a scope, or less."""
        regions = self.of_scope.get(scope, ())
        if not regions or any(region.reason is not None or len(region.indices) != 1 for region in regions):
            return None
        node = self.graph.nodes[regions[0].indices[0]]
        names = node.op.given
        if not names or names != node.op.call.main_weights():
            return None
        weights = [self.graph.nodes[index] for index, _ in node.inputs[-len(names) :]]
        if list(scope.children.items()) != list(zip(names, weights, strict=True)) or not all(map(_trains, weights)):
            return None
        call = node.op.lower_whole(self.graph.input_types(node), node.outputs)
        if not isinstance(call, ModuleCall) or not (scope.block is None or call.is_plain):
            return None
        return node, call

    def layers(self) -> Iterator[tuple[Scope, Node, ModuleCall]]:
        """The scopes that are one layer, each with that."""
        found = ((scope, self.layer(scope)) for scope in self.of_scope)
        yield from ((scope, *layer) for scope, layer in found if layer is not None)

    # --- what comes in and goes out ----------------------------------------------------------

    def arriving(self, inside: Collection[int]) -> tuple[Value, ...]:
        """The tensors from outside whose values some nodes take, in order of first use."""
        nodes = self.graph.nodes
        taken = {value: None for i in sorted(inside) for value in nodes[i].op.arriving(nodes[i].inputs)}
        return tuple([value for value in taken if value[0] not in inside])

    def entering(self, inside: Collection[int]) -> tuple[Value, ...]:
        """The tensors from outside that some nodes take, draws and parameters among them, in order of first use."""
        taken = {value: None for i in sorted(inside) for value in self.graph.nodes[i].inputs}
        return tuple([value for value in taken if value[0] not in inside])

    def leaving(self, inside: Collection[int]) -> tuple[Value, ...]:
        """The tensors that some nodes make and others take, or that are put out, in application order."""
        made = self.graph.made_by(sorted(inside))
        return tuple(
            [v for v in made if v in self._given or any(user not in inside for user in self._users.get(v, ()))]
        )

    def home(self, region: Region) -> Scope | None:
        """The innermost scope around that is applied several times as a whole, the region's own first."""
        return next((around.scope for around in region.outwards() if around.scope in self.rows), None)

    def number(self, region: Region) -> int:
        """Which application of its home it is part of, from 0: the name of the module of its own in a list."""
        home = self.home(region)
        return region.turn % self.rows[home] if home is not None else 0

    def users_of(self, node: Node) -> set[int]:
        """The nodes that take what a node makes."""
        return {user for port in range(len(node.outputs)) for user in self._users.get((node.index, port), ())}

    @cached_property
    def _users(self) -> dict[Value, list[int]]:
        """The nodes that take each tensor."""
        users: dict[Value, list[int]] = defaultdict(list)
        for node in self.graph.nodes:
            for value in node.inputs:
                users[value].append(node.index)
        return users

    @cached_property
    def _given(self) -> set[Value]:
        """The tensors that are put out."""
        return {value for output in self.graph.outputs for value in output.values}

    # --- the tree ----------------------------------------------------------------------------

    def _make(self) -> None:
        nodes = self.graph.nodes
        applied = [node.index for node in nodes if not (node.op.is_input or node.op.is_parameter)]
        work = [([self.root], [applied])]
        while work:
            work.extend(self._fill(*work.pop()))
        self._place_parameters()
        for index in applied:
            for region in self._region_of[index].outwards():
                region.indices.append(index)
        for region in self.root.within():
            region.children.sort(key=lambda child: child.indices[0] if child.indices else len(nodes))

    def _fill(self, regions: list[Region], turns: list[list[int]]) -> list[tuple[list[Region], list[list[int]]]]:
        """Puts the nodes of each application of a scope, `turns`, into its region. Returns the regions of what is
        applied several times therein, which are still to be filled, with their nodes.

        The turns are wired alike, so what holds for the nodes of the first holds for those in their places in others.
        """
        nodes, home, first = self.graph.nodes, regions[0].scope, turns[0]
        applied = [nodes[index] for index in first]
        repeated = applications(home, nodes, applied, lambda: self.names, self.widest, self.by_first)
        places = [_Place(region, turn, self._instead(region)) for region, turn in zip(regions, turns, strict=True)]
        position = {index: number for number, index in enumerate(first)} if repeated else {}
        found: list[tuple[list[Region], list[list[int]]]] = []
        for scope, rows in repeated.items():
            self._applied_in.pop(scope, None)
            sites = [self._site(scope, rows, number, home, repeated) for number in range(len(rows))]
            inner: tuple[list[Region], list[list[int]]] = [], []
            for place in places:
                own = place.instead.get(scope, scope)
                again = [[place.indices[position[index]] for index in row] for row in rows]
                if own not in self.rows:
                    self._number(own, again)
                for site, row in zip(sites, again, strict=True):
                    assert site is not None
                    inner[0].append(self._child(self._at(site, place), own, len(self.of_scope[own])))
                    inner[1].append(row)
            found.append(inner)
        taken = {index for rows in repeated.values() for row in rows for index in row}
        again_by: dict[int, list[list[int]]] = defaultdict(list)
        for index in first:
            again_by[nodes[index].owner].append([index])
        for number, index in enumerate(first):
            if index in taken:
                continue
            node, rows = nodes[index], again_by[nodes[index].owner]
            site = self._site(nodes[node.owner], rows, bisect_left(rows, [index]), home, repeated)
            site = self._outside(site, repeated) if repeated else site
            for place in places:
                self._put(nodes[place.indices[number]], self._at(site, place))
        return found

    def _at(self, scope: Scope, place: _Place) -> Region:
        """The region, at one application, of what a scope is at the first one."""
        region, chain = self._nearest_known(place.instead.get(scope, scope), place.known)
        for inner in chain:
            region = place.known[inner] = self._child(region, inner, place.region.turn)
        return region

    def _instead(self, region: Region) -> dict[Scope, Scope]:
        """What a region has in lists of each application's own, in place of what the first application has there."""
        found: dict[Scope, Scope] = {}
        for around in region.outwards():
            if around.scope in self.rows:
                found = self._twins.get((around.scope, around.turn % self.rows[around.scope]), {}) | found
        return found

    def _child(self, parent: Region, scope: Scope, turn: int) -> Region:
        region = Region(scope, parent, turn)
        parent.children.append(region)
        self.of_scope[scope].append(region)
        return region

    def _put(self, node: Node, region: Region) -> None:
        region.nodes.append(node)
        self._region_of[node.index] = region

    def _number(self, home: Scope, rows: list[list[int]]) -> None:
        nodes = self.graph.nodes
        self.rows[home] = len(rows)
        for turn, row in enumerate(rows):
            for a, b in zip(rows[0], row, strict=True):
                first, other = nodes[nodes[a].owner], nodes[nodes[b].owner]
                for one, own in counterparts(first, other, turn) if first is not other else ():
                    if isinstance(one, Scope) and isinstance(own, Scope):
                        self.first[own] = one
                        self._twins.setdefault((home, turn), {})[one] = own
                    if one.name != own.name and own.holder is not None:
                        self.lists[own.holder] = home

    def kept(self, target: Scope | Node, applications: int) -> tuple[Scope, str] | None:
        """The name of something shared under which it is registered, and not applied: where it has one more than it has
        applications, its own or else the first name in a scope that all others are in. None where there is none, or
        where the own name is not the one that comes first in the checkpoint."""
        names = self.names.holders_of(target)
        if len(names) != applications + 1 or min(names, key=self.names.position.__getitem__) != names[0]:
            return None
        return next((name for name in names if all(_is_in(holder, name[0]) for holder, _ in names)), None)

    def _site(
        self, target: Scope | Node, rows: list[list[int]], number: int, home: Scope, repeated: Collection[Scope]
    ) -> Scope:
        """Where in a scope something is applied, as row `number` of its applications."""
        own = target.holder
        assert own is not None
        if number or (len(rows) > 1 and self.kept(target, len(rows)) == (own, target.name)):
            return self._again_at(target, rows, number, home, repeated)
        return self._applied_in.get(target, own)

    def _again_at(
        self, target: Scope | Node, rows: list[list[int]], number: int, home: Scope, repeated: Collection[Scope]
    ) -> Scope:
        """Where in a scope something shared is applied under a second name, as row `number` of its applications.

        It is in the scope, of those that have a name for it, which is nearest to the nodes around whose places are
        known. Where as many names as applications are left, each application has one of them, in their order.
        """
        nodes, row = self.graph.nodes, rows[number]
        left = self._left.get(target)
        if left is None:
            kept = self.kept(target, len(rows))
            left = self._left[target] = [at[0] for at in self.names.holders_of(target)[1:] if at != kept]
        if len(left) == len(rows) - number:
            site = left[0]
        else:
            beside = [i for i in (row[0] - 1, row[-1] + 1) if 0 <= i < len(nodes)]
            beside += [source for source, _ in nodes[row[0]].inputs]
            around = [nodes[i].scope if nodes[i].owner == i else self._sites.get(i) for i in beside]
            site = self.names.nearest(target, [scope for scope in around if scope is not None])
        if site in left:
            left.remove(site)
        site = self._outside(site, repeated)
        if not _is_in(site, home):
            own = target.holder
            site = own if own is not None and _is_in(own, home) else home
        self._sites.update(dict.fromkeys((row[0], row[-1]), site))
        return site

    def _outside(self, scope: Scope, repeated: Collection[Scope]) -> Scope:
        """The scope, or the first around it that is in nothing applied several times."""
        at: Scope | None = scope
        while at is not None:
            if at in repeated and at.parent is not None:
                scope = at.parent
            at = at.parent
        return scope

    def _place_parameters(self) -> None:
        """Puts each parameter into the region of its scope that is around what uses it."""
        for node in self.graph.nodes:
            if node.op.is_parameter:
                region = self._region_of[node.index] = self._around(node.scope, self._users.get((node.index, 0), ()))
                region.parameters.append(node)

    def _labelled_once(self) -> dict[Scope | Node, Scope]:
        """Where what is applied once, and registered under its own name elsewhere, has the name under which it is
        applied."""
        nodes = self.graph.nodes
        found = [scope.children[name] for scope, name in registered(self.graph.root) if not scope.names_first(name)]
        again: set[Scope | Node] = set()
        for node in nodes if found else ():
            if node.owner != node.index:
                again.add(nodes[node.owner])
                again.update(node.scope.outwards())
        once = [item for item in found if item not in again and not (isinstance(item, Node) and item.op.is_parameter)]
        own = [item for item in once if self.kept(item, 1) == (item.holder, item.name)]
        return {item: self.names.holders_of(item)[1][0] for item in own}

    def _nearest_known(self, scope: Scope, known: Mapping[Scope, Region]) -> tuple[Region, list[Scope]]:
        """The region known of the innermost scope around, and the scopes from there to this one, outermost first."""
        chain: list[Scope] = []
        while scope not in known:
            chain.append(scope)
            around = self._applied_in.get(scope, scope.parent)
            assert around is not None
            scope = around
        return known[scope], chain[::-1]

    def _around(self, scope: Scope, users: Iterable[int]) -> Region:
        """The region of a scope around one of some nodes, or beside them; it is made where nothing is applied in it."""
        above = [region for user in users for region in self.region_of(user).outwards()]
        known = {self.root.scope: self.root} | {region.scope: region for region in reversed(above)}
        region, chain = self._nearest_known(scope, known)
        for inner in chain:
            beside = (other for other in self.of_scope.get(inner, ()) if other.parent is region)
            region = next(beside, None) or self._child(region, inner, region.turn)
        return region


def _is_in(scope: Scope, home: Scope) -> bool:
    at: Scope | None = scope
    while at is not None and at is not home:
        at = at.parent
    return at is home


def _trains(node: Node) -> bool:
    """Whether it is a parameter that is learned."""
    return node.op.is_parameter and getattr(node.op, "learned", False)
