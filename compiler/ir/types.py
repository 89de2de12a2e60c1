"""Tensor types: what is known of a tensor before it exists."""

from __future__ import annotations

from dataclasses import dataclass

from .sizes import Dim, symbols


@dataclass(frozen=True, slots=True)
class TensorType:
    """The sizes and the element type of a tensor.

    `dims[0]` is the batch. `channel_axis` says which axis holds the channels (1 in a map
    `[N, C, H, W]`, the last in a sequence of tokens `[N, T, C]`); the axes after the batch other
    than it are the tensor's spatial axes. `dtype` is `"float"`, `"int"` or `"bool"`.
    """

    dims: tuple[Dim, ...]
    dtype: str = "float"
    channel_axis: int = 1

    @property
    def rank(self) -> int:
        return len(self.dims)

    @property
    def channels(self) -> Dim:
        return self.dims[self.channel_axis]

    @property
    def spatial(self) -> tuple[Dim, ...]:
        """The sizes after the batch, channels left out."""
        return tuple(d for i, d in enumerate(self.dims) if i not in (0, self.channel_axis))

    @property
    def symbols(self) -> frozenset[str]:
        """The names of the sizes that are left open."""
        return frozenset[str]().union(*map(symbols, self.dims))

    def with_dims(self, dims: tuple[Dim, ...]) -> TensorType:
        return TensorType(dims, self.dtype, self.channel_axis)

    def __str__(self) -> str:
        text = "[" + ", ".join(map(str, self.dims)) + "]"
        return text if self.dtype == "float" else f"{self.dtype} {text}"
