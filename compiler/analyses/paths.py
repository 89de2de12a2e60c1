"""The paths of a network by their lengths, counted exactly (Veit et al. 2016, arXiv 1605.06431)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate

from ..ir.graph import Graph, Node
from .figures import paths as total_of
from .modules import module_ends

KINDS = ("layer", "module")


@dataclass(frozen=True, slots=True)
class Paths:
    """How many ways lead from an input to an output, by length.

    `counts` says how many there are of each length that occurs, shortest first. By layer a length is the number of
    convolutions and dense layers on the way; by module the number of residual modules, of which the network has
    `modules`. An op that takes a tensor twice is two ways, and something shared counts at every application. What is
    for training only has no paths, and neither have draws and tensors that only say a size.
    """

    name: str
    by: str
    counts: dict[int, int]
    modules: int | None = None

    def __repr__(self) -> str:
        lengths = f", of lengths {min(self.counts)} to {max(self.counts)} by {self.by}" if self.counts else ""
        return f"<Paths of {self.name}: {self.total:,}{lengths}>"

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def mean(self) -> float:
        """The mean length. Raises ValueError where there is no path."""
        return float(self._moment(1))

    @property
    def deviation(self) -> float:
        """The standard deviation of the length. Raises ValueError where there is no path."""
        return float(self._moment(2) - self._moment(1) ** 2) ** 0.5

    def _moment(self, power: int) -> Fraction:
        if not self.counts:
            raise ValueError(f"no path of {self.name} leads from an input to an output")
        return Fraction(sum(length**power * count for length, count in self.counts.items()), self.total)

    def within(self, low: int, high: int) -> int:
        """How many paths have a length from `low` to `high`, both included."""
        return sum(count for length, count in self.counts.items() if low <= length <= high)

    def share(self, low: int, high: int) -> float:
        """Which part of all paths has a length from `low` to `high`, both included."""
        return float(Fraction(self.within(low, high), self.total)) if self.counts else 0.0

    def shortest_interval(self, share: float = 0.95) -> tuple[int, int]:
        """The least and the greatest length of the shortest interval with at least this part of all paths.

        Of several as short it is the one with most paths, then the one of the shortest lengths. Raises ValueError where
        there is no path, or `share` is not above 0 and at most 1.
        """
        if not 0 < share <= 1 or not self.counts:
            raise ValueError(f"no interval has a share of {share} of the paths; shares are above 0 and at most 1")
        lengths, wanted = list(self.counts), Fraction(str(share)) * self.total
        below = [0, *accumulate(self.counts.values())]
        found: list[tuple[int, int, int]] = []
        high = 0
        for low in range(len(lengths)):
            while high < len(lengths) and below[high] - below[low] < wanted:
                high += 1
            if below[high] - below[low] >= wanted:
                found.append((lengths[high - 1] - lengths[low], below[low] - below[high], lengths[low]))
        width, _, low = min(found)
        return low, low + width


def paths(graph: Graph, by: str = "layer") -> Paths:
    """The paths of a graph by their lengths, in layers or in residual modules. Raises ValueError for another word."""
    if by not in KINDS:
        raise ValueError(f"paths are counted by {' or '.join(KINDS)}, and not by {by!r}")
    if by == "layer":
        return Paths(graph.name, by, distribution(graph, lambda node: node.op.weight_layers()), None)
    ends = counted(graph, by)
    return Paths(graph.name, by, distribution(graph, lambda node: int(node.index in ends)), len(ends))


def counted(graph: Graph, by: str) -> frozenset[int]:
    """The nodes that the length of a path counts, by "layer" or "module"."""
    layers = frozenset(node.index for node in graph.nodes if node.op.is_weight_layer())
    return module_ends(graph) if by == "module" else layers


def distribution(graph: Graph, weight: Callable[[Node], int]) -> dict[int, int]:
    """How many paths there are of each sum of node weights.

    A node's distribution is a polynomial whose coefficients stand side by side in one whole number, each in as many
    bits as the number of all paths has, so that a sum of polynomials is one addition and a weight one shift.
    """
    total = total_of(graph)
    width = max(total.bit_length(), 1)
    results = [node for output in graph.outputs if not output.when_training for node, _ in output.values]
    uses = _uses(graph, results)
    packed: dict[int, int] = {}
    for node in graph.nodes:
        if not uses[node.index]:
            continue
        sources = [source for source, _ in node.op.arriving(node.inputs)]
        value = int(node.op.is_input) + sum(packed[source] for source in sources)
        packed[node.index] = value << width * weight(node)
        _release(sources, uses, packed)
    return _unpacked(sum(packed[node] for node in results), width)


def _uses(graph: Graph, results: Sequence[int]) -> list[int]:
    """How often a value of each node arrives on the way to these nodes, to be one of them included."""
    uses = [0] * len(graph.nodes)
    for node in results:
        uses[node] += 1
    for node in reversed(graph.nodes):
        if uses[node.index]:
            for source, _ in node.op.arriving(node.inputs):
                uses[source] += 1
    return uses


def _release(sources: Sequence[int], uses: list[int], packed: dict[int, int]) -> None:
    """Forgets the polynomials that were needed for the last time: a thousand units have thousands of long ones."""
    for source in sources:
        uses[source] -= 1
        if not uses[source]:
            del packed[source]


def _unpacked(value: int, width: int) -> dict[int, int]:
    """The coefficients that are not 0. Halving the number first keeps the work near linear in its length."""
    counts: dict[int, int] = {}
    stack = [(value, 0, -(-value.bit_length() // width))]
    while stack:
        part, start, length = stack.pop()
        if length <= 1:
            if part:
                counts[start] = part
            continue
        half = length // 2
        high = part >> half * width
        stack.append((high, start + half, length - half))
        stack.append((part - (high << half * width), start, half))
    return counts
