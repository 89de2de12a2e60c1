"""Tensors read as maps or as tokens, where a layer takes them as such alone and archc takes them for something else."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ..ir.graph import Value
from ..ir.op import LayerError, Op
from ..ir.types import TensorType
from ..ops.build import ArgumentError
from .unsayable import Unsayable

if TYPE_CHECKING:
    from .reader import Reader

Taken = tuple[tuple[Value, ...], tuple[TensorType, ...]]
"""The tensors that a layer takes, and the types of what it makes."""
READINGS = {"as_map": 1, "as_tokens": -1}
"""Layers that say which axis holds the channels."""


def as_taken(reader: Reader, op: Op, inputs: tuple[Value, ...]) -> Taken:
    """The tensors as the layer takes them, and what it makes. Raises LayerError."""
    try:
        return inputs, reader.infer(op, reader.arriving(op, inputs))
    except LayerError:
        for kind, axis in READINGS.items():
            with suppress(LayerError, ArgumentError, Unsayable):
                read = tuple([_read(reader, kind, axis, value) for value in inputs])
                return read, reader.infer(op, reader.arriving(op, read))
        raise


def _read(reader: Reader, kind: str, axis: int, value: Value) -> Value:
    type_ = reader.graph.type_of(value)
    is_read = type_.rank < 3 or not type_.has_batch or type_.channel_axis == axis % type_.rank
    return value if is_read else reader.apply(kind, (value,), {}, None)[0]
