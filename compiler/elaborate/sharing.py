"""Networks that a body names, and keep account of where they are applied: bound, shared, and fresh within shared."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...dsl import ast
from ...dsl.diagnostics import Label as Note
from ...dsl.diagnostics import fault
from ...dsl.source import Span
from ..ir.graph import Node, Scope
from .environment import names_in
from .module_names import OpenScope, claim, unused_name
from .networks import Around, Layer, has_weights, replaced
from .values import Label, Listed, Network, Pending, Result, Tensors

if TYPE_CHECKING:
    from .environment import Environment
    from .machine import Machine


@dataclass(slots=True, eq=False, repr=False)
class Bound(Around):
    """A network named by `x = e` in a body: applied once, if it has parameters."""

    name: str
    span: Span
    applied_at: Span | None = None
    owns_tensors: bool = False
    passed_on: bool = False

    @property
    def described(self) -> str:
        return f"the network {self.name}"

    @property
    def children(self) -> tuple[Any, ...]:
        """None: it gives its own account of what it applies."""
        return ()

    @property
    def unused(self) -> bool:
        return self.applied_at is None and not self.passed_on

    def apply(self, machine: Machine, inputs: Tensors, pending: Pending) -> Result:
        if self.applied_at is not None and self.owns_tensors and not machine.replays:
            raise fault(
                "E0505",
                f"`{self.name}` has parameters and is applied a second time",
                machine.here or self.span,
                f"`shared {self.name} = ...` uses one set of parameters at every application",
                f"`block {self.name} = ...` makes new parameters at every application",
                labels=(Note(self.span, "named here"), Note(self.applied_at, "the first application is in here")),
            )
        first = len(machine.nodes)
        try:
            return machine.apply(self.inner, inputs, self.span, pending)
        finally:
            self.applied_at = machine.here
            self.owns_tensors = machine.owns_tensors(first)


def bound_network(value: Any) -> Bound | None:
    """The network with an account of its applications behind a name's value: itself, or a list's."""
    if isinstance(value, Listed):
        return value.bound
    return value if isinstance(value, Bound) else None


@dataclass(slots=True, eq=False, repr=False)
class Shared(Around):
    """One set of parameters however often it is applied.

    `events` are the scopes opened and the nodes made by the first application, in order; later ones walk the same list.
    """

    name: str
    span: Span
    declared_in: Scope
    events: list[Scope | Node] = field(default_factory=list)
    home: Scope | Node | None = None
    applications: int = 0
    first_applied: Span | None = None

    @property
    def described(self) -> str:
        return f"the network {self.name}"

    @property
    def unused(self) -> bool:
        return self.applications == 0

    def apply(self, machine: Machine, inputs: Tensors, pending: Pending) -> Result:
        self.applications += 1
        if self.applications == 1:
            return self._share(machine, inputs, pending)
        if machine.unopened:
            machine.open_virtuals()
        if isinstance(pending, Label) and not machine.replays:
            self._alias(machine, pending)
        outer = machine.scope
        machine.replays.append((self, [0]))
        try:
            machine.scope = self.home if isinstance(self.home, OpenScope) else outer
            return machine.apply(self.inner, inputs, self.span)
        finally:
            machine.replays.pop()
            machine.scope = outer

    def _share(self, machine: Machine, inputs: Tensors, pending: Pending) -> Result:
        """The first application: names everything, and keeps the list that later applications walk."""
        self.first_applied = machine.here
        if machine.unopened:
            machine.open_virtuals()
        if machine.replays:
            return self._record(machine, inputs)
        outer, first = machine.scope, len(machine.nodes)
        scope = self._home(machine, pending)
        if isinstance(self.inner, Network):
            self.inner.entitle(scope)
        try:
            result = self._record(machine, inputs)
        finally:
            machine.close(scope, outer, first)
        nodes = machine.nodes
        collapsed = not scope.children and len(nodes) == first + 1 and nodes[first].op.is_module
        self.home = nodes[nodes[first].owner] if collapsed else scope
        scope.shared = True
        return result

    def _record(self, machine: Machine, inputs: Tensors) -> Result:
        machine.recordings.append(self)
        try:
            return machine.apply(self.inner, inputs, self.span)
        finally:
            machine.recordings.remove(self)

    def _home(self, machine: Machine, pending: Pending) -> OpenScope:
        """Opens the scope of something shared: its label's, else its own name's where it is declared.

        Kept out of the list of an enclosing shared network, for which this may be the first application or a later one.
        """
        recordings, machine.recordings = machine.recordings, []
        try:
            if isinstance(pending, Label):
                return machine.open(pending)
            assert isinstance(self.declared_in, OpenScope)
            machine.scope = self.declared_in
            return machine.open(Label((self.name,), self.span))
        finally:
            machine.recordings = recordings

    def _alias(self, machine: Machine, label: Label) -> None:
        """Registers what is shared under a second name, as torch does with a module that is assigned twice. What has no
        layers is no module."""
        if self.home is None or (isinstance(self.home, OpenScope) and not self.home.children):
            return
        scope = machine.descend(label)
        name = claim(scope, label.segments[-1], label.span)
        scope.children[name] = self.home


@dataclass(slots=True, eq=False, repr=False)
class Fresh(Around):
    """Inside something shared: `inner` anew at each application."""

    span: Span

    def apply(self, machine: Machine, inputs: Tensors, pending: Pending) -> Result:
        if not machine.recordings and not machine.replays:
            return machine.apply(self.inner, inputs, self.span, pending)
        if pending is None or isinstance(pending, int):
            replacement = replaced(machine.replacements, self.inner)
            inner = replacement.network if replacement is not None else self.inner
            kind = inner.cls.kind if isinstance(inner, Layer) else getattr(inner, "name", "fresh")
            pending = Label((unused_name(machine.scope, kind),), self.span)
        outer = machine.scope
        machine.open(pending)
        recordings, replays = machine.recordings, machine.replays
        machine.recordings, machine.replays = [], []
        try:
            return machine.apply(self.inner, inputs, self.span, machine.number())
        finally:
            machine.recordings, machine.replays = recordings, replays
            machine.scope = outer


def report_unapplied(machine: Machine, environment: Environment, definition: ast.Declaration) -> None:
    """Reports networks with parameters that a body names and never applies, and lists of them that it never mentions.

    An error in the body may be why one is not applied, so then nothing is said.
    """
    body = definition.span
    if any(body.holds(span) for d in machine.diagnostics.errors for span in d.places()):
        return
    for name, value in environment.names.items():
        named = value if isinstance(value, Shared) else bound_network(value)
        if named is None or not named.unused or name != named.name or not body.holds(named.span):
            continue
        if isinstance(value, Listed) and name in names_in(definition):
            continue
        if has_weights(named.inner, machine.replacements):
            message = f"`{name}` has parameters, and is never applied"
            hint = f"apply it to a tensor, as in `x -> {name}`, or remove it"
            machine.report(fault("E0506", message, named.span, hint))
