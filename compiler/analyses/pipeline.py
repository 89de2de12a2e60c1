"""A training step as a row of nodes, to be cut into the stages of a pipeline: time, memory, what crosses each cut."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from math import prod
from typing import NamedTuple

from ...dsl.diagnostics import refused
from ..ir.graph import Graph, Node, Value, walk
from ..ir.memory import elements
from ..ir.regions import Regions
from ..ir.words import did_you_mean
from .balance import Part, Row, balanced
from .cuts import Cuts
from .figures import is_under, node_multiply_adds, numbers_of
from .inplace import overwritable
from .memory import DTYPES, bytes_of, memory, numbers_at
from .usual import batch_sizes

FORWARD_AND_BACKWARD = 3
"""How many times the work of a forward a training step is: the backward pass computes two gradients of a product."""

STATES = {"sgd": 0, "momentum": 1, "adam": 2, "adamw": 2}
"""The numbers of 4 bytes that an optimizer holds for each parameter that trains."""


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
    """How a network is trained: images in a step, the type of numbers of maps, and the optimizer.

    Parameters, their gradients and the optimizer's states are of 4 bytes each, as autocast and mixed precision have
    them; of 8 under float64. Where maps have 2 bytes, products read a copy of the weights of 2 bytes.
    """

    batch: int
    dtype: str = "float32"
    optimizer: str = "adamw"

    @property
    def number(self) -> int:
        """The bytes of a number of a map."""
        return DTYPES[self.dtype]

    @property
    def master(self) -> int:
        """The bytes of a parameter."""
        return max(4, self.number)

    def held(self, owned: Owned) -> int:
        """The bytes that a rank holds for parameters and buffers, with gradients and the optimizer's states."""
        learned = owned.trained * (self.weight + self.master + self.states)
        return learned + owned.frozen * self.weight + owned.buffers

    @property
    def weight(self) -> int:
        """The bytes that a parameter takes, with the copy that products read."""
        return self.master + (self.number if self.number < self.master else 0)

    @property
    def states(self) -> int:
        """The bytes that the optimizer holds for a parameter."""
        return STATES[self.optimizer] * self.master


class Owned(NamedTuple):
    """How many parameters train, how many do not, and the bytes of buffers."""

    trained: int
    frozen: int
    buffers: int


class Step:
    """A training step of a graph, forward and backward, node by node. Times are in picoseconds."""

    def __init__(self, graph: Graph, machine: Machine, training: Training, sizes: Mapping[str, int]):
        self.graph = graph
        self.machine = machine
        self.training = training
        self.sizes = dict(sizes)
        self.cuts = Cuts.of(graph)
        self.regions = Regions(graph)
        self._value = numbers_at(self.sizes)
        self._cut: dict[tuple[int, ...], list[Part] | None] = {}
        self._held = memory(graph, training.number, overwritable(self.regions))

    @cached_property
    def times(self) -> list[int]:
        """What each node takes, forward and backward: its multiply-adds, or the memory that it reads and writes, where
        these take longer."""
        known: dict[tuple[object, ...], int] = {}
        found = []
        for node in self.graph.nodes:
            key = (node.op, *map(id, (*self.graph.input_types(node), *node.outputs)))
            if key not in known:
                known[key] = self._time(node)
            found.append(known[key])
        return found

    def _time(self, node: Node) -> int:
        if node.op.is_input or node.op.is_parameter:
            return 0
        types = (*self.graph.input_types(node), *node.outputs)
        moved = sum(self._value(elements(type_)) for type_ in types) * self.training.number
        products = self._value(node_multiply_adds(self.graph, node))
        seconds = max(products / self.machine.multiply_adds, moved / self.machine.bandwidth)
        return round(FORWARD_AND_BACKWARD * seconds * 1e12)

    @cached_property
    def owned(self) -> list[Owned]:
        """What each node owns, at the node by which it is first needed."""
        found = [Owned(0, 0, 0)] * len(self.graph.nodes)
        first, number = self._first_uses(), self.training.master
        for node in self.graph.owners():
            if node.op.has_weights:
                trained, frozen, _ = numbers_of(self.graph, node)
                kept = (w for w in node.op.weights(self.graph.input_types(node)) if not w.learned)
                own = Owned(trained, frozen, sum(prod(w.shape) * bytes_of(w.dtype, number) for w in kept))
                found[first[node.index]] = Owned(*map(sum, zip(found[first[node.index]], own, strict=True)))
        return found

    def _first_uses(self) -> list[int]:
        """For each node the first that flows and needs it: itself, or what is made of it."""
        nodes = self.graph.nodes
        first = [node.index if self.cuts.flows[node.index] else len(nodes) - 1 for node in nodes]
        for node in reversed(nodes):
            for source, _ in node.inputs:
                if not self.cuts.flows[source]:
                    first[source] = min(first[source], first[node.index])
        return first

    @cached_property
    def again(self) -> int:
        """The bytes that the largest part under `recompute` holds while it is computed again."""
        return self._value(self._held.again)

    @cached_property
    def kept(self) -> list[int]:
        """The bytes that the backward pass reads of what each node makes."""
        return [self._value(dim) for dim in self._held.kept]

    def size(self, value: Value) -> int:
        """The bytes of a tensor."""
        type_ = self.graph.type_of(value)
        return self._value(elements(type_)) * bytes_of(type_.dtype, self.training.number)

    @cached_property
    def places(self) -> list[int]:
        """Where the graph may be cut: before a region, and before a layer that multiplies, so that norms and
        activations stay with the layer before them. The ends are among them."""
        found, before = [0], set[object]()
        for node in self.graph.nodes:
            around = set[object](self.regions.region_of(node.index).outwards())
            begins, before = not around <= before, around
            if found[-1] < node.index and self._flows(node) and (begins or node_multiply_adds(self.graph, node) != 0):
                found.append(node.index)
        return [*found, len(self.graph.nodes)]

    def _flows(self, node: Node) -> bool:
        return self.cuts.flows[node.index] and not node.op.is_input and node.index not in self.cuts.late

    def cut(self, in_flight: Sequence[int], memory: int | None = None) -> list[Part] | None:
        """The stages, one for each of the numbers of micro-batches in flight, whose slowest is fastest, each within
        `memory` bytes; None where there are no such. Where cuts that a single tensor crosses cost at most a tenth more
        they are preferred."""
        key = (len(in_flight), *([memory, *in_flight] if memory is not None else []))
        if key not in self._cut:
            found = balanced(self.row, in_flight, memory)
            single = found and balanced(replace(self.row, places=self._single), in_flight, memory)
            better = found and single and self.slowest(single) <= 1.1 * self.slowest(found)
            self._cut[key] = single if better else found
        return self._cut[key]

    def slowest(self, parts: Sequence[Part]) -> int:
        """The picoseconds of the slowest of some stages."""
        return max(map(self.row.spent, parts))

    @cached_property
    def _single(self) -> list[int]:
        """The places that fewest tensors pass: one, and what every stage needs."""
        inner, passing = self.places[1:-1], self._crossing(lambda _: 1)
        least = min((passing[place] for place in inner), default=0)
        return [0, *(place for place in inner if passing[place] == least), len(self.graph.nodes)]

    @cached_property
    def row(self) -> Row:
        """The step as a row of nodes. What crosses a cut goes over the link, and its gradient back."""
        arriving, fresh = self._crossing(lambda value: self.size(value)), self._crossing(self._not_kept)
        receive = [round(2 * bytes_ / self.machine.link * 1e12) for bytes_ in arriving]
        arriving[0] = sum(self.size((entry.node, 0)) for entry in self.graph.inputs)
        receive[0] = 0
        weights = [self.training.held(owned) for owned in self.owned]
        sums = [[0, *accumulate(costs)] for costs in (self.times, weights, self.kept)]
        return Row(self.places, sums[0], receive, sums[1], sums[2], arriving, fresh)

    def _not_kept(self, value: Value) -> int:
        return 0 if self.kept[value[0]] else self.size(value)

    def _crossing(self, size: Callable[[Value], int]) -> list[int]:
        """For each place what the tensors that cross a cut there take together."""
        changes = [0] * (len(self.graph.nodes) + 2)
        for value, last in self.cuts.last.items():
            bytes_ = size(value)
            changes[value[0] + 1] += bytes_
            changes[last + 1] -= bytes_
        return list(accumulate(changes[:-1]))


def at_batch(graph: Graph, images: int, sizes: Mapping[str, int]) -> dict[str, int]:
    """The sizes with so many images. Raises ArchError (E1304) where the batch of an input is fixed."""
    batch = batch_sizes(graph, images)
    if batch is None:
        hint = "name it in the `input` statement: `input x: [N, 3, H, W]`"
        raise refused("E1304", f"the batch of {graph.name} is fixed, so a step cannot be shared out", hint)
    return {**graph.nominal, **sizes, **batch}


def places_of(graph: Graph, count: int | None, at: Sequence[str | int], sizes: Mapping[str, int]) -> list[int]:
    """The nodes before which a graph is cut: into so many stages, of equal time as far as can be, or before the layers,
    scopes or nodes `at`. Raises ArchError (E1301, E1303)."""
    if at:
        return _stated(graph, at)
    step = Step(graph, Machine(count or 1, 0), Training(1), sizes)
    parts = step.cut([1] * (count or 1))
    if parts is None:
        message = f"{graph.name} can be cut into {len(step.places) - 1} stages at most, and not into {count}"
        raise refused("E1301", message, "a cut stands before a block or before a layer that multiplies")
    return [part.first for part in parts[1:]]


def _stated(graph: Graph, at: Sequence[str | int]) -> list[int]:
    cuts, found = Cuts.of(graph), list[int]()
    for place in at:
        number = place if isinstance(place, int) else _first_in(cuts, place)
        if number not in range(1, len(graph.nodes)) or not cuts.flows[number] or graph.nodes[number].op.is_input:
            near = did_you_mean(place, (path for path, _ in walk(graph.root))) if isinstance(place, str) else ()
            message = f"{graph.name} cannot be cut before {f'`{place}`' if isinstance(place, str) else f'node {place}'}"
            raise refused("E1303", f"{message}, which is no layer or block behind its inputs", *near)
        if found and number <= found[-1]:
            message = f"the cut before `{place}` does not come behind the one before it"
            raise refused("E1303", message, "cuts are said in the order in which layers are applied")
        found.append(number)
    return found


def _first_in(cuts: Cuts, path: str) -> int:
    """The first node of a layer or scope that flows; 0 where there is none."""
    inside = (node.index for node in cuts.graph.nodes if node.name and is_under(node.path, path))
    return min((index for index in inside if cuts.flows[index]), default=0)
