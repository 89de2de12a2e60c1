"""Pooling."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, cast

from pydantic import Field

from ..ir.index_map import WHOLE, Along, Link, Links, adaptive
from ..ir.lowering import In, Lowering, ModuleCall, Program, function
from ..ir.memory import INPUT, NOTHING, Held, elements
from ..ir.op import Facts, LayerError, Op, Trait
from ..ir.types import TensorType
from .conv import changed
from .maps import compact, expand, need_map
from .pad import ahead
from .values import Axes, Bool, Dilation, EvenPadding, Extents, Mark, Pad, Padding, Positive, Shown
from .windows import Window


class Pool(Op):
    """What the pools over a sliding window share."""

    target: ClassVar[str]
    statistic: ClassVar[str]
    """What is taken of each window: its mean, its maximum or its power mean."""
    family = "pool"
    slides = True
    traits = Trait.PER_CHANNEL | Trait.KEEPS_NONNEGATIVE
    saved: ClassVar[Held | None] = INPUT
    positional = ("kernel", "stride")
    averages: ClassVar[bool] = True
    """Whether torch computes it by averaging; in three dimensions that wants maps as large as the window, unpadded."""

    kernel: Extents = Field(description="size of the window")
    stride: Annotated[Extents | None, Shown("kernel"), Mark.COUNTED] = Field(None, description="step of the window")
    ceil: Bool = Field(
        False,
        description="whether sizes round up: a window that starts in the map may then reach out of it, as in Caffe",
    )

    def window(self, rank: int) -> Window:
        return Window.of(self.kind, rank, self.kernel, self.kernel if self.stride is None else self.stride)

    def own_padding(self) -> Pad:
        return 0

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        window = self.window(need_map(self.kind, x))
        self._check_padding(window, x)
        if self.averages and window.rank == 3:
            window.must_fit(x.dims[2:], facts)
        sizes = window.slide(x.dims[2:], self.own_padding(), facts, self.ceil)
        return (x.with_dims((*x.dims[:2], *sizes)),)

    def _check_padding(self, window: Window, x: TensorType) -> None:
        """A window must not lie in the padding alone."""
        if self.own_padding() == "same":
            return
        for e, pads in zip(window.extent, window.pads(self.own_padding(), x.dims[2:]), strict=True):
            worst = max(p if isinstance(p, int) else 0 for p in pads)
            if worst > e // 2:
                raise LayerError(
                    "E0407",
                    f"a padding of {worst} is more than half the window of {self.kind} ({e}): "
                    "some windows would hold padding alone",
                    f"at most {e // 2} goes with this window",
                )

    def _settings(self, window: Window, even: tuple[int, ...]) -> dict[str, tuple[Any, Any]]:
        return {
            "stride": (compact(window.stride), compact(window.kernel)),
            "padding": (compact(even), 0),
            "ceil_mode": (self.ceil and self.own_padding() != "same", False),
        }

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        (x,) = inputs
        window = self.window(x.rank - 2)
        return (Link(window.taps(window.pads(self.own_padding(), x.dims[2:]))),)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        (x,) = inputs
        window = self.window(x.rank - 2)
        pads = window.pads(self.own_padding(), x.dims[2:])
        even = window.even(pads)
        return ModuleCall(
            f"torch.nn.{self.target}{window.rank}d",
            (compact(window.kernel),),
            changed(self._settings(window, even or (0,))),
            inputs=None if even else (window.pad_step(pads, value=float("-inf")),),
        )


class MaxPool(Pool):
    """The largest element of each window.

    A map of n rows gives floor((n + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1 rows, rounded up instead
    with `ceil`, less one where the last window would start behind the map. No padding unless told: ResNet's is
    `maxpool(3, 2, padding = 1)`.
    """

    kind = "maxpool"
    traits = Trait.PER_CHANNEL | Trait.KEEPS_NONNEGATIVE | Trait.PIECEWISE_LINEAR
    without_settings = "`gmp` takes the largest of the whole map"
    torch_order = ("kernel", "stride", "padding", "dilation")
    statistic = "maximum"
    title = "max pool"
    target = "MaxPool"
    averages = False

    padding: Padding = Field(
        0, description="rows and columns of minus infinity around the map, at most half the window; else as of `conv`"
    )
    dilation: Dilation = Field(1, description="distance between the window's elements")

    def window(self, rank: int) -> Window:
        stride = self.kernel if self.stride is None else self.stride
        return Window.of(self.kind, rank, self.kernel, stride, self.dilation)

    def own_padding(self) -> Pad:
        return self.padding

    def _settings(self, window: Window, even: tuple[int, ...]) -> dict[str, tuple[Any, Any]]:
        return {**super()._settings(window, even), "dilation": (compact(window.dilation), 1)}

    def carried(self, inputs: tuple[TensorType, ...]) -> tuple[Op, TensorType, Op] | None:
        (x,) = inputs
        padding = ahead(self.window(x.rank - 2), self.padding, x, value=float("-inf"))
        ceil = self.ceil and self.padding != "same"
        return padding and (*padding, self.model_copy(update={"padding": 0, "ceil": ceil}))

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        window = self.window(inputs[0].rank - 2)
        pads = window.pads(self.padding, inputs[0].dims[2:])
        copy = 0 if window.even(pads) else window.padded(inputs[0], pads)
        return Held(() if copy else (0,), own=copy, indices=elements(outputs[0]), scratch=copy)


class AvgPool(Pool):
    """The mean of each window.

    A map of n rows gives floor((n + 2 * padding - kernel) / stride) + 1 rows, rounded up instead with `ceil`, less one
    where the last window would start behind the map. No padding unless told.
    """

    kind = "avgpool"
    statistic = "mean"
    without_settings = "`gap` takes the mean of the whole map"
    torch_order = ("kernel", "stride", "padding", "ceil", "count_pad")
    title = "average pool"
    target = "AvgPool"
    traits = Trait.PER_CHANNEL | Trait.AFFINE | Trait.KEEPS_NONNEGATIVE

    padding: EvenPadding = Field(
        0,
        description="rows and columns of zeros on each side of the map, at most half the window; "
        '"same" is TensorFlow\'s: output size ceil(n / stride), and the padding never counts',
    )
    count_pad: Bool = Field(True, description='whether the padding counts as elements of the mean, but for "same"')

    def own_padding(self) -> Pad:
        return self.padding

    def keeps_constants(self) -> bool:
        pads = self.padding if isinstance(self.padding, tuple) else (self.padding,)
        return self.padding == "same" or not (self.count_pad and any(pads))

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        (x,) = inputs
        window = self.window(x.rank - 2)
        pads = window.pads(self.padding, x.dims[2:])
        if self.padding != "same" or window.even(pads):
            return super().lower(inputs, outputs)
        one = function("torch.ones_like", function("operator.getitem", In(0), (slice(None), slice(0, 1))))
        settings = {"kernel_size": compact(window.kernel), "stride": compact(window.stride)}
        total, count = (
            function(f"torch.nn.functional.avg_pool{window.rank}d", window.pad_step(pads, of=part), **settings)
            for part in (In(0), one)
        )
        return Program((function("operator.truediv", total, count),))

    def _settings(self, window: Window, even: tuple[int, ...]) -> dict[str, tuple[Any, Any]]:
        return {
            **super()._settings(window, even),
            "count_include_pad": (self.count_pad and self.padding != "same", True),
        }


class LPPool(Pool):
    """The power mean of each window without its division: (sum of x ** norm) ** (1 / norm).

    Sizes as of `avgpool`, without padding.
    """

    kind = "lppool"
    statistic = "power mean"
    target = "LPPool"
    positional = ("norm", "kernel", "stride")

    norm: Positive = Field(description="exponent: 1 sums, and a large one comes near the maximum")

    def is_nonnegative(self, given: Sequence[bool]) -> bool:
        return self.norm % 2 == 0 or super().is_nonnegative(given)

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        return Held((0,), own=elements(inputs[0]) + elements(outputs[0]) * 4, scratch=elements(inputs[0]))

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        window = self.window(inputs[0].rank - 2)
        settings = self._settings(window, (0,))
        return ModuleCall(
            f"torch.nn.{self.target}{window.rank}d", (self.norm, compact(window.kernel)), changed(settings)
        )


class AdaptivePool(Op):
    """What the pools to a given size share."""

    target: ClassVar[str]
    statistic: ClassVar[str]
    family = "pool"
    traits = Trait.PER_CHANNEL | Trait.KEEPS_NONNEGATIVE
    positional = ("size",)

    size: Axes = Field(description="size of the output")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        size = expand(self.kind, "size", self.size, need_map(self.kind, x))
        return (x.with_dims((*x.dims[:2], *size)),)

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        sizes = cast("list[tuple[int, int]]", list(zip(inputs[0].dims, outputs[0].dims, strict=True)))
        rules = {a: WHOLE if m == 1 else Along(a, adaptive(n, m)) for a, (n, m) in enumerate(sizes) if a > 1}
        return (Link(rules),)

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        return NOTHING if all(size == 1 for size in outputs[0].dims[2:]) else INPUT

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        rank = inputs[0].rank - 2
        return ModuleCall(f"torch.nn.{self.target}{rank}d", (compact(expand(self.kind, "size", self.size, rank)),))


class AdaptiveAvgPool(AdaptivePool):
    """The means of windows chosen so that the output has the given size, whatever the input's (arXiv 1406.4729).

    Output row i is the mean of the input rows from floor(i * n / size) to ceil((i + 1) * n / size).
    """

    kind = "adaptive_avgpool"
    statistic = "mean"
    title = "average pool to"
    target = "AdaptiveAvgPool"
    traits = Trait.PER_CHANNEL | Trait.AFFINE | Trait.KEEPS_NONNEGATIVE

    def keeps_constants(self) -> bool:
        return True


class AdaptiveMaxPool(AdaptivePool):
    """The largest elements of windows chosen as of `adaptive_avgpool`."""

    kind = "adaptive_maxpool"
    traits = Trait.PER_CHANNEL | Trait.KEEPS_NONNEGATIVE | Trait.PIECEWISE_LINEAR
    statistic = "maximum"
    title = "max pool to"
    target = "AdaptiveMaxPool"

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        return Held((0,), indices=elements(outputs[0]))


class GlobalPool(Op):
    """What the pools over the whole map share."""

    target: ClassVar[str]
    statistic: ClassVar[str]
    family = "pool"
    traits = Trait.PER_CHANNEL | Trait.KEEPS_NONNEGATIVE

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        return (x.with_dims((*x.dims[:2], *(1,) * need_map(self.kind, x))),)

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        return (Link(dict.fromkeys(range(2, inputs[0].rank), WHOLE)),)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        return ModuleCall(f"torch.nn.{self.target}{inputs[0].rank - 2}d", (1,))


class GlobalAvgPool(GlobalPool):
    """The mean of the whole map (Lin et al. 2013, arXiv 1312.4400).

    It keeps a map of size 1, [N, C, 1, 1], which `linear` takes as a vector.
    """

    kind = "gap"
    statistic = "mean"
    title = "global average pool"
    target = "AdaptiveAvgPool"
    traits = Trait.PER_CHANNEL | Trait.AFFINE | Trait.KEEPS_NONNEGATIVE
    saved: ClassVar[Held | None] = NOTHING

    def keeps_constants(self) -> bool:
        return True


class GlobalMaxPool(GlobalPool):
    """The largest element of the whole map. It keeps a map of size 1, [N, C, 1, 1]."""

    kind = "gmp"
    traits = Trait.PER_CHANNEL | Trait.KEEPS_NONNEGATIVE | Trait.PIECEWISE_LINEAR
    statistic = "maximum"
    title = "global max pool"
    target = "AdaptiveMaxPool"

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        return Held((0,), indices=elements(outputs[0]))
