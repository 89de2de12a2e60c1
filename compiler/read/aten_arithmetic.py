"""Sums, products, reductions and attention, from functions of torch's."""

from __future__ import annotations

from math import log
from typing import Any

from ..ir.graph import Value
from ..ir.types import Role
from .again import PART
from .overwriting import overwrites
from .reader import Call, Reader
from .table import MOST_PLACES, Made, Table, axis_names, real
from .trace import State
from .unsayable import Unsayable
from .values import Tensors, is_given, is_number, is_value

TABLE = Table()


@TABLE.following("add", "sub", "rsub")
def _add(call: Call) -> Made:
    a, b = call["self"], call["other"]
    if isinstance(a, State) and a.own_name == "num_batches_tracked":
        # A norm counts its batch. One that is applied again counts on from there.
        return a if overwrites(call.node) else None
    if call.name == "rsub":
        a, b = b, a
    negative = call.name != "add"
    if call["alpha"] not in (None, 1):
        factor = real(call["alpha"])
        b = factor * b if isinstance(b, int | float) else call.make("affine", call.reader.tensor(b), scale=factor)
    if not is_value(b) and not isinstance(b, State):
        return call.make("affine", call.reader.tensor(a), shift=-real(b) if negative else real(b))
    if not is_value(a) and not isinstance(a, State):
        return call.make("affine", call.reader.tensor(b), scale=-1 if negative else 1, shift=real(a))
    first, second = stretched(call.reader, call.reader.tensor(a), call.reader.tensor(b))
    terms = _terms(call, first, "sum") if not negative else [first]
    return call.make("sum", *terms, second, **({"signs": (1, -1)} if negative else {}))


def stretched(reader: Reader, *values: Value) -> list[Value]:
    """Two tensors with a batch; the one whose axes have size 1 is stretched to the other, or each along its own."""
    first, second = values
    types = [reader.graph.type_of(value) for value in values]
    if types[0].rank != types[1].rank or not all(type_.has_batch for type_ in types):
        return [first, second]
    one, other = (tuple(map(reader.traced, type_.dims)) for type_ in types)
    grows = [axis for axis, (a, b) in enumerate(zip(one, other, strict=True)) if a == 1 < b]
    shrinks = any(b == 1 < a for a, b in zip(one, other, strict=True))
    if one == other or not all(1 in pair or pair[0] == pair[1] for pair in zip(one, other, strict=True)):
        return [first, second]
    if grows and shrinks:
        for axis in grows:
            if not isinstance(types[1].dims[axis], int):
                raise Unsayable("two tensors that are stretched along open sizes of each other")
            (first,) = reader.apply("repeat", (first,), {"count": other[axis], "axis": axis}, None)
    small, large = (second, first) if shrinks else (first, second)
    (small,) = reader.apply("expand", (small, large), {"like": True}, None)
    return [large, small] if shrinks else [small, large]


def _terms(call: Call, first: Value, kind: str) -> list[Value]:
    """What a fold from the left goes on with: the inputs of a merge in the same module and part that nothing else
    uses, where all are added."""
    reader, node = call.reader, call.reader.nodes[first[0]]
    here = reader.stack_of(call.node), call.node.meta.get(PART)
    is_here = (reader.places[first[0]].stack, node.recompute) == here
    if node.op.kind != kind or getattr(node.op, "signs", ()) or not call.alone or not is_here:
        return [first]
    return list(node.inputs)


@TABLE.following("mul", "div")
def _multiply(call: Call) -> Made:
    a, b = call["self"], call["other"]
    both = [item for item in (a, b) if is_value(item) or isinstance(item, State)]
    if call["rounding_mode"] == "floor":
        return _rounded(call)
    if call["rounding_mode"] is not None or (call.name == "div" and both[0] is not a):
        raise Unsayable("a quotient that is rounded towards zero, or a number divided by a tensor")
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
    base, exponent = call["self"], call["exponent"]
    if not is_given(exponent):
        return call.make("power", n=real(exponent))
    if not is_given(base):
        return call.make("power", call.value("exponent"), base=real(base))
    return call.make("power", call.value(), call.value("exponent"))


@TABLE.following("floor_divide", "remainder")
def _rounded(call: Call) -> Made:
    divisor = real(call["other"])
    if call.type().dtype != "float":
        raise Unsayable(f"`{call.name}` of whole numbers")
    quotient = call.make("floor", call.make("affine", divisor=divisor))
    if call.name != "remainder":
        return quotient
    return call.make("sum", call.value(), call.make("affine", quotient, scale=divisor), signs=(1, -1))


@TABLE.following("log2", "log10")
def _logarithm(call: Call) -> Made:
    return call.make("affine", call.make("log"), divisor=log(2 if call.name == "log2" else 10))


@TABLE.following("matmul", "bmm", "mm")
def _matmul(call: Call) -> Made:
    other = "other" if call.name == "matmul" else "mat2"
    if call.batch == 0 and len(call.shape) == 2 and not call.type(other).has_batch:
        return _times_matrix(call, call.value(), call.value(other))
    if call.batch >= len(call.shape) - 2:
        raise Unsayable("a product of matrices, of which the batch is an axis")
    return call.make("matmul", call.value(), call.value(other))


def _times_matrix(call: Call, x: Value, matrix: Value) -> Value:
    """Vectors times a matrix of the network's own: a linear layer with that, transposed, for its weight."""
    weight = call.make("transpose", matrix, first=0, second=1)
    settings = {"units": call.shape[-1], "bias": False}
    return call.reader.apply("linear", (x,), settings, None, given={"weight": weight})[0]


@TABLE.of("addmm")
def _addmm(call: Call) -> Made:
    x, matrix = call.value("mat1"), call.value("mat2")
    if (call["alpha"], call["beta"]) != (1, 1) or call.type("mat2").has_batch:
        raise Unsayable("`addmm` with factors, or of two tensors with a batch")
    return call.make("sum", call.value(), _times_matrix(call, x, matrix))


@TABLE.following("var_mean", "std_mean")
def _with_mean(call: Call) -> Made:
    batch, name = call.batch, call.name
    found: list[Value] = []
    for call.name in (name.partition("_")[0], "mean"):
        call.batch = batch
        found.append(_reduce(call))
    return Tensors(tuple(found))


@TABLE.following("lerp")
def _lerp(call: Call) -> Made:
    """`start + weight * (end - start)`."""
    start, end, weight = call.value(), call.value("end"), call["weight"]
    way = call.make("sum", end, start, signs=(1, -1))
    if is_number(weight):
        scaled = call.make("affine", way, scale=weight)
    else:
        scaled = call.make("multiply", call.value("weight"), way)
    return call.make("sum", start, scaled)


@TABLE.following("addcmul", "addcdiv")
def _with_product(call: Call) -> Made:
    kind = "multiply" if call.name == "addcmul" else "divide"
    product = call.make(kind, call.value("tensor1"), call.value("tensor2"))
    scaled = product if call["value"] == 1 else call.make("affine", product, scale=real(call["value"]))
    return call.make("sum", call.value(), scaled)


@TABLE.following("maximum", "minimum")
def _extreme(call: Call) -> Made:
    a, b = call["self"], call["other"]
    if is_number(a) or is_number(b):
        bound = {"low" if call.name == "maximum" else "high": a if is_number(a) else b}
        return call.make("clamp", call.reader.tensor(b if is_number(a) else a), **bound)
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


@TABLE.following("any", "all")
def _whether(call: Call) -> Made:
    """Whether one of the numbers along axes is none but 0, or each: the largest or the smallest of 0 and 1."""
    x, axes = call.type(), call["dim"]
    if axes is None:
        raise Unsayable(f"`{call.name}` of all numbers")
    given, keep = axes if isinstance(axes, list) else [axes], bool(call["keepdim"])
    settings = {"axis": axis_names(x, sorted(map(call.axis, given))), "keep": keep}
    mask = call.value() if x.dtype == "bool" else call.make("ne", right=0)
    numbers, statistic = call.make("to", mask, dtype="int"), "max" if call.name == "any" else "min"
    call.batch -= 0 if keep else sum(axis % x.rank < call.batch for axis in given)
    return call.make("gt", call.make("reduce", numbers, statistic=statistic, **settings), right=0)


@TABLE.of("prod", "cumprod")
def _product(call: Call) -> Made:
    """The products of the places along an axis, one after the other."""
    x, dim = call.type(), call["dim"]
    if dim is None or call["dtype"] is not None:
        raise Unsayable(f"`{call.name}` of all numbers, or in another type")
    axis = call.axis(dim)
    size = x.dims[axis]
    if not isinstance(size, int) or size > MOST_PLACES:
        raise Unsayable(f"`{call.name}` along an open size, or more than {MOST_PLACES} places")
    first, *others = call.reader.apply("unbind", (call.value(),), {"axis": axis}, None)
    products = [first]
    for other in others:
        products.append(call.make("multiply", products[-1], other))
    if call.name == "cumprod":
        return call.make("stack", *products, axis=axis)
    return call.make("unsqueeze", products[-1], axis=axis) if call["keepdim"] else products[-1]
