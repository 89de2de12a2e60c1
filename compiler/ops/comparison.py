"""Comparisons, which make masks of truth values, and what is done with masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from ..ir.lowering import In, Lowering, Program, function
from ..ir.memory import NOTHING, Held
from ..ir.op import Facts, LayerError, Op, Trait
from ..ir.types import TensorType
from .broadcast import check_count, merged
from .core import Exact, Extended
from .maps import OF_NUMBERS
from .merge import Elementwise


def _need_masks(kind: str, *inputs: TensorType) -> None:
    other = next((x for x in inputs if x.dtype != "bool"), None)
    if other is not None:
        message = f"{kind} takes a mask of truth values, and gets {other} of type {other.dtype}"
        raise LayerError("E0407", message, *OF_NUMBERS)


class _Comparison(Op):
    """Base of the comparisons: of two tensors, or of a tensor and a number. Each has its mirror, which compares the
    same two in the other order."""

    family: ClassVar[str] = "function"
    traits: ClassVar[Trait] = Trait.ELEMENTWISE | Trait.NONNEGATIVE
    saved: ClassVar[Held | None] = NOTHING
    positional: ClassVar[tuple[str, ...]] = ("right",)
    operands: ClassVar[tuple[str, ...]] = ("left", "right")
    merges_networks: ClassVar[bool] = True
    arity: ClassVar[int | None] = None
    is_module: ClassVar[bool] = False
    mirror: ClassVar[str]

    left: Exact | None = Field(None, description="the number on the left, where the tensor is on the right")
    right: Exact | None = Field(None, description="the number on the right, where no second tensor is")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        check_count(self.kind, inputs, self.left, self.right)
        return (merged(inputs, facts, "compare", stretch=True).with_dtype("bool"),)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        if self.left is not None:
            return Program((function(f"operator.{self.mirror}", In(0), self.left),))
        return Program((function(f"operator.{self.kind}", In(0), In(1) if self.right is None else self.right),))


class Less(_Comparison):
    """Where the first is less than the second: `x < y`, `x < 0`. Output: the common shape, of truth values."""

    kind: ClassVar[str] = "lt"
    mirror: ClassVar[str] = "gt"


class LessEqual(_Comparison):
    """Where the first is at most the second: `x <= y`, `x <= 0`. Output: the common shape, of truth values."""

    kind: ClassVar[str] = "le"
    mirror: ClassVar[str] = "ge"


class Greater(_Comparison):
    """Where the first is more than the second: `x > y`, `x > 0`. Output: the common shape, of truth values."""

    kind: ClassVar[str] = "gt"
    mirror: ClassVar[str] = "lt"


class GreaterEqual(_Comparison):
    """Where the first is at least the second: `x >= y`, `x >= 0`. Output: the common shape, of truth values."""

    kind: ClassVar[str] = "ge"
    mirror: ClassVar[str] = "le"


class Equal(_Comparison):
    """Where the two are equal: `x == y`, `x == 0`. Output: the common shape, of truth values."""

    kind: ClassVar[str] = "eq"
    mirror: ClassVar[str] = "eq"
    is_commutative: ClassVar[bool] = True


class NotEqual(_Comparison):
    """Where the two differ: `x != y`, `x != 0`. Output: the common shape, of truth values."""

    kind: ClassVar[str] = "ne"
    mirror: ClassVar[str] = "ne"
    is_commutative: ClassVar[bool] = True


class _Logic(Elementwise):
    """Base of what joins masks."""

    traits: ClassVar[Trait] = Trait.ELEMENTWISE | Trait.NONNEGATIVE
    saved: ClassVar[Held | None] = NOTHING
    verb: ClassVar[str] = "join"
    stretches: ClassVar[bool] = True

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        _need_masks(self.kind, *inputs)
        return super().infer(inputs, facts)

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        return NOTHING


class And(_Logic):
    """True where all masks are: `mask and other`. Output: the common shape."""

    kind: ClassVar[str] = "logical_and"
    target: ClassVar[str] = "operator.and_"


class Or(_Logic):
    """True where some mask is: `mask or other`. Output: the common shape."""

    kind: ClassVar[str] = "logical_or"
    target: ClassVar[str] = "operator.or_"


class Xor(_Logic):
    """True where an odd number of the masks are, one of two. Output: the common shape."""

    kind: ClassVar[str] = "logical_xor"
    target: ClassVar[str] = "operator.xor"


class Where(Op):
    """The first where the mask is true, and the second elsewhere: `where(mask, a, b)`. Output: the common shape.

    Either may be a number: `where(mask, 0, x)` fills what the mask marks with 0, as `masked_fill` does. Of two whole
    numbers, as in `scores + where(mask, 0, -100)`, it makes whole numbers.
    """

    kind: ClassVar[str] = "where"
    family: ClassVar[str] = "function"
    traits: ClassVar[Trait] = Trait.ELEMENTWISE
    saved: ClassVar[Held | None] = Held((0,))
    operands: ClassVar[tuple[str, ...]] = ("", "value", "other")
    arity: ClassVar[int | None] = None
    is_module: ClassVar[bool] = False

    value: Extended | None = Field(None, description="the number that stands where the mask is true")
    other: Extended | None = Field(None, description="the number that stands elsewhere")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        check_count(self.kind, inputs, self.value, self.other, fewest=3, most=3)
        mask, *values = inputs
        _need_masks(self.kind, mask)
        if not values:
            if not (isinstance(self.value, int) and isinstance(self.other, int)):
                hint = "a tensor says the type of real numbers: `where(mask, x -> zeros, 0.5)`"
                raise LayerError("E0407", f"where: of {self.value} and {self.other} the type is not certain", hint)
            return (mask.with_dtype("int"),)
        number = self.other if self.value is None else self.value
        fits = {"float": (int, float), "int": (int,), "bool": ()}[values[0].dtype]
        if number is not None and not isinstance(number, fits):
            hint = "give a number of that type, or a tensor: types are then joined as in sums"
            raise LayerError("E0407", f"where: {number} is no {values[0].dtype}, and {values[0]} is of that type", hint)
        common = merged(tuple(values), facts, "choose", stretch=True)
        return (merged((mask, common), facts, "choose", stretch=True).with_dtype(common.dtype),)

    def is_nonnegative(self, given: Sequence[bool]) -> bool:
        return all(given[1:]) and all(number is None or number >= 0 for number in (self.value, self.other))

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        first = In(1) if self.value is None else self.value
        second = In(len(inputs) - 1) if self.other is None else self.other
        return Program((function("torch.where", In(0), first, second),))
