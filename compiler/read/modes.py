"""Evaluation held beside training: which of the tensors that training makes are what evaluation returns."""

from __future__ import annotations

from typing import Any

from ..ir.graph import Node, Value
from .reader import Reader


class Keys:
    """A number for each tensor: equal ones are made by the same layers of the same tensors, but for what does nothing
    in evaluation. One object is for several graphs of one module."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}

    def of(self, reader: Reader) -> dict[Value, int]:
        found: dict[Value, int] = {}
        for node in reader.nodes:
            inputs = tuple([found[value] for value in node.inputs])
            for port in range(len(node.outputs)):
                found[node.index, port] = inputs[0] if _does_nothing(node) else self._number(reader, node, inputs, port)
        return found

    def _number(self, reader: Reader, node: Node, inputs: tuple[int, ...], port: int) -> int:
        path = reader.places[node.index].path
        kind, *settings = node.op.key
        told = tuple([setting for setting in settings if setting[0] not in node.op.training_settings])
        return self._numbers.setdefault((kind, told, path, inputs, port), len(self._numbers))


def _does_nothing(node: Node) -> bool:
    """Whether a node hands its one input on in evaluation: dropout, and parts that survive by chance."""
    return node.op.arity == 1 and node.op.is_random() and node.op.is_elementwise()


def counterparts(training: Reader, evaluation: Reader) -> dict[Value, Value]:
    """For tensors of evaluation the last one that training makes of the same."""
    keys = Keys()
    ours = {key: value for value, key in keys.of(training).items()}
    return {value: ours[key] for value, key in keys.of(evaluation).items() if key in ours}
