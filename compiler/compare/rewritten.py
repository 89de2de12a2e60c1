"""Which layers of two architectures are the same, as the weight maps of rewrites say."""

from __future__ import annotations

from ..ir.graph import Graph, WeightMap, tensor_name
from .checkpoint_names import is_counter
from .items import Item


class KnownLayers:
    """What is known of two graphs if rewrites made one of the other: which layers with weights are made of which."""

    def __init__(self, one: Graph, other: Graph):
        self.pairs = _pairs(one, other) or frozenset((a, b) for b, a in _pairs(other, one))
        """The owners in both graphs."""
        self._known = {a for a, _ in self.pairs}, {b for _, b in self.pairs}
        self._within: tuple[dict[Item, set[int]], dict[Item, set[int]]] = {}, {}

    def agree(self, one: Item, other: Item) -> bool:
        """Whether two layers, or some layers of two scopes, may be counterparts."""
        mine, theirs = self._owners(one, 0), self._owners(other, 1)
        if one.node is None:
            return not (mine and theirs) or any((a, b) in self.pairs for a in mine for b in theirs)
        return not (mine or theirs) or bool(mine and theirs and (*mine, *theirs) in self.pairs)

    def _owners(self, item: Item, side: int) -> set[int]:
        """The owners of the layers in it of which anything is known."""
        if item not in self._within[side]:
            nodes = [leaf.node for leaf in item.leaves() if leaf.node is not None]
            self._within[side][item] = {node.owner for node in nodes} & self._known[side]
        return self._within[side][item]


def _pairs(before: Graph, after: Graph) -> frozenset[tuple[int, int]]:
    """The owners of such layers before and after; none where `after` is not made of `before`."""
    known = len(before.weight_maps)
    steps = after.weight_maps[known:]
    if not steps or after.weight_maps[:known] != before.weight_maps:
        return frozenset()
    tensors = _tensors(before)
    found: set[tuple[int, int]] = set()
    for name, (owner, shape) in _tensors(after).items():
        sources, kept = _sources(name, steps)
        if not sources <= tensors.keys() or (kept and tensors[name][1] != shape):
            if not is_counter(name):
                return frozenset()
        else:
            found.update((tensors[source][0], owner) for source in sources)
    return frozenset(found)


def _sources(name: str, steps: list[WeightMap]) -> tuple[set[str], bool]:
    """The tensors that one is made of after some rewrites, and whether it is one of them as it was."""
    sources, kept = {name}, True
    for step in reversed(steps):
        changed = sources & (step.made.keys() | step.fresh.keys())
        made = {source for one in changed & step.made.keys() for source, _ in step.made[one].sources}
        sources, kept = sources - changed | made, kept and not changed
    return sources, kept


def _tensors(graph: Graph) -> dict[str, tuple[int, tuple[int, ...]]]:
    """The tensors of a checkpoint by name: the owner of the layer, and the shape."""
    return {tensor_name(path, weight.name): (node.owner, weight.shape) for path, node, weight in graph.tensors()}
