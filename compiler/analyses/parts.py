"""Parts of a graph by name: layers of a kind, layers by their path, and what stands in a scope."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property

from ..ir.graph import Graph, Node, Scope
from ..ir.words import Compared
from ..ops import registry


class _Scopes:
    """The layers of a graph by their path, and by the scopes around them."""

    def __init__(self, graph: Graph):
        self._numbers: dict[int, int] = {}
        self._children: list[dict[str, int]] = [{}]
        self._inside: list[list[Node]] = [[]]
        self._named: dict[tuple[int, str], list[Node]] = defaultdict(list)
        for node in graph.nodes:
            scope = self._number(node.scope)
            self._inside[scope].append(node)
            if node.name:
                self._named[scope, node.name].append(node)

    def _number(self, scope: Scope) -> int:
        """The number of a scope: one for each path, that at the top 0."""
        new: list[Scope] = []
        number = 0
        for outer in scope.outwards():
            known = self._numbers.get(id(outer))
            if known is not None or outer.parent is None:
                number = known or 0
                break
            new.append(outer)
        for inner in reversed(new):
            number = self._children[number].setdefault(inner.name, len(self._inside))
            if number == len(self._inside):
                self._inside.append([])
                self._children.append({})
            self._numbers[id(inner)] = number
        return number

    def _at(self, names: list[str]) -> int | None:
        """The number of the scope at a path, None where there is none."""
        number: int | None = 0
        for name in names:
            number = None if number is None else self._children[number].get(name)
        return number

    def named(self, path: str) -> list[Node]:
        """The layers whose path this is."""
        *outer, last = path.split(".")
        number = self._at(outer)
        return [] if number is None else self._named.get((number, last), [])

    def within(self, path: str) -> list[Node]:
        """What stands in a scope, in the order of the graph."""
        number = self._at(path.split("."))
        open_, found = [] if number is None else [number], list[Node]()
        while open_:
            number = open_.pop()
            found += self._inside[number]
            open_.extend(self._children[number].values())
        return sorted(found, key=lambda node: node.index)


class Parts:
    """Every part of one graph, for whoever asks for many of them: each costs what is in it."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.compared = Compared()

    @cached_property
    def _kinds(self) -> dict[str, list[Node]]:
        kinds: dict[str, list[Node]] = defaultdict(list)
        for node in self.graph.nodes:
            kinds[node.op.kind].append(node)
        return kinds

    @cached_property
    def _scopes(self) -> _Scopes:
        return _Scopes(self.graph)

    def selected(self, selector: str | None, owners_only: bool = False) -> list[Node]:
        """The nodes of a kind of layer, or in a scope; all of them for None. Raises ValueError where there is none."""
        cls = registry.lookup(selector) if selector is not None else None
        if selector is None:
            chosen = self.graph.nodes
        elif selector in self._kinds or cls is not None:
            chosen = self._kinds.get(selector) or (self._kinds.get(cls.kind, []) if cls is not None else [])
        else:
            chosen = [*self._scopes.named(selector), *self._scopes.within(selector)]
            if not chosen:
                why = f"has nothing to look at: there is no layer or scope `{selector}`"
                raise ValueError("; ".join((why, *self.compared.did_you_mean(selector, self._known))))
        return [node for node in chosen if node.owner == node.index] if owners_only else list(chosen)

    @cached_property
    def _known(self) -> list[str]:
        """The names of layers, of the scopes that hold them, and of kinds, for suggestions."""
        paths = {n.path for n in self.graph.nodes if n.name}
        return sorted(paths | {path.rpartition(".")[0] for path in paths} | {n.op.kind for n in self.graph.nodes})

    def located(self, path: str) -> Node:
        """The layer at a path, or the last that a scope makes. Raises ValueError where there is none."""
        inside = self._scopes.named(path) or self._scopes.within(path)
        if not inside:
            hints = self.compared.did_you_mean(path, self._known)
            raise ValueError("; ".join((f"there is no layer or scope `{path}`", *hints)))
        return inside[-1]
