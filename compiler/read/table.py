"""How functions of torch's on tensors become layers: what the tables of `aten` share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..ir.types import TensorType
from .reader import Call
from .unsayable import Unsayable

Made = Any
"""A tensor of the graph, several, or nothing."""
Handler = Callable[[Call], Made]
MOST_PLACES = 32
"""So many places along an axis are written out."""


class Table(dict[str, Handler]):
    """What makes the nodes of a call, by the function's name before decomposition: `conv2d` of `aten::conv2d`."""

    def following(self, *names: str) -> Callable[[Handler], Handler]:
        """The same for functions whose batch may be any axis: what they are told of axes goes by `Call.axis`."""

        def register(function: Handler) -> Handler:
            return self.of(*names)(follows_batch(function))

        return register

    def of(self, *names: str) -> Callable[[Handler], Handler]:
        def register(function: Handler) -> Handler:
            self.update(dict.fromkeys(names, function))
            return function

        return register


def follows_batch(function: Handler) -> Handler:
    function.follows_batch = True  # type: ignore[attr-defined]
    return function


def spread(value: Any, rank: int) -> tuple[int, ...]:
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    return values * rank if len(values) == 1 else values


def along(x: TensorType, axis: int) -> dict[str, Any]:
    """The setting `axis`, where it is another than that of the channels."""
    axis %= x.rank
    if axis == x.channel_axis:
        return {}
    return {"axis": -1 if axis == x.rank - 1 else axis}


def axis_name(x: TensorType, axis: int) -> Any:
    return "channels" if axis == x.channel_axis else axis


def axis_names(x: TensorType, axes: list[int]) -> Any:
    return tuple(axes) if len(axes) > 1 else axes[0]


def real(value: Any) -> int | float:
    if not isinstance(value, int | float):
        raise Unsayable(f"arithmetic with the size {value}" if value is not None else "arithmetic with nothing")
    return int(value) if isinstance(value, bool) else value


def short(value: float) -> float:
    """A number of single precision with as few digits as say it."""
    return float(f"{value:.7g}")
