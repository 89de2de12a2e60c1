"""What is applied more than once with one set of parameters: single layers, and whole scopes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from ..ir.graph import Graph, Node, Scope, Value

TRIED = 8
"""So many applications of the first layer of a scope may stand within one application of the scope."""


@dataclass(slots=True, eq=False)
class Cell:
    """A scope that is applied several times: the runs of nodes of its applications, the first one first. `fresh` are
    the scopes in which something is made anew at each application, and numbered by it; `frozen` are the starts of the
    applications that freeze that, where the first one does not."""

    scope: Scope
    runs: list[tuple[int, int]]
    fresh: list[Scope] = field(default_factory=list)
    frozen: set[int] = field(default_factory=set)
    name: str = ""


def cells_of(graph: Graph) -> list[Cell]:
    """The scopes that are shared as a whole, those around others first. All that is applied in one is applied again, in
    the same way, but for what is fresh. What is shared within one is found in its first application."""
    found: list[Cell] = []
    covered: set[int] = set()
    tried: set[int] = set()
    elsewhere = _second_names(graph.root)
    again = applications(graph)

    def find(scope: Scope) -> None:
        tried.add(id(scope))
        cell = _Search(graph, scope, again, covered, elsewhere).cell()
        if cell is not None:
            cell.scope = _inner(cell, elsewhere)
            found.append(cell)
            covered.update(i for start, end in cell.runs[1:] for i in range(start, end))

    for node in graph.nodes:
        if node.owner != node.index and node.op.is_module:
            for scope in _around(graph.nodes[node.owner]):
                if node.index not in covered and id(scope) not in tried:
                    find(scope)
    for scope in [scope for scope in _scopes(graph.root) if id(scope) in elsewhere and id(scope) not in tried]:
        find(scope)  # all in it is fresh
    return found


def _inner(cell: Cell, elsewhere: dict[int, list[Scope]]) -> Scope:
    """The scope that is shared where a block's scope holds nothing but that: a part that shares something in it."""
    scope = cell.scope
    in_a_row = all(a[1] == b[0] for a, b in pairwise(cell.runs))
    while in_a_row and scope.block is not None and id(scope) not in elsewhere and len(scope.children) == 1:
        (child,) = scope.children.values()
        if not isinstance(child, Scope):
            break
        scope = child
    return scope


def applications(graph: Graph) -> dict[int, list[int]]:
    """For each layer that is shared, by its node, the nodes that apply it again."""
    found: dict[int, list[int]] = {}
    for node in graph.nodes:
        if node.owner != node.index and node.op.is_module:
            found.setdefault(node.owner, []).append(node.index)
    return found


def _second_names(root: Scope) -> dict[int, list[Scope]]:
    """For each scope and layer that has second names, by its identity, the scopes in which it has them."""
    found: dict[int, list[Scope]] = {}
    for scope in _scopes(root):
        for name, child in scope.children.items():
            if child.name != name or (child.parent if isinstance(child, Scope) else child.scope) is not scope:
                found.setdefault(id(child), []).append(scope)
    return found


def _around(node: Node) -> list[Scope]:
    """The scopes around a layer, the outermost first, without the root."""
    scopes: list[Scope] = []
    scope: Scope | None = node.scope
    while scope is not None and scope.parent is not None:
        scopes.insert(0, scope)
        scope = scope.parent
    return scopes


class _Search:
    """Looks for the applications of one scope. `later` are those of every shared layer, `covered` the nodes that are
    known to apply a scope around it again, `elsewhere` the scopes with second names of things."""

    def __init__(
        self,
        graph: Graph,
        scope: Scope,
        later: dict[int, list[int]],
        covered: set[int],
        elsewhere: dict[int, list[Scope]],
    ):
        self.elsewhere = elsewhere
        self.nodes = graph.nodes
        self.scope = scope
        scopes = list(_scopes(scope))
        self.inside = set(map(id, scopes))
        self.children = [child for inner in scopes for child in inner.children.values()]
        own = (child for child in self.children if isinstance(child, Node) and id(child.scope) in self.inside)
        self.own = sorted({child.index for child in own if child.op.is_module})
        self.later = {o: [i for i in later[o] if i not in covered] for o in self.own if o in later}
        self.places: dict[tuple[str, ...], int] = {}
        self.fresh: dict[int, Scope] = {}

    def _named_within(self, start: int, end: int) -> bool:
        """Whether the second names of the scope's parts are those of applications in its first one. What has others is
        shared by itself."""
        for part in self.children:
            holders = self.elsewhere.get(id(part), ())
            if any(id(holder) not in self.inside for holder in holders):
                return False
            layer = part
            while isinstance(layer, Scope) and layer.children:
                layer = next(iter(layer.children.values()))
            again = self.later.get(layer.index, ()) if isinstance(layer, Node) else ()
            if len(holders) > sum(start <= index < end for index in again):
                return False
        return True

    def cell(self) -> Cell | None:
        if not self.own:
            return None
        first = start = self.own[0]
        while start and not self.nodes[start - 1].op.is_module and self._own(self.nodes[start - 1]):
            start -= 1
        applied = self.later.get(first) or self.own[1:]
        for second in applied[:TRIED]:
            self.places, self.fresh = {}, {}
            end = self._end(start, second - first + start)
            runs = self._runs(start, end, [index - first + start for index in applied])
            if len(runs) > 1 and self._whole(runs) and self._named_within(start, end):
                frozen = {start for start, end in runs[1:] if any(self._freezes(start, end, runs[0][0]))}
                return Cell(self.scope, runs, list(self.fresh.values()), frozen)
        return None

    def _freezes(self, start: int, end: int, first: int) -> set[bool]:
        """Whether an application freezes what is fresh in it and was not frozen at first: of each of its layers."""
        pairs = ((self.nodes[i - start + first], self.nodes[i]) for i in range(start, end))
        return {b.frozen for a, b in pairs if b.owner == b.index and b.op.has_weights and not a.frozen}

    def _runs(self, start: int, end: int, starts: list[int]) -> list[tuple[int, int]]:
        """The applications that begin at some of these nodes, and the first one."""
        runs = [(start, end)]
        for at in starts:
            if at >= runs[-1][1] and at + end - start <= len(self.nodes) and self._again(start, end, at, len(runs)):
                runs.append((at, at + end - start))
        return runs

    def _own(self, node: Node) -> bool:
        return node.owner == node.index and id(node.scope) in self.inside

    def _end(self, start: int, second: int) -> int:
        """Where the first application ends, if the second begins at a node."""
        at = start
        while at < second and (self._own(node := self.nodes[at]) or start <= node.owner < at):
            if node.op.is_module and node.owner == at:
                self.places[self._path(node)] = at
            at += 1
        return at

    def _path(self, node: Node) -> tuple[str, ...]:
        return tuple(node.path.split(".")[len(self.scope.path.split(".")) :])

    def _first(self, node: Node, number: int) -> int | None:
        """The node of the first application that a layer of a later one stands for."""
        if node.owner != node.index:
            return node.owner
        if id(node.scope) not in self.inside:
            return None
        path = self._path(node)
        for place, segment in enumerate(path):
            if segment == str(number) and (*path[:place], "0", *path[place + 1 :]) in self.places:
                first = self.places[*path[:place], "0", *path[place + 1 :]]
                if self.nodes[first].op.key == node.op.key:
                    holder = node.scope
                    for _ in range(len(path) - 1 - place):
                        assert holder.parent is not None
                        holder = holder.parent
                    self.fresh[id(holder)] = holder
                    return first
        return None

    def _again(self, start: int, end: int, at: int, number: int) -> bool:
        """Whether application number `number` begins at a node."""
        outside: dict[Value, Value] = {}
        for offset in range(end - start):
            first, node = self.nodes[start + offset], self.nodes[at + offset]
            if node.op.is_module != first.op.is_module or node.op.key != first.op.key:
                return False
            if node.op.is_module and self._first(node, number) != first.owner:
                return False
            if len(node.inputs) != len(first.inputs):
                return False
            for (a, port), value in zip(first.inputs, node.inputs, strict=True):
                wanted = (a - start + at, port) if a >= start else outside.setdefault((a, port), value)
                if wanted != value:
                    return False
            if first.frozen and not node.frozen and node.owner == node.index:
                return False
        alike = self._recomputed(start, end) == self._recomputed(at, at + end - start)
        return alike and len(self._freezes(at, at + end - start, start)) < 2

    def _recomputed(self, start: int, end: int) -> list[int | None]:
        """For each node of an application, the number of the part in it that is recomputed. One that holds all of it is
        no part of it. An application that ends or begins within such a part has no numbers."""
        parts = [node.recompute for node in self.nodes[start:end]]
        if all(part is parts[0] for part in parts):
            return [None] * len(parts)
        around = [self.nodes[i].recompute for i in (start - 1, end) if 0 <= i < len(self.nodes)]
        if any(part is not None and any(part is other for other in parts) for part in around):
            return [start]
        numbers: dict[int, int] = {}
        return [None if part is None else numbers.setdefault(id(part), len(numbers)) for part in parts]

    def _whole(self, runs: list[tuple[int, int]]) -> bool:
        """Whether nothing of the scope is applied elsewhere."""
        there = {i for start, end in runs for i in range(start, end)}
        return all(i in there for owner in self.own for i in (owner, *self.later.get(owner, ())))


def _scopes(scope: Scope) -> Iterator[Scope]:
    """The scope and all those in it."""
    yield scope
    for name, child in scope.children.items():
        if isinstance(child, Scope) and child.parent is scope and child.name == name:
            yield from _scopes(child)
