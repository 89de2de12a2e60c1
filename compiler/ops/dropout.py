"""Dropout. It works in training only; the shape stays."""

from pydantic import Field

from ..ir.lowering import Lowering, ModuleCall
from ..ir.memory import Held, elements
from ..ir.op import Facts, Trait
from ..ir.types import TensorType
from .maps import KeepsShape, need_map
from .values import Probability


class Dropout(KeepsShape):
    """Sets elements to zero in training, each with probability p (arXiv 1207.0580).

    The others are scaled by 1 / (1 - p), so that evaluation has nothing to do.
    """

    kind = "dropout"
    family = "dropout"
    traits = Trait.ELEMENTWISE | Trait.AFFINE | Trait.KEEPS_NONNEGATIVE | Trait.RANDOM
    training_settings = ("p",)
    positional = ("p",)

    p: Probability = Field(0.5, description="probability that an element is dropped")

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        return Held(own=elements(inputs[0]), idle=True) if self.p else Held(view="same")

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        return ModuleCall("torch.nn.Dropout", (self.p,))


class ChannelDropout(Dropout):
    """Sets whole channels of a map to zero in training, each with probability p (Tompson et al. 2015, arXiv 1411.4280).

    Takes maps of 1 to 3 spatial axes.
    """

    kind = "dropout2d"

    p: Probability = Field(0.5, description="probability that a channel is dropped")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        need_map(self.kind, inputs[0])
        return inputs

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        x = inputs[0]
        return Held(own=x.dims[0] * x.dims[1], idle=True) if self.p else Held(view="same")

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        return ModuleCall(f"torch.nn.Dropout{inputs[0].rank - 2}d", (self.p,))


class AlphaDropout(Dropout):
    """Dropout that keeps mean and variance, to go with `selu` (Klambauer et al. 2017, arXiv 1706.02515)."""

    kind = "alphadropout"
    traits = Trait.ELEMENTWISE | Trait.AFFINE | Trait.RANDOM

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        return ModuleCall("torch.nn.AlphaDropout", (self.p,))
