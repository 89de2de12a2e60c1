"""The paths of a network by their lengths, counted exactly (Veit et al. 2016, arXiv 1605.06431)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from math import log10
from typing import Any, NamedTuple, TypeVar

from ..ir.counts import rounded
from ..ir.graph import Graph, Node
from .figures import paths as total_of
from .modules import module_ends

Known = TypeVar("Known")
KINDS = ("layer", "module")
EXACT_BITS = 2048
"""Counts are exact where there are less than two to this power paths."""
ROUNDED_DIGITS = 15
"""Digits of the counts where there are more."""
LEAST_SHARE = 50
"""Where there are more, lengths of less than a tenth to this power of all paths are left out."""
_ROUNDED_BITS = 512


class Moments(NamedTuple):
    """Of all paths: their number, the sum of their lengths and of the squares of these, the least length and the
    greatest."""

    total: int
    lengths: int
    squares: int
    shortest: int
    longest: int


@dataclass(frozen=True, slots=True)
class Paths:
    """How many ways lead from an input to an output, by length.

    `counts` says how many there are of each length that occurs, shortest first. By layer a length is the number of
    convolutions and dense layers on the way; by module the number of residual modules, of which the network has
    `modules`. An op that takes a tensor twice is two ways, and something shared counts at every application. What is
    for training only has no paths, and neither have draws and tensors that only say a size.

    With 2 ** 2048 paths or more `counts` is rounded to 15 digits, and without the lengths that less than 1e-50 of all
    paths have. The number of all paths, `mean`, `deviation`, `shortest` and `longest` are exact then too.
    """

    name: str
    by: str
    counts: dict[int, int]
    modules: int | None = None
    moments: Moments | None = None

    def __repr__(self) -> str:
        lengths = f", of lengths {self.shortest} to {self.longest} by {self.by}" if self.counts else ""
        return f"<Paths of {self.name}: {rounded(self.total)}{lengths}>"

    @property
    def exact(self) -> bool:
        """Whether `counts` is exact."""
        return self.moments is None

    @property
    def total(self) -> int:
        """The number of all paths."""
        return sum(self.counts.values()) if self.moments is None else self.moments.total

    @property
    def mean(self) -> float:
        """The mean length. Raises ValueError where there is no path."""
        found = self._moments()
        return found.lengths / found.total

    @property
    def deviation(self) -> float:
        """The standard deviation of the length. Raises ValueError where there is no path."""
        found = self._moments()
        return ((found.squares * found.total - found.lengths**2) / found.total**2) ** 0.5

    @property
    def shortest(self) -> int:
        """The least length of a path. Raises ValueError where there is no path."""
        return self._moments().shortest

    @property
    def longest(self) -> int:
        """The greatest length of a path. Raises ValueError where there is no path."""
        return self._moments().longest

    def _moments(self) -> Moments:
        if self.moments is not None:
            return self.moments
        if not self.counts:
            raise ValueError(f"no path of {self.name} leads from an input to an output")
        total, lengths, squares = (sum(n**power * count for n, count in self.counts.items()) for power in (0, 1, 2))
        return Moments(total, lengths, squares, min(self.counts), max(self.counts))

    def within(self, low: int, high: int) -> int:
        """How many paths have a length from `low` to `high`, both included."""
        return sum(count for length, count in self.counts.items() if low <= length <= high)

    def share(self, low: int, high: int) -> float:
        """Which part of all paths has a length from `low` to `high`, both included."""
        return self.within(low, high) / self.total if self.counts else 0.0

    def shortest_interval(self, share: float = 0.95) -> tuple[int, int]:
        """The least and the greatest length of the shortest interval with at least this part of all paths.

        Of several as short it is the one with most paths, then the one of the shortest lengths. Raises ValueError where
        there is no path, or `share` is not above 0 and at most 1.
        """
        if not 0 < share <= 1 or not self.counts:
            raise ValueError(f"no interval has a share of {share} of the paths; shares are above 0 and at most 1")
        lengths, wanted = list(self.counts), Fraction(str(share)) * sum(self.counts.values())
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
    ends = counted(graph, by)
    modules = len(ends) if by == "module" else None

    def weight(node: Node) -> int:
        return int(node.index in ends) if by == "module" else node.op.weight_layers()

    total = total_of(graph)
    moments = None if total.bit_length() <= EXACT_BITS else _moments(graph, weight)
    return Paths(graph.name, by, distribution(graph, weight, total), modules, moments)


def counted(graph: Graph, by: str) -> frozenset[int]:
    """The nodes that the length of a path counts, by "layer" or "module"."""
    layers = frozenset(node.index for node in graph.nodes if node.op.is_weight_layer())
    return module_ends(graph) if by == "module" else layers


class _Polynomial(NamedTuple):
    """How many paths there are of each length: whole numbers side by side in one, the first for the length `low`, all
    divided by two to the power `scale`. `total` is at least their sum."""

    value: int
    low: int
    scale: int
    total: int


def distribution(graph: Graph, weight: Callable[[Node], int], total: int) -> dict[int, int]:
    """How many of all paths, `total`, there are of each sum of node weights: exactly, or rounded, as `Paths` says.

    A node's distribution is a polynomial whose coefficients stand side by side in one whole number, so that a sum of
    polynomials is one addition and a weight changes the first length alone. Where the number of all paths has too many
    bits for that, coefficients are halved as often as they need to be. What is lost is less than 2 ** -255 of the paths
    through a node, and so of all paths, each time.
    """
    is_exact = total.bit_length() <= EXACT_BITS
    sums = _Sums(max(total.bit_length() + 1, 2) if is_exact else _ROUNDED_BITS)

    def past(node: Node, found: _Polynomial) -> _Polynomial:
        return found._replace(low=found.low + weight(node))

    value, low, scale, _ = _reaching(graph, _Polynomial(1, 0, 0, 1), sums.sum, past)
    counts = {low + place: count << scale for place, count in _unpacked(value, sums.width).items()}
    if is_exact:
        return counts
    return {length: _rounded(n) for length, n in counts.items() if n * 10**LEAST_SHARE >= total}


class _Sums:
    """Adds polynomials whose coefficients have so many bits."""

    def __init__(self, width: int):
        self.width = width
        self._masks: dict[int, int] = {}

    def sum(self, terms: Sequence[_Polynomial]) -> _Polynomial:
        if len(terms) == 1:
            return terms[0]
        low, scale = min((t.low for t in terms), default=0), max((t.scale for t in terms), default=0)
        terms = [self._divided(term, scale - term.scale) for term in terms]
        value = sum(term.value << self.width * (term.low - low) for term in terms)
        found = _Polynomial(value, low, scale, sum(term.total for term in terms))
        return self._divided(found, self.width // 2) if found.total.bit_length() >= self.width else found

    def _divided(self, term: _Polynomial, bits: int) -> _Polynomial:
        """The polynomial with all coefficients divided by a power of two, rounded down, without those at its ends that
        are 0 then."""
        if not bits:
            return term
        value = 0
        if bits < self.width:
            mask = self._masks.get(bits, 0)
            if mask.bit_length() < term.value.bit_length():
                places = 2 * (term.value.bit_length() // self.width + 1)
                ones = ((1 << self.width * places) - 1) // ((1 << self.width) - 1)
                mask = self._masks[bits] = ones * ((1 << self.width - bits) - 1)
            value = term.value >> bits & mask
        zeros = max((value & -value).bit_length() - 1, 0) // self.width
        total = (term.total >> bits) + 1
        return _Polynomial(value >> self.width * zeros, term.low + zeros, term.scale + bits, total)


def _rounded(count: int) -> int:
    """The count, with zeros behind its first digits."""
    unit = 10 ** max(int((count.bit_length() - 1) * log10(2)) + 1 - ROUNDED_DIGITS, 0)
    return (count + unit // 2) // unit * unit


def _moments(graph: Graph, weight: Callable[[Node], int]) -> Moments:
    """What all paths have in common, exactly."""

    def past(node: Node, found: Moments) -> Moments:
        more = weight(node)
        squares = found.squares + 2 * more * found.lengths + more**2 * found.total
        lengths = found.lengths + more * found.total
        return Moments(found.total, lengths, squares, found.shortest + more, found.longest + more)

    return _reaching(graph, Moments(1, 0, 0, 0, 0), _joined, past)


def _joined(parts: Sequence[Moments]) -> Moments:
    there = [part for part in parts if part.total]
    if len(there) == 1:
        return there[0]
    totals, lengths, squares, shortest, longest = zip(*there, strict=True) if there else ((), (), (), (0,), (0,))
    return Moments(sum(totals), sum(lengths), sum(squares), min(shortest), max(longest))


def _reaching(
    graph: Graph, first: Known, joined: Callable[[Sequence[Known]], Known], past: Callable[[Node, Known], Known]
) -> Known:
    """What is known of all paths to the outputs: `first` of one that begins, `joined` where ways meet, and `past` of
    those that have gone through a node."""
    results = [node for output in graph.outputs if not output.when_training for node, _ in output.values]
    uses = _uses(graph, results)
    known: dict[int, Known] = {}
    for node in graph.nodes:
        if not uses[node.index]:
            continue
        sources = [source for source, _ in node.op.arriving(node.inputs)]
        known[node.index] = past(node, joined([*[first] * node.op.is_input, *(known[source] for source in sources)]))
        _release(sources, uses, known)
    return joined([known[node] for node in results])


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


def _release(sources: Sequence[int], uses: list[int], known: dict[int, Any]) -> None:
    """Forgets what was needed for the last time: a thousand units have thousands of long polynomials."""
    for source in sources:
        uses[source] -= 1
        if not uses[source]:
            del known[source]


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
