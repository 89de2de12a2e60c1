"""What a spec calls the tensors of a body."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ..ir.graph import Graph, Origin, Scope, Value, outwards
from ..ir.instantiations import instantiation


class TensorNames:
    """The names that a spec gives to the tensors of one body: those of the block that fills it, then those of what is
    written out in it.

    `around` are the scopes of the body and around it, the innermost first, `first` is a node in it, and `outputs` are
    the tensors that leave it.
    """

    def __init__(self, graph: Graph, around: Iterable[Scope], first: int | None, outputs: Collection[Value]):
        self.graph = graph
        self.outputs = outputs
        body, *outer = around
        own = next((scope for scope in (body, *outer) if scope.block is not None or scope.parent is None), body)
        self.own = instantiation(graph, own, first)
        self.fills = own is body
        """Whether the body is a block's, and not a part of one."""

    def of_step(self, value: Value, inner: Origin | None = None) -> tuple[str, ...]:
        """The names of what a step makes, which may be the block of an `inner` instantiation. What leaves a part of a
        block is named where it goes."""
        if not self.fills and value in self.outputs:
            return ()
        found = self._names(value)
        names = [name for name, origin in found if origin is self.own]
        names += [n for n, o in found if o is not self.own and self._in(o, self.own) and not self._in(o, inner)]
        return tuple(dict.fromkeys(names))

    def of_input(self, value: Value) -> tuple[str, ...]:
        """The names of a tensor that comes in."""
        return tuple([name for name, origin in self._names(value) if self.fills and origin is self.own])

    def _names(self, value: Value) -> list[tuple[str, Origin]]:
        index, place = value
        names = self.graph.nodes[index].names or ()
        return [(name, origin) for port, name, origin in names if port == place and origin is not None and name != "_"]

    def _in(self, origin: Origin, outer: Origin | None) -> bool:
        return outer is not None and any(each is outer for each in outwards(origin))
