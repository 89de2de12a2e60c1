"""The parts of an architecture that are written as one piece each: scopes, and what is recomputed as a whole."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ...elaborate.environment import MISSING
from ...elaborate.language import FUNCTIONS, global_value
from ...elaborate.networks import LayerKind
from ...ir.graph import Graph, Node, Scope, Value
from ...ir.instantiations import as_given
from ...ops.broadcast import lead
from .cells import Cell, recomputed
from .places import Places, path_in
from .refusal import unapplied
from .terms import IN, Term, Variable, walk

DECLARES = ("shared ", "draw ", "param ", "buffer ", "const ")
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
    variables. `hole` is the name of a part that its caller gives, or does not (`given`): then it is `id`. An
    `extra` is what others of the block around it may lack.
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
    extra: bool = False

    @property
    def written(self) -> list[Term]:
        """Every term of its text, in order."""
        return [*(statement.term for statement in self.statements), self.result]

    def count_anew(self) -> None:
        """Numbers the variables that are left in a row, so that equal texts have equal numbers."""
        targets = (target for statement in self.statements for target in statement.targets)
        numbers = {target: number for number, target in enumerate(targets)}
        for item in {id(item): item for term in self.written for item in walk(term) if item.tag == "var"}.values():
            item.data = _renumbered(item.data, numbers)
        for statement in self.statements:
            statement.targets = [numbers[target] for target in statement.targets]
        self.called = {_renumbered(variable, numbers): names for variable, names in self.called.items()}

    def rewrite(self, terms: list[Term]) -> None:
        """Gives it other terms."""
        *others, self.result = terms
        for statement, term in zip(self.statements, others, strict=True):
            statement.term = term


def _renumbered(variable: Variable, numbers: dict[int, int]) -> Variable:
    """A variable by its new number; one that is gone has none."""
    return (variable[0], numbers.get(variable[1], -1)) if variable[0] == "local" else variable


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
    parts = recomputed(graph.nodes) + [run for cell in places.cells for run in cell.recomputed]
    runs += [_Run(*run, wraps=("recompute",), rank=RECOMPUTED) for run in parts]
    runs += _tensors(graph, places)
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


def _tensors(graph: Graph, places: Places) -> Iterator[_Run]:
    """The tensors of an architecture's own that are parts by themselves: a learned one that does not train, which only
    a part as a whole can say, and one whose name means something else in what is around."""
    kinds = {node.op.kind for node in graph.nodes}
    for node in graph.nodes:
        op: Any = node.op
        frozen = ("frozen",) if op.is_parameter and op.learned and places.freezes(node) else ()
        if op.is_parameter and (frozen or _is_said(node.name, kinds)):
            yield _Run(node.index, node.index + 1, wraps=frozen, rank=ALONE)


def _is_said(name: str, kinds: Collection[str]) -> bool:
    """Whether a text with layers of some kinds may have a name of the language."""
    meaning = global_value(name)
    if isinstance(meaning, LayerKind) and name not in FUNCTIONS:
        return meaning.cls.kind in kinds
    return meaning is not MISSING


def share(root: Unit, graph: Graph, places: Places) -> None:
    """Has each thing that is shared declared by the innermost scope that all its applications stand in."""
    found: list[tuple[int, int, Cell | Node]] = [(cell.runs[0][0], cell.runs[-1][1], cell) for cell in places.cells]
    layers = (n for n in graph.nodes if n.index not in places.again and (n.owner != n.index or places.kept_name(n)))
    last = {node.owner: node.index for node in layers}
    found += [(o, end + 1, graph.nodes[o]) for o, end in last.items() if graph.nodes[o].op.is_module]
    for start, end, what in sorted(found, key=lambda item: item[:2]):
        around = [unit for unit in (root, *enclosing(root, start, end)) if unit.scope is not None]
        kept = places.kept_name(what)
        unit = next((unit for unit in reversed(around) if kept is None or unit.scope is kept[0]), None)
        if unit is None:
            raise unapplied(path_in(*(kept or (root.home, ""))))
        unit.shares.append(what)


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
    parts, labels = _whole_runs(graph, places), {id(scope) for scope in places.layers.values()}
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


def _whole_runs(graph: Graph, places: Places) -> list[list[tuple[int, int]]]:
    """The runs of nodes that are units whatever is around them: what is recomputed, and the applications of what is
    shared. Each row is in order, and its runs are apart."""
    rows = [recomputed(graph.nodes), sorted(run for cell in places.cells for run in cell.recomputed)]
    around: list[tuple[int, int]] = []
    nested: list[list[tuple[int, int]]] = []
    for start, end in sorted((run for cell in places.cells for run in cell.runs), key=lambda run: (run[0], -run[1])):
        while around and around[-1][1] <= start:
            around.pop()
        if len(around) == len(nested):
            nested.append([])
        nested[len(around)].append((start, end))
        around.append((start, end))
    return rows + nested


def _crossed(parts: Iterable[list[tuple[int, int]]], start: int, end: int) -> int | None:
    """Where a run of nodes first enters or leaves one of some runs that holds a part of it, and not all. These are rows
    of runs in order and apart."""
    around = [row[place - 1] for row in parts for i in (start, end) if (place := bisect_left(row, (i,)))]
    cuts = [b for a, b in around if a < start < b < end] + [a for a, b in around if start < a < end < b]
    return min(cuts, default=None)


def _several(graph: Graph, start: int, end: int, last_use: dict[Value, int]) -> bool:
    """Whether several tensors go into a run of nodes, and several come out: such parts are side by side."""
    nodes = graph.nodes[start:end]
    into = {value for node in nodes for value in node.inputs if value[0] < start}
    out = [value for value in graph.made_by(range(start, end)) if last_use.get(value, 0) >= end]
    return len(into) > 1 and len(out) > 1


def entering(graph: Graph, unit: Unit) -> list[Value]:
    """The tensors that a unit takes from outside, in the order in which the block that fills its scope is given them,
    or else takes them."""
    nodes, start = graph.nodes, unit.start
    taken = (v for n in nodes[start : unit.end] for v in n.inputs if v[0] < start and not nodes[v[0]].op.is_drawn)
    return as_given(graph, unit.home, start, ((value, value) for value in dict.fromkeys(taken)))


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
            told = known[id(unit)] = _telling(graph, entering(graph, unit))
        else:
            told = known[id(unit)]
        if told != node.inputs[0]:
            insert(graph, unit, node.index, last_use.get(node.index, node.index) + 1)


def _telling(graph: Graph, values: list[Value]) -> Value:
    """The tensor that tells the batch, of those that come in."""
    values = [value for value in values if graph.type_of(value).rank]
    return values[lead(tuple(map(graph.type_of, values)))] if values else (-1, 0)


def insert(graph: Graph, unit: Unit, start: int, end: int) -> Unit:
    """A unit for a run of nodes, with the units that it meets in it."""
    first = bisect_left(unit.children, start, key=lambda child: child.start)
    last = bisect_left(unit.children, end, key=lambda child: child.start)
    inner = unit.children[first:last]
    made = _unit(graph, _Run(start, max([end, *(child.end for child in inner)])), unit.home)
    made.children = inner
    unit.children[first:last] = [made]
    return made


def instances(root: Unit) -> dict[int, list[Unit]]:
    """The units of a text by their keys, the inner ones first."""
    found: dict[int, list[Unit]] = {}
    seen: set[int] = set()

    def collect(unit: Unit) -> None:
        if id(unit) not in seen:
            seen.add(id(unit))
            for term in unit.written:
                for inner in inner_units(term):
                    collect(inner)
            found.setdefault(unit.key, []).append(unit)

    collect(root)
    return found


def inner_units(term: Term) -> list[Unit]:
    """The units in a term."""
    return [item.unit for item in walk(term) if item.unit is not None]


def declared(unit: Unit) -> frozenset[str]:
    """The names that the text of a unit declares for what it shares, draws and learns."""
    words = [s.opening.split() for s in unit.statements if s.opening.startswith(DECLARES)]
    inner = [declared(u) for term in unit.written for u in inner_units(term)]
    return frozenset(word[1].rstrip(":") for word in words).union(*inner)
