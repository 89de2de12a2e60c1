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
    """The elaboration of one arch. While it runs it only notes what is applied: errors are told sooner so."""

    def __init__(self, name: str, here: Span, rewrites: Rewrites, stopped: Callable[[], bool]):
        super().__init__(name, here, rewrites)
        self.stopped = stopped
        self._notes: list[tuple[Any, Span | None, Tensors, Tensors, int, int]] = []
        self._applied: dict[Span, list[Application]] = {}

    def apply(self, value: Any, inputs: Tensors, span: Span, pending: Pending = None) -> Result:
        """The same as of any machine. Raises `Stopped` where nobody waits for the result any more."""
        if self.stopped():
            raise Stopped
        first = len(self.nodes)
        result = super().apply(value, inputs, span, pending)
        if not isinstance(result, Poison):
            # What is piped into stands at the place that is being looked at; what a list or a chain holds, at its own.
            self._notes.append((value, span if span is self.here else None, inputs, result, first, len(self.nodes)))
        return result

    @property
    def applied(self) -> dict[Span, list[Application]]:
        """The applications of what stands at each place, in order."""
        notes, self._notes = self._notes, []
        for value, here, inputs, outputs, first, stop in notes:
            made = Application(_types(inputs), _types(outputs), first, stop)
            for place in {getattr(value, "span", None), here} - {None}:
                self._applied.setdefault(place, []).append(made)
        return self._applied


def _types(tensors: Tensors) -> Types:
    return tuple([tensor.type for tensor in tensors])
