"""The parts of an architecture that are written as one piece each: scopes, and what is recomputed as a whole."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, cast

from ...elaborate.language import known_names
from ...ir.graph import Graph, Node, Scope, Value, scopes
from ...ir.instantiations import as_given
from ...ir.region_tree import RegionTree
from ...ops.broadcast import lead
from ...ops.given import with_weights
from .cells import Cell, cells_of
from .terms import IN, Term, Variable

DECLARES = ("shared ", "draw ", "param ", "buffer ")
"""How statements open that declare names of the body."""


@dataclass(slots=True)
class Statement:
    """`targets = term`, or with an `opening` of its own, such as `output`. Targets are numbers of variables. `depth` is
    how deep brackets are nested in the term."""

    targets: list[int]
    term: Term
    opening: str = ""
    depth: int = 0


@dataclass(slots=True, eq=False)
class Unit:
    """A run of nodes that is written as one network: a scope, or something in one (`scope` is None then).

    `home` is the scope that its names stand in. `start` and `end` bound its nodes. `inputs` are the tensors that it
    takes from outside, `outputs` those that others take from it. Its text is the statements and then the `result`;
    without statements the result is the network itself, if `network` says so. `order` are the children that come first
    in a checkpoint. `block` is what made it in its source, if a block did. A unit may be an application of a `cell`.
    `shares` are the cells and the layers that it declares as shared. `called` are the names that the spec gives to its
    variables. `hole` is the name of a part that its caller gives, or does not (`given`): then it is `id`.
    """

    scope: Scope | None
    home: Scope
    start: int
    end: int
    children: list[Unit] = field(default_factory=list)
    inputs: list[Value] = field(default_factory=list)
    outputs: list[Value] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    result: Term = IN
    network: bool = False
    order: list[str] = field(default_factory=list)
    key: int = -1
    block: str | None = None
    wraps: tuple[str, ...] = ()
    cell: Cell | None = None
    shares: list[Cell | Node] = field(default_factory=list)
    called: dict[Variable, tuple[str, ...]] = field(default_factory=dict)
    hole: str = ""
    given: bool = False

    @property
    def written(self) -> list[Term]:
        """Every term of its text, in order."""
        return [*(statement.term for statement in self.statements), self.result]

    def rewrite(self, terms: list[Term]) -> None:
        """Gives it other terms."""
        *others, self.result = terms
        for statement, term in zip(self.statements, others, strict=True):
            statement.term = term


class Places:
    """What is shared, under which second name each application of it is registered, and in what order."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.tree = RegionTree(graph, by_first=True)
        self.cells = cells_of(self.tree)
        self.fresh = {id(scope) for cell in self.cells for scope in cell.fresh}
        self.again = {i: cell for cell in self.cells for run in cell.runs[1:] for i in range(*run)}
        """The cell that each node of a later application is of."""
        self.second: dict[int, tuple[Scope, str]] = {}
        self.renamed: dict[tuple[int, int], tuple[Scope, str]] = {}
        """The second name of a tensor of one's own that a node gives to what arrives at one of its inputs."""
        self.idle: list[str] = []
        """Second names under which nothing is applied."""
        self.layers = {node.index: node.scope for node in graph.nodes if node.op.given and self._fills(node)}
        """The scopes of labels around layers whose weights are given."""
        self.implied = {weight for index in self.layers for weight in self._implied(graph.nodes[index])}
        """The weights that such layers have without being given them, by the numbers of their nodes."""
        self._assign()
        self.order = self._applied()

    def _fills(self, node: Node) -> bool:
        """Whether a layer is all that its scope applies, and its weights all that this holds, as a label says it."""
        scope, weights = node.scope, [self.graph.nodes[index] for index, _ in self._weights(node)]
        held = dict(zip(node.op.given, weights, strict=True)).items()
        alone = [region.indices for region in self.tree.of_scope[scope]] == [[node.index]]
        return alone and scope.block is None and bool(scope.children) and scope.children.items() <= held

    def _implied(self, node: Node) -> list[int]:
        """Of the weights that a layer is given, those that the call makes where others are tensors of one's own: they
        come right before it, and start as it says."""
        weights = {name: index for name, (index, _) in zip(node.op.given, self._weights(node), strict=True)}
        found: list[int] = []
        for name, index in reversed(weights.items()):
            rest = tuple(other for other in weights if weights[other] not in (index, *found))
            types = [self.graph.type_of(value) for value in node.inputs[: -len(weights)]]
            types += [self.graph.type_of((weights[other], 0)) for other in rest]
            made = {weight.name: weight for weight in with_weights(node.op.call, rest).weights(tuple(types))}
            tensor, op = self.graph.nodes[index], cast("Any", self.graph.nodes[index].op)
            own = op.is_parameter and op.learned and tensor.scope is self.layers[node.index] and not tensor.frozen
            before = index == node.index - 1 - len(found) and self.tree.users_of(tensor) == {node.index}
            if not (rest and own and before and made[name].init == op.init):
                break
            found.append(index)
        return found

    @staticmethod
    def _weights(node: Node) -> tuple[Value, ...]:
        return node.inputs[-len(node.op.given) :]

    def _assign(self) -> None:
        """Gives each second name to an application: the first one at its place that has none, else the first one."""
        later: dict[int, dict[int, Scope]] = {
            id(cell.scope): {start: site for (start, _), site in zip(cell.runs[1:], cell.sites[1:], strict=True)}
            for cell in self.cells
        }
        for node in self.graph.nodes:
            if node.owner != node.index and node.op.is_module and node.index not in self.again:
                site = self.tree.region_of(node.index).scope
                later.setdefault(id(self.graph.nodes[node.owner]), {})[node.index] = site
        labels = {id(scope) for scope in self.layers.values()}
        names = ((s, name) for s in scopes(self.graph.root) if id(s) not in labels for name in s.children)
        tensors: dict[int, list[tuple[Scope, str]]] = {}
        for scope, name in (place for place in names if not place[0].names_first(place[1])):
            child = scope.children[name]
            if isinstance(child, Node) and child.op.is_parameter:
                tensors.setdefault(child.index, []).append((scope, name))
            elif waiting := later.get(id(scope.children[name])):
                start = next((start for start, site in waiting.items() if site is scope), next(iter(waiting)))
                self.second[start] = (scope, name)
                del waiting[start]
            else:
                self.idle.append(f"{scope.path}.{name}".lstrip("."))
        self._rename(tensors)

    def _rename(self, tensors: dict[int, list[tuple[Scope, str]]]) -> None:
        """Gives the second names of tensors of one's own to their last uses in the scopes of these names, those that
        are left to the last uses that are left, in order."""
        uses: dict[int, list[tuple[int, int]]] = {index: [] for index in tensors}
        for node in self.graph.nodes if tensors else ():
            for slot, (source, _) in enumerate(node.inputs):
                if source in uses:
                    uses[source].append((node.index, slot))
        for index, names in tensors.items():
            for scope, name in list(names):
                inside = [use for use in uses[index] if self.tree.region_of(use[0]).scope is scope]
                if inside:
                    self.renamed[inside[-1]] = scope, name
                    uses[index].remove(inside[-1])
                    names.remove((scope, name))
            last = uses[index][-len(names) :] if names else []
            self.renamed.update(zip(last, names, strict=False))
            self.idle += [f"{scope.path}.{name}".lstrip(".") for scope, name in names[len(last) :]]

    def may_follow(self, node: Node, scope: Scope) -> bool:
        """Whether a node of a scope may as well stand behind it: something that is shared from elsewhere, and has no
        name of its own here."""
        cell = self.again.get(node.index)
        start = node.index
        if cell is not None:
            start, _ = cell.runs[bisect_right(cell.runs, start, key=lambda run: run[0]) - 1]
        if start in self.second or (cell is None and node.owner == node.index):
            return False
        at = cell.scope.parent if cell is not None else self.graph.nodes[node.owner].scope
        while at is not None and at is not scope:
            at = at.parent
        return at is None

    def needs_body(self, scope: Scope) -> bool:
        """Whether a scope has what only a body states: tensors of its own, drawn numbers, an order of its children."""
        tensors = any(isinstance(c, Node) and (c.op.is_parameter or c.op.is_drawn) for c in scope.children.values())
        return tensors or bool(self.first(scope))

    def first(self, scope: Scope) -> list[str]:
        """The children that come first in a checkpoint, where its order is not that of application."""
        if scope in self.layers.values():
            return []
        wanted = list(scope.children)
        places = {name: place for place, name in enumerate(self.order.get(id(scope), []))}
        count, after = len(wanted), len(places)
        while count and places.get(wanted[count - 1], after) < after:
            count -= 1
            after = places[wanted[count]]
        return wanted[:count]

    def _applied(self) -> dict[int, list[str]]:
        """The children of each scope, by its identity, in the order of application."""
        found: dict[int, dict[str, None]] = {}
        for node in self.graph.nodes:
            for slot in range(len(node.inputs)) if self.renamed else ():
                if (node.index, slot) in self.renamed:
                    self._register(*self.renamed[node.index, slot], found)
            if node.index in self.second:
                self._register(*self.second[node.index], found)
            if node.index in self.layers:
                scope = self.layers[node.index]
                self._register(scope, next(iter(scope.children)), found)
            if node.owner == node.index and node.op.is_module:
                self._register(node.scope, node.name, found)
        return {key: list(names) for key, names in found.items()}

    def _register(self, scope: Scope, name: str, found: dict[int, dict[str, None]]) -> None:
        while name not in (names := found.setdefault(id(scope), {})):
            names[name] = None
            if scope.parent is None:
                break
            name, scope = scope.name, scope.parent


@dataclass(frozen=True, slots=True)
class _Run:
    """A run of nodes that becomes a unit. Of runs in the same place one with a lower `rank` is around the others."""

    start: int
    end: int
    scope: Scope | None = None
    cell: Cell | None = None
    wraps: tuple[str, ...] = ()
    rank: int = 0


IN_SCOPE, RECOMPUTED, SHARED, IN_SHARED, ALONE = range(5)
"""The ranks of runs in the same place: of scopes, of what is recomputed, of what is shared, of what is in that, and of
a tensor that is a part by itself."""


def units_of(graph: Graph, places: Places) -> Unit:
    """The whole architecture as a unit, with the units in it."""
    runs = [*_scopes(graph, places)]
    runs += [_Run(*run, None, cell, rank=SHARED) for cell in places.cells for run in cell.runs[1:]]
    runs += [_Run(*run, wraps=("recompute",), rank=RECOMPUTED) for run in _recomputed(graph)]
    runs += _tensors(graph)
    root = Unit(graph.root, graph.root, 0, len(graph.nodes))
    open_units = [root]
    for run in sorted(runs, key=lambda run: (run.start, -run.end, run.rank)):
        while run.start >= open_units[-1].end:
            open_units.pop()
        if run.end > open_units[-1].end:
            continue
        unit = _unit(graph, run, open_units[-1].home)
        open_units[-1].children.append(unit)
        open_units.append(unit)
    _part_drawn(graph, root)
    return root


def _unit(graph: Graph, run: _Run, home: Scope) -> Unit:
    origin = graph.nodes[run.start].origin
    block = run.scope.block if run.scope is not None else origin.block if origin is not None else None
    return Unit(run.scope, run.scope or home, run.start, run.end, block=block, cell=run.cell, wraps=run.wraps)


def _tensors(graph: Graph) -> Iterator[_Run]:
    """The tensors of an architecture's own that are parts by themselves: a learned one that does not train, which only
    a part as a whole can say, and one whose name means something else in what is around."""
    names = set(known_names())
    for node in graph.nodes:
        op: Any = node.op
        if op.is_parameter and ((node.frozen and op.learned) or node.name in names):
            frozen = ("frozen",) if node.frozen and op.learned else ()
            yield _Run(node.index, node.index + 1, wraps=frozen, rank=ALONE)


def share(root: Unit, graph: Graph, places: Places) -> None:
    """Has each thing that is shared declared by the innermost scope that all its applications stand in."""
    found: list[tuple[int, int, Cell | Node]] = [(cell.runs[0][0], cell.runs[-1][1], cell) for cell in places.cells]
    last = {n.owner: n.index for n in graph.nodes if n.owner != n.index and n.index not in places.again}
    found += [(o, end + 1, graph.nodes[o]) for o, end in last.items() if graph.nodes[o].op.is_module]
    for start, end, what in sorted(found, key=lambda item: item[:2]):
        around = [root, *enclosing(root, start, end)]
        next(unit for unit in reversed(around) if unit.scope is not None).shares.append(what)


def enclosing(unit: Unit, start: int, end: int) -> Iterator[Unit]:
    """The units in a unit that hold a run of nodes, the outermost first."""
    while (place := bisect_right(unit.children, start, key=lambda child: child.start)) > 0:
        unit = unit.children[place - 1]
        if end > unit.end:
            return
        yield unit


def _scopes(graph: Graph, places: Places) -> Iterator[_Run]:
    """The runs of nodes that are scopes: those of which nothing stands elsewhere. Of one that only a body can say the
    first run is a part, and what comes later is added by paths."""
    cells = {cell.scope: cell for cell in places.cells}
    parts, labels = _recomputed(graph), {id(scope) for scope in places.layers.values()}
    last_use = {value: node.index for node in graph.nodes for value in node.inputs}
    stack = [(child, False) for child in reversed(places.tree.root.children)]
    while stack:
        region, in_shared = stack.pop()
        scope, cell = region.scope, cells.get(region.scope)
        indices = region.all_indices()
        if indices <= places.again.keys() or id(scope) in labels:
            continue
        stack.extend((child, in_shared or cell is not None) for child in reversed(region.children))
        if cell is not None:
            yield _Run(*cell.runs[0], scope, cell, rank=SHARED)
            continue
        indices = {i for i in indices if not places.may_follow(graph.nodes[i], scope)}
        modules = [i for i in indices if graph.nodes[i].op.is_module]
        if id(scope) in places.fresh or not modules or _only_tensors(graph, indices, places.first(scope)):
            continue
        rank = IN_SHARED if in_shared else IN_SCOPE
        start, end = min(modules), max(modules) + 1
        while start - 1 in indices:
            start -= 1
        while end in indices:
            end += 1
        first = next((i for i in range(start, end) if i not in indices and graph.nodes[i].op.is_module), None)
        crossed = _crossed(parts, start, first or end)
        whole = first is None and crossed is None
        if whole and (scope.block is not None or not _several(graph, start, end, last_use)):
            yield _Run(start, end, scope, rank=rank)
        elif places.needs_body(scope):
            yield _Run(start, crossed or first or end, scope, rank=rank)


def _only_tensors(graph: Graph, indices: Collection[int], first: list[str]) -> bool:
    """Whether a scope holds tensors of one's own alone, in the order in which they are made: paths say it."""
    return not first and all(graph.nodes[i].op.is_parameter for i in indices)


def _crossed(parts: list[tuple[int, int]], start: int, end: int) -> int | None:
    """Where a run of nodes first enters or leaves one of some runs that holds a part of it, and not all. These are in
    order and apart."""
    around = [parts[place - 1] for i in (start, end) if (place := bisect_left(parts, (i,)))]
    cuts = [b for a, b in around if a < start < b < end] + [a for a, b in around if start < a < end < b]
    return min(cuts, default=None)


def _several(graph: Graph, start: int, end: int, last_use: dict[Value, int]) -> bool:
    """Whether several tensors go into a run of nodes, and several come out: such parts are side by side."""
    nodes = graph.nodes[start:end]
    into = {value for node in nodes for value in node.inputs if value[0] < start}
    out = [value for value in {v for node in nodes for v in _made(node)} if last_use.get(value, 0) >= end]
    return len(into) > 1 and len(out) > 1


def _made(node: Node) -> list[Value]:
    return [(node.index, port) for port in range(len(node.outputs))]


def entering(graph: Graph, home: Scope, start: int, end: int) -> list[Value]:
    """The tensors that a run of nodes takes from outside, in the order in which the block that fills their scope is
    given them, or else takes them."""
    nodes = graph.nodes
    taken = (v for n in nodes[start:end] for v in n.inputs if v[0] < start and not nodes[v[0]].op.is_drawn)
    return as_given(graph, home, start, ((value, value) for value in dict.fromkeys(taken)))


def _part_drawn(graph: Graph, root: Unit) -> None:
    """Makes a part of its own of each number that is drawn where another tensor than the one that would say so tells
    the batch: the run of nodes up to the last that takes it. That tensor comes into it first."""
    known: dict[int, Value] = {}
    last_use = {value[0]: node.index for node in graph.nodes for value in node.inputs}
    for node in graph.nodes:
        if not node.op.is_drawn:
            continue
        unit = [root, *enclosing(root, node.index, node.index + 1)][-1]
        if unit is root:
            told = _telling(graph, [(entry.node, 0) for entry in graph.inputs if entry.node < node.index])
        elif id(unit) not in known:
            told = known[id(unit)] = _telling(graph, entering(graph, unit.home, unit.start, unit.end))
        else:
            told = known[id(unit)]
        if told != node.inputs[0]:
            _insert(graph, unit, node.index, last_use.get(node.index, node.index) + 1)


def _telling(graph: Graph, values: list[Value]) -> Value:
    """The tensor that tells the batch, of those that come in."""
    values = [value for value in values if graph.type_of(value).rank]
    return values[lead(tuple(map(graph.type_of, values)))] if values else (-1, 0)


def _insert(graph: Graph, unit: Unit, start: int, end: int) -> None:
    """A unit for a run of nodes, with the units that it meets in it."""
    first = bisect_left(unit.children, start, key=lambda child: child.start)
    last = bisect_left(unit.children, end, key=lambda child: child.start)
    inner = unit.children[first:last]
    made = _unit(graph, _Run(start, max([end, *(child.end for child in inner)])), unit.home)
    made.children = inner
    unit.children[first:last] = [made]


def _recomputed(graph: Graph) -> list[tuple[int, int]]:
    parts = groupby(graph.nodes, key=lambda node: id(node.recompute) if node.recompute is not None else None)
    rows = [[node.index for node in nodes] for part, nodes in parts if part is not None]
    return [(row[0], row[-1] + 1) for row in rows]
