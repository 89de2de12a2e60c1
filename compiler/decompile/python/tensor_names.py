"""What a spec calls the tensors of a body."""

from __future__ import annotations

from ...ir.graph import Node, Origin, Value, outwards
from ...ir.regions import Region
from .plan import Plan


class TensorNames:
    """The names that a spec gives to the tensors of one body: those of the block that fills it, then those of what is
    written out in it."""

    def __init__(self, plan: Plan, body: Region):
        self.plan = plan
        self.body = body
        own = next((at for at in body.outwards() if at.scope.block is not None or at.parent is None), body)
        self.own = self._instantiation(own)
        self.fills = own is body
        """Whether the body is a block's, and not a part of one."""

    def of_step(self, step: Node | Region, value: Value) -> tuple[str, ...]:
        """The names of what a step makes. What leaves a part of a block is named where it goes."""
        if not self.fills and value in self.body.outputs:
            return ()
        inner = self._instantiation(step) if isinstance(step, Region) and step.scope.block is not None else None
        found = self._names(value)
        names = [name for name, origin in found if origin is self.own]
        names += [n for n, o in found if o is not self.own and self._in(o, self.own) and not self._in(o, inner)]
        return tuple(names)

    def of_input(self, value: Value) -> tuple[str, ...]:
        """The names of a tensor that comes in."""
        return tuple([name for name, origin in self._names(value) if self.fills and origin is self.own])

    def _names(self, value: Value) -> list[tuple[str, Origin]]:
        index, place = value
        names = self.plan.graph.nodes[index].names
        return [(name, origin) for port, name, origin in names if port == place and origin is not None]

    def _in(self, origin: Origin, outer: Origin | None) -> bool:
        return outer is not None and any(each is outer for each in outwards(origin))

    def _instantiation(self, region: Region) -> Origin | None:
        """That of the block, or of the arch, that a region is."""
        origin = self.plan.graph.nodes[region.indices[0]].origin if region.indices else None
        chain = [*outwards(origin)]
        if region.parent is None:
            return chain[-1] if chain else None
        return next((each for each in chain if each.arguments is region.scope.arguments), None)
