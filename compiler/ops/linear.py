"""Dense layers."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from ..ir.index_map import MIXED, WHOLE, Link, Links
from ..ir.initialisers import TORCH_WEIGHT
from ..ir.lowering import In, Lowering, ModuleCall, function
from ..ir.memory import INPUT
from ..ir.op import Facts, LayerError, Op, Trait, Weight
from ..ir.sizes import Dim
from ..ir.types import TensorType
from .axes import product
from .conv import bias_start
from .maps import check_starts, describe, fixed_channels, need_float, tokens_hint
from .values import Bias, Count, Init, Shown


class Linear(Op):
    """Dense layer: an affine map of the channels, y = W x + b.

    Vectors [N, C] become [N, units], tokens [N, T, C] become [N, T, units] and channels-last maps [N, H, W, C]
    become [N, H, W, units]. A map [N, C, 1, 1], as `gap` leaves it, is taken as a vector. Any other map is refused. An
    input [N, 16, 64] is a map of 16 channels unless it is declared as tokens: `input t: tokens [N, 16, 64]`.
    """

    kind = "linear"
    width_setting = "units"
    family = "dense"
    traits = Trait.PER_PLACE | Trait.AFFINE | Trait.ALLOCATES | Trait.WEIGHTED
    saved = INPUT
    positional = ("units",)
    torch_order = ("in", "units", "bias")
    has_weights = True
    needs_fixed_vector = True

    units: Count = Field(description="output channels")
    bias: Bias = Field(True, description="whether a bias is learned, or how it starts; true starts it as torch does")
    init: Annotated[Init, Shown("torch's")] = Field(TORCH_WEIGHT, description="how the weight starts")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        need_float(self.kind, x)
        if x.channel_axis != x.rank - 1 and not (
            x.channel_axis == 1 and all(facts.certainly_equal(size, 1) for size in x.dims[2:])
        ):
            raise self._refuse(x)
        fixed_channels(self.kind, x)
        check_starts(self, inputs)
        if x.channel_axis == x.rank - 1:
            return (x.with_dims((*x.dims[:-1], self.units)),)
        return (TensorType((x.dims[0], self.units)),)

    def _refuse(self, x: TensorType) -> LayerError:
        if x.channel_axis != 1:
            return LayerError(
                "E0401", f"linear wants the channels in the last axis; here they are axis {x.channel_axis} of {x}"
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
            return LayerError("E0402", message, *tokens_hint(x)[:1], *ways)
        return LayerError(
            "E0402",
            f"linear wants a vector, and gets {describe(x)}, whose size {size} changes with the input's: "
            "a dense layer has a weight for each of its inputs, and so needs a fixed number of them",
            *ways,
        )

    def weights(self, inputs: tuple[TensorType, ...]) -> Iterable[Weight]:
        yield Weight("weight", (self.units, fixed_channels(self.kind, inputs[0])), self.init)
        if self.bias is not False:
            yield Weight("bias", (self.units,), bias_start(self.bias))

    def multiply_adds(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        return product((fixed_channels(self.kind, inputs[0]), *outputs[0].dims))

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        (x,) = inputs
        return (MIXED if x.rank == outputs[0].rank else Link(dict.fromkeys(range(2, x.rank), WHOLE), 1),)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        (x,) = inputs
        settings = {} if self.bias is not False else {"bias": False}
        as_vector = None if x.channel_axis == x.rank - 1 else (function("torch.flatten", In(0), 1),)
        return ModuleCall("torch.nn.Linear", (fixed_channels(self.kind, x), self.units), settings, inputs=as_vector)
