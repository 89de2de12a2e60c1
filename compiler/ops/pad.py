"""Layers that surround a map, or add channels of zeros."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PlainValidator, model_validator

from ..ir.index_map import Along, Link, Links, Taps
from ..ir.lowering import In, Lowering, ModuleCall, Program, function
from ..ir.memory import INPUT, NOTHING, Held
from ..ir.op import Facts, LayerError, Trait
from ..ir.sizes import Dim
from ..ir.types import TensorType
from ..ir.words import BadValue, met
from . import values
from .axes import (
    axis_names,
    channel_index,
    check_space,
    fixed,
    replaced,
    spatial_axes,
    spread,
)
from .core import Extended
from .crop import Cutting
from .values import Bool, Count, Whole, Words, padding
from .windows import Window


def _amounts(value: Any) -> Any:
    if isinstance(value, str):
        raise BadValue(f"must be a number, a list, or a list of pairs, not {met(value)}")
    return padding(value)


_PADS = {"constant": "Constant", "reflect": "Reflection", "replicate": "Replication", "circular": "Circular"}


class Pad(Cutting):
    """Rows and columns around a map. Output: each axis of space grows by what is added before and after it.

    `pad(1)` adds 1 on every side; `pad([1, 2])` 1 above and below, 2 left and right; `pad([[0, 1], [0, 1]])` a row
    below and a column to the right.
    """

    kind: ClassVar[str] = "pad"
    traits: ClassVar[Trait] = Trait.PER_CHANNEL | Trait.AFFINE | Trait.KEEPS_NONNEGATIVE
    positional: ClassVar[tuple[str, ...]] = ("amounts",)

    amounts: Annotated[
        Any, PlainValidator(_amounts), Words("whole number from 0, a list of one for each axis, or a list of pairs")
    ] = Field(
        description="how much is added: on every side, on both sides of each axis, or [before, after] for each axis"
    )
    mode: Literal["constant", "reflect", "replicate", "circular"] = Field(
        "constant",
        description="what is added: a number, or the map mirrored without its edge, its edge again, or its far side",
    )
    value: Extended = Field(0.0, description="the number of mode constant")

    def _pairs(self, x: TensorType) -> tuple[tuple[int, int], ...]:
        return tuple(a if isinstance(a, tuple) else (a, a) for a in spread(self.amounts, x, "pad"))

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        check_space(x, "pad")
        if self.mode != "constant" and x.channel_axis != 1:
            raise LayerError(
                "E0401", f'pad with mode "{self.mode}" needs the channels at axis 1, and got {x}', "`permute` first"
            )
        if self.mode in ("reflect", "replicate") and x.dtype == "bool":
            message = f'pad with mode "{self.mode}" takes numbers, and {x} holds truth values'
            raise LayerError("E0407", message, '`to("int")` in front of it and `to("bool")` behind it do what is meant')
        changes: dict[int, Dim] = {}
        for axis, (before, after) in zip(spatial_axes(x), self._pairs(x), strict=True):
            least = max(before, after) + (self.mode == "reflect")
            if self.mode in ("reflect", "circular") and not facts.at_least(x.dims[axis], least):
                name = axis_names(x)[axis]
                message = f'pad with mode "{self.mode}" needs a {name} of at least {least}, and got {x}'
                raise LayerError("E0410", message)
            changes[axis] = x.dims[axis] + (before + after)
        return (replaced(x, changes),)

    def is_nonnegative(self, given: Sequence[bool]) -> bool:
        return super().is_nonnegative(given) and self.value >= 0

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        (x,) = inputs
        border = "zeros" if self.mode == "constant" else self.mode
        pairs = zip(spatial_axes(x), self._pairs(x), strict=True)
        return (Link({axis: Along(axis, Taps(1, 1, ((-before,),), border)) for axis, (before, _) in pairs}),)

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        return INPUT if self.mode in ("reflect", "replicate") else NOTHING

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        (x,) = inputs
        amounts = dict(zip(spatial_axes(x), self._pairs(x), strict=True))
        kwargs: dict[str, Any] = {} if self.mode == "constant" else {"mode": self.mode}
        if self.mode == "constant" and self.value:
            kwargs["value"] = self.value
        return Program((function("torch.nn.functional.pad", In(0), pad_list(x.rank, amounts), **kwargs),))

    def module(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> ModuleCall | None:
        (x,) = inputs
        axes = spatial_axes(x)
        if axes != tuple(range(2, x.rank)) or x.rank not in (3, 4, 5):
            return None
        kind = "Zero" if self.mode == "constant" and not self.value else _PADS[self.mode]
        amounts = pad_list(x.rank, dict(zip(axes, self._pairs(x), strict=True)))
        more = () if kind != "Constant" else (self.value,)
        return ModuleCall(f"torch.nn.{kind}Pad{len(axes)}d", (amounts, *more))


def ahead(window: Window, amounts: values.Pad, x: TensorType, **settings: Any) -> tuple[Pad, TensorType] | None:
    """The padding of a window as a layer ahead of it, and what that gives, where torch's layer does not pad so and how
    much it is does not depend on the input."""
    pads = window.pads(amounts, x.dims[2:])
    if window.even(pads) or not all(isinstance(n, int) for pair in pads for n in pair):
        return None
    sizes = [n + before + after for n, (before, after) in zip(x.dims[2:], pads, strict=True)]
    return Pad.model_construct(amounts=pads, **settings), x.with_dims((*x.dims[:2], *sizes))


def pad_list(rank: int, amounts: dict[int, tuple[int, int]]) -> tuple[int, ...]:
    """The amounts in the order of `torch.nn.functional.pad`: from the last axis, as far as any is padded."""
    return tuple(n for axis in range(rank - 1, min(amounts) - 1, -1) for n in amounts.get(axis, (0, 0)))


class PadChannels(Cutting):
    """Channels of zeros, to `channels` in all: the parameter-free shortcut of residual networks (arXiv 1512.03385,
    option A).

    Output: [N, channels, ...]. The zeros stand after the input's channels, unless told.
    """

    kind: ClassVar[str] = "pad_channels"
    traits: ClassVar[Trait] = Trait.PER_PLACE | Trait.AFFINE | Trait.KEEPS_NONNEGATIVE
    positional: ClassVar[tuple[str, ...]] = ("channels",)

    channels: Count = Field(description="output channels")
    before: Whole = Field(0, description="how many of the channels of zeros stand before the input's")
    both: Bool = Field(False, description="whether half of them stand before, rounded down, and half after")

    @model_validator(mode="after")
    def _one_way(self) -> PadChannels:
        if self.both and self.before:
            raise BadValue("is given together with `both`; give one of them", parameter="before")
        return self

    def _pair(self, x: TensorType) -> tuple[int, int]:
        have = fixed(x.dims[channel_index(x, "pad_channels")], "pad_channels: the channels of the input")
        added = self.channels - have
        if added < 0:
            hint = f'`conv({self.channels}, 1)` projects, `slice("channels", 0, {self.channels})` cuts'
            raise LayerError("E0405", f"pad_channels({self.channels}) adds channels, and {x} has {have} already", hint)
        before = added // 2 if self.both else self.before
        if before > added:
            raise LayerError("E0405", f"pad_channels: {before} channels before, where only {added} are added to {x}")
        return before, added - before

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        self._pair(x)
        return (replaced(x, {channel_index(x, "pad_channels"): self.channels}),)

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        before, after = self._pair(inputs[0])
        return (Link(channels=(*(-1,) * before, *range(self.channels - before - after), *(-1,) * after)),)

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        return Held(view="same") if self._pair(inputs[0]) == (0, 0) else NOTHING

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        (x,) = inputs
        pair = self._pair(x)
        if pair == (0, 0):
            return Program((In(0),))
        return Program(
            (function("torch.nn.functional.pad", In(0), pad_list(x.rank, {channel_index(x, "pad_channels"): pair})),)
        )
