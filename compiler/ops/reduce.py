"""Reductions: one number for all that stand along some axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PlainValidator

from ..ir.index_map import SAME_PLACE, WHOLE, Along, Fixed, Link, Links, place_axes
from ..ir.lowering import In, Lowering, Program, function
from ..ir.memory import INPUT, NOTHING, Held
from ..ir.op import Facts, LayerError, Op
from ..ir.types import TensorType
from ..ir.words import BadValue, met
from .axes import AxisChoice, as_vector, axis_choice, product, settled, spatial_index
from .maps import OF_MASKS, need_float
from .values import Bool, Words

_TARGETS = {
    "mean": "torch.mean",
    "sum": "torch.sum",
    "max": "torch.amax",
    "min": "torch.amin",
    "var": "torch.var",
    "std": "torch.std",
    "norm": "torch.linalg.vector_norm",
    "logsumexp": "torch.logsumexp",
}


def _axes(value: Any) -> tuple[int | str, ...]:
    listed = value if isinstance(value, list | tuple) else [value]
    if not listed:
        raise BadValue(f"must be an axis or a list of axes, not {met(value)}")
    return tuple(map(axis_choice, listed))


class Reduce(Op):
    """One number for all along some axes: `reduce("mean", ["height", "width"])` of [N, C, H, W] gives [N, C].

    The statistics are "mean", "sum", "max", "min", "logsumexp", "norm" (the root of the sum of squares), "var" and
    "std" (which divide by one less than they have, unless `unbiased = false`). The axes go, or stay with size 1 where
    `keep` says so. Whole numbers have a sum, a max and a min.
    """

    kind: ClassVar[str] = "reduce"
    family: ClassVar[str] = "pool"
    positional: ClassVar[tuple[str, ...]] = ("statistic", "axis", "keep")
    is_module: ClassVar[bool] = False

    statistic: Literal["mean", "sum", "max", "min", "var", "std", "norm", "logsumexp"] = Field(
        description="what is taken of the numbers"
    )
    axis: Annotated[tuple[AxisChoice, ...], PlainValidator(_axes), Words("axis, or a list of axes")] = Field(
        description="the axis, or the axes"
    )
    keep: Bool = Field(False, description="whether the axes stay, with size 1")
    unbiased: Bool = Field(True, description="whether the variance is that of a sample, divided by one less")

    def _indices(self, x: TensorType) -> tuple[int, ...]:
        found = tuple(spatial_index(x, axis, self.kind) for axis in self.axis)
        if len(set(found)) < len(found):
            raise LayerError("E0420", f"{self.kind} names an axis of {x} twice", "name each axis once")
        return tuple(sorted(found))

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        of_whole = self.statistic in ("sum", "max", "min")
        if x.dtype != "int" or not of_whole:
            need_float(self.kind, x, *OF_MASKS if of_whole else ())
        reduced = self._indices(x)
        if self.statistic in ("var", "std") and self.unbiased:
            sizes = [x.dims[axis] for axis in reduced]
            if not facts.unenforced.several(sizes):
                has = f"{x} has {product(sizes)}"
                message = f'reduce("{self.statistic}") needs at least two numbers along its axes, and {has}'
                raise LayerError("E0410", message, "`unbiased = false` takes one")
        if self.keep:
            return (x.with_dims(1 if i in reduced else size for i, size in enumerate(x.dims)),)
        return (TensorType(as_vector(settled(x, [a for i, a in enumerate(x.axes) if i not in reduced])), x.dtype),)

    def is_per_channel(self, inputs: tuple[TensorType, ...]) -> bool:
        (x,) = inputs
        reduced = self._indices(x)
        if x.channel_axis is None or x.channel_axis in reduced:
            return False
        return self.keep or min(reduced) > x.channel_axis

    def is_per_place(self, inputs: tuple[TensorType, ...]) -> bool:
        return self.keep and self._indices(inputs[0]) == (inputs[0].channel_axis,)

    def is_affine(self) -> bool:
        return self.statistic in ("mean", "sum")

    def is_nonnegative(self, given: Sequence[bool]) -> bool:
        return all(given) or self.statistic in ("var", "std", "norm")

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        (x,) = inputs
        reduced = self._indices(x)
        if outputs[0].channel_axis is None and x.channel_axis is not None and x.channel_axis not in reduced:
            return None
        rules: dict[int, Along | Fixed] = {}
        for axis in place_axes(x):
            to = axis if self.keep else axis - sum(r < axis for r in reduced)
            rules[axis] = WHOLE if axis in reduced or to == outputs[0].channel_axis else Along(to, SAME_PLACE)
        kept = x.channel_axis is not None and x.channel_axis not in reduced
        return (Link(rules, None if kept else 1, apart=not kept and outputs[0].channel_axis is not None),)

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        if self.is_affine():
            return NOTHING
        return INPUT if self.statistic == "var" else Held((0,), output=True)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        settings: dict[str, Any] = {"keepdim": True} if self.keep else {}
        if self.statistic in ("var", "std") and not self.unbiased:
            settings["correction"] = 0
        axes = self._indices(inputs[0])
        return Program((function(_TARGETS[self.statistic], In(0), dim=axes, **settings),))
