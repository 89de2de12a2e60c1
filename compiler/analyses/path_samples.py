"""The paths of a network one by one: every one of a length has a number."""

from __future__ import annotations

from dataclasses import dataclass

from ..ir.graph import Graph, Value
from .paths import counted

Step = tuple[int, int]
"""A node on a path, and which of its inputs the path comes by; -1 at the input of the network, where it starts."""


@dataclass(frozen=True, slots=True)
class Path:
    """A way from an input to an output, node by node, and the output statement and place in its tuple where it ends."""

    steps: tuple[Step, ...]
    output: tuple[int, int]


class PathsByLength:
    """The paths of a graph, as `paths` counts them: `counts` by length, and each of a length by its number."""

    def __init__(self, graph: Graph, by: str):
        self.graph = graph
        ends = counted(graph, by)
        self.weights = [int(node.index in ends) for node in graph.nodes]
        self.slots = [node.op.arriving(tuple(range(len(node.inputs)))) for node in graph.nodes]
        self.ends: list[tuple[tuple[int, int], Value]] = [
            ((i, j), value)
            for i, output in enumerate(graph.outputs)
            if not output.when_training
            for j, value in enumerate(output.values)
        ]
        self.reaching = self._reaching()
        self.counts: dict[int, int] = {}
        for _, (node, _) in self.ends:
            _add(self.counts, self.reaching[node], 0)
        self.counts = dict(sorted(self.counts.items()))

    def _reaching(self) -> list[dict[int, int]]:
        """For each node how many paths of each length lead to it, itself included."""
        found: list[dict[int, int]] = []
        for node in self.graph.nodes:
            counts: dict[int, int] = {0: 1} if node.op.is_input else {}
            for slot in self.slots[node.index]:
                _add(counts, found[node.inputs[slot][0]], self.weights[node.index])
            found.append(counts)
        return found

    def path(self, length: int, number: int) -> Path:
        """The path of this length that has this number, from 0 to `counts[length] - 1`."""
        for output, (node, _) in self.ends:
            here = self.reaching[node].get(length, 0)
            if number < here:
                return Path(self._steps(node, length, number), output)
            number -= here
        raise IndexError("a path's number is below the count of its length")

    def _steps(self, index: int, length: int, number: int) -> tuple[Step, ...]:
        steps: list[Step] = []
        while not self.graph.nodes[index].op.is_input:
            length -= self.weights[index]
            for slot in self.slots[index]:
                source = self.graph.nodes[index].inputs[slot][0]
                here = self.reaching[source].get(length, 0)
                if number < here:
                    steps.append((index, slot))
                    index = source
                    break
                number -= here
        return (*reversed((*steps, (index, -1))),)


def _add(counts: dict[int, int], more: dict[int, int], length: int) -> None:
    for key, count in more.items():
        counts[key + length] = counts.get(key + length, 0) + count
