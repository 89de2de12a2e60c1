"""Sums, products, reductions and attention, from functions of torch's."""

from __future__ import annotations

from typing import Any

from ..ir.graph import Value
from ..ir.types import Role
from .reader import Call
from .table import Made, Table, axis_names, real
from .trace import State
from .unsayable import Unsayable
from .values import is_value

TABLE = Table()


@TABLE.following("add", "sub", "rsub")
def _add(call: Call) -> Made:
    a, b = call["self"], call["other"]
    if isinstance(a, State) and a.own_name == "num_batches_tracked":
        # A norm counts its batch. One that is applied again counts on from there.
        return a if call.in_place else None
    if call.name == "rsub":
        a, b = b, a
    if call["alpha"] not in (None, 1):
        raise Unsayable(f"`{call.name}` with a factor")
    negative = call.name != "add"
    if not is_value(b) and not isinstance(b, State):
        return call.make("affine", call.reader.tensor(a), shift=-real(b) if negative else real(b))
    if not is_value(a) and not isinstance(a, State):
        return call.make("affine", call.reader.tensor(b), scale=-1 if negative else 1, shift=real(a))
    terms = _terms(call, call.reader.tensor(a), "sum") if not negative else [call.reader.tensor(a)]
    return call.make("sum", *terms, call.reader.tensor(b), **({"signs": (1, -1)} if negative else {}))


def _terms(call: Call, first: Value, kind: str) -> list[Value]:
    """What a fold from the left goes on with: the inputs of a merge that nothing else uses, where all are added."""
    node = call.reader.nodes[first[0]]
    if node.op.kind != kind or getattr(node.op, "signs", ()) or not call.alone:
        return [first]
    return list(node.inputs)


@TABLE.following("mul", "div")
def _multiply(call: Call) -> Made:
    a, b = call["self"], call["other"]
    both = [item for item in (a, b) if is_value(item) or isinstance(item, State)]
    if call["rounding_mode"] is not None or (call.name == "div" and both[0] is not a):
        raise Unsayable("a quotient that is rounded, or a number divided by a tensor")
    if len(both) == 2:
        return call.make("divide" if call.name == "div" else "multiply", *map(call.reader.tensor, both))
    number = real(b if both[0] is a else a)
    setting = "divisor" if call.name == "div" else "scale"
    return call.make("affine", call.reader.tensor(both[0]), **{setting: number})


@TABLE.following("neg")
def _neg(call: Call) -> Made:
    return call.make("affine", scale=-1)


@TABLE.following("pow")
def _power(call: Call) -> Made:
    return call.make("power", n=real(call["exponent"]))


@TABLE.following("matmul", "bmm")
def _matmul(call: Call) -> Made:
    other = "other" if call.name == "matmul" else "mat2"
    if call.batch >= len(call.shape) - 2:
        raise Unsayable("a product of matrices, of which the batch is an axis")
    return call.make("matmul", call.value(), call.value(other))


@TABLE.following("maximum", "minimum")
def _extreme(call: Call) -> Made:
    return call.make(call.name[:3], call.value(), call.value("other"))


@TABLE.following("mean", "sum", "amax", "amin", "var", "std", "logsumexp", "linalg_vector_norm")
def _reduce(call: Call) -> Made:
    x, axes = call.type(), call["dim"]
    if axes is None or call["dtype"] is not None or call["ord"] not in (None, 2):
        raise Unsayable(f"`{call.name}` of all numbers, or in another type")
    given = axes if isinstance(axes, list) else [axes]
    axes = sorted(map(call.axis, given))
    names = {"amax": "max", "amin": "min", "linalg_vector_norm": "norm"}
    statistic, keep = names.get(call.name, call.name), bool(call["keepdim"])
    call.batch -= 0 if keep else sum(axis % x.rank < call.batch for axis in given)
    space = [i for i, axis in enumerate(x.axes) if axis.role is Role.SPACE]
    if statistic == "mean" and keep and axes == space and x.channel_axis == 1:
        return call.make("gap")
    settings: dict[str, Any] = {}
    if call.name in ("var", "std"):
        correction = call["correction"] if "correction" in call.arguments else int(call["unbiased"])
        if correction not in (None, 0, 1):
            raise Unsayable("a variance that is divided by another number")
        settings = {"unbiased": correction != 0}
    return call.make("reduce", statistic=statistic, axis=axis_names(x, axes), keep=keep, **settings)
