"""Layers that resample maps: upsampling and spatial transformers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PlainValidator, model_validator

from ..ir.index_map import (
    SAME_PLACE,
    Along,
    Fixed,
    Link,
    Links,
    Listed,
    Taps,
    adaptive,
    interpolated,
    over_map,
    smoothed,
)
from ..ir.lowering import In, Lowering, ModuleCall, Program, function, method
from ..ir.memory import INPUT, NOTHING, Held, elements
from ..ir.op import Facts, LayerError, Op, Trait
from ..ir.sizes import Dim
from ..ir.types import TensorType
from ..ir.words import BadValue, number
from .axes import SizeEach, Sizes, axis_names, replaced, spatial_axes, spread
from .maps import need_float, need_map
from .run_time import required_size
from .values import Beside, Bool, Words

_MODE_RANKS = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}
_LIKE_HINT = "`like = x` takes the size of a tensor"


def _factor(value: Any) -> int | float:
    result = number(value, above=0)
    return int(result) if result.is_integer() else result


def _factors(value: Any) -> Any:
    return tuple(map(_factor, value)) if isinstance(value, list | tuple) else _factor(value)


class Upsample(Op):
    """A map resampled to another size, as `torch.nn.functional.interpolate`.

    Output: floor(n * scale) along each axis of space, or `size`, or the size of the map `like`.
    """

    kind: ClassVar[str] = "upsample"
    family: ClassVar[str] = "resample"
    traits: ClassVar[Trait] = Trait.PER_CHANNEL | Trait.AFFINE
    positional: ClassVar[tuple[str, ...]] = ("scale",)
    is_module: ClassVar[bool] = False
    tensor_parameters: ClassVar[tuple[str, ...]] = ("like",)

    scale: Annotated[
        int | float | tuple[int | float, ...],
        PlainValidator(_factors),
        Words("number greater than 0, or a list of them"),
    ] = Field(
        2, description="how many times the map grows, along all axes or each; of no meaning with `size` or `like`"
    )
    mode: Literal["nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear", "area"] = Field(
        "nearest", description="how values between places are found"
    )
    align_corners: Bool = Field(
        False, description="whether the centres of the corners' places stay corners, as opposed to their edges"
    )
    size: SizeEach | None = Field(None, description="the size of the result, along all axes or each")
    like: Beside = Field(False, description="a tensor whose map has the size of the result")
    antialias: Bool = Field(
        False, description='whether "bilinear" and "bicubic" read all places that lie under one of a smaller map'
    )

    @model_validator(mode="after")
    def _one_size(self) -> Upsample:
        if self.antialias and self.mode not in ("bilinear", "bicubic"):
            raise BadValue(f'needs the mode "bilinear" or "bicubic", not "{self.mode}"', parameter="antialias")
        if self.like and self.size is not None:
            raise BadValue("is given together with `like`; give one of them", parameter="size")
        if self.align_corners and self.mode not in _MODE_RANKS:
            raise BadValue(
                f'needs a mode that interpolates, such as "bilinear", not "{self.mode}"', parameter="align_corners"
            )
        return self

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        x = inputs[0]
        rank = _MODE_RANKS.get(self.mode)
        need_map(f'upsample with mode "{self.mode}"', x, (rank,) if rank else (1, 2, 3))
        if self.like and len(spatial_axes(inputs[1])) != x.rank - 2:
            raise LayerError(
                "E0401", f"upsample: {x} and the tensor that it shall be like, {inputs[1]}, differ in their axes"
            )
        sizes = self._sizes(inputs, facts)
        result = replaced(x, dict(zip(spatial_axes(x), sizes, strict=True)))
        if self.like or self.size is not None:
            self._run_time_size(inputs, result)
        return (result,)

    def _sizes(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[Dim, ...]:
        x = inputs[0]
        if self.like:
            return inputs[1].spatial
        if self.size is not None:
            return spread(self.size, x, "the size of upsample")
        scales = spread(self.scale, x, "the scale of upsample")
        sizes = tuple(_scaled(d, scale) for d, scale in zip(x.spatial, scales, strict=True))
        for axis, size in zip(spatial_axes(x), sizes, strict=True):
            if not facts.at_least(size, 1):
                raise LayerError("E0410", f"upsample: nothing is left of the {axis_names(x)[axis]} of {x}")
        return sizes

    def _run_time_size(self, inputs: tuple[TensorType, ...], result: TensorType) -> Any:
        if self.like and not all(isinstance(d, int) for d in result.spatial):
            axes = spatial_axes(inputs[1])
            if axes == tuple(range(inputs[1].rank - len(axes), inputs[1].rank)):
                return function("operator.getitem", method("size", In(1)), slice(axes[0], None))
        return tuple(required_size(d, inputs, "upsample", _LIKE_HINT) for d in result.spatial)

    def is_nonnegative(self, given: Sequence[bool]) -> bool:
        return all(given) and self.mode != "bicubic"

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        x, y = inputs[0], outputs[0]
        given = self.scale if self.size is None and not self.like else None
        rules: dict[int, Along | Fixed] = {}
        for i, axis in enumerate(spatial_axes(x)):
            n, size = x.dims[axis], y.dims[axis]
            assert isinstance(n, int) and isinstance(size, int)
            scale = given[i] if isinstance(given, tuple) else given
            rules[axis] = Along(axis, self._taps(n, size, scale))
        return (Link(rules),)

    def _taps(self, n: int, size: int, scale: int | float | None) -> Taps | Listed:
        """The places that are read, those of weight 0 left out. A given scale is what torch computes with."""
        if self.mode == "area":
            return adaptive(n, size)
        step = Fraction(n, size) if scale is None else 1 / Fraction(scale)
        if self.align_corners:
            step = Fraction(n - 1, size - 1) if size > 1 else Fraction(0)
        if self.antialias:
            return smoothed(self.mode, n, size, step, listed=self.align_corners)
        if self.align_corners:
            return interpolated(self.mode, n, size, step, Fraction(0), listed=True)
        shift = {"nearest": Fraction(0), "nearest-exact": step / 2}.get(self.mode, (step - 1) / 2)
        return interpolated(self.mode, n, size, step, shift)

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        return INPUT if self.mode == "area" else NOTHING

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        kwargs: dict[str, Any] = {}
        if self.like or self.size is not None:
            kwargs["size"] = self._run_time_size(inputs, outputs[0])
        else:
            kwargs["scale_factor"] = self.scale
        kwargs["mode"] = self.mode
        if self.mode in _MODE_RANKS:
            kwargs["align_corners"] = self.align_corners
        if self.antialias:
            kwargs["antialias"] = True
        return Program((function("torch.nn.functional.interpolate", In(0), **kwargs),))

    def module(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> ModuleCall | None:
        fixed = self.size is None or all(isinstance(d, int) for d in outputs[0].spatial)
        if self.like or self.antialias or not fixed:
            return None
        lowered = self.lower(inputs, outputs)
        assert isinstance(lowered, Program)
        return ModuleCall("torch.nn.Upsample", (), lowered.results[0].kwargs)


def _scaled(d: Dim, scale: int | float) -> Dim:
    """floor(d * scale), as torch computes it."""
    if isinstance(d, int):
        return math.floor(float(d) * scale)
    exact = Fraction(scale)
    if exact.denominator > 64:
        message = f"upsample by {scale} needs fixed sizes, and gets {d}: rounding makes the result's size uncertain"
        raise LayerError("E0406", message, "a multiple of 1/64 is exact, and so is `like = x`")
    return d * exact.numerator // exact.denominator


class AffineGrid(Op):
    """Sampling places for `grid_sample` from affine maps: theta [N, 2, 3] gives [N, H, W, 2], and [N, 3, 4] gives [N,
    D, H, W, 3].

    The size comes from `like` or `size` (spatial transformers, arXiv 1506.02025).
    """

    kind: ClassVar[str] = "affine_grid"
    family: ClassVar[str] = "resample"
    traits: ClassVar[Trait] = Trait.AFFINE
    is_module: ClassVar[bool] = False
    tensor_parameters: ClassVar[tuple[str, ...]] = ("like",)

    size: Sizes | None = Field(None, description="height and width of the grid, or depth, height and width")
    like: Beside = Field(False, description="a tensor whose map has the size of the grid")
    align_corners: Bool = Field(
        True, description="whether -1 and 1 are the centres of the corners' places, as opposed to their edges"
    )

    @model_validator(mode="after")
    def _one_size(self) -> AffineGrid:
        if self.like == (self.size is not None):
            raise BadValue("or `like = x` must say how large the grid is: give one of them", parameter="size")
        return self

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        theta = inputs[0]
        need_float("affine_grid", theta)
        matrix = theta.dims[1:]
        if matrix not in ((2, 3), (3, 4)):
            hint = "`linear(6) -> reshape([2, 3])` makes such"
            raise LayerError("E0401", f"affine_grid takes matrices [N, 2, 3] or [N, 3, 4], and got {theta}", hint)
        sizes = inputs[1].spatial if self.like else self.size or ()
        if len(sizes) != theta.dims[1]:
            raise LayerError(
                "E0401", f"affine_grid: matrices {theta} make grids of {theta.dims[1]} axes, not {len(sizes)}"
            )
        if self.like and not facts.equal(theta.dims[0], inputs[1].dims[0]):
            raise LayerError("E0405", f"affine_grid: {theta} and {inputs[1]} differ in their batch")
        grid = TensorType.of((theta.dims[0], *sizes, len(sizes)), len(sizes) + 1)
        result = TensorType((theta.axes[0], *grid.axes[1:]))
        self._run_time_size(inputs, result)
        return (result,)

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        theta = inputs[0]
        rows = None if theta.channel_axis == 1 else 1
        return (over_map(theta, rows),)

    def _run_time_size(self, inputs: tuple[TensorType, ...], result: TensorType) -> Any:
        if self.like and inputs[1].channel_axis == 1:
            return method("size", In(1))
        sizes = [required_size(d, inputs, "affine_grid", _LIKE_HINT) for d in result.spatial]
        return (method("size", In(0), 0), 1, *sizes)

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        axes = outputs[0].rank - 2
        return Held(scratch=elements(outputs[0], axes + 1) * (axes + 1))

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        size = self._run_time_size(inputs, outputs[0])
        call = function("torch.nn.functional.affine_grid", In(0), size, align_corners=self.align_corners)
        return Program((call,))


class GridSample(Op):
    """A map sampled at the places of a grid: (x [N, C, H, W], grid [N, h, w, 2]) gives [N, C, h, w].

    A place is (x, y), from -1 to 1 over the map. Volumes take grids [N, d, h, w, 3]. As
    `torch.nn.functional.grid_sample`, except that corners are aligned unless told.
    """

    kind: ClassVar[str] = "grid_sample"
    family: ClassVar[str] = "resample"
    saved: ClassVar[Held | None] = Held((0, 1))
    arity: ClassVar[int | None] = 2
    is_module: ClassVar[bool] = False

    mode: Literal["bilinear", "nearest", "bicubic"] = Field(
        "bilinear", description="how values between places are found"
    )
    padding_mode: Literal["zeros", "border", "reflection"] = Field("zeros", description="what lies outside the map")
    align_corners: Bool = Field(
        True, description="whether -1 and 1 are the centres of the corners' places, as opposed to their edges"
    )

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        x, grid = inputs
        axes = need_map("grid_sample", x, (2, 3))
        for tensor in inputs:
            need_float("grid_sample", tensor)
        if grid.rank != x.rank or not facts.equal(grid.dims[-1], axes):
            form = "[N, h, w, 2]" if axes == 2 else "[N, d, h, w, 3]"
            raise LayerError(
                "E0401", f"grid_sample takes a grid {form} for {x}, and got {grid}", "`affine_grid` makes one"
            )
        if self.mode == "bicubic" and axes == 3:
            raise LayerError("E0401", f"grid_sample with mode bicubic takes maps [N, C, H, W], and got {x}")
        if not facts.equal(x.dims[0], grid.dims[0]):
            raise LayerError("E0405", f"grid_sample: {x} and the grid {grid} differ in their batch")
        return (x.with_dims((x.dims[0], x.dims[1], *grid.dims[1:-1])),)

    def is_nonnegative(self, given: Sequence[bool]) -> bool:
        return given[0] and self.mode != "bicubic"

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        """Any place of the map may be sampled: the grid decides where."""
        x, grid = inputs
        if grid.channel_axis != grid.rank - 1:
            return None
        return over_map(x), Link({axis: Along(axis + 1, SAME_PLACE) for axis in range(1, grid.rank - 1)}, 1)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        kwargs: dict[str, Any] = {
            "mode": self.mode,
            "padding_mode": self.padding_mode,
            "align_corners": self.align_corners,
        }
        return Program((function("torch.nn.functional.grid_sample", In(0), In(1), **kwargs),))
