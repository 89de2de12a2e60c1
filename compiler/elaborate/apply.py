"""Applying networks to tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...dsl.diagnostics import Fault, fault
from ...dsl.diagnostics import Label as Note
from ...dsl.limits import LIMITS
from ...dsl.source import Span
from .builder import Pending
from .contents import replaced
from .naming import OpenScope, claim, unused_name
from .values import (
    IDENTITY,
    POISON,
    ArchInstance,
    Architecture,
    Block,
    Bound,
    Builtin,
    Chain,
    Drawing,
    DrawKind,
    Drawn,
    Each,
    Element,
    ExternCall,
    ExternKind,
    Fixed,
    Fresh,
    Frozen,
    Function,
    Identity,
    Instance,
    Label,
    Labelled,
    Layer,
    LayerKind,
    Listed,
    Network,
    Parallel,
    Poison,
    Recompute,
    Repeat,
    Replacement,
    Rewritten,
    Sequence,
    Shared,
    Tensor,
    WithTensors,
    describe,
)

if TYPE_CHECKING:
    from .elaboration import Elaboration

Tensors = tuple[Tensor, ...]
Result = Tensors | Poison


def as_network(value: Any, span: Span) -> Network:
    """The network that a value stands for. Raises a Fault where it stands for none."""
    if isinstance(value, Network):
        return value
    if isinstance(value, list):
        bound = value.bound if isinstance(value, Listed) else None
        return bound or Sequence(value, span)
    if isinstance(value, LayerKind):
        return Layer(value.cls, (), {}, span)
    if isinstance(value, Block):
        return Instance(value, {}, span)
    if isinstance(value, ExternKind):
        return ExternCall(value, {}, span)
    if isinstance(value, Builtin) and value.name == "id":
        return IDENTITY
    raise fault("E0302", f"a network is needed here, and this is {describe(value)}", span, _needed(value))


def _needed(value: Any) -> str:
    if isinstance(value, Drawn):
        return f"a drawn number says which column of a join survives: `drop_mean(p, survivor = {value.name})`"
    if isinstance(value, (DrawKind, Drawing)):
        return "a statement of its own draws the number: `draw column = choice(n)`"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return "numbers scale and shift a network: `0.5 * f`, `f + 1`"
    if isinstance(value, (Architecture, ArchInstance, Rewritten)):
        return "an arch is a whole; what two of them have in common is a `block`, which both apply"
    if isinstance(value, Function):
        return "a function is called for its value: `f(1)`; what is applied to tensors is a `block`"
    return "networks are layers, blocks, lists of them, and what `->`, `+` and `**` make of them"


def apply(ctx: Elaboration, value: Any, inputs: Tensors, span: Span, pending: Pending = None) -> Result:
    """Applies a network to tensors, under the name that is pending."""
    network = value if isinstance(value, Network) else as_network(value, span)
    kind = type(network)
    if kind is Layer:
        replacement = replaced(ctx.replacements, network) if ctx.replacements else None
        if replacement is not None:
            return _replacement(ctx, network, replacement, inputs, pending)  # type: ignore[arg-type]
        return ctx.add(ctx.resolve(network), inputs, network.span, pending)  # type: ignore[arg-type]
    if pending is not None and kind in COMPOSITES:
        builder = ctx
        if builder.unopened:
            builder.open_virtuals()
        outer, first = builder.scope, len(builder.nodes)
        scope = builder.open(pending)
        if kind is Instance:
            scope.block = network.block.definition.name  # type: ignore[attr-defined]
            scope.arguments = network.arguments  # type: ignore[attr-defined]
        try:
            return APPLY[kind](ctx, network, inputs, None)
        finally:
            builder.close(scope, outer, first)
    return APPLY[kind](ctx, network, inputs, pending)


def _replacement(ctx: Elaboration, layer: Layer, replacement: Replacement, inputs: Tensors, pending: Pending) -> Result:
    """Applies what stands in a layer's place. Nothing is replaced in there, so that an act may be `relu` itself."""
    replacement.used = True
    network = replacement.network
    if isinstance(network, Poison):
        return network
    if isinstance(network, Layer):
        network = replace(network, span=layer.span)
    kept, ctx.replacements = ctx.replacements, {}
    try:
        return apply(ctx, network, inputs, layer.span, pending)
    except Fault as problem:
        note = Note(replacement.span, f"this stands in the place of `{replacement.layer}`")
        problem.diagnostic = replace(problem.diagnostic, labels=(*problem.diagnostic.labels, note))
        raise
    finally:
        ctx.replacements = kept


def _identity(ctx: Elaboration, network: Identity, inputs: Tensors, pending: Pending) -> Result:
    return inputs


def _fixed(ctx: Elaboration, network: Fixed, inputs: Tensors, pending: Pending) -> Result:
    return ctx.add(network.op, inputs, network.span, pending)


def _with_tensors(ctx: Elaboration, network: WithTensors, inputs: Tensors, pending: Pending) -> Result:
    return apply(ctx, network.layer, (*inputs, *network.tensors), network.span, pending)


def _chain(ctx: Elaboration, network: Chain, inputs: Tensors, pending: Pending) -> Result:
    result: Result = inputs
    for part in network.parts:
        if isinstance(result, Poison):
            return result
        ctx.pass_on(network.span)
        result = apply(ctx, part, result, network.span)
    return result


def _sequence(ctx: Elaboration, network: Sequence, inputs: Tensors, pending: Pending) -> Result:
    result: Result = inputs
    for item in network.items:
        if isinstance(result, Poison) or item is POISON:
            return POISON
        ctx.pass_on(network.span)
        if isinstance(item, Repeat):
            result = _repeat(ctx, item, result, None)
        else:
            result = apply(ctx, item, result, network.span, ctx.number())
    return result


def _repeat(ctx: Elaboration, network: Repeat, inputs: Tensors, pending: Pending) -> Result:
    result: Result = inputs
    series = object()
    for index in range(network.count):
        if isinstance(result, Poison):
            return result
        ctx.pass_on(network.span)
        place: Pending = network.labels[index] if network.labels else ctx.number()
        result = apply(ctx, network.network, result, network.span, place)
        child = None if ctx.replays else ctx.scope.children.get(_name(place))
        if isinstance(child, OpenScope):
            child.series = series
    return result


def _name(place: Pending) -> str:
    return place.segments[-1] if isinstance(place, Label) else str(place)


def _parallel(ctx: Elaboration, network: Parallel, inputs: Tensors, pending: Pending) -> Result:
    results: list[Tensor] = []
    poisoned = False
    for part in network.parts:
        result = apply(ctx, part, inputs, network.span)
        if isinstance(result, Poison):
            poisoned = True
        else:
            results.extend(result)
            _side_by_side(results, network.span)
    return POISON if poisoned else tuple(results)


def _side_by_side(tensors: list[Tensor], span: Span) -> None:
    """Raises a Fault where more tensors stand side by side than a network has edges."""
    if len(tensors) > LIMITS.edges:
        raise fault(
            "E0913",
            f"more than {LIMITS.edges:,} tensors stand side by side",
            span,
            "a tuple of tuples is flat, so that a repeated pair doubles at every level",
        )


def _element(ctx: Elaboration, network: Element, inputs: Tensors, pending: Pending) -> Result:
    inner = network.network
    place = ctx.number() if pending is None else pending
    return apply(ctx, inner, inputs, getattr(inner, "span", ctx.here), place)


def _each(ctx: Elaboration, network: Each, inputs: Tensors, pending: Pending) -> Result:
    results: list[Tensor] = []
    for tensor in inputs:
        ctx.pass_on(network.span)
        result = apply(ctx, network.network, (tensor,), network.span)
        if isinstance(result, Poison):
            return result
        results.extend(result)
    return tuple(results)


def _labelled(ctx: Elaboration, network: Labelled, inputs: Tensors, pending: Pending) -> Result:
    if not isinstance(pending, Label):
        return apply(ctx, network.network, inputs, network.label.span, network.label)
    if ctx.unopened:
        ctx.open_virtuals()
    outer, first = ctx.scope, len(ctx.nodes)
    scope = ctx.open(pending)
    try:
        return apply(ctx, network.network, inputs, network.label.span, network.label)
    finally:
        ctx.close(scope, outer, first)


def _frozen(ctx: Elaboration, network: Frozen, inputs: Tensors, pending: Pending) -> Result:
    before, ctx.frozen = ctx.frozen, True
    try:
        return apply(ctx, network.network, inputs, ctx.here, pending)
    finally:
        ctx.frozen = before


def _recompute(ctx: Elaboration, network: Recompute, inputs: Tensors, pending: Pending) -> Result:
    if ctx.recompute is not None:
        return apply(ctx, network.network, inputs, network.span, pending)
    ctx.recompute = object()
    try:
        return apply(ctx, network.network, inputs, network.span, pending)
    finally:
        ctx.recompute = None


def _bound(ctx: Elaboration, network: Bound, inputs: Tensors, pending: Pending) -> Result:
    if network.applied_at is not None and network.has_weights and not ctx.replays:
        raise fault(
            "E0505",
            f"`{network.name}` has parameters and is applied a second time",
            ctx.here or network.span,
            f"`shared {network.name} = ...` uses one set of parameters at every application",
            f"`block {network.name} = ...` makes new parameters at every application",
            labels=(Note(network.span, "named here"), Note(network.applied_at, "the first application is in here")),
        )
    first = len(ctx.nodes)
    try:
        return apply(ctx, network.network, inputs, network.span, pending)
    finally:
        network.applied_at = ctx.here
        network.has_weights = ctx.owns_tensors(first)


def _shared(ctx: Elaboration, network: Shared, inputs: Tensors, pending: Pending) -> Result:
    network.applications += 1
    if network.applications == 1:
        return _share(ctx, network, inputs, pending)
    if isinstance(pending, Label) and not ctx.replays:
        _alias(ctx, network, pending)
    outer = ctx.scope
    ctx.replays.append((network, [0]))
    try:
        home = network.home
        ctx.scope = home if isinstance(home, OpenScope) else outer
        return apply(ctx, network.network, inputs, network.span)
    finally:
        ctx.replays.pop()
        ctx.scope = outer


def _share(ctx: Elaboration, network: Shared, inputs: Tensors, pending: Pending) -> Result:
    """The first application: names everything, and keeps the list that later applications walk."""
    network.first_applied = ctx.here
    if ctx.unopened:
        ctx.open_virtuals()
    if ctx.replays:
        return _record(ctx, network, inputs)
    outer, first = ctx.scope, len(ctx.nodes)
    scope = _home(ctx, network, pending)
    try:
        result = _record(ctx, network, inputs)
    finally:
        ctx.close(scope, outer, first)
    collapsed = not scope.children and len(ctx.nodes) == first + 1 and ctx.nodes[first].op.is_module
    network.home = ctx.nodes[ctx.nodes[first].owner] if collapsed else scope
    scope.shared = True
    return result


def _record(ctx: Elaboration, network: Shared, inputs: Tensors) -> Result:
    ctx.recordings.append(network)
    try:
        return apply(ctx, network.network, inputs, network.span)
    finally:
        ctx.recordings.remove(network)


def _home(ctx: Elaboration, network: Shared, pending: Pending) -> OpenScope:
    """Opens the scope of something shared: its label's, else its own name's where it is declared.

    Kept out of the list of an enclosing shared network, for which this may be the first application or a later one.
    """
    recordings, ctx.recordings = ctx.recordings, []
    try:
        if isinstance(pending, Label):
            return ctx.open(pending)
        assert isinstance(network.declared_in, OpenScope)
        ctx.scope = network.declared_in
        return ctx.open(Label((network.name,), network.span))
    finally:
        ctx.recordings = recordings


def _alias(ctx: Elaboration, network: Shared, label: Label) -> None:
    """Registers what is shared under a second name, as torch does with a module that is assigned twice. What has no
    layers is no module."""
    if network.home is None or (isinstance(network.home, OpenScope) and not network.home.children):
        return
    if ctx.unopened:
        ctx.open_virtuals()
    scope = ctx.descend(label)
    name = claim(scope, label.segments[-1], label.span)
    scope.children[name] = network.home


def _fresh(ctx: Elaboration, network: Fresh, inputs: Tensors, pending: Pending) -> Result:
    sharing = ctx.recordings or [shared for shared, _ in ctx.replays]
    if not sharing:
        return apply(ctx, network.network, inputs, network.span, pending)
    shared = sharing[-1]
    if pending is None or isinstance(pending, int):
        replacement = replaced(ctx.replacements, network.network)
        inner = replacement.network if replacement is not None else network.network
        kind = inner.cls.kind if isinstance(inner, Layer) else getattr(inner, "name", "fresh")
        pending = Label((unused_name(ctx.scope, kind),), network.span)
    outer = ctx.scope
    ctx.open(pending)
    recordings, replays = ctx.recordings, ctx.replays
    ctx.recordings, ctx.replays = [], []
    try:
        return apply(ctx, network.network, inputs, network.span, shared.applications - 1)
    finally:
        ctx.recordings, ctx.replays = recordings, replays
        ctx.scope = outer


def _extern(ctx: Elaboration, network: ExternCall, inputs: Tensors, pending: Pending) -> Result:
    return ctx.apply_extern(network, inputs, pending)


def _instance(ctx: Elaboration, network: Instance, inputs: Tensors, pending: Pending) -> Result:
    return ctx.instantiate(network, inputs)


APPLY: dict[type, Callable[..., Result]] = {
    Identity: _identity,
    Fixed: _fixed,
    WithTensors: _with_tensors,
    Chain: _chain,
    Sequence: _sequence,
    Repeat: _repeat,
    Parallel: _parallel,
    Element: _element,
    Each: _each,
    Labelled: _labelled,
    Frozen: _frozen,
    Recompute: _recompute,
    Bound: _bound,
    Shared: _shared,
    Fresh: _fresh,
    ExternCall: _extern,
    Instance: _instance,
}

COMPOSITES = frozenset({Chain, Sequence, Repeat, Parallel, Each, Instance})
