"""Numbers of words as vectors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from pydantic import Field

from ..ir.initialisers import Initialiser
from ..ir.lowering import In, Lowering, ModuleCall
from ..ir.memory import INPUT, Held
from ..ir.op import Facts, LayerError, Op, Weight
from ..ir.types import TensorType
from .axes import check_below, with_vectors
from .conv import applied
from .maps import check_start
from .values import Count, Init

_NORMAL = Initialiser("normal", (("std", 1.0), ("mean", 0.0)))


class Embedding(Op):
    """A learned vector for each whole number: tokens [N, T] of type int give [N, T, channels]."""

    kind: ClassVar[str] = "embedding"
    family: ClassVar[str] = "dense"
    saved: ClassVar[Held | None] = INPUT
    positional: ClassVar[tuple[str, ...]] = ("count", "channels")
    has_weights: ClassVar[bool] = True
    weight_parameters: ClassVar[tuple[str, ...]] = ("weight",)

    count: Count = Field(description="how many numbers there are, from 0")
    channels: Count = Field(description="length of the vectors")
    init: Init = Field(_NORMAL, description="how the vectors start")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        if x.dtype != "int":
            hint = "declare them so: `input tokens: int [N, T]`"
            raise LayerError(
                "E0411", f"embedding looks up whole numbers, and gets {x}, which is of type {x.dtype}", hint
            )
        check_below(self.kind, x, self.count, facts)
        check_start(self.kind, "init", self.init, (self.count, self.channels))
        return (TensorType(with_vectors(x, self.channels)),)

    def weights(self, inputs: tuple[TensorType, ...]) -> Iterable[Weight]:
        yield Weight("weight", (self.count, self.channels), self.init)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        return ModuleCall("torch.nn.Embedding", (self.count, self.channels))

    def functional(self, inputs: tuple[TensorType, ...], weights: dict[str, Any]) -> Any:
        return applied("embedding", In(0), weights, {})
