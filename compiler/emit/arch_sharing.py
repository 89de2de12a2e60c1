"""What is applied more than once with one set of parameters: single layers, and whole scopes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from ..ir.graph import Graph, Node, Scope, Value


@dataclass(slots=True, eq=False)
class Cell:
    """A scope that is applied several times: the runs of nodes of its applications, the first one first. `fresh` are
    the scopes in which something is made anew at each application, and numbered by it."""

    scope: Scope
    runs: list[tuple[int, int]]
    fresh: list[Scope] = field(default_factory=list)
    name: str = ""


def cells_of(graph: Graph) -> list[Cell]:
    """The scopes that are shared as a whole, the outermost of nested ones. All that is applied in one is applied again,
    in the same way, but for what is fresh."""
    found: list[Cell] = []
    covered: set[int] = set()
    tried: set[int] = set()
    named_twice = _named_twice(graph.root)
    again = applications(graph)
    for node in graph.nodes:
        if node.owner == node.index or not node.op.is_module or node.index in covered:
            continue
        for scope in _around(graph.nodes[node.owner]):
            if id(scope) in tried:
                continue
            tried.add(id(scope))
            parts = (child for inner in _scopes(scope) for child in inner.children.values())
            cell = None if any(id(part) in named_twice for part in parts) else _Search(graph, scope, again).cell()
            if cell is not None:
                cell.scope = _inner(cell, named_twice)
                found.append(cell)
                covered.update(i for start, end in cell.runs for i in range(start, end))
                break
    return found


def _inner(cell: Cell, named_twice: set[int]) -> Scope:
    """The scope that is shared where a block's scope holds nothing but that: a part that shares something in it."""
    scope = cell.scope
    in_a_row = all(a[1] == b[0] for a, b in pairwise(cell.runs))
    while in_a_row and scope.block is not None and id(scope) not in named_twice and len(scope.children) == 1:
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


def _named_twice(root: Scope) -> set[int]:
    """The scopes and layers that have a second name, which they can only have where they are shared by themselves."""
    return {
        id(child)
        for scope in _scopes(root)
        for name, child in scope.children.items()
        if child.name != name or (child.parent if isinstance(child, Scope) else child.scope) is not scope
    }


def _around(node: Node) -> list[Scope]:
    """The scopes around a layer, the outermost first, without the root."""
    scopes: list[Scope] = []
    scope: Scope | None = node.scope
    while scope is not None and scope.parent is not None:
        scopes.insert(0, scope)
        scope = scope.parent
    return scopes


class _Search:
    """Looks for the applications of one scope. `later` are those of every shared layer."""

    def __init__(self, graph: Graph, scope: Scope, later: dict[int, list[int]]):
        self.nodes = graph.nodes
        self.scope = scope
        self.later = later
        scopes = list(_scopes(scope))
        self.inside = set(map(id, scopes))
        children = (child for inner in scopes for child in inner.children.values())
        self.own = sorted(child.index for child in children if isinstance(child, Node) and child.op.is_module)
        self.places: dict[tuple[str, ...], int] = {}
        self.fresh: dict[int, Scope] = {}

    def cell(self) -> Cell | None:
        if not self.own:
            return None
        start = self.own[0]
        while start and not self.nodes[start - 1].op.is_module and self._own(self.nodes[start - 1]):
            start -= 1
        end = self._end(start)
        runs = [(start, end)]
        first = next(i for i in range(start, end) if (self.nodes[i].op.is_module and i in self.later) or i == end - 1)
        for index in self.later.get(first, ()):
            at = index - first + start
            if at >= runs[-1][1] and at + end - start <= len(self.nodes) and self._again(start, end, at, len(runs)):
                runs.append((at, at + end - start))
        return Cell(self.scope, runs, list(self.fresh.values())) if len(runs) > 1 and self._whole(runs) else None

    def _own(self, node: Node) -> bool:
        return node.owner == node.index and id(node.scope) in self.inside

    def _end(self, start: int) -> int:
        """Where the first application ends: at the latest where the second begins."""
        pairs = ((self.later[owner][0], owner) for owner in self.own if owner in self.later)
        index, owner = min(pairs, default=(len(self.nodes), start))
        second = index - owner + start
        at = start
        while at < second and self._own(node := self.nodes[at]):
            if node.op.is_module:
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
            if node.op.is_module and self._first(node, number) != first.index:
                return False
            if len(node.inputs) != len(first.inputs):
                return False
            for (a, port), value in zip(first.inputs, node.inputs, strict=True):
                wanted = (a - start + at, port) if a >= start else outside.setdefault((a, port), value)
                if wanted != value:
                    return False
        return self._recomputed(start, end) == self._recomputed(at, at + end - start)

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
        applied = [i for i in range(*runs[0]) for i in self.later.get(i, ())]
        return all(index in there for index in (*self.own, *applied))


def _scopes(scope: Scope) -> Iterator[Scope]:
    """The scope and all those in it."""
    yield scope
    for child in scope.children.values():
        if isinstance(child, Scope) and child.parent is scope:
            yield from _scopes(child)
