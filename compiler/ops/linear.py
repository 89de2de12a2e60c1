"""Dense layers."""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import Field

from ..ir.index_map import WHOLE, Link, Links
from ..ir.initialisers import TORCH_WEIGHT
from ..ir.lowering import In, Lowering, ModuleCall, function
from ..ir.memory import INPUT
from ..ir.op import Facts, LayerError, Op, Trait, Weight
from ..ir.sizes import Dim
from ..ir.types import Axis, Role, TensorType
from .along import AlongAxis
from .axes import AxisChoice, product
from .conv import applied, bias_start
from .maps import check_starts, describe, need_float, tokens_hint
from .shape import Flatten
from .values import Bias, Count, Init, Shown


class Linear(AlongAxis):
    """Dense layer: an affine map of the channels, y = W x + b.

    Vectors [N, C] become [N, units], tokens [N, T, C] become [N, T, units] and channels-last maps [N, H, W, C]
    become [N, H, W, units]. A map [N, C, 1, 1], as `gap` leaves it, is taken as a vector. Any other map is refused. An
    input [N, 16, 64] is a map of 16 channels unless it is declared as tokens: `input t: tokens [N, 16, 64]`.
    """

    kind = "linear"
    width_setting = "units"
    family = "dense"
    traits = Trait.AFFINE | Trait.ALLOCATES | Trait.WEIGHTED
    saved = INPUT
    positional = ("units",)
    torch_order = ("in", "units", "bias")
    has_weights = True
    weight_parameters = ("weight", "bias")
    needs_fixed_vector = True

    units: Count = Field(description="output channels")
    bias: Bias = Field(True, description="whether a bias is learned, or how it starts; true starts it as torch does")
    init: Annotated[Init, Shown("torch's")] = Field(TORCH_WEIGHT, description="how the weight starts")
    axis: AxisChoice = Field(
        "channels", description="the axis whose numbers are mapped; the last, or of a map of size 1"
    )

    def is_per_channel(self, inputs: tuple[TensorType, ...]) -> bool:
        return False

    def _is_pooled(self, x: TensorType) -> bool:
        """Whether it is a map of size 1, which is taken as a vector."""
        return self.axis == "channels" and x.channel_axis == 1 and x.rank > 2 and x.has_batch

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        need_float(self.kind, x)
        axis = self.along(x)
        last = axis == x.rank - 1
        if not last and not (self._is_pooled(x) and all(facts.certainly_equal(size, 1) for size in x.dims[2:])):
            raise self._refuse(x)
        self.size_along(x)
        check_starts(self, inputs)
        if not last:
            return (TensorType.of((x.dims[0], self.units)),)
        *others, mapped = x.axes
        known = mapped.role is not Role.UNKNOWN or {Role.CHANNELS, Role.PART} & {other.role for other in others}
        made = Axis(self.units, mapped.role if known else Role.CHANNELS, mapped.name)
        return (TensorType((*others, made), x.dtype),)

    def _refuse(self, x: TensorType) -> LayerError:
        if not self._is_pooled(x):
            return LayerError(
                "E0401",
                f"linear maps the numbers along the last axis, and axis {self.along(x)} of {x} is meant",
                f"bring it to the end: `transpose({self.along(x)}, -1) -> linear({self.units}, axis = -1)`",
            )
        size = " x ".join(map(str, x.spatial))
        ways = (
            f"pool globally: `gap -> linear({self.units})`, for inputs of any size",
            f"pool adaptively: `adaptive_avgpool(7) -> flatten -> linear({self.units})`",
            f"convolutionalise: `conv({self.units}, 1)` gives scores at every place",
        )
        if all(isinstance(d, int) for d in x.dims[1:]):
            whole = f"take all of it: `flatten -> linear({self.units})` has {product(x.dims[1:])} inputs"
            ways = (whole, *ways[:1], ways[2])
            message = f"linear wants a vector or a map of size 1, and gets {describe(x)} of size {size}"
            last = f"`linear({self.units}, axis = -1)` maps the last axis, whatever it is"
            return LayerError("E0402", message, *tokens_hint(x)[:2], *ways, last)
        return LayerError(
            "E0402",
            f"linear wants a vector, and gets {describe(x)}, whose size {size} changes with the input's: "
            "a dense layer has a weight for each of its inputs, and so needs a fixed number of them",
            *ways,
        )

    def weights(self, inputs: tuple[TensorType, ...]) -> Iterable[Weight]:
        yield Weight("weight", (self.units, self.size_along(inputs[0])), self.init)
        if self.bias is not False:
            yield Weight("bias", (self.units,), bias_start(self.bias))

    def multiply_adds(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        return product((self.size_along(inputs[0]), *outputs[0].dims))

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        (x,) = inputs
        if x.rank == outputs[0].rank:
            return super().index_map(inputs, outputs, port)
        return (Link(dict.fromkeys(range(2, x.rank), WHOLE), 1),)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        (x,) = inputs
        settings = {} if self.bias is not False else {"bias": False}
        as_vector = None if self.along(x) == x.rank - 1 else (function("torch.flatten", In(0), 1),)
        return ModuleCall("torch.nn.Linear", (self.size_along(x), self.units), settings, inputs=as_vector)

    def carried(self, inputs: tuple[TensorType, ...]) -> tuple[Op, TensorType, Op] | None:
        (x,) = inputs
        return None if self.along(x) == x.rank - 1 else (Flatten(start=1, end=-1), TensorType(x.axes[:2]), self)

    def functional(self, inputs: tuple[TensorType, ...], weights: dict[str, Any]) -> Any:
        vector = self.along(inputs[0]) != inputs[0].rank - 1
        return applied("linear", function("torch.flatten", In(0), 1) if vector else In(0), weights, {})
