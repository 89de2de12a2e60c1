"""Receptive fields: which places of an input a place of a tensor depends on, exactly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from operator import itemgetter

from ..ir.graph import Graph, Node, Value, concrete
from ..ops.axes import axis_names, spatial_axes
from .dependence import Key, Unknown, Walk
from .dependence import Seen as AxisSeen
from .extents import Pattern, Table, first, has_holes
from .parts import Parts


@dataclass(frozen=True, slots=True)
class AxisField:
    """What a place of a tensor sees along one axis of an input.

    Away from the borders of the image a place sees `size` rows from its first to its last, and the next place sees
    those `stride` further on. `offset` is the first row that place 0 would see if the image went on beyond its border:
    -p where padding hides p rows. Where places see different numbers of rows, as after an upsampling, `size` is the
    largest. All three are None where the whole image counts, or where they are others for every size of the image.
    `whole` says that every place sees the same, as behind a global pool. `holes` says that some place does not see
    some row between its first and last.

    `seen` has the first and the last row of the image at hand that each place sees, None where it sees nothing; a
    single entry stands for all places where they see the same.
    """

    input: str
    axis: str
    size: int | None
    stride: Fraction | None
    offset: int | None
    whole: bool
    holes: bool
    seen: tuple[tuple[int, int] | None, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ReceptiveField:
    """The receptive field of a tensor: the places of the inputs on which a place of it depends, over all of its
    channels, through whichever branches, in evaluation.

    `axes` has its projection on each axis of each input that it depends on. `unknown` says why it is not known, where
    a layer on the way has no rule; then there are no axes.
    """

    path: str
    kind: str
    shape: tuple[int, ...]
    axes: tuple[AxisField, ...] = ()
    unknown: str | None = None

    @property
    def size(self) -> tuple[int | None, ...]:
        """The extent along each axis."""
        return tuple(axis.size for axis in self.axes)

    @property
    def stride(self) -> tuple[Fraction | None, ...]:
        """The step along each axis."""
        return tuple(axis.stride for axis in self.axes)


def receptive_fields(graph: Graph, sizes: dict[str, int] | None = None) -> list[ReceptiveField]:
    """That of every node's first output, at the usual sizes of the inputs or those given."""
    return fields_of(graph, [(node.index, 0) for node in graph.nodes], sizes)


def fields_of(graph: Graph, values: Iterable[Value], sizes: dict[str, int] | None = None) -> list[ReceptiveField]:
    """Those of some tensors."""
    at = {**graph.nominal, **(sizes or {})}
    found = _Fields(graph, at)
    return [found.of(index, port) for index, port in values]


def receptive_field(
    graph: Graph, place: str | int | None = None, sizes: dict[str, int] | None = None
) -> ReceptiveField:
    """That of a layer by its path, of the last tensor that a scope makes, of a node by its number, or of the output.

    Raises ValueError where there is no such place, or where nothing says which of several outputs is meant.
    """
    node, port = _located(graph, place)
    return fields_of(graph, [(node.index, port)], sizes)[0]


@dataclass(slots=True)
class Seen:
    """What every tensor of a graph depends on, at the sizes that were asked for last."""

    graph: Graph
    found: _Fields | None = None

    def at(self, sizes: dict[str, int]) -> _Fields:
        if self.found is None or sizes != self.found.walk.sizes:
            self.found = _Fields(self.graph, sizes)
        return self.found

    def looks(self, sizes: dict[str, int]) -> int:
        """What telling it at these sizes is, in nodes looked at. The first sizes have a limit of their own."""
        if self.found is None:
            return len(self.graph.nodes)
        walk = self.found.walk
        return 1 if sizes == walk.sizes else _LOOKS * len(self.graph.nodes) + walk.steps


_LOOKS = 200
"""What finding the receptive field of one node is, in nodes looked at."""


def extent(seen: Seen, place: str | None, at: dict[str, int], parts: Parts) -> int | list[int]:
    """The size of a receptive field: one number where all axes have the same. Raises ValueError where there is none."""
    node, port = _located(seen.graph, place, parts)
    field = seen.at(at).of(node.index, port)
    if field.unknown is not None:
        raise ValueError(f"is not known there: {field.unknown}")
    found = [size for size in field.size if size is not None]
    if not found or len(found) < len(field.size):
        raise ValueError(
            "has no size there: what a place sees depends on the size of the image, as behind a global pool"
        )
    return found[0] if len(set(found)) == 1 else found


def _located(graph: Graph, place: str | int | None, parts: Parts | None = None) -> tuple[Node, int]:
    if place is None:
        values = [value for output in graph.outputs if not output.when_training for value in output.values]
        if len(values) != 1:
            raise ValueError(f"{graph.name} has {len(values)} outputs: name the layer that is meant")
        return graph.nodes[values[0][0]], values[0][1]
    if isinstance(place, int):
        if not 0 <= place < len(graph.nodes):
            raise ValueError(f"{graph.name} has the nodes 0 to {len(graph.nodes) - 1}, and none is {place}")
        return graph.nodes[place], 0
    return (parts or Parts(graph)).located(place), 0


class _Fields:
    """The receptive fields of tensors of a graph, at some sizes. What is told along an axis is told once."""

    def __init__(self, graph: Graph, sizes: dict[str, int]):
        self.graph = graph
        self.walk = Walk(graph, sizes)
        self.found = self.walk.run()
        self.axes: dict[tuple[Key, Table, Pattern | None], AxisField] = {}
        self.names: dict[int, list[str]] = {}

    def of(self, index: int, port: int) -> ReceptiveField:
        node, found = self.graph.nodes[index], self.found[index][port]
        shape = concrete(node.outputs[port].dims, self.walk.sizes)
        if isinstance(found, Unknown):
            return ReceptiveField(node.place, node.op.kind, shape, unknown=found.reason)
        axes = [self._axis(*entry) for entry in sorted(self.walk.over_channels(found).items(), key=itemgetter(0))]
        return ReceptiveField(node.place, node.op.kind, shape, tuple(axes))

    def _names(self, number: int) -> list[str]:
        """What the axes of an input are called."""
        if number not in self.names:
            type = self.graph.inputs[number].type
            spatial = {*spatial_axes(type)}
            self.names[number] = [n if axis in spatial else f"axis {axis}" for axis, n in enumerate(axis_names(type))]
        return self.names[number]

    def _axis(self, key: Key, seen: AxisSeen) -> AxisField:
        pattern = seen.pattern
        known = self.axes.get((key, seen.table, pattern))
        if known is not None:
            return known
        number, axis = key
        whole = pattern is None and len(set(seen.table)) == 1
        table = seen.table[:1] if whole else seen.table
        bounds = tuple((first(bits), bits.bit_length() - 1) if bits else None for bits in table)
        self.axes[key, seen.table, pattern] = made = AxisField(
            self.graph.inputs[number].name,
            self._names(number)[axis],
            pattern.size if pattern else None,
            Fraction(pattern.step, pattern.period) if pattern else None,
            pattern.runs[0][0] if pattern else None,
            whole,
            (pattern is not None and pattern.has_holes) or any(map(has_holes, seen.table)),
            bounds,
        )
        return made
