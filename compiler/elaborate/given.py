"""Layers that get tensors for weights, and the names that this gives those tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...dsl.source import Span
from ..ir.op import Op
from ..ops.core import Parameter
from ..ops.given import with_weights
from .module_names import OpenScope, claim
from .values import Label, Pending, Result, Tensor, Tensors

if TYPE_CHECKING:
    from .builder import Builder
    from .machine import Machine


def apply_given(
    machine: Machine, op: Op, names: tuple[str, ...], inputs: Tensors, span: Span, pending: Pending
) -> Result:
    """Applies a layer whose last inputs are the weights of these names.

    Under a label, or as an element of a list, a tensor of one's own that is such a weight gets the name that the weight
    would have there, and weights that the layer owns have theirs: the checkpoint is that of an ordinary layer, which
    stands in the scope of these names. So does one whose weights have been named like this before.
    """
    if machine.unopened:
        machine.open_virtuals()
    piped = len(inputs) - len(names)
    given = dict(zip(names, inputs[piped:], strict=True))
    own = any(is_own(machine, tensor) for tensor in given.values())
    if pending is None or not own:
        scope = None if pending is not None or machine.replays else _scope_of(machine, op, given)
        return _added(machine, machine.with_weights(op, names, pending is not None), inputs, span, pending, scope)
    place = pending if isinstance(pending, Label) else Label((str(pending),), span)
    whole = with_weights(op, names)
    owned = {weight.name: weight for weight in whole.weights(tuple([t.type for t in inputs]))}
    for name in op.main_weights():
        label = Label((*place.segments, name), place.span)
        if name in owned:
            weight = owned[name]
            made = Parameter(
                name=name, shape=weight.shape, init=weight.init, learned=weight.learned, dtype=weight.dtype
            )
            given[name] = machine.add(made, (), span, label)[0]
        elif is_own(machine, given[name]):
            second_name(machine, given[name], label)
    scope = None if machine.replays else machine.descend(Label((*place.segments, ""), place.span))
    inputs = (*inputs[:piped], *given.values())
    return _added(machine, machine.with_weights(op, tuple(given), False), inputs, span, None, scope)


def _added(machine: Machine, op: Op, inputs: Tensors, span: Span, pending: Pending, scope: OpenScope | None) -> Tensors:
    """Applies the layer, in a scope that stands for it where one is told."""
    around = machine.scope
    if scope is not None and not scope.layer:
        machine.scope, scope.layer = scope, True
        if scope.children.keys() == set(op.given):
            scope.children.update({name: scope.children.pop(name) for name in op.given})
    try:
        return machine.add(op, inputs, span, pending)
    finally:
        machine.scope = around


def _scope_of(machine: Machine, op: Op, given: dict[str, Tensor]) -> OpenScope | None:
    """The scope below this one that holds the weights of a layer under the names that they have in it, and nothing
    else: `param table = wte.weight: ..`; None where there is none."""
    whole = tuple(given) == op.main_weights()
    scope = machine.nodes[given["weight"].node].scope if whole else None
    held = {name: machine.nodes[tensor.node] for name, tensor in given.items()}
    around = scope.parent if scope is not None else None
    while around is not None and around is not machine.scope:
        around = around.parent
    fits = around is not None and isinstance(scope, OpenScope) and scope.children == held
    return scope if fits else None


def is_own(machine: Builder, tensor: Tensor) -> bool:
    """Whether a tensor is one of `param` or `buffer`, as it stands."""
    return machine.nodes[tensor.node].op.is_parameter


def second_name(machine: Builder, tensor: Tensor, label: Label) -> None:
    """Registers a tensor of one's own under a further name, unless that is its name already."""
    if machine.replays:
        return
    if machine.unopened:
        machine.open_virtuals()
    scope, last = machine.descend(label), label.segments[-1]
    node = machine.nodes[machine.nodes[tensor.node].owner]
    if scope.children.get(last) is not node:
        scope.children[claim(scope, last, label.span)] = node
