"""How a layer is called: which of its settings a call gives, and where its operands stand."""

from __future__ import annotations

from typing import Any

from ...ir.op import Op
from ...ops.build import parameter_names
from ...ops.core import Extern
from .terms import SIGNS


def settings(op: Op, beside: tuple[str, ...]) -> tuple[tuple[str, ...], list[Any]]:
    """The settings of an op that a call gives, and their values, where tensors are given for those `beside`."""
    call = op.call
    if isinstance(call, Extern):
        return tuple(call.arguments), list(call.arguments.values())
    hidden = {*call.tensor_parameters, *beside, call.extra_keywords}
    found = {name: getattr(call, name) for name in parameter_names(type(call)) if name not in hidden}
    if call.extra_keywords:
        found |= getattr(call, call.extra_keywords)
    return tuple(found), list(found.values())


def operator_places(op: Op, tensors: int) -> tuple[str, ...]:
    """For each operand of an operator, or of a function of several, the setting that holds it, or "" for a tensor;
    nothing where the op reads better as a layer, as `x -> power(3)`."""
    if op.kind in SIGNS and not op.operands:
        return ("",) * tensors if tensors == 2 else ()
    numbers = [name for name in op.operands if name and getattr(op, name) is not None]
    whole = len(numbers) + tensors == len(op.operands)
    by_position = op.kind not in SIGNS and {*numbers} <= {*op.positional} and len(numbers) > 0
    return tuple([name if name in numbers else "" for name in op.operands]) if whole and not by_position else ()
