"""Ops that the language itself makes: inputs, an architecture's own tensors, numbers around a tensor, host layers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from math import isinf
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, InstanceOf, PlainValidator

from ..ir.initialisers import INITIALISERS, Initialiser
from ..ir.lowering import In, Lowering, ModuleCall, Program, function
from ..ir.memory import NOTHING, Held
from ..ir.op import Facts, LayerError, Op, Trait, Weight
from ..ir.sizes import Dim
from ..ir.types import Axis, TensorType
from ..ir.words import is_whole, number
from .maps import OF_MASKS, check_start
from .values import Count, Words


def exact(value: Any) -> int | float:
    """A number that stays whole where it is."""
    if isinstance(value, Fraction) and value.denominator == 1:
        return int(value)
    return value if is_whole(value) else number(value)


def extended(value: Any) -> int | float:
    """The same, or an infinite one."""
    return value if isinstance(value, float) and isinf(value) else exact(value)


Exact = Annotated[int | float, PlainValidator(exact), Words("number")]


Extended = Annotated[int | float, PlainValidator(extended), Words("number, also inf or -inf")]


class Input(Op):
    """An input of the architecture. It has no inference and no lowering of its own: the elaborator types its node
    from the `input` statement, and emitters make it a placeholder."""

    kind: ClassVar[str] = "input"
    family: ClassVar[str] = "io"
    is_input: ClassVar[bool] = True
    arity: ClassVar[int | None] = 0
    is_module: ClassVar[bool] = False

    name: str = Field(description="the input's name, an argument of the module's forward")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        raise TypeError("the elaborator types an input from its statement")

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        raise TypeError("emitters make an input a placeholder")


class Parameter(Op):
    """A tensor of the architecture's own, from `param`, `buffer` or `const`. It has no batch, and what its axes are
    depends on what it meets: added to tokens it has tokens.

    Its one weight has an empty name, as the node's own name names it: it is `pos_embedding`, not
    `pos_embedding.weight`. Emitters make it a reference to that tensor.
    """

    kind: ClassVar[str] = "parameter"
    family: ClassVar[str] = "io"
    is_parameter: ClassVar[bool] = True
    arity: ClassVar[int | None] = 0
    has_weights: ClassVar[bool] = True
    start_settings: ClassVar[tuple[str, ...]] = ("name",)

    name: str = Field(description="the tensor's name")
    shape: tuple[Count, ...] = Field(description="its sizes")
    init: InstanceOf[Initialiser] = Field(description="how it starts")
    learned: bool = Field(default=True, description="false for a buffer")
    persistent: bool = Field(default=True, description="false for a buffer that no checkpoint has")
    dtype: Literal["float", "int", "bool"] = Field("float", description="the type of a buffer's numbers")

    @property
    def statement(self) -> str:
        """The word that declares it."""
        return "param" if self.learned else "buffer" if self.persistent else "const"

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        check_start(self.name, "init", self.init, self.shape)
        if self.learned and not self.persistent:
            hint = "`learned = False` makes it a const, and `persistent = True` keeps it with the weights"
            raise LayerError("E0407", "a param is learned, and what no checkpoint has cannot be", hint)
        if not self.persistent and INITIALISERS[self.init.kind].random:
            hint = f"`const {self.name} = constant([1, 2])` has numbers of its own; `buffer` is kept with the weights"
            raise LayerError("E0407", f"a const is the same in every module, and {self.init.kind} draws numbers", hint)
        if self.dtype != "float":
            self._check_whole()
        return (TensorType(tuple(map(Axis, self.shape)), self.dtype),)

    def _check_whole(self) -> None:
        if self.learned:
            hint = f"`buffer {self.name}: {self.dtype} = ...` is not learned"
            raise LayerError("E0407", f"a param is learned, and {self.dtype} numbers have no gradient", hint)
        given = self.init.settings.get("value", 0 if self.init.kind in ("zeros", "ones") else None)
        legal = (0, 1) if self.dtype == "bool" else None
        for value in _flat(given):
            if not isinstance(value, int | float) or int(value) != value or (legal and value not in legal):
                what = "0 and 1" if legal else "whole numbers"
                hint = f"`buffer {self.name}: {self.dtype} = constant([0, 1])`; `zeros` and `ones` start it too"
                met = f"{value}" if isinstance(value, int | float) else self.init.kind
                raise LayerError("E0407", f"a buffer of type {self.dtype} holds {what}, not {met}", hint)

    def weights(self, inputs: tuple[TensorType, ...]) -> Iterable[Weight]:
        return (Weight("", self.shape, self.init, self.learned, self.dtype, self.persistent),)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        raise TypeError("emitters make a parameter a reference to the module's tensor")


def _flat(value: Any) -> Iterator[Any]:
    """The numbers of a list, nested as a tensor's axes are."""
    if isinstance(value, tuple):
        for item in value:
            yield from _flat(item)
    else:
        yield value


class Affine(Op):
    """Numbers around a tensor, as the operators write them: `x * scale / divisor + shift`.

    `0.5 * f`, `f / 8`, `x + 1`, and `1 - z`, which is scale -1 and shift 1. Whole numbers stay whole. It computes in
    the fewest operations, each as written in Python, so that results equal hand-written ones bit for bit.
    """

    kind: ClassVar[str] = "affine"
    traits: ClassVar[Trait] = Trait.ELEMENTWISE | Trait.AFFINE
    is_module: ClassVar[bool] = False

    scale: Exact = Field(default=1, description="the factor")
    divisor: Exact = Field(default=1, description="what the product is divided by")
    shift: Exact = Field(default=0, description="what is added last")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        if x.dtype == "bool":
            raise LayerError("E0407", f"arithmetic needs numbers, and this tensor is {x}", *OF_MASKS)
        if self.divisor == 0:
            raise LayerError("E0423", "division by zero")
        applied = [self.scale if self.scale not in (1, -1) else 1, self.shift or 0]
        whole = self.divisor == 1 and all(isinstance(value, int) for value in applied)
        return (x if whole else x.with_dtype("float"),)

    def is_nonnegative(self, given: Sequence[bool]) -> bool:
        return all(given) and self.scale >= 0 and self.divisor > 0 and self.shift >= 0

    def allocates(self, inputs: tuple[TensorType, ...]) -> bool:
        return self.scale != 1 or self.divisor != 1 or self.shift != 0

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        steps = (self.scale != 1) + (self.divisor != 1) + (self.shift != 0)
        return NOTHING if steps else Held(view="same")

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        value: Any = In(0)
        if self.scale == -1 and self.divisor == 1 and self.shift != 0:
            return Program((function("operator.sub", self.shift, value),))
        if self.scale == -1:
            value = function("operator.neg", value)
        elif self.scale != 1:
            value = function("operator.mul", value, self.scale)
        if self.divisor != 1:
            value = function("operator.truediv", value, self.divisor)
        if self.shift > 0:
            value = function("operator.add", value, self.shift)
        elif self.shift < 0:
            value = function("operator.sub", value, -self.shift)
        return Program((value,))


EXTERN_SIZES = (
    "the second parentheses of `extern` declare what it takes: symbols stand for any size, numbers for themselves"
)


STATED = {
    "macs": ("multiply-adds", "`macs = N * C * H * W`, or `macs = 0`"),
    "depth": ("weight layers", "`depth = 1`, or `depth = 0`"),
}
"""What an extern may state of itself: multiply-adds of its outputs, and weight layers on its longest path. For each in
words what it is, and how it is stated."""


class Extern(Op):
    """A layer that the host binds: the spec declares its shape and its parameters, the caller of the compiler passes
    the code.

    It lowers to a module call of `extern:<name>`, which emitters resolve among what the caller bound.
    """

    kind: ClassVar[str] = "extern"
    arity: ClassVar[int | None] = None
    has_weights: ClassVar[bool] = True

    name: str = Field(description="the name it is declared by")
    arguments: dict[str, Any] = Field(
        default_factory=dict, description="the call's arguments, passed to the host's code"
    )
    takes: tuple[tuple[str, tuple[Any, ...]], ...] = Field(
        default=(), description="the name of each input, and the sizes that it is declared with"
    )
    results: tuple[InstanceOf[TensorType], ...] = Field(description="the types of what it returns")
    tensors: tuple[InstanceOf[Weight], ...] = Field(default=(), description="its parameters and buffers, in order")
    macs: Any = Field(None, description="its multiply-adds; none where it does not state them")
    depth: int | None = Field(None, description="how many weight layers it has; none where it does not state it")
    declaration: str | None = Field(
        None, description="the text that declares it; none where that needs names of its file"
    )

    @property
    def key(self) -> tuple[Any, ...]:
        """What an application takes and gives says all that its declaration means there."""
        return (self.kind, *((name, repr(value)) for name, value in self if name != "declaration"))

    @property
    def unstated(self) -> tuple[str, ...]:
        return tuple([figure for figure in STATED if getattr(self, figure) is None])

    def multiply_adds(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        return 0 if self.macs is None else self.macs

    def is_weight_layer(self) -> bool:
        return bool(self.depth)

    def weight_layers(self) -> int:
        return self.depth or 0

    @property
    def called(self) -> str:
        return self.name

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        for (name, sizes), x in zip(self.takes, inputs, strict=False):
            for wanted, size in zip(sizes, x.dims, strict=True):
                if not facts.unenforced.equal(size, wanted):
                    message = f"`{name}` needs {wanted} where the tensor {x} has {size}"
                    raise LayerError("E0405", message, EXTERN_SIZES)
        return self.results

    def weights(self, inputs: tuple[TensorType, ...]) -> Iterable[Weight]:
        return self.tensors

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        return ModuleCall(f"extern:{self.name}", kwargs=dict(self.arguments))
