"""What a network is trained on, and how: equal devices, the batch, the type of numbers, the optimizer."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from ..ir.graph import Graph
from .figures import numbers_of
from .memory import DTYPES, bytes_of

STATES = {"sgd": 0, "momentum": 1, "adam": 2, "adamw": 2}
"""The numbers of 4 bytes that an optimizer holds for each parameter that trains."""

CROSS_ENTROPY = "cross_entropy"
"""The loss whose memory is known: its backward pass reads the logarithms of the probabilities, in numbers of 4 bytes as
many as the outputs have, and the targets."""
LOSSES = (CROSS_ENTROPY, "other")


@dataclass(frozen=True, slots=True)
class Machine:
    """Equal devices: how many, the bytes of memory of each, the bytes per second of its link to the others, how many
    multiply-adds it does in a second, and how many bytes of its memory it reads or writes in a second."""

    devices: int
    memory: int
    link: float = 50e9
    multiply_adds: float = 100e12
    bandwidth: float = 2e12


@dataclass(frozen=True, slots=True)
class Training:
    """How a network is trained: images in a step, the type of numbers of maps, the optimizer and the loss.

    Parameters, their gradients and the optimizer's states are of 4 bytes each, as autocast and mixed precision have
    them; of 8 under float64. Where maps have 2 bytes, products read a copy of the weights of 2 bytes.
    """

    batch: int
    dtype: str = "float32"
    optimizer: str = "adamw"
    loss: str = "other"

    @property
    def number(self) -> int:
        """The bytes of a number of a map."""
        return DTYPES[self.dtype]

    @property
    def master(self) -> int:
        """The bytes of a parameter."""
        return max(4, self.number)

    @property
    def weight(self) -> int:
        """The bytes that a parameter takes, with the copy that products read."""
        return self.master + (self.number if self.number < self.master else 0)

    @property
    def states(self) -> int:
        """The bytes that the optimizer holds for a parameter."""
        return STATES[self.optimizer] * self.master

    def held(self, owned: Owned) -> int:
        """The bytes that a rank holds for parameters and buffers, with gradients and the optimizer's states."""
        learned = owned.trained * (self.weight + self.master + self.states)
        return learned + owned.frozen * self.weight + owned.buffers


@dataclass(frozen=True, slots=True)
class Owned:
    """How many parameters train, how many do not, and the bytes of buffers."""

    trained: int = 0
    frozen: int = 0
    buffers: int = 0

    def __add__(self, other: Owned) -> Owned:
        return Owned(self.trained + other.trained, self.frozen + other.frozen, self.buffers + other.buffers)

    def __sub__(self, other: Owned) -> Owned:
        return Owned(self.trained - other.trained, self.frozen - other.frozen, self.buffers - other.buffers)


def owned(graph: Graph, number: int) -> dict[int, Owned]:
    """What each node with parameters or buffers owns, whose real numbers have `number` bytes."""
    found = dict[int, Owned]()
    for node in graph.owners():
        if node.op.has_weights:
            trained, frozen, _ = numbers_of(graph, node)
            kept = (w for w in node.op.weights(graph.input_types(node)) if not w.learned)
            found[node.index] = Owned(trained, frozen, sum(prod(w.shape) * bytes_of(w.dtype, number) for w in kept))
    return found
