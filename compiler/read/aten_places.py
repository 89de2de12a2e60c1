"""Functions of torch's that compare, look places up, and put numbers in order."""

from __future__ import annotations

from math import isinf
from string import ascii_lowercase
from typing import Any

from ..ir.graph import Value
from ..ops.maps import compact
from .reader import Call
from .table import Made, Table, along, axis_name, real
from .trace import State
from .unsayable import Unsayable
from .values import Tensors, is_given, shape_of

TABLE = Table()
MASKS = {
    f"{way}{word}": f"logical_{word}" for way in ("logical_", "bitwise_", "__") for word in ("and", "or", "xor", "not")
}
"""What joins masks. Bits of whole numbers are refused, as no masks."""


@TABLE.following("lt", "le", "gt", "ge", "eq", "ne")
def _compare(call: Call) -> Made:
    other = call["other"]
    if is_given(other):
        return call.make(call.name, call.value(), call.value("other"))
    if isinf(number := real(other)):
        return call.make(call.name, call.value(), call.make("full", value=number))
    return call.make(call.name, right=number)


@TABLE.following(*MASKS)
def _logic(call: Call) -> Made:
    others = [call.value("other")] if "other" in call.arguments else []
    return call.make(MASKS[call.name], call.value(), *others)


@TABLE.following("where")
def _where(call: Call) -> Made:
    return _chosen(call, "condition", call["self"], call["other"])


@TABLE.following("masked_fill")
def _masked_fill(call: Call) -> Made:
    return _chosen(call, "mask", call["value"], call["self"])


def _chosen(call: Call, mask: str, *ways: Any) -> Made:
    tensors = [call.reader.tensor(way) for way in ways if is_given(way)]
    pairs = zip(("value", "other"), ways, strict=True)
    return call.make(
        "where",
        call.value(mask),
        *tensors,
        **{name: real(way) for name, way in pairs if not is_given(way)},
    )


@TABLE.following("roll")
def _roll(call: Call) -> Made:
    if not call["dims"]:
        raise Unsayable("`roll` of all numbers in a row")
    axes = tuple([axis_name(call.type(), call.axis(axis)) for axis in call["dims"]])
    return call.make("roll", shifts=tuple(call["shifts"]), axes=axes)


@TABLE.following("flip")
def _flip(call: Call) -> Made:
    value = call.value()
    for axis in call["dims"]:
        value = call.make("flip", value, axis=axis_name(call.type(), call.axis(axis)))
    return value


def _along(call: Call, name: str = "dim") -> dict[str, Any]:
    """The setting of the axis that a call goes along."""
    if call[name] is None:
        raise Unsayable(f"`{call.name}` of all numbers in a row")
    return along(call.type(), call.axis(call[name]))


@TABLE.following("cumsum")
def _cumsum(call: Call) -> Made:
    if call["dtype"] is not None:
        raise Unsayable("`cumsum` in another type")
    return call.make("cumsum", axis=axis_name(call.type(), call.axis(call["dim"])))


@TABLE.following("glu")
def _glu(call: Call) -> Made:
    return call.make("glu", **_along(call))


@TABLE.following("sort")
def _sort(call: Call) -> Made:
    settings = {"descending": bool(call["descending"]), **_along(call)}
    return Tensors(call.reader.apply("sort", (call.value(),), settings, None))


@TABLE.following("topk")
def _topk(call: Call) -> Made:
    settings = {"k": call["k"], "largest": call["largest"], **_along(call)}
    return Tensors(call.reader.apply("topk", (call.value(),), settings, None))


@TABLE.following("max", "min")
def _largest(call: Call) -> Made:
    """The largest numbers along an axis, and their places."""
    if "dim" not in call.arguments:
        if "other" in call.arguments:
            return call.make(call.name, call.value(), call.value("other"))
        raise Unsayable(f"`{call.name}` of all numbers")
    x, axis, keep = call.type(), call.axis(call["dim"]), bool(call["keepdim"])
    call.batch -= 0 if keep else call["dim"] % x.rank < call.batch
    values = call.make("reduce", statistic=call.name, axis=axis_name(x, axis), keep=keep)
    users = [user.args[1] for user in call.node.users]
    places = call.make(f"arg{call.name}", keep=keep, **along(x, axis)) if 1 in users else None
    return Tensors((values, places))


@TABLE.of("argmax", "argmin")
def _place(call: Call) -> Made:
    return call.make(call.name, keep=bool(call["keepdim"]), **_along(call))


@TABLE.of("gather")
def _gather(call: Call) -> Made:
    return call.make("gather", call.value(), call.value("index"), **_along(call))


@TABLE.of("index_select")
def _index_select(call: Call) -> Made:
    return call.make("index_select", call.value(), call.value("index"), **_along(call))


@TABLE.of("index")
def _index(call: Call) -> Made:
    given = [(axis, index) for axis, index in enumerate(call["indices"]) if index is not None]
    if len(given) != 1:
        raise Unsayable("places along several axes at once")
    ((axis, index),) = given
    return call.make("index_select", call.value(), call.reader.tensor(index), **along(call.type(), axis))


@TABLE.of("one_hot")
def _one_hot(call: Call) -> Made:
    if call["num_classes"] < 1:
        raise Unsayable("`one_hot` of as many classes as the numbers tell")
    return call.make("one_hot", classes=call["num_classes"])


@TABLE.of("tril", "triu")
def _triangle(call: Call) -> Made:
    return call.make(call.name, diagonal=call["diagonal"])


@TABLE.of("einsum")
def _einsum(call: Call) -> Made:
    equation = call["equation"].replace(" ", "")
    if "." in equation:
        raise Unsayable("`einsum` with axes that it does not name")
    left, arrow, right = equation.partition("->")
    spaced = [", ".join(" ".join(names) for names in side.split(",")) for side in (left, right)]
    pattern = " -> ".join(spaced if arrow else spaced[:1])
    return call.make("einsum", *map(call.reader.tensor, call["tensors"]), pattern=pattern)


@TABLE.of("expand", "expand_as")
def _expand(call: Call) -> Made:
    """Axes of size 1 stretched to those of a tensor that has the sizes, else repeated."""
    given, value, reader = call["self"], call.value(), call.reader
    have = tuple(given.tensor.shape) if isinstance(given, State) else shape_of(call.node.args[0])  # type: ignore[arg-type]
    want = call.shape
    is_own = isinstance(given, State) or reader.nodes[value[0]].op.is_parameter
    if have == want or (is_own and len(have) == len(want) and have[1:] == want[1:]):
        return value  # what it meets repeats it for the batch
    for other in reversed(reader.nodes):
        type_ = other.outputs[0]
        if type_.has_batch and tuple(map(reader.traced, type_.dims)) == want:
            return call.make("expand", value, (other.index, 0), like=True)
    if len(have) != len(want) or not have[0]:
        raise Unsayable("a tensor that is repeated to a size that no other has")
    return _repeated(call, value, [new // old for old, new in zip(have, want, strict=True)])


@TABLE.of("repeat")
def _repeat(call: Call) -> Made:
    x, counts, value = call.type(), call["repeats"], call.value()
    more = len(counts) - x.rank
    if more and x.has_batch:
        raise Unsayable("`repeat` that makes axes before the batch")
    for _ in range(more):
        value = call.make("unsqueeze", value, axis=0)
    return _repeated(call, value, counts)


def _repeated(call: Call, value: Value, counts: list[int]) -> Value:
    """The whole along each axis so many times. What has no batch is repeated for that by what it meets."""
    x, batch = call.reader.graph.type_of(value), shape_of(call.reader.trace.inputs[0])[:1]
    for axis, count in enumerate(counts):
        is_batch = not axis and x.dims[0] == 1 and not x.has_batch and (count,) == batch
        if count != 1 and not is_batch:
            value = call.make("repeat", value, count=count, axis=axis_name(x, axis))
    return value


@TABLE.of("repeat_interleave")
def _interleave(call: Call) -> Made:
    if not isinstance(call["repeats"], int) or call["dim"] is None:
        raise Unsayable("`repeat_interleave` of all numbers in a row, or by a tensor")
    x, axis, count = call.type(), call.axis(call["dim"]), call["repeats"]
    if axis or not x.has_batch:
        return call.make("repeat_interleave", count=count, axis=axis_name(x, axis))
    value = call.make("repeat", call.make("unsqueeze", axis=1), count=count, axis=1)
    rest = " ".join(ascii_lowercase[: x.rank - 1])
    return call.make("rearrange", value, pattern=f"n m {rest} -> (n m) {rest}")


@TABLE.of("im2col", "col2im")
def _patches(call: Call) -> Made:
    names = {"kernel": "kernel_size", "stride": "stride", "padding": "padding", "dilation": "dilation"}
    settings: dict[str, Any] = {ours: compact(tuple(call[theirs])) for ours, theirs in names.items()}
    if call.name == "im2col":
        return call.make("unfold", **settings)
    return call.make("fold", size=tuple(call["output_size"]), **settings)
