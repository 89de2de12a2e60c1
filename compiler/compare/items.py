"""A graph as a tree of regions and layers, with room for their counterparts in another graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from string import digits

from ..ir.graph import Graph, Node, Scope
from ..ir.region_tree import Region, RegionTree


@dataclass(slots=True, eq=False)
class Structure:
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
    structure: Structure = field(init=False)

    def pair(self, other: Item) -> None:
        """Makes two items counterparts."""
        self.partner, other.partner = other, self

    def part(self) -> None:
        """Makes it, and its counterpart, have none."""
        if self.partner is not None:
            self.partner.partner = self.partner = None

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
            return self.node.place
        return self.scope.path if self.scope is not None else ""


@dataclass(slots=True)
class ItemTree:
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


class Structures:
    """The structures of both graphs, each once."""

    def __init__(self):
        self.known: dict[Hashable, Structure] = {}
        self.ops: dict[int, Hashable] = {}

    def layer(self, node: Node) -> Structure:
        if id(node.op) not in self.ops:
            self.ops[id(node.op)] = node.op.key
        key = (self.ops[id(node.op)], node.frozen, node.owner == node.index)
        structure = self.known.get(key)
        if structure is None:
            ops, kinds = Counter([len(self.known)]), Counter([node.op.kind])
            structure = self.known[key] = Structure(key, 1, ops, kinds, node)
        return structure

    def scope(self, children: list[Item]) -> Structure:
        key = tuple(id(child.structure) for child in children)
        structure = self.known.get(key)
        if structure is None:
            ops, kinds = Counter[int](), Counter[str]()
            for child in children:
                ops.update(child.structure.ops)
                kinds.update(child.structure.kinds)
            structure = self.known[key] = Structure(key, sum(c.structure.size for c in children), ops, kinds, None)
        return structure


def tree(graph: Graph, structures: Structures) -> ItemTree:
    """The graph as items: its regions, and what is applied in each."""
    regions = RegionTree(graph)
    items = {regions.root: Item("", graph.root, None, None)}
    leaves = []
    for node in graph.nodes:
        parent = _item(regions.region_of(node.index), items)
        leaves.append(Item(node.name, None, node, parent))
        leaves[-1].structure = structures.layer(node)
        parent.children.append(leaves[-1])
    for item in reversed(list(items.values())):  # a region comes after those around it
        item.structure = structures.scope(item.children)
    return ItemTree(graph, items[regions.root], leaves)


def _item(region: Region, items: dict[Region, Item]) -> Item:
    """The item of a region, made together with those of the regions around it where there is none yet."""
    new = list(takewhile(lambda around: around not in items, region.outwards()))
    for inner in reversed(new):
        assert inner.parent is not None
        parent = items[inner.parent]
        items[inner] = Item(inner.scope.name, inner.scope, None, parent)
        parent.children.append(items[inner])
    return items[region]
