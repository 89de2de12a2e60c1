"""Networks that a body names, and keep account of where they are applied: bound, shared, and fresh within shared."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ...dsl import ast
from ...dsl.diagnostics import Label as Note
from ...dsl.diagnostics import fault
from ...dsl.source import Span
from ..ir.graph import Node, Scope
from .environment import names_in
from .module_names import OpenScope, claim, unused_name
from .networks import (
    Around,
    Bare,
    Frozen,
    Identity,
    Labelled,
    Layer,
    Recompute,
    Sequence,
    has_weights,
    replaced,
)
from .values import Label, Listed, Network, Pending, Result, Tensors

if TYPE_CHECKING:
    from .environment import Environment
    from .machine import Machine


@dataclass(slots=True, eq=False, repr=False)
class Account:
    """Where a network with a name is applied."""

    name: str
    span: Span
    applied_at: Span | None = None
    owns_tensors: bool = False
    passed_on: bool = False


@dataclass(slots=True, eq=False, repr=False)
class Bound(Around):
    """A network named by `x = e` in a body: applied once, if it has parameters."""

    account: Account

    @property
    def described(self) -> str:
        return f"the network {self.account.name}"

    @property
    def span(self) -> Span:
        return self.account.span

    @property
    def children(self) -> tuple[Any, ...]:
        """None: it gives its own account of what it applies."""
        return ()

    def apply(self, machine: Machine, inputs: Tensors, pending: Pending) -> Result:
        account = self.account
        if account.applied_at is not None and account.owns_tensors and not machine.replays:
            raise fault(
                "E0505",
                f"`{account.name}` has parameters and is applied a second time",
                machine.here or account.span,
                *self._ways(),
                labels=(Note(account.span, "named here"), Note(account.applied_at, "the first application is in here")),
            )
        machine.pass_on(account.span)
        first = len(machine.nodes)
        try:
            return machine.apply(self.inner, inputs, account.span, pending)
        finally:
            account.applied_at = machine.here
            account.owns_tensors = machine.owns_tensors(first)

    def _ways(self) -> tuple[str, str]:
        """What one can write where it is applied twice."""
        name = self.account.name
        return (
            f"`shared {name} = ...` in a body uses one set of parameters at every application",
            f"`block {name} = ...` makes new parameters at every application",
        )


class Part(Bound):
    """The same of an element of a list that has a name, and of what a loop runs over or a list is taken apart into."""

    __slots__ = ()

    @property
    def splices(self) -> bool:
        return getattr(self.inner, "splices", False)

    @property
    def children(self) -> tuple[Any, ...]:
        """What it stands for, since the list may be used nowhere."""
        return (self.inner,)

    def _ways(self) -> tuple[str, str]:
        name = self.account.name
        new = "g" if name == "f" else "f"
        return (
            f"`shared {new} = {name}`, and `{new}` at every application, uses one set of parameters",
            f"`block {new} = ...`, and `{new}` in the list, makes new parameters at every application",
        )


def named(machine: Machine, value: Any, name: str, span: Span, kind: type[Bound] = Bound) -> Any:
    """What `name = value` makes of a value: a network that keeps account of its applications, or a list of such, which
    keeps account of its own as a whole."""
    if isinstance(value, (Bound, Shared, Identity)) or (isinstance(value, Listed) and value.bound is not None):
        return value
    if isinstance(value, list) and _holds_networks(value):
        result = Listed([named_part(machine, v, f"{name}[{place}]", span) for place, v in enumerate(value)])
        result.bound = kind(Sequence(result, span), _opened(machine, name, span))
        return result
    return kind(value, _opened(machine, name, span)) if isinstance(value, Network) else value


def named_part(machine: Machine, value: Any, name: str, span: Span) -> Any:
    """The same of an element of a list, and of what a loop runs over or a list is taken apart into."""
    if isinstance(value, Labelled):
        return replace(value, inner=named_part(machine, value.inner, name, span))
    return named(machine, value, name, span, Part)


def _holds_networks(values: list[Any]) -> bool:
    """Whether there is a network in a list, or in a list in it."""
    known = values.networks if isinstance(values, Listed) else None
    if known is None:
        known = any(_holds_networks(v) if isinstance(v, list) else isinstance(v, (Network, Bare)) for v in values)
        if isinstance(values, Listed):
            values.networks = known
    return known


def _opened(machine: Machine, name: str, span: Span) -> Account:
    account = Account(name, span)
    machine.accounts.append(account)
    return account


def anew(network: Any) -> Any:
    """What a name stands for, without an account of its applications: each makes new parameters."""
    if not isinstance(network, Bound):
        return network
    network.account.passed_on = True
    return _without_parts(network.inner)


def _without_parts(value: Any) -> Any:
    """A list, or the network that it stands for, whose elements keep no account."""
    if isinstance(value, Part):
        return value.inner
    if isinstance(value, Labelled):
        return replace(value, inner=_without_parts(value.inner))
    if isinstance(value, Sequence):
        return Sequence([_without_parts(v) for v in value.parts], value.span)
    return [_without_parts(v) for v in value] if isinstance(value, list) else value


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

    def apply(self, machine: Machine, inputs: Tensors, pending: Pending) -> Result:
        self.applications += 1
        if _is_shared(self.inner):
            return machine.apply(self.inner, inputs, self.span, pending)
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


def _is_shared(network: Any) -> bool:
    """Whether a network is something that is shared already, and nothing around it has a scope."""
    while isinstance(network, (Frozen, Recompute)):
        network = network.inner
    return isinstance(network, Shared)


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
        network = value.bound if isinstance(value, Listed) else value
        if not isinstance(network, (Bound, Shared)):
            continue
        known = _unused(network)
        if known is None or name != known.name or not body.holds(known.span):
            continue
        if isinstance(value, Listed) and name in names_in(definition):
            continue
        if has_weights(network.inner, machine.replacements):
            message = f"`{name}` has parameters, and is never applied"
            hint = f"apply it to a tensor, as in `x -> {name}`, or remove it"
            machine.report(fault("E0506", message, known.span, hint))


def _unused(network: Bound | Shared) -> Shared | Account | None:
    """What knows the name of a network that is never applied: None where it is, or need not be."""
    if isinstance(network, Shared):
        return network if network.applications == 0 else None
    if isinstance(network, Part):
        return None
    account = network.account
    return account if account.applied_at is None and not account.passed_on else None
