"""Which scopes get a forward of their own, and what each forward does."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ...ir.graph import Node, Scope, Value
from ...ir.regions import Region, Regions
from ...ir.rows import parts_of
from .parts import Parts


class Plan(Regions):
    """The regions of a lowered graph. A scope without a body is a container of modules, as are those that are `opened`:
    what is around these calls their modules."""

    def __init__(self, parts: Parts, opened: Collection[Scope] = ()):
        self.opened = opened
        # So those around one block that apply it another number of times are one class.
        super().__init__(parts.graph, told=True, widest=True)
        self.parts = parts.parts
        self.lowerings: dict[int, Any] = {part.index: part.how for part in parts.parts}
        self.outputs: list[Value] = [value for output in parts.graph.outputs for value in output.values]
        self.training_only = parts.graph.training_only()
        self.bodies: dict[Scope, Region] = dict(self.callable_scopes())
        """What the forward of a scope does: its first application."""
        self.told: set[Scope] = set()
        """The scopes whose forward is told which application it is, as some modules are each application's own."""
        for scope in sorted(self.bodies, key=lambda s: -self.names.depth_of(s)):
            body = self.bodies[scope]
            if any(self._asks(body, step) or self._listed(body, step) is not None for step in body.steps):
                self.told.add(scope)

    def again(self, body: Region) -> list[object | None]:
        """For each step of a body the part to which it belongs that training computes again, where the body does it."""
        return parts_of(body, self, self.lowerings)

    def _refuse(self) -> None:
        super()._refuse()
        for scope in self.opened:
            self.of_scope[scope][0].reason = "it is a container of modules"

    def passes_on(self, body: Region, step: Node | Region) -> bool:
        """Whether a body tells a step what it is told itself."""
        return body.scope in self.told and self._asks(body, step)

    def own_module(self, body: Region, target: Node | Scope) -> Node | Scope | None:
        """What a body takes from a list by the number that it is told, to get at something in it: that, or a module
        around it."""
        return self._listed(body, target) if body.scope in self.told else None

    def _asks(self, body: Region, step: Node | Region) -> bool:
        return isinstance(step, Region) and step.scope in self.told and self.home(step) is self.home(body)

    def _listed(self, body: Region, step: Node | Region | Scope) -> Node | Scope | None:
        home = self.home(body)
        at: Scope | Node | None = step.scope if isinstance(step, Region) else step
        while home is not None and at is not None and at is not body.scope:
            if at.holder is not None and self.lists.get(at.holder) is home:
                return at
            at = at.holder
        return None
