"""Normalisation."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from pydantic import Field

from ..ir.index_map import Link, Links, over_map
from ..ir.initialisers import ONES, ZEROS
from ..ir.lowering import In, Lowering, ModuleCall, Program, WeightRef, function, method
from ..ir.memory import Held, elements
from ..ir.op import Facts, LayerError, Op, Trait, Weight
from ..ir.types import TensorType
from .along import AlongAxis
from .axes import AxisChoice
from .maps import check_start, describe, fixed_channels, need_float, need_map
from .values import Bool, Count, Init, Positive, Probability, Real


def _running(channels: int) -> Iterable[Weight]:
    yield Weight("running_mean", (channels,), ZEROS, learned=False)
    yield Weight("running_var", (channels,), ONES, learned=False)
    yield Weight("num_batches_tracked", (), ZEROS, learned=False, dtype="int")


def alone(kind: str, what: str, x: TensorType, left: str = "nothing") -> LayerError:
    """The error of a norm over one number."""
    message = f"{kind} normalises over {what}, and {describe(x)} has a single number there"
    return LayerError("E0407", f"{message}, of which {left} would be left")


class _Norm(Op):
    """What the norms with a scale and a shift for each channel share."""

    has_weights = True
    family = "norm"

    eps: Positive = Field(1e-5, description="added to the variance, against division by zero")
    affine: Bool = Field(True, description="whether a scale and a shift are learned for each channel")
    init: Init = Field(ONES, description="how the scale starts")
    bias_init: Init = Field(ZEROS, description="how the shift starts")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        need_float(self.kind, x)
        self._check(x, facts)
        for weight, parameter in zip(self.weights(inputs), ("init", "bias_init"), strict=False):
            if weight.learned:
                check_start(self.kind, parameter, weight.init, weight.shape)
        return (x,)

    def _check(self, x: TensorType, facts: Facts) -> None:
        self._count(x)

    def _refuse_single(self, x: TensorType, facts: Facts, what: str) -> None:
        """Refuses to normalise one number."""
        if not facts.unenforced.several(x.dims[2:]):
            raise alone(self.kind, what, x)

    def _count(self, x: TensorType) -> int:
        """How many numbers have a scale and a shift of their own."""
        return fixed_channels(self.kind, x)

    def weights(self, inputs: tuple[TensorType, ...]) -> Iterable[Weight]:
        if self.affine:
            channels = self._count(inputs[0])
            yield Weight("weight", (channels,), self.init)
            yield Weight("bias", (channels,), self.bias_init)


class _RunningNorm(_Norm):
    """What the norms with running statistics share."""

    torch_order = ("in", "eps", "momentum", "affine", "track")
    torch_settings = (("eps", "eps"), ("momentum", "momentum"), ("affine", "affine"), ("track_running_stats", "track"))
    training_settings = ("momentum",)
    target: ClassVar[str]

    momentum: Probability = Field(0.1, description="weight of the newest batch in the running statistics")
    track: Bool

    def weights(self, inputs: tuple[TensorType, ...]) -> Iterable[Weight]:
        yield from super().weights(inputs)
        if self.track:
            yield from _running(fixed_channels(self.kind, inputs[0]))

    def is_per_place(self, inputs: tuple[TensorType, ...]) -> bool:
        return self.track

    def is_affine(self) -> bool:
        return self.track

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        return super().index_map(inputs, outputs, port) or (over_map(inputs[0]),)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        (x,) = inputs
        return ModuleCall(f"torch.nn.{self.target}{max(x.rank - 2, 1)}d", (fixed_channels(self.kind, x),), self.told())


class BatchNorm(_RunningNorm):
    """Batch normalisation (Ioffe and Szegedy 2015, arXiv 1502.03167).

    Each channel is normalised over the batch and the map in training, and with running statistics in evaluation. Takes
    vectors [N, C] and maps; the shape stays.
    """

    kind = "bn"
    target = "BatchNorm"
    title = "batch norm"
    traits = Trait.PER_CHANNEL | Trait.ALLOCATES

    track: Bool = Field(
        True, description="whether running statistics are kept; without, evaluation uses the batch's too"
    )

    def _check(self, x: TensorType, facts: Facts) -> None:
        if x.rank != 2:
            need_map(self.kind, x)
        fixed_channels(self.kind, x)
        sizes = (x.dims[0], *x.dims[2:])
        if not self.track and not facts.several(sizes):
            raise alone(self.kind, "the batch and the map", x)
        if not facts.in_training.several(sizes):
            facts.in_training.never()

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        return Held((0,), own=fixed_channels(self.kind, inputs[0]) * 2)


class InstanceNorm(_RunningNorm):
    """Instance normalisation (Ulyanov et al. 2016, arXiv 1607.08022).

    Each channel of each example is normalised over its map. Without a scale and a shift unless told; the shape stays.
    """

    kind = "inorm"
    target = "InstanceNorm"
    title = "instance norm"
    traits = Trait.PER_CHANNEL

    affine: Bool = Field(False, description="whether a scale and a shift are learned for each channel")
    track: Bool = Field(False, description="whether running statistics are kept, and used in evaluation")

    def _check(self, x: TensorType, facts: Facts) -> None:
        need_map(self.kind, x)
        fixed_channels(self.kind, x)
        self._refuse_single(x, facts, "the map")

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        return Held((0,), own=inputs[0].dims[0] * fixed_channels(self.kind, inputs[0]) * 2)


class GroupNorm(_Norm):
    """Group normalisation (Wu and He 2018, arXiv 1803.08494).

    Each example is normalised over its map and a group of channels. Takes vectors and maps; the shape stays.
    """

    kind = "gn"
    traits = Trait.ANALYTIC
    title = "group norm"
    positional = ("groups",)
    torch_order = ("groups", "in", "eps", "affine")
    torch_settings = (("eps", "eps"), ("affine", "affine"))

    groups: Count = Field(32, description="number of groups; it must divide the channels")

    def _check(self, x: TensorType, facts: Facts) -> None:
        if x.rank != 2:
            need_map(self.kind, x)
        channels = fixed_channels(self.kind, x)
        if channels % self.groups:
            message = f"gn cannot split the {channels} channels that it gets into {self.groups} groups of equal size"
            raise LayerError("E0403", message, f"`groups` must divide {channels}")
        if channels == self.groups:
            self._refuse_single(x, facts, "the map and a group of channels")

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        return (over_map(inputs[0], self.groups),)

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        return Held((0,), own=inputs[0].dims[0] * self.groups * 2)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        return ModuleCall("torch.nn.GroupNorm", (self.groups, fixed_channels(self.kind, inputs[0])), self.told())


class _OverAxis(AlongAxis):
    """What norms over an axis, place by place, share."""

    family = "norm"

    axis: AxisChoice = Field("channels", description="the axis, whose numbers are normalised together")

    def is_per_channel(self, inputs: tuple[TensorType, ...]) -> bool:
        return False

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        return Held((0,), own=elements(inputs[0], self.along(inputs[0])) * 2)

    def _refuse_alone(self, x: TensorType, left: str) -> None:
        """Refuses to normalise one number, which torch does without a word."""
        if self.size_along(x) == 1:
            what = f"the {self.axis}" if isinstance(self.axis, str) else f"axis {self.axis}"
            raise alone(self.kind, what, x, left)

    def normed(self, x: TensorType, module: ModuleCall, target: str, *settings: Any) -> Lowering:
        """The module where the axis is the last; else the function, with the axis moved there and back."""
        axis = self.along(x)
        if axis == x.rank - 1:
            return module
        moved = method("movedim", In(0), axis, -1)
        return Program((method("movedim", function(f"torch.nn.functional.{target}", moved, *settings), -1, axis),))


class LayerNorm(_OverAxis, _Norm):
    """Layer normalisation over the channels (Ba et al. 2016, arXiv 1607.06450).

    Every place of a map and every token is normalised on its own. Takes vectors, tokens [N, T, C], and maps with
    their channels first (as in ConvNeXt) or last; the shape stays. An input [N, 16, 64] is a map of 16 channels unless
    it is declared as tokens: `input t: tokens [N, 16, 64]`.
    """

    kind = "ln"
    traits = Trait.ANALYTIC
    title = "layer norm"
    torch_order = ("in", "eps", "affine", "bias")
    torch_settings = (("eps", "eps"), ("elementwise_affine", "affine"))

    bias: Bool = Field(True, description="whether a shift is learned beside the scale")

    def weights(self, inputs: tuple[TensorType, ...]) -> Iterable[Weight]:
        return (w for w in super().weights(inputs) if self.bias or w.name != "bias")

    def _check(self, x: TensorType, facts: Facts) -> None:
        self._refuse_alone(x, "nothing but the shift" if self.affine and self.bias else "nothing")

    def _count(self, x: TensorType) -> int:
        return self.size_along(x)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        (x,) = inputs
        count = self._count(x)
        settings = {} if self.bias or not self.affine else {"bias": False}
        module = ModuleCall("torch.nn.LayerNorm", (count,), self.told() | settings)
        weight = WeightRef("weight") if self.affine else None
        bias = WeightRef("bias") if self.affine and self.bias else None
        return self.normed(x, module, "layer_norm", [count], weight, bias, self.eps)


class RMSNorm(_OverAxis):
    """Root-mean-square normalisation over the channels (Zhang and Sennrich 2019, arXiv 1910.07467).

    y = x / sqrt(mean(x²) + eps) * weight at every place, with no mean taken off and no shift. Takes what `ln` takes.
    """

    kind = "rmsnorm"
    traits = Trait.ANALYTIC
    title = "RMS norm"
    torch_order = ("in", "eps", "affine")
    torch_settings = (("elementwise_affine", "affine"),)
    has_weights = True

    eps: Positive = Field(1e-6, description="added to the mean square, against division by zero")
    affine: Bool = Field(True, description="whether a scale is learned for each channel")
    init: Init = Field(ONES, description="how the scale starts")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        need_float(self.kind, x)
        self._refuse_alone(x, "nothing but the sign")
        check_start(self.kind, "init", self.init, (self.size_along(x),))
        return (x,)

    def weights(self, inputs: tuple[TensorType, ...]) -> Iterable[Weight]:
        if self.affine:
            yield Weight("weight", (self.size_along(inputs[0]),), self.init)

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        (x,) = inputs
        return Held((0,), own=elements(x, self.along(x)) + elements(x), scratch=elements(x))

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        (x,) = inputs
        count = self.size_along(x)
        module = ModuleCall("torch.nn.RMSNorm", (count,), {"eps": self.eps} | self.told())
        return self.normed(x, module, "rms_norm", [count], WeightRef("weight") if self.affine else None, self.eps)


class LocalResponseNorm(Op):
    """Local response normalisation across channels (AlexNet, Krizhevsky et al. 2012).

    y = x / (k + alpha / size * sum of x² over `size` neighbouring channels) ** beta; the shape stays.
    """

    kind = "lrn"
    family = "norm"
    title = "local response norm"
    torch_settings = (("alpha", "alpha"), ("beta", "beta"), ("k", "k"))
    traits = Trait.PER_PLACE
    positional = ("size",)

    size: Count = Field(5, description="neighbouring channels that are summed over")
    alpha: Real = Field(1e-4, description="weight of the sum, divided by `size`")
    beta: Real = Field(0.75, description="exponent")
    k: Real = Field(1.0, description="added to the sum")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        need_map(self.kind, inputs[0])
        return inputs

    def is_nonnegative(self, given: Sequence[bool]) -> bool:
        return all(given) and self.k >= 0 and self.alpha >= 0

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        return (Link(alike=True),)

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        (x,) = inputs
        squares = elements(x, 1) * (x.dims[1] + (self.size - 1))
        return Held((0,), own=squares + elements(x) * 2, scratch=squares + elements(x))

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        return ModuleCall("torch.nn.LocalResponseNorm", (self.size,), self.told())
