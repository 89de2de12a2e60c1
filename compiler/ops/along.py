"""Layers that work along an axis, which a spec may name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..ir.index_map import MIXED, WHOLE, Link, Links, same_but
from ..ir.op import Op
from ..ir.types import TensorType
from .axes import AxisChoice, axis_index
from .maps import fixed_size


class AlongAxis(Op):
    """What layers share that work along an `axis`."""

    if TYPE_CHECKING:
        axis: AxisChoice

    def along(self, x: TensorType) -> int:
        """The axis as a number from 0."""
        return axis_index(x, self.axis, self.kind)

    def size_along(self, x: TensorType) -> int:
        """The size of the axis, which must be known, since weights are made for it."""
        return fixed_size(self.kind, x, self.along(x))

    def along_channels(self, x: TensorType) -> bool:
        return self.along(x) == x.channel_axis

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        """Every place takes all that is along the axis."""
        (x,) = inputs
        return (MIXED if self.along_channels(x) else Link({**same_but(x), self.along(x): WHOLE}),)

    def is_per_channel(self, inputs: tuple[TensorType, ...]) -> bool:
        return inputs[0].channel_axis is not None and not self.along_channels(inputs[0])

    def is_per_place(self, inputs: tuple[TensorType, ...]) -> bool:
        return self.along_channels(inputs[0])
