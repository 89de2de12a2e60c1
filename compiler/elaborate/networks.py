"""Networks: recipes for functions from tensors to tensors, and how each is applied."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ...dsl import ast
from ...dsl.diagnostics import Fault, fault
from ...dsl.diagnostics import Label as Note
from ...dsl.limits import COUNTED, LIMITS, higher, higher_for_all
from ...dsl.source import Span
from ..ir.op import Op
from .foreign import warn_of_order
from .given import apply_given
from .module_names import OpenScope
from .suggestions import along_axes
from .values import POISON, Label, Listed, Network, Pending, Poison, Result, Tensor, Tensors, Value, describe, is_number

if TYPE_CHECKING:
    from .machine import Machine


def as_network(value: Any, span: Span) -> Network:
    """The network that a value stands for. Raises a Fault where it stands for none."""
    if isinstance(value, Network):
        return value
    if isinstance(value, list):
        bound = value.bound if isinstance(value, Listed) else None
        return bound or Sequence(value, span)
    if isinstance(value, Value):
        network = value.network(span)
        if network is not None:
            return network
        hints = (value.needed,)
    elif is_number(value):
        hints = along_axes(span) or ("numbers scale and shift a network: `0.5 * f`, `f + 1`",)
    else:
        hints = (Value.needed,)
    raise fault("E0302", f"a network is needed here, and this is {describe(value)}", span, *hints)


def is_network(value: Any) -> bool:
    """Whether a value stands for a network."""
    return isinstance(value, (Network, Bare, list))


class Bare(Value):
    """A network by its bare name, without arguments: `relu`."""

    __slots__ = ()


@dataclass(slots=True, eq=False, repr=False)
class LayerKind(Bare):
    """A layer by its bare name."""

    cls: type[Op]
    name: str

    @property
    def described(self) -> str:
        return f"the layer {self.name}"

    @property
    def spelled(self) -> str:
        return self.name

    @property
    def key(self) -> Any:
        return self.cls

    @property
    def has_weights(self) -> bool:
        return self.cls.has_weights

    def network(self, span: Span) -> Network:
        return Layer(self.cls, (), {}, span)


class Identity(Network):
    """`id`, whose outputs are its inputs."""

    __slots__ = ()

    @property
    def described(self) -> str:
        return "the function id"

    @property
    def spelled(self) -> str:
        return "id"

    def apply(self, machine: Machine, inputs: Tensors, pending: Pending) -> Result:
        return inputs


IDENTITY = Identity()


@dataclass(slots=True, eq=False, repr=False)
class Layer(Network):
    """A call of a layer, not yet applied: the architecture's defaults join its arguments when it is.

    `given` are the weights in whose place it gets tensors, which come last.
    """

    cls: type[Op]
    positional: tuple[Any, ...]
    keywords: dict[str, Any]
    span: Span
    op: Op | None = None
    call: ast.Call | None = None
    given: tuple[str, ...] = ()

    @property
    def bare(self) -> bool:
        """Whether it has no arguments, so that an arch may have something else in its place."""
        return not self.positional and not self.keywords and not self.given

    @property
    def described(self) -> str:
        return f"the layer {self.cls.kind}"

    @property
    def has_weights(self) -> bool:
        return self.cls.has_weights

    def apply(self, machine: Machine, inputs: Tensors, pending: Pending) -> Result:
        replacement = replaced(machine.replacements, self) if machine.replacements else None
        if replacement is not None:
            return replacement.apply(machine, self, inputs, pending)
        op = machine.resolve(self)
        if len(self.positional) > 1 and self.cls.torch_order:
            warn_of_order(machine, self, inputs)
        if self.given:
            return apply_given(machine, op, self.given, inputs, self.span, pending)
        return machine.add(op, inputs, self.span, pending)


@dataclass(slots=True, eq=False, repr=False)
class Replacement:
    """What an arch has in the place of a bare layer: `default relu = act`. `used` is whether it met one."""

    layer: str
    network: Network | Poison
    span: Span
    used: bool = False

    def apply(self, machine: Machine, layer: Layer, inputs: Tensors, pending: Pending) -> Result:
        """Applies what stands in a layer's place. Nothing is replaced in there, so that an act may be `relu` itself."""
        self.used = True
        network = self.network
        if isinstance(network, Poison):
            return network
        if isinstance(network, Layer):
            network = replace(network, span=layer.span)
        kept, machine.replacements = machine.replacements, {}
        try:
            return machine.apply(network, inputs, layer.span, pending)
        except Fault as problem:
            note = Note(self.span, f"this stands in the place of `{self.layer}`")
            problem.diagnostic = replace(problem.diagnostic, labels=(*problem.diagnostic.labels, note))
            raise
        finally:
            machine.replacements = kept


def replaced(replacements: dict[str, Replacement], value: Any) -> Replacement | None:
    """What stands in the place of a value, if that is a layer without arguments and the arch replaces it."""
    bare = isinstance(value, LayerKind) or (isinstance(value, Layer) and value.bare)
    return replacements.get(value.cls.kind) if bare else None


def has_weights(value: Any, replacements: dict[str, Replacement]) -> bool:
    """Whether applying the value would surely make parameters, where the arch replaces these layers."""
    stack, seen = [value], set()
    while stack:
        item = stack.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        replacement = replaced(replacements, item)
        if isinstance(item, list):
            stack.extend(item)
        elif replacement is not None:
            if has_weights(replacement.network, {}):
                return True
        elif isinstance(item, Value):
            if item.has_weights:
                return True
            stack.extend(item.children)
    return False


@dataclass(slots=True, eq=False, repr=False)
class Fixed(Network):
    """An op with nothing left to decide, such as the sum behind `f + g`."""

    op: Op
    span: Span

    @property
    def has_weights(self) -> bool:
        return self.op.has_weights

    def apply(self, machine: Machine, inputs: Tensors, pending: Pending) -> Result:
        return machine.add(self.op, inputs, self.span, pending)


# --- networks of several ---------------------------------------------------------------------


@dataclass(slots=True, eq=False, repr=False)
class Composite(Network):
    """What several networks make up."""

    parts: list[Any]
    span: Span

    composite = True

    @property
    def children(self) -> list[Any]:
        return self.parts


class Chain(Composite):
    """`f -> g`."""

    __slots__ = ()

    def apply(self, machine: Machine, inputs: Tensors, pending: Pending) -> Result:
        result: Result = inputs
        for part in self.parts:
            if isinstance(result, Poison) or part is POISON:
                return POISON
            machine.pass_on(self.span)
            result = machine.apply(part, result, self.span, self._place(machine, part))
        return result

    def _place(self, machine: Machine, part: Any) -> int | None:
        """The number under which a part is applied."""
        return None


class Sequence(Chain):
    """A list as a network: a chain whose elements are numbered."""

    __slots__ = ()

    def _place(self, machine: Machine, part: Any) -> int | None:
        return None if getattr(part, "splices", False) else machine.number()


class Parallel(Composite):
    """Several networks on the same input, outputs side by side."""

    __slots__ = ()

    def apply(self, machine: Machine, inputs: Tensors, pending: Pending) -> Result:
        results: list[Tensor] = []
        poisoned = False
        for part in self.parts:
            result = machine.apply(part, inputs, self.span)
            if isinstance(result, Poison):
                poisoned = True
                continue
            results.extend(result)
            machine.pass_on(self.span, len(result))
            if len(results) > LIMITS.edges:
                hint = "a tuple of tuples is flat, so that a repeated pair doubles at every level"
                message = f"more than {LIMITS.edges:,} tensors stand side by side"
                raise fault("E0913", message, self.span, hint, *higher("edges"))
        return POISON if poisoned else tuple(results)


# --- networks around one ---------------------------------------------------------------------


@dataclass(slots=True, eq=False, repr=False)
class Around(Network):
    """What wraps one network, `inner`."""

    inner: Any

    @property
    def children(self) -> tuple[Any, ...]:
        return (self.inner,)


@dataclass(slots=True, eq=False, repr=False)
class WithTensors(Around):
    """A layer with tensors among its arguments (`crop(5, like = x)`), which join what is piped in."""

    tensors: Tensors
    span: Span

    def apply(self, machine: Machine, inputs: Tensors, pending: Pending) -> Result:
        return machine.apply(self.inner, (*inputs, *self.tensors), self.span, pending)


@dataclass(slots=True, eq=False, repr=False)
class Repeat(Around):
    """`f ** n`; with `labels` where a numbered label (`a{1..}: f ** n`) names the applications."""

    count: int
    span: Span
    labels: list[Label] | None = None

    composite = True
    splices = True

    def apply(self, machine: Machine, inputs: Tensors, pending: Pending) -> Result:
        result: Result = inputs
        series = object()
        before = len(machine.nodes), machine.spent
        for index in range(self.count):
            if isinstance(result, Poison):
                return result
            machine.pass_on(self.span)
            place = self.labels[index] if self.labels else machine.number()
            opened = len(machine.scopes)
            try:
                result = machine.apply(self.inner, result, self.span, place)
            except Fault as problem:
                note = Note(self.span, f"application {index + 1} of {self.count}")
                found = replace(problem.diagnostic, labels=(*problem.diagnostic.labels, note))
                if found.code in COUNTED and not machine.replays:
                    spent = len(machine.nodes), machine.spent
                    more = higher_for_all(found.code, before, spent, index, self.count)
                    found = replace(found, hints=(*found.hints[:1], *more))
                problem.diagnostic = found
                raise
            if len(machine.scopes) > opened and not machine.replays:
                name = place.segments[-1] if isinstance(place, Label) else str(place)
                child = machine.scope.children.get(name)
                if isinstance(child, OpenScope):
                    child.series = series
        return result


@dataclass(slots=True, eq=False, repr=False)
class Element(Around):
    """An element of a list that was spread into a call: still numbered by its place."""

    def apply(self, machine: Machine, inputs: Tensors, pending: Pending) -> Result:
        place = machine.number() if pending is None else pending
        return machine.apply(self.inner, inputs, getattr(self.inner, "span", machine.here), place)


@dataclass(slots=True, eq=False, repr=False)
class Each(Around):
    """`each(f)`: `f` on every one of several tensors."""

    span: Span

    composite = True

    def apply(self, machine: Machine, inputs: Tensors, pending: Pending) -> Result:
        results: list[Tensor] = []
        for tensor in inputs:
            machine.pass_on(self.span)
            result = machine.apply(self.inner, (tensor,), self.span)
            if isinstance(result, Poison):
                return result
            results.extend(result)
        return tuple(results)


@dataclass(slots=True, eq=False, repr=False)
class Labelled(Around):
    label: Label

    def apply(self, machine: Machine, inputs: Tensors, pending: Pending) -> Result:
        if isinstance(pending, Label):
            return machine.apply_inside(self, inputs, pending)
        return machine.apply(self.inner, inputs, self.label.span, self.label)


@dataclass(slots=True, eq=False, repr=False)
class Frozen(Around):
    """`frozen(f)`: training leaves the parameters of `f` as they are."""

    def apply(self, machine: Machine, inputs: Tensors, pending: Pending) -> Result:
        before, machine.frozen = machine.frozen, True
        try:
            return machine.apply(self.inner, inputs, machine.here, pending)
        finally:
            machine.frozen = before


@dataclass(slots=True, eq=False, repr=False)
class Recompute(Around):
    """Training computes `inner` again for the backward pass, and keeps its inputs alone."""

    span: Span

    def apply(self, machine: Machine, inputs: Tensors, pending: Pending) -> Result:
        if machine.recompute is not None:
            return machine.apply(self.inner, inputs, self.span, pending)
        machine.recompute = object()
        try:
            return machine.apply(self.inner, inputs, self.span, pending)
        finally:
            machine.recompute = None
