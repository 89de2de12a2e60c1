"""Layers that get tensors for weights, and the names that this gives those tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...dsl.source import Span
from ..ir.op import Op
from ..ops.core import Parameter
from ..ops.given import with_weights
from .module_names import claim
from .values import Label, Pending, Result, Tensor, Tensors

if TYPE_CHECKING:
    from .builder import Builder
    from .machine import Machine


def apply_given(
    machine: Machine, op: Op, names: tuple[str, ...], inputs: Tensors, span: Span, pending: Pending
) -> Result:
    """Applies a layer whose last inputs are the weights of these names.

    Under a label, or as an element of a list, a tensor of one's own that is such a weight gets the name that the weight
    would have there, and weights that the layer owns have theirs: the checkpoint is that of an ordinary layer.
    """
    piped = len(inputs) - len(names)
    given = dict(zip(names, inputs[piped:], strict=True))
    if pending is not None and any(is_own(machine, tensor) for tensor in given.values()):
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
        inputs, pending = (*inputs[:piped], *given.values()), None
    return machine.add(machine.with_weights(op, tuple(given)), inputs, span, pending)


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
