"""An elaboration that keeps account of what is applied where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..compiler.elaborate.arch import ArchElaboration
from ..compiler.elaborate.rewriting import Rewrites
from ..compiler.elaborate.values import Pending, Poison, Result, Tensors
from ..compiler.ir.types import TensorType
from ..dsl.source import Span

Types = tuple[TensorType, ...]


class Application(NamedTuple):
    """One application of what stands at a place: what arrives, what comes out, and the nodes that it made, from the
    number `first` up to but without `stop`."""

    inputs: Types
    outputs: Types
    first: int
    stop: int


class Stopped(Exception):
    """The elaboration of a text that has changed since."""


class Traced(ArchElaboration):
    """The elaboration of one arch. `applied` has the applications of what stands at each place, in order."""

    def __init__(self, name: str, here: Span, rewrites: Rewrites, stopped: Callable[[], bool]):
        super().__init__(name, here, rewrites)
        self.applied: dict[Span, list[Application]] = {}
        self.stopped = stopped

    def apply(self, value: Any, inputs: Tensors, span: Span, pending: Pending = None) -> Result:
        """The same as of any machine. Raises `Stopped` where nobody waits for the result any more."""
        if self.stopped():
            raise Stopped
        first = len(self.nodes)
        result = super().apply(value, inputs, span, pending)
        if not isinstance(result, Poison):
            made = Application(_types(inputs), _types(result), first, len(self.nodes))
            own = getattr(value, "span", None)
            # What is piped into stands at the place that is being looked at; what a list or a chain holds, at its own.
            for place in {own, span if span is self.here else own} - {None}:
                self.applied.setdefault(place, []).append(made)
        return result


def _types(tensors: Tensors) -> Types:
    return tuple([tensor.type for tensor in tensors])
