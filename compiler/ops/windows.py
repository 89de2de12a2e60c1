"""Sliding windows: padding and output sizes of convolutions and pools."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from ..ir.index_map import Along, Fixed, window
from ..ir.lowering import In, Step, function, method
from ..ir.op import Facts, LayerError
from ..ir.size_rules import maximum
from ..ir.sizes import Dim, ceil_div
from ..ir.types import TensorType
from .axes import AXES
from .maps import certain, expand, expand_pairs
from .values import Pad

Pads = tuple[tuple[Dim, Dim], ...]


@dataclass(frozen=True, slots=True)
class Window:
    """A window, with one number for each spatial axis."""

    kind: str
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]

    @classmethod
    def of(cls, kind: str, rank: int, kernel: Any, stride: Any, dilation: Any = 1) -> Window:
        return cls(
            kind,
            expand(kind, "kernel", kernel, rank),
            expand(kind, "stride", stride, rank),
            expand(kind, "dilation", dilation, rank),
        )

    @property
    def rank(self) -> int:
        return len(self.kernel)

    @property
    def extent(self) -> tuple[int, ...]:
        """What the window spans, its holes included."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    def pads(self, padding: Pad, sizes: tuple[Dim, ...]) -> Pads:
        """(before, after) for each axis. A `"same"` padding of symbolic sizes may be symbolic."""
        if padding == "half":
            return tuple(((e - 1) // 2, (e - 1) // 2) for e in self.extent)
        if padding == "same":
            return tuple(map(_same, sizes, self.extent, self.stride))
        assert not isinstance(padding, str)
        return expand_pairs(self.kind, "padding", padding, self.rank)

    def slide(self, sizes: tuple[Dim, ...], padding: Pad, facts: Facts, ceil: bool = False) -> tuple[Dim, ...]:
        """The output sizes: floor((n + pads - extent) / stride) + 1, or rounded up with `ceil`."""
        if padding == "same":
            return tuple(map(ceil_div, sizes, self.stride))
        pads = self.pads(padding, sizes)
        return tuple(self._slide(axis, n, pads[axis], facts, ceil) for axis, n in enumerate(sizes))

    def _slide(self, axis: int, n: Dim, pads: tuple[Any, Any], facts: Facts, ceil: bool) -> Dim:
        (before, after), extent, stride = pads, self.extent[axis], self.stride[axis]
        slack = before + after - extent
        if ceil:
            # torch drops a last window that would start in the padding behind. Both roundings divide by the stride,
            # so the smaller of the two sizes has the smaller constant, whatever n is.
            slack = min(slack + stride - 1, before - 1)
        if not certain(facts, n, -slack):
            raise self._too_big(axis, n, before + after)
        return (n + slack) // stride + 1

    def taps(self, pads: Pads, mode: str = "zeros") -> dict[int, Along | Fixed]:
        """Which places of the map the window takes, for each axis of space; the sizes are known."""
        each = zip(self.stride, pads, self.extent, self.dilation, strict=True)
        return {
            axis: Along(axis, window(stride, cast(int, before), extent, dilation, mode))
            for axis, (stride, (before, _), extent, dilation) in enumerate(each, 2)
        }

    def must_fit(self, sizes: tuple[Dim, ...], facts: Facts) -> None:
        """Refuses a map that is smaller than the window before it is padded."""
        for axis, (n, extent) in enumerate(zip(sizes, self.extent, strict=True)):
            if not certain(facts, n, extent):
                raise self._too_big(axis, n, 0)

    def _too_big(self, axis: int, n: Dim, pad: int) -> LayerError:
        name = AXES[self.rank][axis]
        padded = f", {n + pad} with its padding" if pad else ""
        extent = self.extent[axis]
        spans = "" if extent == self.kernel[axis] else f" (dilated, it spans {extent})"
        return LayerError(
            "E0404",
            f"the window of {self.kind} is {self.kernel[axis]} wide along the {name}{spans}, "
            f"and the map has a {name} of {n}{padded}",
            "give the layer a smaller kernel or more padding, or the network a larger input",
        )

    def padded(self, x: TensorType, pads: Pads) -> Dim:
        """How many numbers the padded map has."""
        count: Dim = x.dims[0] * x.dims[1]
        for n, (before, after) in zip(x.dims[2:], pads, strict=True):
            count = (n + before + after) * count
        return count

    def even(self, pads: Pads) -> tuple[int, ...] | None:
        """The padding as torch's layers take it; None where its sides differ, or it is known only at run time."""
        if all(isinstance(b, int) and b == a for b, a in pads):
            return tuple(b for b, _ in pads if isinstance(b, int))
        return None

    def pad_step(self, pads: Pads, mode: str = "constant", value: float = 0.0, of: In | Step | None = None) -> Step:
        """Pads the op's input ahead of the layer, or what is made of it."""
        amounts: list[Any] = []
        for axis in reversed(range(self.rank)):
            before, after = pads[axis]
            if isinstance(before, int) and isinstance(after, int):
                amounts += [before, after]
            else:
                amounts += _same_at_run_time(axis + 2, self.extent[axis], self.stride[axis])
        settings: dict[str, Any] = {} if mode == "constant" and value == 0 else {"mode": mode}
        if value != 0:
            settings["value"] = value
        return function("torch.nn.functional.pad", of or In(0), amounts, **settings)


def _same(n: Dim, extent: int, stride: int) -> tuple[Dim, Dim]:
    """TensorFlow's padding for an output of ceil(n / stride): what the last window lacks, the odd one behind."""
    total = maximum(extent - 1 - (n - 1) % stride, 0) if stride > 1 else extent - 1
    return total // 2, (total + 1) // 2


def _same_at_run_time(axis: int, extent: int, stride: int) -> list[Step]:
    beyond = function("operator.mod", function("operator.sub", method("size", In(0), axis), 1), stride)
    total = function("torch.sym_max", function("operator.sub", extent - 1, beyond), 0)
    before = function("operator.floordiv", total, 2)
    return [before, function("operator.sub", total, before)]
