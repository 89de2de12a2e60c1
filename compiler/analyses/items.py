"""A graph as a tree of scopes and layers, with room for their counterparts in another graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from string import digits

from ..ir.graph import Graph, Node, Scope


@dataclass(slots=True, eq=False)
class Form:
    """What an item does, the same object for items that do the same: names and wiring play no part.

    `ops` counts the ops in it, by a number for each, `kinds` their kinds.
    """

    key: Hashable
    size: int
    ops: Counter[int]
    kinds: Counter[str]
    node: Node | None


@dataclass(slots=True, eq=False)
class Item:
    """A scope with its `children` in order of application, or one application of a layer, whose `node` it holds.

    What is shared and applied again is an item of its own. `partner` is the counterpart, None where there is none.
    """

    name: str
    scope: Scope | None
    node: Node | None
    parent: Item | None
    children: list[Item] = field(default_factory=list)
    partner: Item | None = None
    form: Form = field(init=False)

    def leaves(self) -> Iterator[Item]:
        """The layers in it."""
        stack: list[Item] = [self]
        while stack:
            item = stack.pop()
            if item.node is not None:
                yield item
            stack.extend(reversed(item.children))

    def scopes(self) -> Iterator[Item]:
        """The scopes around it, innermost first."""
        scope = self.parent
        while scope is not None:
            yield scope
            scope = scope.parent

    @property
    def path(self) -> str:
        if self.node is not None:
            return self.node.path if self.node.name else self.node.scope.path
        return self.scope.path if self.scope is not None else ""


@dataclass(slots=True)
class Tree:
    """A graph as items. `leaves` has one for each node."""

    graph: Graph
    root: Item
    leaves: list[Item]

    def counterpart(self, index: int) -> Node | None:
        """The node of the other graph that is this one's counterpart."""
        partner = self.leaves[index].partner
        return partner.node if partner is not None else None


def numberless(name: str) -> str:
    """A name without the number at its end: `conv` of `conv_2`, `unit` of `unit12`."""
    return name.rstrip(digits).rstrip("_")


class Forms:
    """The forms of both graphs, each once."""

    def __init__(self):
        self.known: dict[Hashable, Form] = {}
        self.ops: dict[int, Hashable] = {}

    def layer(self, node: Node) -> Form:
        if id(node.op) not in self.ops:
            self.ops[id(node.op)] = node.op.key
        key = (self.ops[id(node.op)], node.frozen, node.owner == node.index)
        form = self.known.get(key)
        if form is None:
            ops, kinds = Counter([len(self.known)]), Counter([node.op.kind])
            form = self.known[key] = Form(key, 1, ops, kinds, node)
        return form

    def scope(self, children: list[Item]) -> Form:
        key = tuple(id(child.form) for child in children)
        form = self.known.get(key)
        if form is None:
            ops, kinds = Counter[int](), Counter[str]()
            for child in children:
                ops.update(child.form.ops)
                kinds.update(child.form.kinds)
            form = self.known[key] = Form(key, sum(c.form.size for c in children), ops, kinds, None)
        return form


def tree(graph: Graph, forms: Forms) -> Tree:
    """The graph as items. The scopes of something shared are distinguished by how often it was applied before."""
    applied: Counter[int] = Counter()
    ordinals = []
    for node in graph.nodes:
        ordinals.append(applied[node.owner])
        applied[node.owner] += 1
    once: set[Scope] = {graph.root}
    for node in graph.nodes:
        if applied[node.owner] == 1:
            once.update(_outwards(node.scope))
    root = Item("", graph.root, None, None)
    items: dict[tuple[Scope, int], Item] = {(graph.root, 0): root}
    leaves = []
    for node, ordinal in zip(graph.nodes, ordinals, strict=True):
        parent = root
        for scope in reversed(list(_outwards(node.scope))):
            key = (scope, 0 if scope in once else ordinal)
            if key not in items:
                items[key] = Item(scope.name, scope, None, parent)
                parent.children.append(items[key])
            parent = items[key]
        leaves.append(Item(node.name, None, node, parent))
        leaves[-1].form = forms.layer(node)
        parent.children.append(leaves[-1])
    for item in reversed(list(items.values())):  # a scope comes after those around it
        item.form = forms.scope(item.children)
    return Tree(graph, root, leaves)


def _outwards(scope: Scope | None) -> Iterator[Scope]:
    while scope is not None:
        yield scope
        scope = scope.parent
