"""Which parts of two architectures are counterparts: scopes tree to tree, layers by op and by the flow of data.

The trees are aligned from the root. The children of two scopes that are counterparts are two sequences, in order of
application, and the pairs are those of an alignment with the highest score (Needleman and Wunsch 1970): a layer scores
for the same op and for one of its kind, a scope for what it has in common with the other, both a little for the same
name. Layers that are left over then follow the data: where the source or the consumer of a pair is the same op on both
sides and has no counterpart yet, the two are a pair. That finds what stands in another scope than before. Where
rewrites made one graph of the other, no pair contradicts their maps of weights.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Hashable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from ..ir.graph import Graph
from ..ir.op import Op
from .flow import DataFlow
from .items import Item, ItemTree, Structure, Structures, numberless, tree
from .rewritten import KnownLayers

SAME_NAME = 0.02
"""What a name adds to the score of a layer, and of a scope for each of its layers."""
FAMILY, KIND, SETTINGS = 0.3, 0.5, 0.3
"""The score of a layer of the same family (relu and elu), of one of the same kind, and what is added to that if it has
almost all settings in common. The same op scores 1."""
ALIKE, RATIO = 0.6, 0.2
"""Scopes of different names are counterparts only if so much of the smaller one is in the other too, by kind, and if
the smaller has at least this share of the other's layers. Of one number all of the smaller one must be in the other."""
WRAPPER = 0.5
"""A scope with more of its parent's layers than this may be a wrapper, whose children stand for it."""
CELLS = 2_000_000
"""Longer sequences are cut into parts that have so many pairs in all."""


def align(before: Graph, after: Graph) -> tuple[ItemTree, ItemTree]:
    """The trees of both graphs, with counterparts as partners. It comes to the same whichever graph is the first."""
    structures = Structures()
    trees = tree(before, structures), tree(after, structures)
    one, other = trees if _identity(before) <= _identity(after) else trees[::-1]
    known = KnownLayers(one.graph, other.graph)
    _Aligner(known).scopes(one.root, other.root)
    _part(one, other, known)
    _pair_known(one, other, known)
    _follow(one, other, known)
    _scopes_of_layers(one)
    return trees


def _identity(graph: Graph) -> list[tuple[Any, ...]]:
    """Tells graphs apart that differ in structure or names, and puts them in an order."""
    return [(node.op.key, node.inputs, node.path, node.owner, node.frozen) for node in graph.nodes]


# --- scores ----------------------------------------------------------------------------------


class _Aligner:
    """Makes counterparts of the children of scopes that are counterparts."""

    def __init__(self, known: KnownLayers):
        self.known = known
        self.scores: dict[tuple[Structure, Structure, bool], float] = {}

    def scopes(self, one: Item, other: Item) -> None:
        stack = [(one, other)]
        while stack:
            one, other = stack.pop()
            one.pair(other)
            if one.node is None:
                stack.extend(self._children(one.children, other.children))

    def _children(self, ones: list[Item], others: list[Item]) -> list[tuple[Item, Item]]:
        """The pairs among two sequences, with wrappers opened as long as that makes the pairs better."""
        pairs = list(self._pairs(ones, others))
        while True:
            opened = [(a, others) for a in _opened(ones, others)] + [(ones, b) for b in _opened(others, ones)]
            tried = [(a, b, list(self._pairs(a, b))) for a, b in opened]
            ones, others, better = max(tried, key=lambda t: self._total(t[2]), default=([], [], []))
            if self._total(better) <= self._total(pairs):
                return pairs
            pairs = better

    def _total(self, pairs: list[tuple[Item, Item]]) -> float:
        return sum(self._score(*pair) for pair in pairs)

    def _pairs(self, ones: list[Item], others: list[Item]) -> Iterator[tuple[Item, Item]]:
        if named := self._namesakes(ones, others):
            yield from named
            return
        start, short = 0, min(len(ones), len(others))
        while start < short and _twins(ones[start], others[start]):
            yield ones[start], others[start]
            start += 1
        end = 0
        while end < short - start and _twins(ones[-1 - end], others[-1 - end]):
            end += 1
            yield ones[-end], others[-end]
        ones, others = ones[start : len(ones) - end], others[start : len(others) - end]
        parts = min(len(ones) * len(others) // CELLS + 1, len(ones) or 1, len(others) or 1)
        for a, b in zip(_cut(ones, parts), _cut(others, parts), strict=True):
            yield from self._best(a, b)

    def _namesakes(self, ones: list[Item], others: list[Item]) -> list[tuple[Item, Item]]:
        """The pairs by name, where each has one that does the same: then only the order is another."""
        mine, theirs = _named(ones), _named(others)
        if mine.keys() != theirs.keys():
            return []
        pairs = [(item, theirs[key]) for key, item in mine.items()]
        return pairs if all(a.structure is b.structure and self._score(a, b) for a, b in pairs) else []

    def _best(self, ones: Sequence[Item], others: Sequence[Item]) -> Iterator[tuple[Item, Item]]:
        """The pairs of an alignment with the highest score; of several, one with pairs as early as can be."""
        score = self._score
        rows: list[list[float]] = [[0.0] * (len(others) + 1)]
        for one in reversed(ones):
            below, row, right = rows[-1], [0.0], 0.0
            for column, other in enumerate(reversed(others), 1):
                best = below[column] if below[column] > right else right
                gained = score(one, other)
                if gained and below[column - 1] + gained > best:
                    best = below[column - 1] + gained
                row.append(best)
                right = best
            rows.append(row)
        i, j = len(ones), len(others)
        while i and j:
            one, other = ones[-i], others[-j]
            gained = score(one, other)
            if gained and rows[i][j] == rows[i - 1][j - 1] + gained:
                yield one, other
                i, j = i - 1, j - 1
            elif rows[i][j] == rows[i][j - 1]:
                j -= 1
            else:
                i -= 1

    def _score(self, one: Item, other: Item) -> float:
        """How good a pair is; 0 where it is none."""
        if self.known.pairs and not self.known.agree(one, other):
            return 0
        key = (one.structure, other.structure, one.name == other.name)
        found = self.scores.get(key)
        if found is None:
            found = self.scores[key] = _layers(*key) if one.node and other.node else _scopes(one, other)
        return found


def _opened(items: list[Item], others: list[Item]) -> Iterator[list[Item]]:
    """The items with the children of what may be a wrapper in its place; and with those of all scopes, where the others
    are layers for the most part."""
    size = sum(item.structure.size for item in items)
    for place, item in enumerate(items):
        if item.node is None and item.structure.size > WRAPPER * size:
            yield [*items[:place], *item.children, *items[place + 1 :]]
    layers = sum(other.node is not None for other in others)
    if layers > WRAPPER * sum(other.structure.size for other in others) and any(item.node is None for item in items):
        yield [inner for item in items for inner in (item.children if item.node is None else [item])]


def _named(items: list[Item]) -> dict[tuple[str, int], Item]:
    """Items by their names; those of one name are numbered."""
    counts: Counter[str] = Counter()
    found: dict[tuple[str, int], Item] = {}
    for item in items:
        found[item.name, counts[item.name]] = item
        counts[item.name] += 1
    return found


def _twins(one: Item, other: Item) -> bool:
    return one.structure is other.structure and one.name == other.name


def _cut(items: list[Item], parts: int) -> Iterator[list[Item]]:
    bounds = [len(items) * part // parts for part in range(parts + 1)]
    return (items[start:end] for start, end in pairwise(bounds))


def _layers(one: Structure, other: Structure, same_name: bool) -> float:
    if one is other:
        return 1 + SAME_NAME * same_name
    assert one.node is not None and other.node is not None
    a, b = one.node.op, other.node.op
    if a.kind == b.kind:
        settings = [x == y for x, y in zip(a.key[1:], b.key[1:], strict=False)]
        shared = sum(settings) / len(settings) if settings else 1
        return KIND + SETTINGS * shared + SAME_NAME * same_name
    related = a.family == b.family != Op.family and a.arity == b.arity == 1
    weighted = same_name and a.is_weight_layer() and b.is_weight_layer()
    return FAMILY + SAME_NAME * same_name if related or weighted else 0


def _scopes(one: Item, other: Item) -> float:
    if (one.node is None) != (other.node is None):
        return 0
    a, b = one.structure, other.structure
    small = min(a.size, b.size)
    same = (a.ops & b.ops).total() if a is not b else a.size
    alike = (a.kinds & b.kinds).total()
    named = one.name == other.name
    likely = same + KIND * (alike - same)
    if (alike < ALIKE * small or small < RATIO * max(a.size, b.size)) and not (
        named and (same == small or not one.name.isdigit())
    ):
        return 0
    return max(likely, SAME_NAME) + SAME_NAME * small * named - 0.01 * (a.size + b.size - 2 * small) / (a.size + b.size)


# --- what the flow of data says -----------------------------------------------------------------------


def _part(one: ItemTree, other: ItemTree, known: KnownLayers) -> None:
    """Parts layers that have other names and take other tensors, and then scopes without a pair of layers in them."""
    flow = DataFlow(one, other)
    for a in [leaf for leaf in one.leaves if leaf.partner is not None]:
        b = a.partner
        assert b is not None and a.node is not None and b.node is not None
        if (a.node.owner, b.node.owner) in known.pairs:
            continue
        if numberless(a.name) != numberless(b.name) and flow.apart(a.node.inputs, b.node.inputs):
            a.part()
    kept = {one.root}
    for leaf in one.leaves:
        around = set(leaf.partner.scopes()) if leaf.partner is not None else set()
        kept.update(a for a in leaf.scopes() if a.partner in around)
    for leaf in one.leaves:
        for a in leaf.scopes():
            if a not in kept:
                a.part()


def _pair_known(one: ItemTree, other: ItemTree, known: KnownLayers) -> None:
    """Pairs what is left over of layers that are known to be the same, in the order of their applications."""
    mine, theirs = (_left(tree) for tree in (one, other))
    for a, b in sorted(known.pairs):
        for leaf, partner in zip(mine.get(a, ()), theirs.get(b, ()), strict=False):
            if leaf.partner is None and partner.partner is None:
                leaf.pair(partner)


def _left(tree: ItemTree) -> dict[int, list[Item]]:
    """The layers that are left over, by their owners."""
    found: dict[int, list[Item]] = {}
    for leaf in tree.leaves:
        if leaf.partner is None and leaf.node is not None:
            found.setdefault(leaf.node.owner, []).append(leaf)
    return found


def _follow(one: ItemTree, other: ItemTree, known: KnownLayers) -> None:
    """Pairs of layers that are left over, along the flow of data from those that are pairs.

    What is found in one go stays only if it has weights, or joins what it joins on the other side: an activation alone
    may be anybody's.
    """
    if all(leaf.partner for leaf in one.leaves) or all(leaf.partner for leaf in other.leaves):
        return
    flows = _consumers(one.graph), _consumers(other.graph)
    found: list[list[tuple[Item, Item]]] = []
    for seed in [leaf for leaf in one.leaves if leaf.partner is not None]:
        queue, pairs = deque([seed]), []
        while queue:
            item = queue.popleft()
            for a, b in _neighbours(item, one, other, flows):
                if a.partner is None and b.partner is None and a.structure is b.structure and known.agree(a, b):
                    a.pair(b)
                    pairs.append((a, b))
                    queue.append(a)
        found.append(pairs)
    for pairs in found:
        weighted = any(a.node is not None and a.node.op.has_weights for a, _ in pairs)
        if not weighted and not all(_embedded(a, one, other, flows) for a, _ in pairs):
            for a, _ in pairs:
                a.part()


def _consumers(graph: Graph) -> list[list[tuple[int, int, int]]]:
    """For each node who takes what it gives: the consumer, in which slot, and which output."""
    consumers: list[list[tuple[int, int, int]]] = [[] for _ in graph.nodes]
    for node in graph.nodes:
        for slot, (source, port) in enumerate(node.inputs):
            consumers[source].append((node.index, slot, port))
    return consumers


def _neighbours(item: Item, one: ItemTree, other: ItemTree, flows: tuple[Any, Any]) -> Iterator[tuple[Item, Item]]:
    """The sources and the consumers of a pair that stand in the same relation to it on both sides."""
    assert item.node is not None and item.partner is not None and item.partner.node is not None
    a, b = item.node, item.partner.node
    if len(a.inputs) == len(b.inputs):
        for x, y in zip(a.inputs, b.inputs, strict=True):
            if x[1] == y[1]:
                yield one.leaves[x[0]], other.leaves[y[0]]
    free: dict[Hashable, list[Item]] = {}
    for index, *place in flows[1][b.index]:
        if other.leaves[index].partner is None:
            free.setdefault((id(other.leaves[index].structure), *place), []).append(other.leaves[index])
    for index, *place in flows[0][a.index]:
        found = free.get((id(one.leaves[index].structure), *place))
        if found and one.leaves[index].partner is None:
            yield one.leaves[index], found.pop(0)


def _embedded(item: Item, one: ItemTree, other: ItemTree, flows: tuple[Any, Any]) -> bool:
    """Whether all sources and all consumers of a pair are pairs too."""
    assert item.node is not None and item.partner is not None and item.partner.node is not None
    a, b = item.node, item.partner.node
    around = [source for source, _ in a.inputs], [index for index, *_ in flows[0][a.index]]
    others = [source for source, _ in b.inputs], [index for index, *_ in flows[1][b.index]]
    return all(
        [one.leaves[x].partner for x in mine] == [other.leaves[y] for y in theirs]
        for mine, theirs in zip(around, others, strict=True)
    )


def _scopes_of_layers(tree: ItemTree) -> None:
    """Scopes that are left over are counterparts where most of the layers in them are."""
    votes: dict[Item, Counter[Item]] = {}
    for leaf in tree.leaves:
        a, b = leaf.parent, leaf.partner.parent if leaf.partner is not None else None
        while a is not None and b is not None and a.partner is None and b.partner is None:
            votes.setdefault(a, Counter())[b] += 1
            a, b = a.parent, b.parent
    for a, counted in votes.items():
        for b, count in counted.most_common(1):
            if b.partner is None and 2 * count > max(a.structure.size, b.structure.size):
                a.pair(b)
