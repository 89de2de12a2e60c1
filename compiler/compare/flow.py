"""Whether layers of two aligned graphs take the same tensors."""

from __future__ import annotations

from ..ir.graph import Value
from .items import ItemTree


class DataFlow:
    """The flow of data through two trees, as their counterparts stand now."""

    def __init__(self, before: ItemTree, after: ItemTree):
        self.before, self.after = before, after
        self._ancestors = _Ancestors(before), _Ancestors(after)

    def alike(self, ones: tuple[Value, ...], others: tuple[Value, ...]) -> bool:
        """Whether they are the same tensors, but for what was put in or taken out before them."""
        if len(ones) == len(others):
            return all(map(self._slot_alike, ones, others))
        known = [self._partner(v) for v in ones if self.before.counterpart(v[0]) is not None]
        return known == [v for v in others if self.after.counterpart(v[0]) is not None]

    def apart(self, ones: tuple[Value, ...], others: tuple[Value, ...]) -> bool:
        """Whether they have nothing in common, although there are counterparts behind both."""
        mine = {self._partner(v) for one in ones for v in self._ancestors[0].of(one)}
        theirs = {v for other in others for v in self._ancestors[1].of(other)}
        return bool(mine and theirs) and not mine & theirs

    def _partner(self, value: Value) -> Value | None:
        node = self.before.counterpart(value[0])
        return (node.index, value[1]) if node is not None else None

    def _slot_alike(self, one: Value, other: Value) -> bool:
        partner, back = self._partner(one), self.after.counterpart(other[0])
        if partner is not None and back is not None:
            return partner == other
        return not self.apart((one,), (other,))


class _Ancestors:
    """The tensors with a counterpart that one depends on, across layers without one."""

    def __init__(self, tree: ItemTree):
        self.found: dict[Value, frozenset[Value]] = {}
        for leaf in tree.leaves:  # sources come before their consumers
            node = leaf.node
            if leaf.partner is None and node is not None:
                sources = frozenset[Value]().union(*map(self.of, node.inputs))
                self.found.update({(node.index, port): sources for port in range(len(node.outputs))})

    def of(self, value: Value) -> frozenset[Value]:
        found = self.found.get(value)
        return found if found is not None else frozenset((value,))
