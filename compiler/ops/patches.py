"""Windows of a map as columns, and back."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field, model_validator

from ..ir.lowering import In, Lowering, ModuleCall, Program, function, method
from ..ir.memory import NOTHING, Held, elements
from ..ir.op import Facts, LayerError, Op, Trait
from ..ir.size_rules import maximum
from ..ir.sizes import Dim
from ..ir.types import Axis, Role, TensorType
from ..ir.words import BadValue
from .axes import Sizes, check_rank, fixed, product, spatial_axes
from .maps import compact, need_float, need_map
from .run_time import required_size
from .values import Beside, Dilation, Extents, WholeAxes
from .windows import Window

_LIKE = "`fold(3, like = x)` takes the size of a map"


class _Patches(Op):
    """Base of what takes windows out of a map, and of what puts them back."""

    family: ClassVar[str] = "shape"
    traits: ClassVar[Trait] = Trait.AFFINE | Trait.KEEPS_NONNEGATIVE | Trait.ALLOCATES
    saved: ClassVar[Held | None] = NOTHING
    slides: ClassVar[bool] = True
    positional: ClassVar[tuple[str, ...]] = ("kernel", "stride")

    kernel: Extents = Field(description="size of the window")
    stride: Extents = Field(1, description="step of the window")
    padding: WholeAxes = Field(0, description="rows and columns of zeros around the map")
    dilation: Dilation = Field(1, description="distance between the window's elements")

    @property
    def window(self) -> Window:
        return Window.of(self.kind, 2, self.kernel, self.stride, self.dilation)

    def _columns(self, sizes: tuple[Dim, ...], facts: Facts) -> Dim:
        """How many windows there are in a map of these sizes."""
        return product(self.window.slide(sizes, self.padding, facts))

    def _settings(self) -> dict[str, Any]:
        given = {"dilation": (self.dilation, 1), "padding": (self.padding, 0), "stride": (self.stride, 1)}
        return {name: value for name, (value, default) in given.items() if value != default}


class Unfold(_Patches):
    """The windows of a map as columns (im2col): [N, C, H, W] gives [N, C * kernel², L], L the number of windows, row by
    row. The channels of a column are those of the map, each with the places of its window."""

    kind: ClassVar[str] = "unfold"

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        need_map(self.kind, x, (2,))
        channels = x.dims[1] * product(self.window.kernel)
        columns = Axis(self._columns(x.dims[2:], facts), Role.SPACE)
        return (TensorType((x.axes[0], Axis(channels, Role.CHANNELS), columns)),)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        return ModuleCall("torch.nn.Unfold", (compact(self.window.kernel),), self._settings())


class Fold(_Patches):
    """Columns back to a map, overlapping windows added up (col2im): [N, C * kernel², L] gives [N, C, H, W].

    The size comes from `size` or `like`, and has L windows.
    """

    kind: ClassVar[str] = "fold"
    tensor_parameters: ClassVar[tuple[str, ...]] = ("like",)
    is_module: ClassVar[bool] = False

    size: Sizes | None = Field(None, description="height and width of the map")
    like: Beside = Field(False, description="a tensor whose map has the size of the result")

    @model_validator(mode="after")
    def _one_size(self) -> Fold:
        if self.like == (self.size is not None):
            raise BadValue("or `like = x` must say how large the map is: give one of them", parameter="size")
        return self

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        x = inputs[0]
        need_float(self.kind, x)
        check_rank(x, (3,), "fold", "`unfold` makes such columns, [N, C * kernel², L]")
        sizes = inputs[1].spatial if self.like else self.size or ()
        if len(sizes) != 2 or (self.like and spatial_axes(inputs[1])[-1] != inputs[1].rank - 1):
            raise LayerError("E0401", f"fold makes a map of height and width, and is told {len(sizes)} sizes", _LIKE)
        area = product(self.window.kernel)
        channels = fixed(x.dims[1], "fold: the channels")
        assert isinstance(area, int)
        if channels % area:
            message = f"fold needs channels that divide by the window's {area} places, and got {x}"
            raise LayerError("E0421", message, f"`linear` or `conv` to a multiple of {area} before it")
        columns = self._columns(sizes, facts)
        if not facts.equal(x.dims[2], columns):
            message = f"fold: a map of {sizes[0]} x {sizes[1]} has {columns} windows, and {x} has {x.dims[2]} columns"
            raise LayerError("E0405", message, "`unfold` with the same settings makes as many")
        result = TensorType.of((x.dims[0], channels // area, *sizes))
        self._run_time_sizes(inputs, result)
        return (TensorType((x.axes[0], *result.axes[1:])),)

    def _run_time_sizes(self, inputs: tuple[TensorType, ...], result: TensorType) -> Any:
        if self.like and not all(isinstance(d, int) for d in result.spatial):
            return function("operator.getitem", method("size", In(1)), slice(inputs[1].rank - 2, None))
        return tuple(required_size(d, inputs, "fold", _LIKE) for d in result.spatial)

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        """torch takes memory of the columns' size for the map."""
        return Held(scratch=maximum(elements(inputs[0]) - elements(outputs[0]), 0))

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        sizes = self._run_time_sizes(inputs, outputs[0])
        kernel = compact(self.window.kernel)
        return Program((function("torch.nn.functional.fold", In(0), sizes, kernel, **self._settings()),))
