"""Merges: several tensors become one. All fold left in the order written and are never reassociated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Any, ClassVar, Literal

from pydantic import Field

from ..ir.index_map import Along, Link, Links, Listed, Slot
from ..ir.lowering import In, Ins, Lowering, Program, Step, function, method
from ..ir.memory import NOTHING, Held, elements
from ..ir.op import Facts, LayerError, Op, Trait
from ..ir.size_rules import maximum, minimum
from ..ir.sizes import Dim, Size
from ..ir.types import TensorType
from .axes import Axis, axis_index, axis_names, is_one, product, spatial_axes
from .values import Count

_DTYPES = ("bool", "int", "float")


def lead(inputs: tuple[TensorType, ...]) -> int:
    """The input that the others are held against: the first that has a batch, as a parameter `[1, ...]` has none."""
    return next((i for i, x in enumerate(inputs) if x.rank > 1 and not is_one(x.dims[0])), 0)


def merged(
    inputs: tuple[TensorType, ...], facts: Facts, verb: str, stretch: bool = False, batch: bool = True
) -> TensorType:
    """The common type of tensors that are combined element by element. With `batch` a batch of 1 stretches, as
    parameters have it; with `stretch` channels and axes of space of size 1 do too, and so does a single learned
    number."""
    shaped = [x for x in inputs if not (stretch and _is_number(x))] or list(inputs[:1])
    first = shaped[lead(tuple(shaped))]
    dims = shaped[0].dims
    for x in shaped[1:]:
        if x.rank != len(dims):
            message = f"cannot {verb} {first.with_dims(dims)} and {x}: {len(dims)} axes and {x.rank}"
            raise LayerError("E0405", message, *_rank_hints(x, first))
        sofar = first.with_dims(dims)
        both = enumerate(zip(dims, x.dims, strict=True))
        pairs = tuple(_common(a, b, facts, stretch or (batch and axis == 0)) for axis, (a, b) in both)
        if None in pairs:
            raise _unequal(sofar, x, verb, [axis for axis, d in enumerate(pairs) if d is None])
        dims = tuple(d for d in pairs if d is not None)
    dtype = _DTYPES[max(_DTYPES.index(x.dtype) for x in inputs)]
    return TensorType(dims, dtype, first.channel_axis)


def _is_number(x: TensorType) -> bool:
    return x.rank == 0 or x.dims == (1,)


def _common(a: Dim, b: Dim, facts: Facts, stretch: bool) -> Dim | None:
    """The size that both have, or None where they differ."""
    if facts.certainly_equal(a, b):
        return a if isinstance(a, int) else b
    if stretch and (is_one(a) or is_one(b)):
        return b if is_one(a) else a
    if facts.equal(a, b):
        return a if isinstance(a, int) else b
    return None


def _rank_hints(x: TensorType, y: TensorType) -> tuple[str, ...]:
    if {x.rank, y.rank} == {2, 4}:
        return (
            "keep the map: `gap` gives [N, C, 1, 1], which `*` stretches",
            "`reshape([c, 1, 1])` makes a vector a 1x1 map",
        )
    return ("give both the same axes: `unsqueeze`, `reshape`, or a `param` with a 1 for each axis that it lacks",)


def _unequal(x: TensorType, y: TensorType, verb: str, axes: list[int]) -> LayerError:
    names = axis_names(x)
    parts = [f"{names[axis]} {x.dims[axis]} and {y.dims[axis]}" for axis in axes]
    hints: list[str] = []
    if x.channel_axis in axes:
        hints.append(f"{_convolution(x, y)}; `++` joins unequal channels")
    if any(axis not in (0, x.channel_axis) for axis in axes):
        hints.append("look for a stride, or a kernel without padding, that only one of the branches has")
        if any(is_one(t.dims[axis]) for t in (x, y) for axis in axes) and verb != "multiply":
            hints.append("only `*` stretches a 1x1 map")
    return LayerError("E0405", f"cannot {verb} {x} and {y}: they differ in {', '.join(parts)}", *hints)


def _convolution(x: TensorType, y: TensorType) -> str:
    """Which 1x1 convolution behind which branch makes two tensors equal: behind the larger one, else the later."""
    if x.channel_axis != y.channel_axis:
        return "a 1x1 convolution with the other branch's channels and stride makes them equal"
    larger, smaller, stride = max((y, x, _stride(y, x)), (x, y, _stride(x, y)), key=lambda found: found[2])
    call = f"conv({smaller.channels}, 1, {stride})" if stride > 1 else f"conv({smaller.channels}, 1)"
    return f"`{call}` behind the branch that has {larger.channels} channels makes them equal"


def _stride(x: TensorType, y: TensorType) -> int:
    """The stride that makes the maps of the first as small as those of the second; 1 where there is none."""
    strides = {
        max(1, round(a / b)) if isinstance(a, int) and isinstance(b, int) and b > 0 else 1
        for a, b in zip(x.spatial, y.spatial, strict=False)
    }
    return strides.pop() if len(strides) == 1 else 1


def _fold(target: str, count: int) -> Any:
    value: Any = In(0)
    for i in range(1, count):
        value = function(target, value, In(i))
    return value


OfNumbers = Callable[[list[Any]], Any] | None


def _mean(numbers: list[Any]) -> Any:
    if not numbers:
        raise ValueError("needs at least one number")
    total = sum(numbers)
    return Fraction(total, len(numbers)) if isinstance(total, int) else total / len(numbers)


def _extreme(numbers: list[Any], pick: Callable[..., Any], symbolic: Callable[..., Any]) -> Any:
    if not numbers:
        raise ValueError("needs at least one number")
    return symbolic(*numbers) if any(isinstance(v, Size) for v in numbers) else pick(numbers)


class _Elementwise(Op):
    """Base of merges element by element."""

    arity: ClassVar[int | None] = None
    is_module: ClassVar[bool] = False
    family: ClassVar[str] = "merge"
    is_merge: ClassVar[bool] = True
    is_commutative: ClassVar[bool] = True
    merges_networks: ClassVar[bool] = True
    verb: ClassVar[str]
    target: ClassVar[str]
    traits: ClassVar[Trait] = Trait.ELEMENTWISE
    stretches: ClassVar[bool] = False

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        return (merged(inputs, facts, self.verb, self.stretches),)

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        return Held(tuple(range(len(inputs))), own=(len(inputs) - 2) * elements(outputs[0]) if len(inputs) > 2 else 0)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        return Program((_fold(self.target, len(inputs)),))


class Add(_Elementwise):
    """The sum of tensors of equal shape: `f + g`, `f - g`, `sum(f, g, h)`. Output: the common shape.

    A batch of 1 stretches over the batch, so that `x + pos_embedding` works with a `param` of shape [1, T, D].
    """

    kind: ClassVar[str] = "sum"
    is_additive: ClassVar[bool] = True
    verb: ClassVar[str] = "add"
    target: ClassVar[str] = "operator.add"
    traits: ClassVar[Trait] = Trait.ELEMENTWISE | Trait.AFFINE | Trait.ALLOCATES
    of_numbers: ClassVar[OfNumbers] = sum

    set_by_operators: ClassVar[tuple[str, ...]] = ("signs",)

    signs: tuple[Literal[1, -1], ...] = Field((), description="1 or -1 for each input; all are added unless given")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        if self.signs and len(self.signs) != len(inputs):
            raise LayerError("E0301", f"sum has {len(self.signs)} signs, and {len(inputs)} tensors arrive")
        return super().infer(inputs, facts)

    def is_nonnegative(self, given: Sequence[bool]) -> bool:
        return all(given) and all(sign > 0 for sign in self.signs)

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        if len(inputs) == 1 and self.signs in ((), (1,)):
            return Held(view="same")
        return NOTHING

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        signs = self.signs or (1,) * len(inputs)
        value: Any = In(0) if signs[0] > 0 else function("operator.neg", In(0))
        for i, sign in enumerate(signs[1:], 1):
            value = function("operator.add" if sign > 0 else "operator.sub", value, In(i))
        return Program((value,))

    def factors(self, count: int) -> tuple[Fraction, ...] | None:
        return tuple(map(Fraction, self.signs or (1,) * count))

    def keeping(self, places: Sequence[int]) -> Add:
        """The sum of some of the inputs."""
        return self.model_copy(update={"signs": tuple([self.signs[place] for place in places])}) if self.signs else self


class Multiply(_Elementwise):
    """The product of tensors, element by element: `f * g`, `multiply(f, g)`. Output: the common shape.

    Where one has size 1 in an axis it is stretched to the other's: a gate of shape [N, C, 1, 1] scales the channels,
    one of [N, 1, H, W] the places. A `param` of shape [1] scales everything.
    """

    kind: ClassVar[str] = "multiply"
    traits: ClassVar[Trait] = Trait.ELEMENTWISE | Trait.KEEPS_NONNEGATIVE | Trait.ALLOCATES
    verb: ClassVar[str] = "multiply"
    target: ClassVar[str] = "operator.mul"
    stretches: ClassVar[bool] = True


class Mean(_Elementwise):
    """The mean of tensors of equal shape: their sum, folded left, divided by how many they are. Output: the common
    shape."""

    kind: ClassVar[str] = "mean"
    is_additive: ClassVar[bool] = True
    verb: ClassVar[str] = "average"
    target: ClassVar[str] = "operator.add"
    traits: ClassVar[Trait] = Trait.ELEMENTWISE | Trait.AFFINE | Trait.KEEPS_NONNEGATIVE | Trait.ALLOCATES
    of_numbers: ClassVar[OfNumbers] = staticmethod(_mean)

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        common = merged(inputs, facts, self.verb)
        return (TensorType(common.dims, "float", common.channel_axis),)

    def factors(self, count: int) -> tuple[Fraction, ...] | None:
        return (Fraction(1, count),) * count

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        return NOTHING if len(inputs) > 1 else Held(view="same")

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        total = _fold(self.target, len(inputs))
        if len(inputs) == 1 and inputs[0].dtype == "float":
            return Program((total,))
        return Program((function("operator.truediv", total, len(inputs)),))


class Maximum(_Elementwise):
    """The larger of the tensors, element by element: `max(f, g)`. Output: the common shape."""

    kind: ClassVar[str] = "max"
    verb: ClassVar[str] = "compare"
    target: ClassVar[str] = "torch.maximum"
    of_numbers: ClassVar[OfNumbers] = staticmethod(lambda numbers: _extreme(numbers, max, maximum))

    def is_nonnegative(self, given: Sequence[bool]) -> bool:
        return any(given)


class Minimum(_Elementwise):
    """The smaller of the tensors, element by element: `min(f, g)`. Output: the common shape."""

    kind: ClassVar[str] = "min"
    traits: ClassVar[Trait] = Trait.ELEMENTWISE | Trait.KEEPS_NONNEGATIVE
    verb: ClassVar[str] = "compare"
    target: ClassVar[str] = "torch.minimum"
    of_numbers: ClassVar[OfNumbers] = staticmethod(lambda numbers: _extreme(numbers, min, minimum))


class _Join(Op):
    """Base of merges that put tensors side by side."""

    family: ClassVar[str] = "merge"
    joins_shapes: ClassVar[bool] = True
    merges_networks: ClassVar[bool] = True
    arity: ClassVar[int | None] = None
    is_module: ClassVar[bool] = False


class Concat(_Join):
    """Tensors side by side along an axis: `f ++ g`, `concat(f, g)`, `concat(cls, x, axis = 1)`. Output: the sizes along
    the axis added; the others are equal.

    Where a tensor's batch is 1 it is repeated for the batch of the others, so that a `param` [1, 1, D] can precede
    tokens.
    """

    kind: ClassVar[str] = "concat"
    traits: ClassVar[Trait] = Trait.AFFINE | Trait.KEEPS_NONNEGATIVE | Trait.ALLOCATES

    axis: Axis = Field("channels", description="the axis, by number or by name: channels, length, height, width, depth")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        first = inputs[lead(inputs)]
        axis = axis_index(first, self.axis, "concat")
        dims = inputs[0].dims
        for x in inputs[1:]:
            if x.rank != first.rank:
                raise LayerError("E0405", f"cannot join {first} and {x}: {first.rank} axes and {x.rank}")
            joined = [
                a + b if i == axis else _common(a, b, facts, stretch=i == 0)
                for i, (a, b) in enumerate(zip(dims, x.dims, strict=True))
            ]
            if None in joined:
                raise self._unequal(first.with_dims(dims), x, axis, [i for i, d in enumerate(joined) if d is None])
            dims = tuple(d for d in joined if d is not None)
        dtype = _DTYPES[max(_DTYPES.index(x.dtype) for x in inputs)]
        return (TensorType(dims, dtype, first.channel_axis),)

    def _unequal(self, x: TensorType, y: TensorType, axis: int, axes: list[int]) -> LayerError:
        names = axis_names(x)
        parts = ", ".join(f"{names[i]} {x.dims[i]} and {y.dims[i]}" for i in axes)
        hint = f"only the {names[axis]} may differ"
        return LayerError("E0405", f"cannot join {x} and {y} along the {names[axis]}: they differ in {parts}", hint)

    def is_per_channel(self, inputs: tuple[TensorType, ...]) -> bool:
        return not self._joins_channels(inputs)

    def is_per_place(self, inputs: tuple[TensorType, ...]) -> bool:
        return self._joins_channels(inputs)

    def _joins_channels(self, inputs: tuple[TensorType, ...]) -> bool:
        first = inputs[lead(inputs)]
        return axis_index(first, self.axis, self.kind) == first.channel_axis

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        source = inputs[lead(inputs)]
        axis = axis_index(source, self.axis, "concat")
        sizes = [x.dims[axis] for x in inputs]
        starts = list(accumulate((n for n in sizes if isinstance(n, int)), initial=0))
        if axis == source.channel_axis:
            return tuple(Link(channels=Slot(start)) for start in starts[:-1])
        if len(spatial_axes(source)) > 1 or axis == 0:
            return None
        places = [tuple((t - a,) if a <= t < b else () for t in range(starts[-1])) for a, b in pairwise(starts)]
        return tuple(Link({axis: Along(axis, Listed(listed))}) for listed in places)

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        return Held(view="same") if len(inputs) == 1 else NOTHING

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        source = lead(inputs)
        axis = axis_index(inputs[source], self.axis, "concat")
        if len(inputs) == 1:
            return Program((In(0),))
        if axis == 0 or all(is_one(x.dims[0]) == is_one(inputs[source].dims[0]) for x in inputs):
            return Program((function("torch.cat", Ins(), axis),))
        batch = method("size", In(source), 0)
        parts = [self._expanded(i, x, batch) if is_one(x.dims[0]) else In(i) for i, x in enumerate(inputs)]
        return Program((function("torch.cat", parts, axis),))

    def _expanded(self, index: int, x: TensorType, batch: Step) -> Step:
        return method("expand", In(index), batch, *[-1] * (x.rank - 1))


class Stack(_Join):
    """Tensors of equal shape along a new axis: `stack(f, g)` of [N, C, H, W] gives [N, 2, C, H, W]."""

    kind: ClassVar[str] = "stack"
    traits: ClassVar[Trait] = Trait.AFFINE | Trait.KEEPS_NONNEGATIVE
    saved: ClassVar[Held | None] = NOTHING

    axis: Count = Field(1, description="where the new axis stands, from 1, as the batch stays first")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        x = merged(inputs, facts, "stack", batch=False)
        if self.axis > x.rank:
            raise LayerError("E0420", f"stack: a new axis of {x} stands at 1 to {x.rank}, not at {self.axis}")
        channels = x.channel_axis + (self.axis <= x.channel_axis)
        return (TensorType((*x.dims[: self.axis], len(inputs), *x.dims[self.axis :]), x.dtype, channels),)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        return Program((function("torch.stack", Ins(), self.axis),))


class Matmul(Op):
    """The matrix product of two tensors over their last two axes: [..., n, k] and [..., k, m] give [..., n, m]."""

    kind: ClassVar[str] = "matmul"
    family: ClassVar[str] = "attention"
    merges_networks: ClassVar[bool] = True
    traits: ClassVar[Trait] = Trait.KEEPS_NONNEGATIVE
    saved: ClassVar[Held | None] = Held((0, 1))
    arity: ClassVar[int | None] = 2
    is_module: ClassVar[bool] = False

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        a, b = inputs
        if a.rank != b.rank or a.rank < 3:
            raise LayerError(
                "E0401", f"matmul takes two tensors [N, ..., n, k] and [N, ..., k, m], and got {a} and {b}"
            )
        leading = [
            _common(p, q, facts, stretch=i == 0) for i, (p, q) in enumerate(zip(a.dims[:-2], b.dims[:-2], strict=True))
        ]
        if None in leading or not facts.equal(a.dims[-1], b.dims[-2]):
            raise LayerError(
                "E0405",
                f"cannot multiply the matrices {a} and {b}: the last axis of the first, {a.dims[-1]}, must equal the "
                f"last but one of the second, {b.dims[-2]}, and the axes before them each other",
                "`transpose(-2, -1)` swaps the last two",
            )
        dims = tuple(d for d in leading if d is not None)
        return (TensorType((*dims, a.dims[-2], b.dims[-1]), "float", a.channel_axis),)

    def multiply_adds(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        return product((*outputs[0].dims, inputs[0].dims[-1]))

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        return Program((function("torch.matmul", In(0), In(1)),))
