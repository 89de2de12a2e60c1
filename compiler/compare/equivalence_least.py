"""How many dimensions the set of functions has at least that an architecture can be.

What is counted is what `relu` and its kin show. Let p = w . h(x) + b arrive at a `relu`, for one channel, and let the m
functions h be linearly independent with 1. There are w and b for which p changes its sign at m places that determine w
and b up to a factor: through points on m edges of a broken line, whose directions are independent, goes a hyperplane
that crosses these edges. At such a place, and there alone, the network has a kink, which moves as w and b do. So the
function shows m numbers. Kinks of a layer do not move with weights behind it: the Jacobian of their places by the
weights is triangular, and the numbers of all channels and layers add up. Where something is added before `relu`
that is no combination of h and 1, w and b have no free factor, and the function shows m + 1 numbers.

Two more things must hold. The functions that arrive are independent: each channel has a kink where earlier ones have
none. And a kink arrives at an output: some layer takes the channel with weights of its own, and two channels of this
layer have almost opposite weights, so that one of them is active. Of these two no more than m numbers are counted.

Weights may be chosen for this: what is not known is multiplied by 0, a `relu` does nothing behind a large summand, one
place of a kernel is used, and the inputs are the same at all places of a map.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ..ir.graph import Graph, Node, Value
from ..ir.op import Op
from ..ir.types import TensorType
from ..ops.activation import LeakyReLU, ReLU, ReLU6
from ..ops.axes import spatial_index
from ..ops.conv import Convolution
from ..ops.core import Affine
from ..ops.crop import Subsample
from ..ops.linear import Linear
from ..ops.merge import Concat
from ..ops.norm import BatchNorm
from ..ops.pad import PadChannels
from ..ops.shape import Flatten, Reshape, Squeeze, Unsqueeze
from ..ops.split import ChannelShuffle, Split
from .equivalence import wanted
from .equivalence_most import IDLE, POOLS, taps

Sum = tuple[int, ...]
"""What a channel is, but for factors and a constant: the sum of some items. An item is an atom (a positive number), of
which nothing else is a combination, or a row of weights (a negative one). Without items it is a constant."""
Channels = list[Sum | None]
"""The channels of a tensor; None for one of which nothing is known."""

KINKED = (ReLU, ReLU6, LeakyReLU)
RESHAPING = (Flatten, Reshape, Squeeze, Unsqueeze)
CARRIERS = 2
"""Channels of a layer that see to it that one is active."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What the rows of a layer take, or of several together: features, so many of which are independent, and 1 if
    `biased`."""

    features: frozenset[int] = frozenset()
    rank: int = 0
    biased: bool = False


@dataclass(slots=True)
class Kinks:
    """Channels of a layer that take the same: the atoms that they are, each with whether something is added that is no
    combination of what they take."""

    taken: Rows
    atoms: dict[int, bool] = field(default_factory=dict)


def least_dimensions(graph: Graph) -> int:
    """A bound from below, for inputs of the sizes that the graph has, all of which are known."""
    return _Count(graph).total()


class _Count:
    def __init__(self, graph: Graph):
        self.graph = graph
        self.channels: dict[Value, Channels] = {}
        self.kinks: list[Kinks] = []
        self.parts: dict[int, frozenset[int]] = {}
        """Of a feature that is a sum: atoms that it is certainly made of."""
        self.mixed: dict[int, int] = {}
        """Of a feature that is a sum with weights: the row of the latest of them."""
        self.bare: set[int] = set()
        """Those that are nothing but these weights of what they take."""
        self.rows: list[Rows] = [Rows()]
        """By the number of an item."""
        self.settled: set[int] = set()
        """Rows of weights that are counted, or taken as they are."""
        self._features: dict[Sum, int | None] = {}
        self._together: dict[tuple[Rows, ...], Rows] = {}
        self._applied = Counter(node.owner for node in graph.nodes)
        self._input = graph.inputs[0].node if graph.inputs else None

    def total(self) -> int:
        for node in self.graph.nodes:
            found = self._found(node)
            for port, type_ in enumerate(node.outputs):
                known = found[port] if found is not None else []
                width = _width(type_)
                self.channels[node.index, port] = known if len(known) == width else [None] * width
        return self._seen()

    def _seen(self) -> int:
        """The numbers whose kinks arrive at outputs, and those that make the outputs of what is known then."""
        total = 0
        visible: set[int] = set()
        for value in dict.fromkeys(value for output in wanted(self.graph, False) for value in output.values):
            for items in self.channels[value]:
                taken = self._taken(items or ())
                self.settled.update(items or ())
                total += taken.rank + taken.biased
                self._show(taken.features, visible)
                if items is not None and len(items) == 1:
                    self._show((item for item in items if item > 0), visible)
        for kinks in reversed(self.kinks):
            shown = [beside for atom, beside in kinks.atoms.items() if atom in visible]
            if len(shown) >= CARRIERS:
                total += len(shown) * kinks.taken.rank + min(sum(shown), len(shown) - CARRIERS)
                self._show(kinks.taken.features, visible)
        return total

    def _show(self, features: Iterable[int], visible: set[int]) -> None:
        """Adds features, and the atoms that they are made of."""
        stack = [feature for feature in features if feature not in visible]
        visible.update(stack)
        while stack:
            more = self.parts.get(stack.pop(), frozenset()) - visible
            visible |= more
            stack.extend(more)

    # --- items ------------------------------------------------------------------------------------------

    def _new(self, rows: Rows, count: int) -> range:
        """So many new items, as numbers from 1."""
        first = len(self.rows)
        self.rows.extend([rows] * count)
        return range(first, first + count)

    def _taken(self, items: Sum) -> Rows:
        """What the rows take in all whose weights are still free."""
        found = tuple([self.rows[-item] for item in items if item < 0 and item not in self.settled])
        if found not in self._together:
            features = frozenset().union(*(rows.features for rows in found))
            self._together[found] = self._joint(features, any(rows.biased for rows in found))
        return self._together[found]

    def _joint(self, features: frozenset[int], biased: bool) -> Rows:
        """Some of these features, and how many of them are independent: sums of atoms that have an atom of their own,
        beside rows of weights that take other atoms; or sums in which the same rows of weights are."""
        sums = [(f, self.parts.get(f, {f})) for f in features if f not in self.mixed]
        times = Counter(atom for _, parts in sums for atom in parts)
        chosen = [f for f, parts in sums if any(times[atom] == 1 for atom in parts)]
        rank, covered = len(chosen), set(times)
        best: tuple[int, list[int]] = (0, [])
        classes: dict[Rows, dict[int, int]] = {}
        for feature in sorted(features & self.mixed.keys()):
            row = self.mixed[feature]
            classes.setdefault(self.rows[-row], {})[row] = feature
        for rows, by_row in classes.items():
            alike = [*by_row.values()]
            size = min(len(alike), rows.rank)
            best = max(best, (size, alike), key=lambda pair: pair[0])
            others = covered.isdisjoint(rows.features) and self.parts.keys().isdisjoint(rows.features)
            if others and self.bare.issuperset(alike):
                chosen, rank, covered = chosen + alike, rank + size, covered | rows.features
        rank, chosen = max((rank, chosen), best, key=lambda pair: pair[0])
        return Rows(frozenset(chosen), rank, biased)

    def _feature(self, items: Sum) -> int | None:
        """A channel as a feature that rows of weights take; None for a constant, and where nothing is known of it."""
        if len(items) == 1 and items[0] > 0:
            return items[0]
        if items not in self._features:
            self._features[items] = self._made(items)
        return self._features[items]

    def _made(self, items: Sum) -> int | None:
        self.settled.update(item for item in items if item < 0)
        summed = [item for item in items if item > 0 or self.rows[-item].features]
        latest = max(summed, key=abs, default=0)
        if latest == 0:
            return None
        if len(summed) == 1 and latest > 0:
            return latest
        if all(item > 0 for item in summed):
            (feature,) = self._new(Rows(), 1)
            self.parts[feature] = frozenset(summed)
            return feature
        if latest > 0:
            return None
        (feature,) = self._new(Rows(), 1)
        self.mixed[feature] = latest
        if len(summed) == 1:
            self.bare.add(feature)
        self.parts[feature] = self.rows[-latest].features
        return feature

    # --- layers -----------------------------------------------------------------------------------------

    def _found(self, node: Node) -> list[Channels] | None:
        """The channels of the outputs."""
        op, arriving = node.op, node.op.arriving(node.inputs)
        sources, types = [self.channels[v] for v in arriving], [self.graph.type_of(v) for v in arriving]
        if op.is_input:
            known = node.index == self._input and node.outputs[0].dtype == "float"
            return [[(atom,) for atom in self._new(Rows(), _width(node.outputs[0]))]] if known else None
        if any(x.dtype != "float" for x in types) or (op.has_weights and self._applied[node.owner] > 1):
            return None
        if op.is_merge and op.is_additive:
            return self._sum(node, sources)
        if isinstance(op, Concat):
            return [[e for source in sources for e in source]] if op.is_per_place(tuple(types)) else None
        if len(sources) != 1 or len(node.inputs) != 1:
            return None
        (x,), (source,) = types, sources
        if isinstance(op, KINKED) and not (isinstance(op, LeakyReLU) and op.slope == 1):
            return [self._kinked(node, source)]
        if isinstance(op, Convolution) and _meets_everywhere(node, self.graph):
            return [self._linear(source, *op.widths(len(source)), op.bias is not False)]
        if isinstance(op, Linear) and op.along_channels(x):
            return [self._linear(source, op.units, 1, op.bias is not False)]
        if isinstance(op, BatchNorm) and op.track:
            return [self._shifted(source)]
        if isinstance(op, Split) and spatial_index(x, op.axis, "split") == x.channel_axis:
            return list(_cut(source, [_width(y) for y in node.outputs]))
        if isinstance(op, ChannelShuffle):
            each = len(source) // op.groups
            return [[source[c % op.groups * each + c // op.groups] for c in range(len(source))]]
        if isinstance(op, PadChannels):
            before, after = op._pair(x)
            return [[()] * before + source + [()] * after]  # type: ignore[list-item]
        if isinstance(op, RESHAPING):
            return _flat(x, node.outputs[0], source)
        return [source] if _keeps(op, x) else None

    def _sum(self, node: Node, sources: list[Channels]) -> list[Channels] | None:
        factors = node.op.factors(len(sources))
        width = _width(node.outputs[0])
        if factors is None or min(factors) <= 0 or any(len(source) != width for source in sources):
            return None
        columns = zip(*sources, strict=True)
        return [[None if None in c else tuple(i for e in c if e is not None for i in e) for c in columns]]

    def _linear(self, source: Channels, out: int, groups: int, biased: bool) -> Channels:
        inner, outer = len(source) // groups, out // groups
        if inner == outer == 1 < groups:
            return self._shifted(source) if biased else source
        found: Channels = []
        for group in range(groups):
            arriving = (e for e in source[group * inner : (group + 1) * inner] if e is not None)
            features = frozenset(f for e in arriving if (f := self._feature(e)) is not None)
            found.extend((-row,) for row in self._new(self._joint(features, biased), outer))
        return found

    def _shifted(self, source: Channels) -> Channels:
        """With a summand of its own for each channel; factors are left as they are."""
        shifts = self._new(Rows(biased=True), len(source))
        return [None if e is None else (*e, -shift) for e, shift in zip(source, shifts, strict=True)]

    def _kinked(self, node: Node, source: Channels) -> Channels:
        taken = [Rows() if e is None else self._taken(e) for e in source]
        many = Counter(taken)
        known: dict[Rows, Kinks] = {}
        spanned: dict[Rows, frozenset[int] | None] = {}
        found: Channels = []
        for items, rows in zip(source, taken, strict=True):
            if not items or not rows.biased or self._taken(items) != rows:
                found.append(() if items == () else None)
                continue
            beside = [item for item in items if item > 0 or item in self.settled]
            self.settled.update(item for item in items if item < 0)
            if not rows.rank or many[rows] < CARRIERS:
                found.append(self._passed(node, items))
            elif isinstance(node.op, ReLU6) and beside:
                found.append(None)
            else:
                (atom,) = self._new(Rows(), 1)
                if rows not in spanned:
                    spanned[rows] = self._spanned(rows)
                more = isinstance(node.op, ReLU6) or _is_apart(beside, spanned[rows])
                known.setdefault(rows, Kinks(rows)).atoms[atom] = more
                found.append((atom,))
        self.kinks.extend(known.values())
        return found

    def _spanned(self, rows: Rows) -> frozenset[int] | None:
        """The features that rows take, and the atoms of these, unless some are not known."""
        if not self.mixed.keys().isdisjoint(rows.features):
            return None
        return rows.features.union(*(self.parts.get(f, ()) for f in rows.features))

    def _passed(self, node: Node, items: Sum) -> Sum | None:
        """A channel that a large summand keeps where `relu` does nothing."""
        before = self.graph.nodes[node.inputs[0][0]].op
        if isinstance(node.op, ReLU6) and not isinstance(before, BatchNorm):
            return None
        return tuple(item for item in items if item > 0 or self.rows[-item].features)


def _is_apart(beside: list[int], spanned: frozenset[int] | None) -> bool:
    """Whether a sum of atoms is certainly no combination of what rows take, which spans these."""
    return spanned is not None and bool(beside) and min(beside) >= 0 and not spanned.issuperset(beside)


def _width(type_: TensorType) -> int:
    """The number of channels; 0 where there is none, or it is not known."""
    size = type_.channels if type_.rank > 1 else 0
    return size if isinstance(size, int) else 0


def _meets_everywhere(node: Node, graph: Graph) -> bool:
    """Whether some place of the kernel meets the map, and not its padding, wherever the window is."""
    return all(taps(node, graph, all))


def _keeps(op: Op, x: TensorType) -> bool:
    """Whether a layer keeps channels that are one number everywhere, but for positive factors and summands."""
    if isinstance(op, Affine):
        return op.scale * op.divisor > 0
    if isinstance(op, POOLS):
        return op.statistic == "maximum" or op.keeps_constants() or all(size == 1 for size in x.dims[2:])
    return isinstance(op, (*IDLE, Subsample))


def _flat(x: TensorType, y: TensorType, source: Channels) -> list[Channels] | None:
    """A map as a vector; or a tensor whose axes change, and whose channels do not."""
    if x.channel_axis != 1 or y.channel_axis != 1 or x.dims[0] != y.dims[0]:
        return None
    if _width(x) == _width(y):
        return [source]
    return [[e for e in source for _ in range(_width(y) // _width(x))]] if y.rank == 2 and _width(x) else None


def _cut(source: Channels, widths: list[int]) -> Iterator[Channels]:
    at = 0
    for width in widths:
        yield source[at : at + width]
        at += width
