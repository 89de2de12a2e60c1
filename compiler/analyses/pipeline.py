"""A training step as a row of nodes, to be cut into the stages of a pipeline: time, memory, what crosses each cut."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import accumulate
from math import prod
from operator import sub

from ...dsl.diagnostics import refused
from ..ir.graph import Graph, Node, Value, is_under, walk
from ..ir.memory import elements
from ..ir.regions import Regions
from ..ir.types import Role, TensorType
from ..ir.words import did_you_mean
from .balance import Part, Row, balanced
from .cuts import Cuts
from .figures import node_multiply_adds
from .inplace import overwritable
from .memory import WHOLE_NUMBER, Memory, Storages, bytes_of, memory, numbers_at
from .training import CROSS_ENTROPY, Machine, Owned, Training, owned
from .units import parts_again, units
from .usual import batch_sizes


class Whole:
    """A graph that is to be trained, and what does not depend on its sizes."""

    def __init__(self, graph: Graph, number: int):
        self.graph = graph
        self.number = number
        self.cuts = Cuts.of(graph)
        self.regions = Regions(graph)
        self._memory: dict[bool, Memory] = {}

    @cached_property
    def units(self) -> list[int]:
        """How many parameters of each unit train."""
        return list(units(self.regions).values())

    @cached_property
    def again(self) -> tuple[list[object | None], list[str]]:
        """See `parts_again`."""
        return parts_again(self.regions)

    def parts(self, again: bool) -> list[object | None]:
        """For each node the part that training computes again: those of the spec, and `again` each unit."""
        return self.again[0] if again else [node.recompute for node in self.graph.nodes]

    def memory(self, again: bool) -> Memory:
        """The memory of training as formulas."""
        if again not in self._memory:
            self._memory[again] = memory(self._evaluation, self.number, self.parts(again))
        return self._memory[again]

    @cached_property
    def _evaluation(self) -> Storages:
        return Storages(self.graph, overwritable(self.regions), training=False)

    @cached_property
    def uses(self) -> list[list[int]]:
        """For each node that owns parameters and is needed by what flows, the nodes that flow and need it."""
        nodes, flows = self.graph.nodes, self.cuts.flows
        found: list[set[int]] = [set() for _ in nodes]
        for node in reversed(nodes):
            needed = {node.index} if flows[node.index] else found[node.index]
            found[node.owner] |= needed
            for source, _ in node.inputs:
                if not flows[source]:
                    found[source] |= needed
        return [sorted(users) for users in found]


class Step:
    """A training step, forward and backward, node by node. Times are in picoseconds. `again`: each unit is computed
    again in the backward pass."""

    def __init__(
        self, whole: Whole, machine: Machine, training: Training, sizes: Mapping[str, int], again: bool = False
    ):
        self.graph = whole.graph
        self.whole = whole
        self.cuts = whole.cuts
        self.regions = whole.regions
        self.machine = machine
        self.training = training
        self._parts = whole.parts(again)
        self._value = numbers_at(dict(sizes))
        self._cut: dict[tuple[int, ...], list[Part] | None] = {}
        self._known: dict[int, tuple[TensorType, int]] = {}
        self._held = whole.memory(again)

    @cached_property
    def forward(self) -> list[int]:
        """What each node's forward takes: its multiply-adds, or the memory that it reads and writes, where these take
        longer."""
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
        types = self.graph.input_types(node)
        weights = node.op.weights(types) if node.op.has_weights else ()
        moved = sum(map(self._numbers, (*types, *node.outputs)))
        moved += sum(prod(weight.shape) for weight in weights)
        products = self._value(node_multiply_adds(self.graph, node))
        seconds = max(products / self.machine.multiply_adds, moved * self.training.number / self.machine.bandwidth)
        return round(seconds * 1e12)

    @cached_property
    def times(self) -> list[int]:
        """What each node takes, forward and backward, and again where it is computed again."""
        return [
            time * (1 + gradients + (part is not None))
            for time, gradients, part in zip(self.forward, self._gradients, self._parts, strict=True)
        ]

    @cached_property
    def _gradients(self) -> list[int]:
        """How many times the work of its forward the backward pass of each node is: it computes two gradients of a
        product, or that alone which something that trains needs."""
        found, needed = list[int](), list[bool]()
        for node in self.graph.nodes:
            own = self._own.get(node.owner, Owned())
            trains, inner = own.trained > 0, any(needed[source] for source, _ in node.inputs)
            found.append(trains + inner if trains or own.frozen else 2 * inner)
            needed.append(trains or inner)
        return found

    def owns(self, part: Part) -> Owned:
        """What a stage owns, and what it shares with others before it."""
        before, until = self._owned[part.first], self._owned[part.after]
        shared = (own for users, own in self.tied if users[0] < part.first and uses(part, users))
        return sum(shared, start=until - before)

    @cached_property
    def _owned(self) -> list[Owned]:
        """What the nodes before each place own together, each thing at the node by which it is first needed."""
        found = [Owned()] * (len(self.graph.nodes) + 1)
        for index, own in self._own.items():
            first = next(iter(self.whole.uses[index]), len(self.graph.nodes) - 1)
            found[first + 1] += own
        return list(accumulate(found))

    @cached_property
    def _own(self) -> dict[int, Owned]:
        """What each node with parameters or buffers owns."""
        return owned(self.graph, self.training.master)

    @cached_property
    def tied(self) -> list[tuple[list[int], Owned]]:
        """What several nodes need and own together: these nodes, and what it is."""
        uses = ((self.whole.uses[index], own) for index, own in self._own.items())
        return [(users, own) for users, own in uses if len(users) > 1]

    @cached_property
    def again(self) -> int:
        """The bytes that the largest part under `recompute` holds while it is computed again."""
        return self._value(self._held.again)

    @cached_property
    def kept(self) -> list[int]:
        """The bytes that the backward pass reads of what each node makes, and at the last node what it reads of the
        loss."""
        found = [self._value(dim) for dim in self._held.kept]
        found[-1] += self._loss
        return found

    @cached_property
    def _loss(self) -> int:
        """The bytes that the backward pass reads of the loss, beside the targets."""
        return sum(map(self._numbers, self._classified)) * self.training.master

    @property
    def _classified(self) -> list[TensorType]:
        """What a loss whose memory is known takes: the outputs."""
        made = (self.graph.type_of(value) for output in self.graph.outputs for value in output.values)
        return [type_ for type_ in made if type_.dtype == "float" and self.training.loss == CROSS_ENTROPY]

    @cached_property
    def given(self) -> int:
        """The bytes of a micro-batch: what the network takes in, and the targets, a class for each place."""
        classes = ([n for n, role in enumerate(t.roles) if role is Role.CHANNELS] for t in self._classified)
        places = (self._value(elements(t, *axes)) for t, axes in zip(self._classified, classes, strict=True))
        return sum(self.size((entry.node, 0)) for entry in self.graph.inputs) + WHOLE_NUMBER * max(places, default=0)

    def size(self, value: Value) -> int:
        """The bytes of a tensor."""
        type_ = self.graph.type_of(value)
        return self._numbers(type_) * bytes_of(type_.dtype, self.training.number)

    def _numbers(self, type_: TensorType) -> int:
        """How many numbers a tensor has."""
        if id(type_) not in self._known:
            self._known[id(type_)] = type_, self._value(elements(type_))
        return self._known[id(type_)][1]

    @cached_property
    def places(self) -> list[int]:
        """Where the graph may be cut: before a region, and before a layer that multiplies, so that norms and
        activations stay with the layer before them; never before the first layer. The ends are among them."""
        found, before = [0], set[object]()
        first = next((node.index for node in self.graph.nodes if self._flows(node)), 0)
        for node in self.graph.nodes:
            around = set[object](self.regions.region_of(node.index).outwards())
            begins, before = not around <= before, around
            if first < node.index and self._flows(node) and (begins or node_multiply_adds(self.graph, node) != 0):
                found.append(node.index)
        return [*found, len(self.graph.nodes)]

    def _flows(self, node: Node) -> bool:
        return self.cuts.flows[node.index] and not node.op.is_input and node.index not in self.cuts.late

    def cut(self, in_flight: Sequence[int], micro: int = 1, memory: int | None = None) -> list[Part] | None:
        """The stages, one for each of the numbers of micro-batches in flight, whose slowest is fastest, each within
        `memory` bytes; None where there are no such. Where cuts that a single tensor crosses cost at most a tenth more
        they are preferred."""
        key = (len(in_flight), *([memory, micro, *in_flight] if memory is not None else []))
        if key not in self._cut:
            row = replace(self.row, micro=micro)
            found = balanced(row, in_flight, memory)
            single = found and balanced(replace(row, places=self._single), in_flight, memory)
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
        arriving = self._crossed
        receive = [round(2 * bytes_ / self.machine.link * 1e12) for bytes_ in arriving]
        weights = [*map(self.training.held, self._owned)]
        time, kept = ([0, *accumulate(costs)] for costs in (self.times, self.kept))
        return Row(self.places, time, receive, weights, kept, arriving, self._leaving, self.sent_back)

    @cached_property
    def sent_on(self) -> list[int]:
        """The bytes that go over the link at each place for a micro-batch; nothing leaves at the end."""
        return [*self._crossed[:-1], 0]

    @cached_property
    def sent_back(self) -> list[int]:
        """The bytes of gradients that come back over the link at each place: those of the tensors that have one."""
        return [0, *self._crossing(self._gradient)[1:-1], 0]

    def _gradient(self, value: Value) -> int:
        return self.size(value) if self.graph.type_of(value).dtype == "float" else 0

    @cached_property
    def _leaving(self) -> list[int]:
        """The bytes of what crosses a cut at each place and is held for that alone, each memory once."""
        return self._over((first, last, self.size(value)) for value, (first, last) in self._held_to_leave.items())

    @cached_property
    def _held_to_leave(self) -> dict[Value, tuple[int, int]]:
        """The memory that no backward pass reads and that crosses cuts: behind which node, and up to which place. What
        is given from outside is held anyhow."""
        found: dict[Value, tuple[int, int]] = {}
        for value, last in self.cuts.last.items():
            place = self._held.unread.get(value)
            if place is not None and not self.graph.nodes[place[0]].op.is_input:
                first, before = found.get(place, (value[0], last))
                found[place] = min(first, value[0]), max(last, before)
        return found

    def saved(self, parts: Sequence[Part]) -> list[int]:
        """The bytes that each stage holds of a micro-batch in flight, beside what it has received: without what it
        passes on as it came."""
        spans = ((first, last, value) for value, (first, last) in self._held_to_leave.items())
        return [*map(sub, map(self.row.saved, parts), self._passed(parts, spans))]

    def put_out(self, parts: Sequence[Part]) -> list[int]:
        """The bytes of a micro-batch that each stage makes and hands on. Those of the last stage are gone when what the
        loss keeps of the next micro-batch comes, so only what they are more counts beside it."""
        spans = ((value[0], last, value) for value, last in self.cuts.last.items())
        found = [*map(sub, (self._crossed[part.after] for part in parts), self._passed(parts, spans))]
        return [*found[:-1], max(0, found[-1] - self._loss)]

    def _passed(self, parts: Sequence[Part], spans: Iterable[tuple[int, int, Value]]) -> list[int]:
        """The bytes that come to each of the stages and leave it, of tensors that are held from behind one node up to a
        later place."""
        changes, places = [0] * (len(parts) + 1), [part.first for part in parts]
        for node, last, value in spans:
            first, after = bisect_right(places, node), bisect_right(places, last) - (last < len(self.graph.nodes))
            if first < after:
                changes[first] += self.size(value)
                changes[after] -= self.size(value)
        return list(accumulate(changes[:-1]))

    @cached_property
    def _crossed(self) -> list[int]:
        return self._crossing(self.size)

    def _crossing(self, size: Callable[[Value], int]) -> list[int]:
        """For each place what the tensors that cross a cut there take together."""
        return self._over((value[0], last, size(value)) for value, last in self.cuts.last.items())

    def _over(self, spans: Iterable[tuple[int, int, int]]) -> list[int]:
        """For each place the sum of the bytes that are held over it, from behind one node up to a later place."""
        changes = [0] * (len(self.graph.nodes) + 2)
        for node, last, bytes_ in spans:
            changes[node + 1] += bytes_
            changes[last + 1] -= bytes_
        return list(accumulate(changes[:-1]))


def uses(part: Part, users: list[int]) -> bool:
    """Whether a stage has one of these nodes."""
    return any(part.first <= user < part.after for user in users)


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
    training = Training(1)
    step = Step(Whole(graph, training.number), Machine(count or 1, 0), training, sizes)
    stages, most = count or 1, len(step.places) - 1
    parts = step.cut([1] * stages) if stages <= most else None
    if parts is None:
        message = f"{graph.name} can be cut into {most} stages at most, and not into {count}"
        raise refused("E1301", message, "a cut stands before a block or before a layer that multiplies")
    return [part.first for part in parts[1:]]


def place_of(graph: Graph, cut: int) -> str:
    """Where a stage begins: the path of the layer or block behind the cut."""
    node = graph.nodes[cut]
    return node.place or (getattr(node.op, "name", "") if node.op.is_input else node.op.kind)


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
