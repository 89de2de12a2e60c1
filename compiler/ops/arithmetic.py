"""Functions of one tensor, element by element or along the channels, and learned scales."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from ..ir.index_map import SAME, Links
from ..ir.initialisers import ONES, ZEROS
from ..ir.lowering import In, Lowering, Program, WeightRef, function, method
from ..ir.memory import INPUT, Held, elements
from ..ir.op import Facts, LayerError, Trait, Weight
from ..ir.types import TensorType
from ..ir.words import BadValue
from .along import AlongAxis
from .axes import AxisChoice
from .broadcast import check_count, merged
from .core import Exact
from .maps import KeepsShape, check_start, need_float
from .values import Bool, Init, Mark, Positive, Real


class _Pointwise(KeepsShape):
    saved: ClassVar[Held | None] = INPUT
    is_module: ClassVar[bool] = False


class Power(_Pointwise):
    """Each element to the power n: `x -> power(3)`; also `power(x, y)` of two tensors, and `power(2, x)`, which is 2
    to the power of each element. Output: the common shape."""

    kind: ClassVar[str] = "power"
    traits: ClassVar[Trait] = Trait.ELEMENTWISE
    positional: ClassVar[tuple[str, ...]] = ("n",)
    operands: ClassVar[tuple[str, ...]] = ("base", "n")
    arity: ClassVar[int | None] = None

    n: Annotated[Exact | None, Mark.COUNTED] = Field(None, description="the exponent; none is 2, or the second tensor")
    base: Exact | None = Field(None, description="the base, where the tensor is the exponent")

    @model_validator(mode="after")
    def _one_number(self) -> Power:
        if self.base is not None and self.n is not None:
            raise BadValue("or `n` is a tensor: give one of them as a number", parameter="base")
        if self.base is not None and self.base <= 0:
            raise BadValue(f"must be greater than 0, not {self.base:g}", parameter="base")
        return self

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        for x in inputs:
            need_float(self.kind, x)
        check_count(self.kind, inputs, self.base, self.n, fewest=1)
        return (merged(inputs, facts, "raise", stretch=True),)

    def is_nonnegative(self, given: Sequence[bool]) -> bool:
        if self.base is not None:
            return True
        return given[0] or (len(given) == 1 and isinstance(self._n, int) and self._n % 2 == 0)

    @property
    def _n(self) -> int | float:
        return 2 if self.n is None else self.n

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        if self.base is not None:
            return Held((0,), output=True)
        return Held((0, 1), output=True) if len(inputs) > 1 else INPUT

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        if self.base is not None:
            return Program((function("operator.pow", self.base, In(0)),))
        return Program((function("operator.pow", In(0), self._n if len(inputs) == 1 else In(1)),))


class Clamp(_Pointwise):
    """Each element, but no less than `low` and no more than `high`. Output: the input's shape."""

    kind: ClassVar[str] = "clamp"
    traits: ClassVar[Trait] = Trait.ELEMENTWISE | Trait.PIECEWISE_LINEAR
    positional: ClassVar[tuple[str, ...]] = ("low", "high")

    low: Real | None = Field(None, description="the least value; none bounds nothing")
    high: Real | None = Field(None, description="the greatest value; none bounds nothing")

    @model_validator(mode="after")
    def _some_bound(self) -> Clamp:
        if self.low is None and self.high is None:
            raise BadValue("or `high` must be given", parameter="low")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise BadValue(f"must not exceed `high`, and {self.low:g} is more than {self.high:g}", parameter="low")
        return self

    def is_nonnegative(self, given: Sequence[bool]) -> bool:
        low = self.low is not None and self.low >= 0
        return low or (all(given) and (self.high is None or self.high >= 0))

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        bounds = {name: value for name, value in (("min", self.low), ("max", self.high)) if value is not None}
        return Program((function("torch.clamp", In(0), **bounds),))


class L2Norm(AlongAxis, _Pointwise):
    """Vectors along the channels, unless told, brought to length 1: x / max(|x|, eps). Output: the input's shape."""

    kind: ClassVar[str] = "l2norm"
    family: ClassVar[str] = "norm"
    title: ClassVar[str] = "L2 norm"
    traits: ClassVar[Trait] = Trait.KEEPS_NONNEGATIVE

    eps: Positive = Field(1e-12, description="the least length that is divided by")
    axis: AxisChoice = Field("channels", description="the axis along which the vectors stand")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        self.along(inputs[0])
        return super().infer(inputs, facts)

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        return Held((0,), own=elements(inputs[0], self.along(inputs[0])) * 2)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        kwargs: dict[str, Any] = {} if self.eps == 1e-12 else {"eps": self.eps}
        return Program((function("torch.nn.functional.normalize", In(0), dim=self.along(inputs[0]), **kwargs),))


class Scale(AlongAxis):
    """A learned factor for each channel, `gamma`, and with `bias` a learned number that is added, `beta`.

    With `init = constant(1e-6)` it is the layer scale of CaiT (arXiv 2103.17239) and ConvNeXt (arXiv 2201.03545).
    Output: the input's shape.
    """

    kind: ClassVar[str] = "scale"
    traits: ClassVar[Trait] = Trait.AFFINE
    has_weights: ClassVar[bool] = True

    init: Init = Field(ONES, description="how gamma starts")
    bias: Bool = Field(False, description="whether beta is learned; it starts at 0")
    axis: AxisChoice = Field("channels", description="the axis along which each place has a factor of its own")

    def is_per_channel(self, inputs: tuple[TensorType, ...]) -> bool:
        return self.along_channels(inputs[0])

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        return (SAME,)

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        need_float(self.kind, x)
        if x.rank < 2:
            raise LayerError("E0401", f"scale has a factor for each channel, and {x} has no channels")
        check_start(self.kind, "init", self.init, (self.size_along(x),))
        return inputs

    def weights(self, inputs: tuple[TensorType, ...]) -> Iterable[Weight]:
        channels = self.size_along(inputs[0])
        yield Weight("gamma", (channels,), self.init)
        if self.bias:
            yield Weight("beta", (channels,), ZEROS)

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        return Held((0,), scratch=elements(inputs[0]) if self.bias else 0)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        after = inputs[0].rank - 1 - self.along(inputs[0])

        def along_channels(name: str) -> Any:
            return method("reshape", WeightRef(name), -1, *[1] * after) if after else WeightRef(name)

        value = function("operator.mul", In(0), along_channels("gamma"))
        return Program((function("operator.add", value, along_channels("beta")) if self.bias else value,))
