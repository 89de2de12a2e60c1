"""Activations: functions of each element, and the soft maximum. The shape stays."""

from collections.abc import Iterable
from typing import Annotated, ClassVar

from pydantic import Field

from ..ir.initialisers import constant
from ..ir.lowering import Epilogue, Lowering, ModuleCall
from ..ir.memory import INPUT, OUTPUT, Held
from ..ir.op import Facts, LayerError, Trait, Weight
from ..ir.types import TensorType
from .along import AlongAxis
from .axes import AxisChoice, replaced, spatial_index
from .maps import KeepsShape, describe, fixed_channels
from .values import Bool, Positive, Real, Words, one_of


class Activation(KeepsShape):
    """A function of each element."""

    target: ClassVar[str]
    family = "activation"
    traits = Trait.ELEMENTWISE
    saved: ClassVar[Held | None] = INPUT
    fused_as: ClassVar[str] = ""
    """Its name as a kernel's last step; empty where there is none."""

    def epilogue(self) -> Epilogue | None:
        return Epilogue(self.fused_as) if self.fused_as else None

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        return ModuleCall(f"torch.nn.{self.target}", (), self.told())


class ReLU(Activation):
    """Rectifier, max(0, x) (Nair and Hinton 2010)."""

    kind = "relu"
    title = "ReLU"
    target = "ReLU"
    fused_as = "relu"
    traits = Trait.ELEMENTWISE | Trait.NONNEGATIVE | Trait.PIECEWISE_LINEAR
    saved: ClassVar[Held | None] = OUTPUT


class ReLU6(Activation):
    """Rectifier clipped at 6, min(max(0, x), 6) (MobileNets)."""

    kind = "relu6"
    title = "ReLU6"
    target = "ReLU6"
    traits = Trait.ELEMENTWISE | Trait.NONNEGATIVE | Trait.PIECEWISE_LINEAR

    def epilogue(self) -> Epilogue | None:
        return Epilogue("hardtanh", (0.0, 6.0))


class LeakyReLU(Activation):
    """x for x ≥ 0, slope * x below (Maas et al. 2013)."""

    kind = "leakyrelu"
    traits = Trait.ELEMENTWISE | Trait.KEEPS_NONNEGATIVE | Trait.PIECEWISE_LINEAR
    title = "leaky ReLU"
    target = "LeakyReLU"
    torch_settings = (("negative_slope", "slope"),)
    positional = ("slope",)

    slope: Real = Field(0.01, description="slope of the negative side")

    def epilogue(self) -> Epilogue | None:
        return Epilogue("leaky_relu", (float(self.slope),))


class PReLU(Activation):
    """x for x ≥ 0, a * x below, with `a` learned for each channel (He et al. 2015, arXiv 1502.01852)."""

    kind = "prelu"
    title = "PReLU"
    target = "PReLU"
    torch_settings = (("init", "init"),)
    start_settings = ("init",)
    traits = Trait.PER_CHANNEL | Trait.PER_PLACE | Trait.KEEPS_NONNEGATIVE | Trait.PIECEWISE_LINEAR
    has_weights = True

    init: Real = Field(0.25, description="where the slopes start")
    shared: Bool = Field(False, description="whether all channels have one slope")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = super().infer(inputs, facts)
        if not self.shared:
            if x.channel_axis != 1:
                message = f"prelu has a slope for each channel, and wants them right after the batch, not {describe(x)}"
                raise LayerError("E0401", message, "`prelu(shared = true)` has one slope, and takes any tensor")
            fixed_channels(self.kind, x)
        return (x,)

    def _slopes(self, x: TensorType) -> int:
        return 1 if self.shared else fixed_channels(self.kind, x)

    def weights(self, inputs: tuple[TensorType, ...]) -> Iterable[Weight]:
        yield Weight("weight", (self._slopes(inputs[0]),), constant(self.init))

    def is_elementwise(self) -> bool:
        return self.shared

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        slopes = self._slopes(inputs[0])
        return ModuleCall("torch.nn.PReLU", (), {"num_parameters": slopes} | self.told() if slopes > 1 else self.told())


class ELU(Activation):
    """x for x ≥ 0, alpha * (exp(x) - 1) below (Clevert et al. 2015, arXiv 1511.07289)."""

    kind = "elu"
    traits = Trait.ELEMENTWISE | Trait.KEEPS_NONNEGATIVE
    title = "ELU"
    target = "ELU"
    torch_settings = (("alpha", "alpha"),)
    positional = ("alpha",)

    alpha: Real = Field(1.0, description="the negative side tends to -alpha")


class SELU(Activation):
    """Scaled ELU, whose constants keep activations normalised (Klambauer et al. 2017, arXiv 1706.02515)."""

    kind = "selu"
    traits = Trait.ELEMENTWISE | Trait.KEEPS_NONNEGATIVE
    title = "SELU"
    target = "SELU"


class CELU(Activation):
    """max(0, x) + min(0, alpha * (exp(x / alpha) - 1)) (Barron 2017, arXiv 1704.07483)."""

    kind = "celu"
    traits = Trait.ELEMENTWISE | Trait.KEEPS_NONNEGATIVE
    title = "CELU"
    target = "CELU"
    torch_settings = (("alpha", "alpha"),)
    positional = ("alpha",)

    alpha: Positive = Field(1.0, description="the negative side tends to -alpha")


class GELU(Activation):
    """x * Φ(x), with Φ the normal distribution function (Hendrycks and Gimpel 2016, arXiv 1606.08415)."""

    kind = "gelu"
    traits = Trait.ELEMENTWISE | Trait.KEEPS_NONNEGATIVE | Trait.ANALYTIC
    title = "GELU"
    target = "GELU"
    torch_settings = (("approximate", "approximate"),)

    approximate: Annotated[str, one_of("none", "tanh"), Words('"none" or "tanh"')] = Field(
        "none", description='"tanh" takes the approximation by a tanh, as GPT-2 does'
    )

    def epilogue(self) -> Epilogue | None:
        return Epilogue("gelu", (), self.approximate)


class SiLU(Activation):
    """x * sigmoid(x), also called swish (arXiv 1702.03118, 1710.05941)."""

    kind = "silu"
    traits = Trait.ELEMENTWISE | Trait.KEEPS_NONNEGATIVE | Trait.ANALYTIC
    title = "SiLU"
    target = "SiLU"
    fused_as = "swish"


class Mish(Activation):
    """x * tanh(softplus(x)) (Misra 2019, arXiv 1908.08681)."""

    kind = "mish"
    traits = Trait.ELEMENTWISE | Trait.KEEPS_NONNEGATIVE
    target = "Mish"


class Sigmoid(Activation):
    """1 / (1 + exp(-x))."""

    kind = "sigmoid"
    target = "Sigmoid"
    fused_as = "sigmoid"
    traits = Trait.ELEMENTWISE | Trait.NONNEGATIVE | Trait.ANALYTIC
    saved: ClassVar[Held | None] = OUTPUT


class HardSigmoid(Activation):
    """min(max(0, x + 3), 6) / 6 (MobileNetV3, arXiv 1905.02244)."""

    kind = "hardsigmoid"
    target = "Hardsigmoid"
    fused_as = "hardsigmoid"
    traits = Trait.ELEMENTWISE | Trait.NONNEGATIVE | Trait.PIECEWISE_LINEAR


class HardSwish(Activation):
    """x * hardsigmoid(x) (MobileNetV3, arXiv 1905.02244)."""

    kind = "hardswish"
    traits = Trait.ELEMENTWISE | Trait.KEEPS_NONNEGATIVE
    target = "Hardswish"
    fused_as = "hardswish"


class Tanh(Activation):
    """Hyperbolic tangent."""

    kind = "tanh"
    traits = Trait.ELEMENTWISE | Trait.KEEPS_NONNEGATIVE | Trait.ANALYTIC
    target = "Tanh"
    fused_as = "tanh"
    saved: ClassVar[Held | None] = OUTPUT


class Softplus(Activation):
    """log(1 + exp(beta * x)) / beta."""

    kind = "softplus"
    target = "Softplus"
    torch_settings = (("beta", "beta"),)
    traits = Trait.ELEMENTWISE | Trait.NONNEGATIVE
    positional = ("beta",)

    beta: Positive = Field(1.0, description="sharpness of the bend")


class GLU(AlongAxis, Activation):
    """The first half of the channels times the sigmoid of the second (Dauphin et al. 2016, arXiv 1612.08083). Output:
    half as many channels."""

    kind = "glu"
    title = "GLU"
    target = "GLU"
    traits = Trait.KEEPS_NONNEGATIVE | Trait.ANALYTIC
    positional = ("axis",)

    axis: AxisChoice = Field("channels", description="axis that is halved")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = super().infer(inputs, facts)
        axis = spatial_index(x, self.axis, self.kind)
        if not facts.divisible(x.dims[axis], 2):
            message = f"glu halves an axis, and axis {axis} of {x} has {x.dims[axis]}"
            raise LayerError("E0421", message, "make twice as many as are wanted: `linear(2 * c) -> glu`")
        return (replaced(x, {axis: x.dims[axis] // 2}),)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        return ModuleCall("torch.nn.GLU", (), {"dim": self.along(inputs[0])})


class Softmax(AlongAxis, Activation):
    """exp(x) / sum of exp(x), along the channels unless told."""

    kind = "softmax"
    target = "Softmax"
    traits = Trait.NONNEGATIVE | Trait.ANALYTIC
    saved: ClassVar[Held | None] = OUTPUT
    positional = ("axis",)

    axis: AxisChoice = Field("channels", description="axis that adds up to 1")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = super().infer(inputs, facts)
        self.along(x)
        return (x,)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        return ModuleCall(f"torch.nn.{self.target}", (), {"dim": self.along(inputs[0])})


class LogSoftmax(Softmax):
    """The logarithm of `softmax`, along the channels unless told."""

    kind = "logsoftmax"
    target = "LogSoftmax"
    traits = Trait.ANALYTIC
