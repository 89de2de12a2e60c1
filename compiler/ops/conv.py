"""Convolutions."""

import math
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from pydantic import Field

from ..ir.index_map import Along, Fixed, Link, Links, Taps
from ..ir.initialisers import TORCH_BIAS, TORCH_WEIGHT, Initialiser
from ..ir.lowering import In, Lowering, ModuleCall, function
from ..ir.memory import INPUT, Held
from ..ir.op import Facts, LayerError, Op, Trait, Weight
from ..ir.sizes import Dim
from ..ir.types import TensorType
from .axes import product
from .maps import certain, check_starts, compact, expand, fixed_channels, need_map
from .pad import ahead
from .values import (
    Bias,
    Count,
    Dilation,
    Extents,
    Groups,
    Init,
    OutputPadding,
    Padding,
    Shown,
    WholeAxes,
    Words,
    one_of,
)
from .windows import Window

PaddingMode = Annotated[
    str, one_of("zeros", "reflect", "replicate", "circular"), Words('"zeros", "reflect", "replicate" or "circular"')
]


class Convolution(Op):
    """What the convolutions over a sliding window share."""

    slides = True
    has_weights = True
    weight_parameters = ("weight", "bias")
    family = "conv"
    traits = Trait.AFFINE | Trait.ALLOCATES | Trait.WEIGHTED

    kernel: Extents = Field(description="size of the window")
    stride: Extents = Field(1, description="step of the window")
    padding: Padding = Field(
        "half",
        description='numbers of rows and columns added around the map; "half" is (extent - 1) // 2 on each side, '
        "where extent = dilation * (kernel - 1) + 1, which keeps the size at stride 1 for odd kernels; "
        '"same" is TensorFlow\'s: output size ceil(n / stride), the odd row behind; "valid" is 0',
    )
    dilation: Dilation = Field(1, description="distance between the window's elements")
    bias: Bias = Field(False, description="whether a bias is learned, or how it starts; true starts it as torch does")
    init: Annotated[Init, Shown("torch's")] = Field(TORCH_WEIGHT, description="how the weight starts")
    padding_mode: PaddingMode = Field("zeros", description="what the padding holds")

    def widths(self, channels: int) -> tuple[int, int]:
        """Output channels and groups."""
        raise NotImplementedError

    def window(self, rank: int) -> Window:
        return Window.of(self.kind, rank, self.kernel, self.stride, self.dilation)

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        window = self.window(need_map(self.kind, x))
        out, groups = self.widths(channels := fixed_channels(self.kind, x))
        check_groups(self.kind, channels, out, groups)
        check_starts(self, inputs)
        self._check_padding(window, x, facts)
        sizes = window.slide(x.dims[2:], self.padding, facts)
        return (x.with_dims((x.dims[0], out, *sizes)),)

    def _check_padding(self, window: Window, x: TensorType, facts: Facts) -> None:
        """Mirrored and circular padding take their rows from the map, which must have enough."""
        if self.padding_mode not in ("reflect", "circular"):
            return
        for n, e, pads in zip(x.dims[2:], window.extent, window.pads(self.padding, x.dims[2:]), strict=True):
            most = max(p if isinstance(p, int) else e // 2 for p in pads)
            if not certain(facts, n, most + (self.padding_mode == "reflect")):
                message = f"{self.padding_mode} padding of {most} takes its rows from the map, whose size there is {n}"
                raise LayerError("E0404", message, 'pad with zeros (`padding_mode = "zeros"`) or less')

    def weights(self, inputs: tuple[TensorType, ...]) -> Iterable[Weight]:
        channels = fixed_channels(self.kind, inputs[0])
        out, groups = self.widths(channels)
        yield Weight("weight", (out, channels // groups, *self.window(inputs[0].rank - 2).kernel), self.init)
        if self.bias is not False:
            yield Weight("bias", (out,), bias_start(self.bias))

    def multiply_adds(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        weights = math.prod(next(iter(self.weights(inputs))).shape)
        return product((*outputs[0].dims[2:], inputs[0].dims[0] * weights))

    def is_per_channel(self, inputs: tuple[TensorType, ...]) -> bool:
        channels = fixed_channels(self.kind, inputs[0])
        return self.widths(channels) == (channels, channels)

    def is_per_place(self, inputs: tuple[TensorType, ...]) -> bool:
        window = self.window(inputs[0].rank - 2)
        pads = window.pads(self.padding, inputs[0].dims[2:])
        return {*window.kernel, *window.stride} == {1} and all(pad == (0, 0) for pad in pads)

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        (x,) = inputs
        window = self.window(x.rank - 2)
        rules = window.taps(window.pads(self.padding, x.dims[2:]), self.padding_mode)
        return (Link(rules, self.widths(fixed_channels(self.kind, x))[1]),)

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        (x,) = inputs
        window = self.window(x.rank - 2)
        pads = window.pads(self.padding, x.dims[2:])
        if self.padding_mode == "zeros" and window.even(pads):
            return INPUT
        copy = window.padded(x, pads)
        return Held((0,) if self.padding_mode in ("reflect", "replicate") else (), own=copy, scratch=copy)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        (x,) = inputs
        channels = fixed_channels(self.kind, x)
        out, groups = self.widths(channels)
        window = self.window(x.rank - 2)
        pads = window.pads(self.padding, x.dims[2:])
        even = window.even(pads)
        settings = {
            "stride": (compact(window.stride), 1),
            "padding": (compact(even or (0,)), 0),
            "dilation": (compact(window.dilation), 1),
            "groups": (groups, 1),
            "bias": (self.bias is not False, True),
            "padding_mode": (self.padding_mode if even else "zeros", "zeros"),
        }
        return ModuleCall(
            f"torch.nn.Conv{window.rank}d",
            (channels, out, compact(window.kernel)),
            changed(settings),
            inputs=None if even else (window.pad_step(pads, self._pads_with),),
        )

    def carried(self, inputs: tuple[TensorType, ...]) -> tuple[Op, TensorType, Op] | None:
        (x,) = inputs
        padding = ahead(self.window(x.rank - 2), self.padding, x, mode=self._pads_with)
        return padding and (*padding, self.model_copy(update={"padding": 0, "padding_mode": "zeros"}))

    @property
    def _pads_with(self) -> str:
        return "constant" if self.padding_mode == "zeros" else self.padding_mode

    def functional(self, inputs: tuple[TensorType, ...], weights: dict[str, Any]) -> Any:
        (x,) = inputs
        window = self.window(x.rank - 2)
        pads = window.pads(self.padding, x.dims[2:])
        even = window.even(pads) if self.padding_mode == "zeros" else None
        whole = even is None and any(pad != (0, 0) for pad in pads)
        settings = {
            "stride": (compact(window.stride), 1),
            "padding": (compact(even or (0,)), 0),
            "dilation": (compact(window.dilation), 1),
            "groups": (self.widths(fixed_channels(self.kind, x))[1], 1),
        }
        padded = window.pad_step(pads, self._pads_with) if whole else In(0)
        return applied(f"conv{window.rank}d", padded, weights, changed(settings))


class Conv(Convolution):
    """Convolution over the 1 to 3 spatial axes of the input.

    A map of n rows gives floor((n + pads - dilation * (kernel - 1) - 1) / stride) + 1 rows, and likewise along every
    axis. No bias and half padding unless told.
    """

    kind = "conv"
    width_setting = "channels"
    positional = ("channels", "kernel", "stride", "padding")

    torch_order = ("in", *positional, "dilation", "groups", "bias")

    channels: Count = Field(description="output channels")
    groups: Groups = Field(1, description="parts into which the channels are split, each convolved on its own")

    @classmethod
    def looks_like_torch(cls, given: Sequence[Any], x: TensorType) -> bool:
        return len(given) > 2 and given[0] == x.channels and no_usual_window(given[1], given[2], x)

    def widths(self, channels: int) -> tuple[int, int]:
        return self.channels, self.groups


class DepthwiseConv(Convolution):
    """Depthwise convolution: every channel is convolved on its own (MobileNets, arXiv 1704.04861).

    The output has multiplier * C channels, and sizes as of `conv`. No bias and half padding unless told.
    """

    kind = "dwconv"
    title = "depthwise conv"
    positional = ("kernel", "stride", "padding")

    torch_order = ("in", *positional)

    multiplier: Count = Field(1, description="output channels for each input channel")

    @classmethod
    def looks_like_torch(cls, given: Sequence[Any], x: TensorType) -> bool:
        return len(given) > 1 and given[0] == x.channels and no_usual_window(given[0], given[1], x)

    def widths(self, channels: int) -> tuple[int, int]:
        return self.multiplier * channels, channels


class UpConv(Op):
    """Transposed convolution ("deconvolution"), for upsampling.

    A map of n rows gives (n - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1 rows: 2 * n with
    the defaults. No bias and no padding unless told.
    """

    kind = "upconv"
    width_setting = "channels"
    family = "conv"
    title = "up-conv"
    slides = True
    weight_parameters = ("weight", "bias")
    traits = Trait.AFFINE | Trait.ALLOCATES | Trait.WEIGHTED
    saved = INPUT
    positional = ("channels", "kernel", "stride", "padding")
    torch_order = ("in", *positional, "output_padding", "groups", "bias", "dilation")
    has_weights = True

    channels: Count = Field(description="output channels")
    kernel: Extents = Field(2, description="size of the window")
    stride: Extents = Field(2, description="step between the windows in the output")
    padding: WholeAxes = Field(0, description="rows and columns cut off on each side of the output")
    output_padding: OutputPadding = Field(0, description="rows and columns added behind the output")
    dilation: Dilation = Field(1, description="distance between the window's elements")
    groups: Groups = Field(1, description="parts into which the channels are split, each convolved on its own")
    bias: Bias = Field(False, description="whether a bias is learned, or how it starts; true starts it as torch does")
    init: Annotated[Init, Shown("torch's")] = Field(
        TORCH_WEIGHT, description="how the weight starts; `bilinear` makes a bilinear upsampling"
    )

    @classmethod
    def looks_like_torch(cls, given: Sequence[Any], x: TensorType) -> bool:
        return len(given) > 2 and given[0] == x.channels and no_usual_window(given[1], given[2], x, upwards=True)

    def window(self, rank: int) -> Window:
        return Window.of(self.kind, rank, self.kernel, self.stride, self.dilation)

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        window = self.window(rank := need_map(self.kind, x))
        check_groups(self.kind, fixed_channels(self.kind, x), self.channels, self.groups)
        check_starts(self, inputs)
        cut = expand(self.kind, "padding", self.padding, rank)
        added = expand(self.kind, "output_padding", self.output_padding, rank)
        sizes = []
        for n, e, s, d, p, a in zip(x.dims[2:], window.extent, window.stride, window.dilation, cut, added, strict=True):
            if a >= max(s, d):
                message = f"`output_padding` of upconv must be below the stride or the dilation ({max(s, d)}), not {a}"
                raise LayerError("E0407", message)
            size = (n - 1) * s + (e + a - 2 * p)
            if not facts.at_least(size, 1):
                raise LayerError(
                    "E0404", f"a padding of {p} cuts the whole output of upconv off, whose size is {size + 2 * p}"
                )
            sizes.append(size)
        return (x.with_dims((x.dims[0], self.channels, *sizes)),)

    def weights(self, inputs: tuple[TensorType, ...]) -> Iterable[Weight]:
        channels = fixed_channels(self.kind, inputs[0])
        kernel = self.window(inputs[0].rank - 2).kernel
        yield Weight("weight", (channels, self.channels // self.groups, *kernel), self.init)
        if self.bias is not False:
            yield Weight("bias", (self.channels,), bias_start(self.bias))

    def multiply_adds(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        weights = math.prod(next(iter(self.weights(inputs))).shape)
        return product((*inputs[0].dims[2:], inputs[0].dims[0] * weights))

    def is_per_place(self, inputs: tuple[TensorType, ...]) -> bool:
        window = self.window(rank := inputs[0].rank - 2)
        cut = expand(self.kind, "padding", self.padding, rank)
        added = expand(self.kind, "output_padding", self.output_padding, rank)
        return {*window.kernel, *window.stride} == {1} and {*cut, *added} == {0}

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        (x,) = inputs
        window = self.window(rank := x.rank - 2)
        cut = expand(self.kind, "padding", self.padding, rank)
        rules: dict[int, Along | Fixed] = {}
        for i, (k, s, d, p) in enumerate(zip(window.kernel, window.stride, window.dilation, cut, strict=True)):
            reached = [[(r + p - d * t) // s for t in range(k) if (r + p - d * t) % s == 0] for r in range(s)]
            rules[i + 2] = Along(i + 2, Taps(s, 1, tuple(map(tuple, reached))))
        return (Link(rules, self.groups),)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        (x,) = inputs
        window = self.window(rank := x.rank - 2)
        settings = {
            "stride": (compact(window.stride), 1),
            "padding": (compact(expand(self.kind, "padding", self.padding, rank)), 0),
            "output_padding": (compact(expand(self.kind, "output_padding", self.output_padding, rank)), 0),
            "groups": (self.groups, 1),
            "bias": (self.bias is not False, True),
            "dilation": (compact(window.dilation), 1),
        }
        arguments = (fixed_channels(self.kind, x), self.channels, compact(window.kernel))
        return ModuleCall(f"torch.nn.ConvTranspose{rank}d", arguments, changed(settings))

    def functional(self, inputs: tuple[TensorType, ...], weights: dict[str, Any]) -> Any:
        call = self.lower(inputs, ())
        assert isinstance(call, ModuleCall)
        settings = {name: value for name, value in call.kwargs.items() if name != "bias"}
        return applied(f"conv_transpose{inputs[0].rank - 2}d", In(0), weights, settings)


def no_usual_window(kernel: Any, stride: Any, x: TensorType, upwards: bool = False) -> bool:
    """Whether a window and its step are such as networks do not have, and would do for a number of channels and a
    window.

    Usual are windows that lie side by side, a single one that covers the map, odd ones that are not wide, and on the
    way up or over sequences those that overlap by half.
    """
    if not (isinstance(kernel, int) and isinstance(stride, int)) or kernel == stride:
        return False
    odd_stride, even_kernel = stride in range(3, 13, 2), kernel % 2 == 0
    if kernel < stride:
        return kernel == 3 and (upwards or odd_stride)
    if len(x.spatial) == 1:
        return odd_stride and even_kernel and kernel >= max(16, 3 * stride)
    if upwards and kernel == 2 * stride:
        return False
    if odd_stride:
        return kernel >= (6 if even_kernel else 13)
    if stride == 1:
        return even_kernel and kernel >= 12 and kernel not in x.spatial
    return even_kernel and kernel >= 16 and kernel >= 4 * stride + upwards


def check_groups(kind: str, channels: int, out: int, groups: int) -> None:
    for count, what in ((channels, "that it gets"), (out, "that it makes")):
        if count % groups:
            message = f"{kind} cannot split the {count} channels {what} into {groups} groups of equal size"
            hint = f"`groups` must divide both the {channels} channels that it gets and the {out} that it makes"
            raise LayerError("E0403", message, hint)


def bias_start(bias: bool | Initialiser) -> Initialiser:
    return bias if isinstance(bias, Initialiser) else TORCH_BIAS


def applied(target: str, x: Any, weights: dict[str, Any], settings: dict[str, Any]) -> Any:
    """torch's function for a layer, with its weights and settings."""
    bias = (weights["bias"],) if "bias" in weights else ()
    return function(f"torch.nn.functional.{target}", x, weights["weight"], *bias, **settings)


def changed(settings: dict[str, tuple[Any, Any]]) -> dict[str, Any]:
    """The settings that differ from torch's defaults, given as (value, default)."""
    return {name: value for name, (value, default) in settings.items() if value != default}
