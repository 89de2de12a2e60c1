"""Merges: several tensors become one. All fold left in the order written and are never reassociated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import accumulate, groupby, pairwise
from typing import Any, ClassVar, Literal

from pydantic import Field

from ..ir.index_map import Along, Link, Links, Listed, Slot
from ..ir.lowering import In, Ins, Lowering, Program, Step, function, method
from ..ir.memory import NOTHING, Held, elements
from ..ir.op import Facts, LayerError, Op, Trait
from ..ir.size_rules import maximum, minimum
from ..ir.sizes import Dim, Size
from ..ir.types import Axis, Role, TensorType
from ..ir.words import bounded
from .axes import AxisChoice, as_vector, axis_index, axis_names, is_one, product, together
from .broadcast import aligned, check_roles, common_dtype, lead, merged
from .maps import OF_MASKS, need_float
from .values import Integer


def _fold(target: str, count: int) -> Any:
    value: Any = In(0)
    for i in range(1, count):
        value = function(target, value, In(i))
    return value


OfNumbers = Callable[[list[Any]], Any] | None


def _total(numbers: list[Any]) -> Any:
    """The left fold, as of `a + b + c`, so that ratios stay as short as those of the operator."""
    total: Any = 0
    for number in numbers:
        total = total + number
        total = bounded(total) if isinstance(total, Fraction) else total
    return total


def _mean(numbers: list[Any]) -> Any:
    if not numbers:
        raise ValueError("needs at least one number")
    total = _total(numbers)
    return Fraction(total, len(numbers)) if isinstance(total, int) else total / len(numbers)


def _extreme(numbers: list[Any], pick: Callable[..., Any], symbolic: Callable[..., Any]) -> Any:
    if not numbers:
        raise ValueError("needs at least one number")
    return symbolic(*numbers) if any(isinstance(v, Size) for v in numbers) else pick(numbers)


class Elementwise(Op):
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


class Add(Elementwise):
    """The sum of tensors of equal shape: `f + g`, `f - g`, `sum(f, g, h)`. Output: the common shape.

    A `param` has no batch and is stretched to the others as in NumPy: `x + pos_embedding` works with one of shape
    [1, T, D], and `x + offset` with one of shape [C, 1, 1].
    """

    kind: ClassVar[str] = "sum"
    with_number: ClassVar[str] = "`x + {}`"
    is_additive: ClassVar[bool] = True
    verb: ClassVar[str] = "add"
    target: ClassVar[str] = "operator.add"
    traits: ClassVar[Trait] = Trait.ELEMENTWISE | Trait.AFFINE | Trait.ALLOCATES
    of_numbers: ClassVar[OfNumbers] = staticmethod(_total)

    set_by_operators: ClassVar[tuple[str, ...]] = ("signs",)

    signs: tuple[Literal[1, -1], ...] = Field((), description="1 or -1 for each input; all are added unless given")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        if self.signs and len(self.signs) != len(inputs):
            raise LayerError("E0301", f"sum has {len(self.signs)} signs, and {len(inputs)} tensors arrive")
        first = next((place for place, x in enumerate(inputs) if x.dtype != "bool"), len(inputs))
        for place, sign in enumerate(self.signs):
            is_mask = inputs[place].dtype == "bool"
            if sign < 0 and (is_mask or place == first > 0):
                message = f"a difference takes numbers, and {inputs[place if is_mask else 0]} holds truth values"
                raise LayerError("E0407", message, OF_MASKS[0], "`a and not b` takes the places of b from a mask a")
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


class Multiply(Elementwise):
    """The product of tensors, element by element: `f * g`, `multiply(f, g)`. Output: the common shape.

    Where one has size 1 in an axis it is stretched to the other's: a gate of shape [N, C, 1, 1] scales the channels,
    one of [N, 1, H, W] the places. A `param` of shape [1] scales everything.
    """

    kind: ClassVar[str] = "multiply"
    with_number: ClassVar[str] = "`{} * x`"
    traits: ClassVar[Trait] = Trait.ELEMENTWISE | Trait.KEEPS_NONNEGATIVE | Trait.ALLOCATES | Trait.ANALYTIC
    verb: ClassVar[str] = "multiply"
    target: ClassVar[str] = "operator.mul"
    stretches: ClassVar[bool] = True


class Divide(Elementwise):
    """The quotient of tensors, element by element: `f / g`. Output: the common shape, of real numbers.

    Axes of size 1 are stretched as in a product.
    """

    kind: ClassVar[str] = "divide"
    with_number: ClassVar[str] = "`x / {}`"
    is_merge: ClassVar[bool] = False
    is_commutative: ClassVar[bool] = False
    traits: ClassVar[Trait] = Trait.ELEMENTWISE | Trait.KEEPS_NONNEGATIVE | Trait.ALLOCATES
    verb: ClassVar[str] = "divide"
    target: ClassVar[str] = "operator.truediv"
    stretches: ClassVar[bool] = True

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        return (super().infer(inputs, facts)[0].with_dtype("float"),)


class Mean(Elementwise):
    """The mean of tensors of equal shape: their sum, folded left, divided by how many they are. Output: the common
    shape."""

    kind: ClassVar[str] = "mean"
    with_number: ClassVar[str] = "`(x + {}) / 2`"
    is_additive: ClassVar[bool] = True
    verb: ClassVar[str] = "average"
    target: ClassVar[str] = "operator.add"
    traits: ClassVar[Trait] = Trait.ELEMENTWISE | Trait.AFFINE | Trait.KEEPS_NONNEGATIVE | Trait.ALLOCATES
    of_numbers: ClassVar[OfNumbers] = staticmethod(_mean)

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        return (merged(inputs, facts, self.verb).with_dtype("float"),)

    def factors(self, count: int) -> tuple[Fraction, ...] | None:
        return (Fraction(1, count),) * count

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        return NOTHING if len(inputs) > 1 else Held(view="same")

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        total = _fold(self.target, len(inputs))
        if len(inputs) == 1 and inputs[0].dtype == "float":
            return Program((total,))
        return Program((function("operator.truediv", total, len(inputs)),))


class Maximum(Elementwise):
    """The larger of the tensors, element by element: `max(f, g)`. Output: the common shape.

    The larger of a tensor and a number is `clamp`: `x -> clamp(0)`.
    """

    kind: ClassVar[str] = "max"
    traits: ClassVar[Trait] = Trait.ELEMENTWISE | Trait.PIECEWISE_LINEAR
    with_number: ClassVar[str] = "`x -> clamp({})`"
    verb: ClassVar[str] = "compare"
    target: ClassVar[str] = "torch.maximum"
    of_numbers: ClassVar[OfNumbers] = staticmethod(lambda numbers: _extreme(numbers, max, maximum))

    def is_nonnegative(self, given: Sequence[bool]) -> bool:
        return any(given)


class Minimum(Elementwise):
    """The smaller of the tensors, element by element: `min(f, g)`. Output: the common shape.

    The smaller of a tensor and a number is `clamp`: `x -> clamp(high = 1)`.
    """

    kind: ClassVar[str] = "min"
    with_number: ClassVar[str] = "`x -> clamp(high = {})`"
    traits: ClassVar[Trait] = Trait.ELEMENTWISE | Trait.KEEPS_NONNEGATIVE | Trait.PIECEWISE_LINEAR
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

    axis: AxisChoice = Field(
        "channels", description="the axis, by number or by name: channels, length, height, width, depth"
    )

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        first = inputs[lead(inputs)]
        axis = axis_index(first, self.axis, "concat")
        total = inputs[0]
        other = next((x for x in inputs if x.rank != first.rank), None)
        if other is not None:
            raise LayerError("E0405", f"cannot join {first} and {other}: {first.rank} axes and {other.rank}")
        for x, *alike in (tuple(run) for _, run in groupby(inputs[1:], key=id)):
            check_roles(total, x, total.axes, x.axes, "join")
            axes = [
                _side_by_side(a, b) if i == axis else together(a, b, facts, stretch=i == 0)
                for i, (a, b) in enumerate(zip(total.axes, x.axes, strict=True))
            ]
            if None in axes:
                raise self._unequal(total, x, axis, [i for i, d in enumerate(axes) if d is None])
            total = TensorType(tuple(a for a in axes if a is not None), total.dtype)
            if alike:
                joined = _side_by_side(total.axes[axis], x.axes[axis]._replace(size=len(alike) * x.dims[axis]))
                total = TensorType((*total.axes[:axis], joined, *total.axes[axis + 1 :]), total.dtype)
        return (total.with_dtype(common_dtype(inputs)),)

    def _unequal(self, x: TensorType, y: TensorType, axis: int, axes: list[int]) -> LayerError:
        names = axis_names(x)
        parts = ", ".join(f"{names[i]} {x.dims[i]} and {y.dims[i]}" for i in axes)
        hints = [f"only the {names[axis]} may differ"]
        if all(x.axes[i].role is Role.SPACE for i in axes):
            hints.append("behind the branch with the larger map `crop(like = y)` cuts it to that of y")
            hints.append("behind the one with the smaller `upsample(like = y)` enlarges it")
        return LayerError("E0405", f"cannot join {x} and {y} along the {names[axis]}: they differ in {parts}", *hints)

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
        if source.rank > 3 or axis == 0:
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


def _side_by_side(a: Axis, b: Axis) -> Axis:
    return Axis(a.size + b.size, b.role if a.role is Role.UNKNOWN else a.role, a.name or b.name)


class Stack(_Join):
    """Tensors of equal shape along a new axis: `stack(f, g)` of [N, C, H, W] gives [N, 2, C, H, W]."""

    kind: ClassVar[str] = "stack"
    traits: ClassVar[Trait] = Trait.AFFINE | Trait.KEEPS_NONNEGATIVE
    saved: ClassVar[Held | None] = NOTHING

    axis: Integer = Field(1, description="where the new axis stands, from 1, as the batch stays first; -1 is last")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        x = merged(inputs, facts, "stack", broadcast=False)
        axis = self.axis + x.rank + 1 if self.axis < 0 else self.axis
        if not 1 <= axis <= x.rank:
            raise LayerError("E0420", f"stack: a new axis of {x} stands at 1 to {x.rank}, not at {self.axis}")
        return (TensorType((*x.axes[:axis], Axis(len(inputs)), *x.axes[axis:]), x.dtype),)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        return Program((function("torch.stack", Ins(), self.axis),))


class Matmul(Op):
    """The matrix product of two tensors over their last two axes: [..., n, k] and [..., k, m] give [..., n, m].

    A parameter [k, m] is the same matrix for the whole batch, and so is a batch behind its channels: for texts [M, C]
    and images [N, C] `matmul(texts, images -> transpose(0, 1))` is [M, N].
    """

    kind: ClassVar[str] = "matmul"
    family: ClassVar[str] = "attention"
    merges_networks: ClassVar[bool] = True
    traits: ClassVar[Trait] = Trait.KEEPS_NONNEGATIVE | Trait.ANALYTIC
    saved: ClassVar[Held | None] = Held((0, 1))
    arity: ClassVar[int | None] = 2
    is_module: ClassVar[bool] = False

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        a, b = inputs
        for x in inputs:
            need_float("matmul", x)
        left, right = aligned(a, b)
        least = min(a.rank - (a.has_batch and b.rank > 2), b.rank - b.has_batch)
        if len(left) != len(right) or least < 2:
            raise LayerError(
                "E0401", f"matmul takes two tensors [N, ..., n, k] and [N, ..., k, m], and got {a} and {b}"
            )
        free = not (a.has_batch and b.has_batch)
        leading = [
            together(p, q, facts.unenforced, stretch=free or i == 0)
            for i, (p, q) in enumerate(zip(left[:-2], right[:-2], strict=True))
        ]
        if None in leading or not facts.equal(a.dims[-1], b.dims[-2]):
            raise LayerError(
                "E0405",
                f"cannot multiply the matrices {a} and {b}: the last axis of the first, {a.dims[-1]}, must equal the "
                f"last but one of the second, {b.dims[-2]}, and the axes before them each other",
                "`transpose(-2, -1)` swaps the last two",
            )
        column = b.axes[-1]
        if column.role is Role.BATCH:
            column = column._replace(role=Role.UNKNOWN)
        if not b.has_batch and a.axes[-1].role is Role.CHANNELS:
            column = column._replace(role=Role.CHANNELS)
        return (TensorType(as_vector((*[axis for axis in leading if axis is not None], a.axes[-2], column))),)

    def multiply_adds(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        return product((*outputs[0].dims, inputs[0].dims[-1]))

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        return Program((function("torch.matmul", In(0), In(1)),))
