"""Tensors made of nothing but sizes and numbers. They take the device and the type of the tensor that they are applied
to, and have no batch unless they have its shape: as a `param` they are stretched as in NumPy."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PlainValidator, model_validator

from ..ir.index_map import SAME, Links
from ..ir.lowering import In, Lowering, Name, Program, function, method
from ..ir.memory import NOTHING, Held
from ..ir.op import Facts, LayerError, Op, Trait
from ..ir.sizes import Dim
from ..ir.types import Axis, TensorType
from ..ir.words import BadValue
from .axes import Sizes, check_below, one_size, with_vectors
from .core import Exact, extended
from .maps import describe
from .run_time import required_size
from .values import Beside, Count, Integer, Words

_HINT = "its size is one of the tensor that it is applied to: `x -> arange(x.length)`"


class _Maker(Op):
    """Base of what looks at the sizes, the device and the type of its input alone."""

    family: ClassVar[str] = "maker"
    saved: ClassVar[Held | None] = NOTHING
    carries_data: ClassVar[bool] = False
    traits: ClassVar[Trait] = Trait.AFFINE
    is_module: ClassVar[bool] = False


class Arange(_Maker):
    """Numbers in a row: `x -> arange(4)` makes 0, 1, 2, 3, on the device of x. Output: [size], of whole numbers, or of
    x's type where `start` or `step` is none.

    The size may be one of x: `x -> arange(x.length)`.
    """

    kind: ClassVar[str] = "arange"
    positional: ClassVar[tuple[str, ...]] = ("size",)

    size: Annotated[Dim, PlainValidator(one_size), Words("size")] = Field(description="how many numbers")
    start: Exact = Field(0, description="the first number")
    step: Exact = Field(1, description="how far each number is from the one before")

    @property
    def _whole(self) -> bool:
        return isinstance(self.start, int) and isinstance(self.step, int)

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        if self.step == 0:
            raise LayerError("E0407", "arange needs a step other than 0", "`zeros` makes equal numbers")
        if not self._whole and x.dtype != "float":
            hint = "apply it to a tensor of real numbers, whose type it then has"
            raise LayerError(
                "E0407", f"arange with real numbers has the type of its input, and gets {describe(x)}", hint
            )
        required_size(self.size, inputs, "arange", _HINT)
        if not (isinstance(self.start, int) and isinstance(self.step, int)):
            return (TensorType((Axis(self.size),)),)
        below = (self.size - 1) * self.step + self.start + 1 if self.is_nonnegative(()) else None
        return (TensorType((Axis(self.size),), "int", below),)

    def is_nonnegative(self, given: Any) -> bool:
        return self.start >= 0 and self.step > 0

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        size = required_size(self.size, inputs, "arange", _HINT)
        device = function("builtins.getattr", In(0), "device")
        value = function("torch.arange", size, device=device)
        if not self._whole:
            value = method("type_as", value, In(0))
        value = value if self.step == 1 else function("operator.mul", value, self.step)
        return Program((value if self.start == 0 else function("operator.add", value, self.start),))


def _filling(value: Any) -> int | float | bool:
    return value if isinstance(value, bool) else extended(value)


class Full(_Maker):
    """One number everywhere: `x -> full([4, 4], 0.5)`, on the device of x. Output: these sizes, or x's shape where
    none are given.

    `x -> zeros([4, 4])`, `x -> ones` and `x -> constant([4], 0.5)` are short for it. It has the type of x, and of truth
    values for true and false.
    """

    kind: ClassVar[str] = "full"
    positional: ClassVar[tuple[str, ...]] = ("sizes", "value")

    sizes: Sizes | None = Field(None, description="its sizes; x's shape unless told")
    value: Annotated[int | float | bool, PlainValidator(_filling), Words("number, true or false")] = Field(
        0, description="the number"
    )

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        dtype = "bool" if isinstance(self.value, bool) else x.dtype
        if (dtype == "int" and isinstance(self.value, float)) or (dtype == "bool" and self.value not in (0, 1)):
            hint = "apply it to a tensor of that type; true and false make truth values"
            raise LayerError("E0407", f"full has the type of its input, {dtype}, and {self.value} is none", hint)
        if self.sizes is None:
            return (x.with_dtype(dtype),)
        self._run_time_sizes(inputs)
        return (TensorType(tuple(map(Axis, self.sizes)), dtype),)

    def _run_time_sizes(self, inputs: tuple[TensorType, ...]) -> tuple[Any, ...]:
        return tuple(required_size(size, inputs, "full", _HINT) for size in self.sizes or ())

    def is_nonnegative(self, given: Any) -> bool:
        return self.value >= 0

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        kwargs: dict[str, Any] = {}
        if isinstance(self.value, bool) and inputs[0].dtype != "bool":
            kwargs["dtype"] = Name("torch.bool")
        if self.sizes is None:
            return Program((function("torch.full_like", In(0), self.value, **kwargs),))
        return Program((method("new_full", In(0), self._run_time_sizes(inputs), self.value, **kwargs),))


class OneHot(Op):
    """A vector for each whole number, 1 at its place and 0 elsewhere: int [N, T] gives int [N, T, classes]."""

    kind: ClassVar[str] = "one_hot"
    family: ClassVar[str] = "function"
    traits: ClassVar[Trait] = Trait.NONNEGATIVE
    saved: ClassVar[Held | None] = NOTHING
    positional: ClassVar[tuple[str, ...]] = ("classes",)
    is_module: ClassVar[bool] = False

    classes: Count = Field(description="how many numbers there are, from 0")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        if x.dtype != "int":
            hint = 'declare them so, `input k: int [N, T]`, or make them so, `to("int")`'
            raise LayerError("E0411", f"one_hot looks at whole numbers, and gets {x}, which is of type {x.dtype}", hint)
        check_below(self.kind, x, self.classes, facts)
        return (TensorType(with_vectors(x, self.classes), "int"),)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        return Program((function("torch.nn.functional.one_hot", In(0), self.classes),))


class Tril(Op):
    """The lower triangle of matrices, and 0, or false, elsewhere: `x -> ones([x.length, x.length]) -> tril` is a causal
    mask. Output: the input's shape, of which the last two axes are the matrices."""

    kind: ClassVar[str] = "tril"
    family: ClassVar[str] = "function"
    traits: ClassVar[Trait] = Trait.AFFINE | Trait.KEEPS_NONNEGATIVE
    saved: ClassVar[Held | None] = NOTHING
    positional: ClassVar[tuple[str, ...]] = ("diagonal",)
    is_module: ClassVar[bool] = False

    diagonal: Integer = Field(0, description="the last diagonal that is kept, 0 is the main one, 1 the one above")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        if x.rank - x.has_batch < 2:
            hint = f"`x -> ones([n, n]) -> {self.kind}` is a triangle of ones"
            raise LayerError("E0401", f"{self.kind} takes matrices, along the last two axes, and got {x}", hint)
        return inputs

    def is_per_channel(self, inputs: tuple[TensorType, ...]) -> bool:
        (x,) = inputs
        return x.channel_axis is not None and x.channel_axis < x.rank - 2

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        return (SAME,)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        further = (self.diagonal,) if self.diagonal else ()
        return Program((function(f"torch.{self.kind}", In(0), *further),))


class Triu(Tril):
    """The upper triangle of matrices, and 0, or false, elsewhere. Output: the input's shape, of which the last two axes
    are the matrices."""

    kind: ClassVar[str] = "triu"

    diagonal: Integer = Field(0, description="the first diagonal that is kept, 0 is the main one, 1 the one above")


class To(Op):
    """The numbers in another type: `mask -> to(like = x)` has the type of x, `x -> to("int")` cuts the fractions off.
    Output: the input's shape.

    Sums and products of two types need none: `mask * x` has the type of x.
    """

    kind: ClassVar[str] = "to"
    family: ClassVar[str] = "function"
    traits: ClassVar[Trait] = Trait.ELEMENTWISE | Trait.KEEPS_NONNEGATIVE
    positional: ClassVar[tuple[str, ...]] = ("dtype",)
    tensor_parameters: ClassVar[tuple[str, ...]] = ("like",)
    is_module: ClassVar[bool] = False

    dtype: Literal["int", "bool"] | None = Field(None, description="the type; true is what is not 0")
    like: Beside = Field(False, description="a tensor that has the type")

    @model_validator(mode="after")
    def _one_type(self) -> To:
        if self.like == (self.dtype is not None):
            raise BadValue("or `like = x` must say the type: give one of them", parameter="dtype")
        return self

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        return (inputs[0].with_dtype(self.dtype or inputs[1].dtype),)

    def is_affine(self) -> bool:
        return self.like

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        return Held(view="same") if inputs[0].dtype == outputs[0].dtype else NOTHING

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        if self.like:
            return Program((method("type_as", In(0), In(1)),))
        return Program((method({"int": "long", "bool": "bool"}[outputs[0].dtype], In(0)),))
