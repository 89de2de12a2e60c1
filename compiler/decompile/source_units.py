"""Which scopes get a forward of their own, and what each forward does."""

from __future__ import annotations

from ..ir.graph import Node, Scope, Value
from ..ir.regions import Region, Regions
from .source_parts import Parts


class Plan(Regions):
    """The regions of a lowered graph. A scope without a body is a container of modules."""

    def __init__(self, parts: Parts):
        super().__init__(parts.graph, told=True)
        self.parts = parts.parts
        self.outputs: list[Value] = [value for output in parts.graph.outputs for value in output.values]
        self.training_only = parts.graph.training_only()
        self.bodies: dict[Scope, Region] = dict(self.callable_scopes())
        """What the forward of a scope does: its first application."""
        self.told: set[Scope] = set()
        """The scopes whose forward is told which application it is, as some modules are each application's own."""
        for scope in sorted(self.bodies, key=lambda s: -self.names.depth_of(s)):
            if any(self._asks(step, self.home(self.bodies[scope])) for step in self.bodies[scope].steps):
                self.told.add(scope)

    def _asks(self, step: Node | Region, home: Scope | None) -> bool:
        """Whether a step has to know which application of its home, something shared, it is part of."""
        if isinstance(step, Region):
            return step.scope in self.told and self.home(step) is home
        return home is not None and self.lists.get(step.scope) is home

    def passes_on(self, body: Region, step: Node | Region) -> bool:
        """Whether a body tells a step what it is told itself."""
        return body.scope in self.told and self._asks(step, self.home(body))
