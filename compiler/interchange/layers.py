"""One node of networkx as an op: its layer, its settings, and the order of its inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...dsl.diagnostics import fault
from ...dsl.frameworks import called_here
from ..ir.graph import Node, Value
from ..ir.initialisers import make_initialiser
from ..ir.op import Op
from ..ir.words import BadValue, did_you_mean
from ..ops.build import ArgumentError, build_op
from ..ops.core import Extern
from ..ops.given import with_weights
from ..ops.inference import misfit
from ..ops.registry import INTERNAL, LAYERS, lookup_kind
from ..ops.stochastic import Choice, Columns
from .attributes import NODE, plain


def layer_of(attributes: Mapping[Any, Any]) -> tuple[type[Op], dict[str, Any]]:
    """The layer of a node, and its settings. Raises a Fault (E0303, E1102)."""
    kind = attributes.get("op")
    if kind is None:
        raise fault("E1102", "it has no `op`", None, 'every node says what it does: `g.add_node("a", op="relu")`')
    cls = lookup_kind(kind) if isinstance(kind, str) else None
    if cls is None:
        name = str(kind)[:60]
        there = called_here(name)
        hints = (f"here it is {there}",) if there else did_you_mean(name, [*LAYERS, *INTERNAL])
        raise fault("E1102", f"there is no op `{name}`", None, *(hints or ("`archc explain` lists the layers",)))
    settings = {str(name): _setting(value) for name, value in attributes.items() if name not in NODE}
    extra = cls.extra_keywords
    if extra and isinstance(settings.get(extra), dict):
        settings |= settings.pop(extra)
    return cls, settings


def _setting(value: Any) -> Any:
    """A setting as layers take it. A pair (kind, settings) is an initialiser. Raises a Fault (E0303)."""
    match plain(value):
        case (str() as kind, dict() as arguments):
            try:
                return make_initialiser(kind, [], {str(name): plain(item) for name, item in arguments.items()})
            except BadValue as error:
                raise fault("E0303", str(error), None, *error.hints) from None
        case other:
            return other


def sorted_inputs(
    cls: type[Op], settings: Mapping[str, Any], values: Sequence[Value], slots: Sequence[int | None]
) -> tuple[Value, ...]:
    """The tensors in the order of their slots. Raises a Fault (E1104) where that is no order."""
    given = [slot for slot in slots if slot is not None]
    if len(given) == len(values) and len(set(given)) == len(given):
        return tuple([value for _, value in sorted(zip(given, values, strict=True))])
    extra = (*cls.set_by_operators, *cls.tensor_parameters, *cls.drawn_parameters)
    if not given and (len(values) == 1 or (cls.is_commutative and not any(settings.get(name) for name in extra))):
        return tuple(values)
    why = "two have the same `slot`" if len(given) == len(values) else f"{len(given)} of them have a `slot`"
    hint = "only the inputs of a sum, product, mean, max or min need none"
    what = f"`{cls.kind}` takes {len(values)} tensors in an order, and {why}"
    raise fault("E1104", what, None, f"give each edge one: `g.add_edge(a, b, slot=0)`; {hint}")


def make_op(
    cls: type[Op],
    settings: dict[str, Any],
    inputs: tuple[Value, ...],
    nodes: Sequence[Node],
    given: tuple[str, ...] = (),
    named: bool = False,
) -> Op:
    """The op with these settings on these tensors, the last of which are the weights `given`; `named`: it has a path.
    Raises a Fault (E0301, E0303, E0353)."""
    drawn = [name for name in cls.drawn_parameters if settings.get(name) not in (None, False)]
    first = max(len(inputs) - len(drawn), 0)
    for name, (source, _) in zip(drawn, inputs[first:], strict=False):
        op = nodes[source].op
        if not isinstance(op, Choice):
            hint = 'a node with `op="choice"` draws one'
            raise fault("E0303", f"`{name}` of {cls.kind} takes a drawn number, and this is a tensor", None, hint)
        settings = {**settings, name: Columns(op.n)}
    if any(isinstance(nodes[source].op, Choice) for source, _ in inputs[:first]):
        hint = 'a join takes it by name: `op="drop_mean", p=0.1, survivor=True`'
        raise fault("E0353", f"`{cls.kind}` takes no drawn number", None, hint)
    try:
        op = build_op(cls, [], settings)
    except ArgumentError as error:
        raise fault("E0303", str(error), None, *error.hints) from None
    if given:
        unknown = [name for name in given if name not in op.main_weights()]
        if unknown or len({*given}) < len(given) or len(inputs) <= len(given):
            known = ", ".join(op.main_weights()) or "none"
            raise fault("E0303", f"`given` of {cls.kind} names weights that are tensors", None, f"there are {known}")
        op = with_weights(op, given, named)
    message = None if cls is Extern else misfit(op, len(inputs) - len(drawn))
    if message is not None:
        raise fault("E0301", message, None, "an edge leads here from what makes each of them")
    return op
