"""The memory of training and of inference, from what each layer holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from ..ir.graph import Graph, Node, Value
from ..ir.memory import Held, elements
from ..ir.sizes import Dim, evaluate, total
from .figures import evaluated, numbers_of

DTYPES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}
"""The bytes of a number of a map."""

WHOLE_NUMBER = 8
"""The bytes of an index, and of an element of a tensor of whole numbers."""


def bytes_of(dtype: str, number: int) -> int:
    """The bytes of an element of a tensor, whose real numbers have `number`."""
    return {"float": number, "int": WHOLE_NUMBER, "bool": 1}[dtype]


def size_text(count: int) -> str:
    """A number of bytes, as people say it: `1.5 GiB`."""
    value = float(min(count, 10**300))
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:,.1f} EiB" if value < 1e6 else f"{value:.1e} EiB"


@dataclass(slots=True)
class Memory:
    """What a graph holds in memory, in bytes as formulas of its sizes; `unknown` are kinds of layers of which nothing
    is known, which are left out of everything but `made`.

    `made` is for each node the numbers it puts out in evaluation, not counting views and what is overwritten.
    `kept` is for each node what the backward pass reads of what the node makes, and `inputs` what it reads of the
    inputs. `again` is what the largest part that is computed again keeps while its backward pass runs. `unread` are the
    tensors whose memory no backward pass reads, each with the one that made this memory.
    """

    made: list[Dim]
    kept: list[Dim]
    inputs: Dim = 0
    again: Dim = 0
    unread: dict[Value, Value] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)


class Storages:
    """In which memory each tensor of a graph stands: the number of the node that made it, and which of its outputs."""

    def __init__(
        self, graph: Graph, overwritten: frozenset[int], training: bool, held: list[Held | None] | None = None
    ):
        self.graph, self.overwritten = graph, overwritten
        self.held = _held(graph) if held is None else held
        self.of: dict[Value, Value] = {}
        self.strided: set[Value] = set()
        self.exchanged: set[Value] = set()
        for node, own in zip(graph.nodes, self.held, strict=True):
            self._place(node, own, training)

    def in_training(self) -> Storages:
        """The same in training, of those in evaluation."""
        return Storages(self.graph, self.overwritten, True, self.held)

    @property
    def unknown(self) -> set[str]:
        """The kinds of layers of which nothing is known."""
        found = [node.op for node, held in zip(self.graph.nodes, self.held, strict=True) if held is None]
        return {op.kind for op in found if not (op.is_input or op.is_parameter)}

    def _place(self, node: Node, held: Held | None, training: bool) -> None:
        shared = held is not None and self._shares(node, held, training)
        exchanged = held is not None and (held.exchanged or self._keeps_order(node))
        for port in range(len(node.outputs)):
            value = (node.index, port)
            self.of[value] = self.of[node.inputs[0]] if shared else value
            if shared and held is not None and (held.view == "strided" or node.inputs[0] in self.strided):
                self.strided.add(value)
            if exchanged:
                self.exchanged.add(value)
                self.strided.add(value)

    def _keeps_order(self, node: Node) -> bool:
        """Whether the output stands in memory as the first input does, which has its first two axes exchanged."""
        return bool(self.exchanged and node.inputs) and node.inputs[0] in self.exchanged and node.op.is_elementwise()

    def _shares(self, node: Node, held: Held, training: bool) -> bool:
        if node.owner in self.overwritten or (held.idle and not training):
            return True
        return held.view is not None and not (held.view == "joined" and node.inputs[0] in self.strided)

    @cached_property
    def learns(self) -> list[bool]:
        """Whether gradients reach each node: it or something before it has parameters that train."""
        learns = [False] * len(self.graph.nodes)
        for node in self.graph.nodes:
            owner = self.graph.nodes[node.owner]
            reached = any(learns[source] for source, _ in node.inputs)
            learns[node.index] = reached or (owner.op.has_weights and numbers_of(self.graph, owner).parameters > 0)
        return learns

    @cached_property
    def reads(self) -> list[list[Value]]:
        """What the backward pass of each node reads of its inputs and outputs, parameters left out."""
        found: list[list[Value]] = []
        for node, held, learns in zip(self.graph.nodes, self.held, self.learns, strict=True):
            if held is None or not learns:
                found.append([])
                continue
            ports = range(len(node.outputs)) if held.output else ()
            moved = [node.inputs[i] for i, _ in held.moved if not self._copies(node.inputs[i])]
            read = [*(node.inputs[i] for i in held.inputs), *moved, *((node.index, port) for port in ports)]
            stored = [self.of[value] for value in read]
            found.append([value for value in stored if not self.graph.nodes[value[0]].op.is_parameter])
        return found

    def own(self, index: int, number: int) -> Dim:
        """The bytes that the backward pass of a node reads beside its inputs and outputs."""
        held = self.held[index]
        if held is None:
            return 0
        copied = total(self._copied(index, place, copies) for place, copies in held.moved)
        return (copied + held.own) * number + held.indices * WHOLE_NUMBER

    def scratch(self, index: int) -> Dim:
        """The numbers that a node needs while it computes."""
        held = self.held[index]
        if held is None:
            return 0
        return held.scratch + (held.moving * self._several(self.graph.nodes[index].inputs[0]) if held.moved else 0)

    def _copies(self, value: Value) -> bool:
        """Whether a tensor is copied where its first two axes are exchanged, at most sizes."""
        return value not in self.exchanged and (value in self.strided or 1 not in self.graph.type_of(value).dims[:2])

    def _several(self, value: Value) -> Dim:
        """1 where a tensor is copied when its first two axes are exchanged, 0 where not."""
        if not self._copies(value):
            return 0
        several: Dim = 1
        for size in () if value in self.strided else self.graph.type_of(value).dims[:2]:
            several = (1 - 1 // size) * several
        return several

    def _copied(self, index: int, place: int, copies: int) -> Dim:
        """The numbers of the copies of an input. Where one of the axes is a single place there are none, and the input
        is read, which counts here unless it is read anyway."""
        value = self.graph.nodes[index].inputs[place]
        several = self._several(value)
        itself = 1 - several if self._copies(value) and self._movers.get(self.of[value]) == index else 0
        return elements(self.graph.type_of(value)) * (several * copies + itself)

    @cached_property
    def _movers(self) -> dict[Value, int]:
        """Of the memory that is read where it need not be copied, and is not read anyway, the first node to do so."""
        found: dict[Value, int] = {}
        for node, held, learns in zip(self.graph.nodes, self.held, self.learns, strict=True):
            for place, _ in held.moved if held is not None and learns else ():
                found.setdefault(self.of[node.inputs[place]], node.index)
        read = {value for reads in self.reads for value in reads}
        return {value: index for value, index in found.items() if value not in read}

    def makes(self, node: Node) -> list[Value]:
        """The values of a node that stand in memory of their own."""
        own = [(node.index, port) for port in range(len(node.outputs))]
        return [value for value in own if self.of[value] == value]


def _held(graph: Graph) -> list[Held | None]:
    """What each node holds, worked out once for those that are alike. None of inputs, of parameters, and of layers of
    which nothing is known."""
    found: list[Held | None] = []
    known: dict[tuple[int, ...], Held | None] = {}
    for node in graph.nodes:
        key = graph.alike(node)
        if key not in known:
            told = not (node.op.is_input or node.op.is_parameter)
            known[key] = node.op.saved_for_backward(graph.input_types(node), node.outputs) if told else None
        found.append(known[key])
    return found


def memory(evaluation: Storages, number: int, parts: Sequence[object | None] | None = None) -> Memory:
    """The memory of a graph whose numbers have `number` bytes each, by where its tensors stand in evaluation. `parts`
    says of each node in which part that is computed again it is, unless told as in the spec."""
    graph = evaluation.graph
    size = partial(_bytes, graph, number, {})
    numbers: dict[int, Dim] = {}
    made: list[Dim] = [0] * len(graph.nodes)
    for node, needed, held in zip(graph.nodes, evaluated(graph), evaluation.held, strict=True):
        if needed and held is not None:
            types = [graph.type_of(value) for value in evaluation.makes(node)]
            for type_ in types:
                if id(type_) not in numbers:
                    numbers[id(type_)] = elements(type_)
            made[node.index] = total([numbers[id(type_)] for type_ in types])
    result = Memory(made, [0] * len(graph.nodes), unknown=evaluation.unknown)
    again = [node.recompute for node in graph.nodes] if parts is None else parts
    storages = evaluation.in_training()
    read = _keep(storages, size, lambda index: storages.own(index, number), again, result)
    result.unread = {value: place for value, place in storages.of.items() if place not in read}
    return result


class Kept:
    """What training keeps of a graph's maps for the backward pass, at sizes whose formulas `value` evaluates. `unknown`
    are kinds of layers of which nothing is known."""

    def __init__(self, graph: Graph, number: int, overwritten: frozenset[int], value: Callable[[Dim], int]):
        self._storages = Storages(graph, overwritten, training=True)
        self._number = number
        self._value = value
        self._known: dict[int, tuple[Any, Dim]] = {}
        self.unknown = self._storages.unknown

    def bytes(self, parts: Sequence[object | None]) -> tuple[int, int]:
        """The bytes kept where each node is computed again with its part, and those that the largest part holds."""
        graph = self._storages.graph
        result = Memory([], [0] * len(graph.nodes))
        _keep(self._storages, self._size, self._own, parts, result)
        return self._value(result.inputs) + sum(map(self._value, result.kept)), self._value(result.again)

    def alone(self, part: Collection[int]) -> tuple[int, int]:
        """The bytes that nodes, of which none is computed again, save where they are one part, and what it holds."""
        held, graph = self._storages, self._storages.graph
        read = Counter(value for index in part for value in held.reads[index])
        inside = {value: self._size(value) for value in read if value[0] in part}
        own = sum(self._own(index) for index in part if held.learns[index])
        gone = sum(size for value, size in inside.items() if read[value] == self._readers[value])
        taken = {held.of[value] for index in part for value in graph.nodes[index].inputs if value[0] not in part}
        more = sum(self._size(v) for v in taken if v not in self._readers and not graph.nodes[v[0]].op.is_parameter)
        return own + gone - more, own + gone

    @cached_property
    def _readers(self) -> Counter[Value]:
        return Counter(value for reads in self._storages.reads for value in reads)

    def _own(self, index: int) -> int:
        return self._value(self._storages.own(index, self._number))

    def _size(self, value: Value) -> int:
        return self._value(_bytes(self._storages.graph, self._number, self._known, value))


def _keep(
    storages: Storages,
    size: Callable[[Value], Dim],
    own: Callable[[int], Dim],
    parts: Sequence[object | None],
    result: Memory,
) -> Container[Value]:
    """Works out what the backward pass reads, and returns these. Of a part that is computed again they are the tensors
    that it takes."""
    graph = storages.graph
    kept: dict[Value, None] = {}
    inside: dict[object, dict[Value, Dim]] = {}
    for node in graph.nodes:
        held = storages.held[node.index]
        part = parts[node.index]
        if part is not None:
            for value in node.inputs:
                if parts[value[0]] is not part:
                    kept[storages.of[value]] = None
        if held is None or not storages.learns[node.index]:
            continue
        read = storages.reads[node.index]
        if part is None:
            kept |= dict.fromkeys(read)
            result.kept[node.index] = own(node.index)
        else:
            region = inside.setdefault(part, {})
            region[-1 - node.index, 0] = own(node.index)
            region.update({value: size(value) for value in read if parts[value[0]] is part})
    for value in kept:
        op = graph.nodes[value[0]].op
        if op.is_input:
            result.inputs = result.inputs + size(value)
        elif not op.is_parameter:
            result.kept[value[0]] = result.kept[value[0]] + size(value)
    sums = [total(value for key, value in region.items() if key not in kept) for region in inside.values()]
    result.again = max(sums, key=lambda dim: evaluate(dim, graph.nominal), default=0)
    return kept


def _bytes(graph: Graph, number: int, known: dict[int, tuple[Any, Dim]], value: Value) -> Dim:
    type_ = graph.nodes[value[0]].outputs[value[1]]
    found = known.get(id(type_))
    if found is None:
        found = known[id(type_)] = type_, elements(type_) * bytes_of(type_.dtype, number)
    return found[1]


def inference_course(storages: Storages, number: int, sizes: dict[str, int]) -> tuple[int, list[tuple[int, int]]]:
    """The bytes of the inputs, and for each node that is computed in evaluation, in order, its index and the bytes that
    tensors take while it is, parameters left out; by where tensors stand in evaluation."""
    graph, size = storages.graph, numbers_at(sizes)
    known: dict[int, tuple[Any, Dim]] = {}
    last = _last_uses(graph, storages)
    held = {storages.of[given.node, 0] for given in graph.inputs}
    inputs = live = sum(size(_bytes(graph, number, known, value)) for value in held)
    ends: dict[int, list[Value]] = {}
    for value, node in last.items():
        ends.setdefault(node, []).append(value)
    course: list[tuple[int, int]] = []
    for node, needed in zip(graph.nodes, evaluated(graph), strict=True):
        spec = storages.held[node.index]
        if not needed or spec is None:
            continue
        live += sum([size(_bytes(graph, number, known, value)) for value in storages.makes(node)])
        course.append((node.index, live + size(storages.scratch(node.index)) * number))
        gone = [v for v in ends.get(node.index, ()) if v not in held and storages.held[v[0]] is not None]
        live -= sum([size(_bytes(graph, number, known, value)) for value in gone])
    return inputs, course


def numbers_at(sizes: Mapping[str, int]) -> Callable[[Dim], int]:
    """The values of formulas at these sizes, each computed once."""
    known: dict[int, tuple[Dim, int]] = {}

    def value(dim: Dim) -> int:
        if isinstance(dim, int):
            return dim
        found = known.get(id(dim))
        if found is None:
            found = known[id(dim)] = dim, evaluate(dim, sizes)
        return found[1]

    return value


def _last_uses(graph: Graph, storages: Storages) -> dict[Value, int]:
    """The last node in evaluation that uses each piece of memory; those of the outputs are used to the end."""
    last: dict[Value, int] = {}
    for node, needed in zip(graph.nodes, evaluated(graph), strict=True):
        if needed:
            for value in [*node.inputs, *[(node.index, port) for port in range(len(node.outputs))]]:
                last[storages.of[value]] = node.index
    for output in graph.outputs:
        for value in output.values:
            last.pop(storages.of[value], None)
    return last
