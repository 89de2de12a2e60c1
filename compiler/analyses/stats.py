"""Costs by scope, by kind of layer and in total."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod

from ...dsl.garbage import uncollected
from ..ir.graph import Graph, Node, Scope, concrete
from ..ir.regions import Regions
from ..ir.sizes import Dim, total
from .figures import depth, numbers_of, spent, unstated
from .inplace import overwritable
from .memory import DTYPES, WHOLE_NUMBER, Memory, Storages, inference_course, memory, numbers_at


@dataclass(slots=True)
class Costs:
    """What layers cost together.

    `parameters` are numbers that train, `frozen` those that do not, `buffers` those that are not learned; each counts
    once, where it lives. `multiply_adds` and `activations` count at every application, in the scopes where that is, in
    evaluation. `activations` are the numbers that layers put out; what is a view of its input, or overwrites it, counts
    none. `kept` are the bytes that the backward pass of training reads of what the layers make.
    """

    parameters: int = 0
    frozen: int = 0
    buffers: int = 0
    multiply_adds: int = 0
    activations: int = 0
    kept: int = 0

    def add(self, parameters: int, frozen: int, buffers: int, multiply_adds: int, activations: int, kept: int) -> None:
        self.parameters += parameters
        self.frozen += frozen
        self.buffers += buffers
        self.multiply_adds += multiply_adds
        self.activations += activations
        self.kept += kept

    @property
    def all(self) -> tuple[int, int, int, int, int, int]:
        """The costs, as `add` takes them."""
        return self.parameters, self.frozen, self.buffers, self.multiply_adds, self.activations, self.kept


@dataclass(slots=True)
class Row(Costs):
    """One scope, or one layer outside any scope. `output` is the shape of the last tensor that the scope makes."""

    path: str = ""
    block: str | None = None
    output: tuple[int, ...] = ()


@dataclass(slots=True)
class KindRow(Costs):
    """All layers of one kind, applied `count` times."""

    kind: str = ""
    count: int = 0


@dataclass(slots=True)
class _Inside(Costs):
    """What is applied in a region, up to the node `last`."""

    last: int = -1


@dataclass(slots=True)
class Formulas:
    """Costs as formulas of the symbolic sizes, of N, H and W say."""

    multiply_adds: Dim
    activations: Dim
    kept: Dim


@dataclass(slots=True)
class Stats(Costs):
    """Totals of an architecture, its rows in `state_dict` order, and its kinds of layers, in order of first use.

    `depth` counts weight layers on the longest path. `sizes` are the values of the symbolic sizes, and `inputs` and
    `outputs` the shapes at these. All bytes are for numbers of type `dtype`:

    - `weight_bytes`: parameters and buffers.
    - `gradient_bytes`: a gradient for each parameter that trains.
    - `inference_bytes`: the weights, and the most that tensors take at once in evaluation.
    - `training_bytes`: the weights, the gradients, `kept`, which includes what is read of the inputs, and what the
      largest part under `recompute` holds while it is computed again. Optimisers come on top.

    `unknown` are kinds of layers whose memory is not known and is left out, and `lacks` the layers of the host that
    state no multiply-adds or no depth, which are left out of these.
    """

    name: str = ""
    depth: int = 0
    dtype: str = "float32"
    weight_bytes: int = 0
    gradient_bytes: int = 0
    inference_bytes: int = 0
    training_bytes: int = 0
    sizes: dict[str, int] = field(default_factory=dict)
    inputs: list[tuple[int, ...]] = field(default_factory=list)
    outputs: list[tuple[int, ...]] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    kinds: list[KindRow] = field(default_factory=list)
    formulas: Formulas = field(default_factory=lambda: Formulas(0, 0, 0))
    unknown: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()

    def __repr__(self) -> str:
        counts = f"{self.parameters:,} parameters, {self.multiply_adds:,} multiply-adds, depth {self.depth}"
        lacks = f" without {' and '.join(self.lacks)}" if self.lacks else ""
        return f"<Stats of {self.name}: {counts}{lacks}, {len(self.rows)} rows>"

    def _repr_html_(self) -> str:
        from .repeats import to_html

        return to_html(self)


@uncollected()
def stats(
    graph: Graph,
    sizes: dict[str, int] | None = None,
    dtype: str = "float32",
) -> Stats:
    """The costs of a graph, at its usual sizes or those given. Raises ValueError for a type that maps cannot have."""
    if dtype not in DTYPES:
        raise ValueError(f"numbers are of type {', '.join(DTYPES)}, and not {dtype!r}")
    at = {**graph.nominal, **(sizes or {})}
    result = Stats(name=graph.name, depth=depth(graph), dtype=dtype, sizes=at)
    result.inputs = [concrete(i.type.dims, at) for i in graph.inputs]
    result.outputs = [
        concrete(graph.type_of(v).dims, at) for o in graph.outputs if not o.when_training for v in o.values
    ]
    number = DTYPES[dtype]
    regions = Regions(graph)
    evaluation = Storages(graph, overwritable(regions), training=False)
    held = memory(evaluation, number)
    multiply_adds = spent(graph)
    _add_up(regions, result, multiply_adds, held, numbers_at(at))
    result.formulas = Formulas(total(multiply_adds), total(held.made), total((*held.kept, held.inputs)))
    result.kept += numbers_at(at)(held.inputs)
    result.unknown = tuple(sorted(held.unknown))
    result.lacks = unstated(graph)
    _add_memory(evaluation, result, held, number)
    return result


def _add_up(
    regions: Regions, result: Stats, multiply_adds: list[Dim], held: Memory, value: Callable[[Dim], int]
) -> None:
    graph, rows = regions.graph, _rows(regions.graph, result)
    kinds: dict[str, KindRow] = {}
    inside = {region: _Inside() for region in regions.root.within()}
    for node in graph.nodes:
        i = node.index
        trained, frozen, buffers = numbers_of(graph, node) if node.owner == i else (0, 0, 0)
        costs = (trained, frozen, buffers, value(multiply_adds[i]), value(held.made[i]), value(held.kept[i]))
        kind = kinds.get(node.op.kind)
        if kind is None:
            kind = kinds[node.op.kind] = KindRow(kind=node.op.kind)
        kind.count += 1
        around = inside[regions.region_of(i)]
        for entry in (kind, around):
            entry.add(*costs)
        around.last = i
        row = rows.get(graph.nodes[node.owner])
        if row is not None:
            row.add(*costs)
            row.output = tuple(map(value, node.outputs[0].dims))
    last: dict[Scope, int] = {}
    for region, found in reversed(inside.items()):
        last[region.scope] = max(found.last, last.get(region.scope, -1))
        for entry in (rows.get(region.scope), result if region.parent is None else inside[region.parent]):
            if entry is not None:
                entry.add(*found.all)
        if region.parent is not None:
            outer = inside[region.parent]
            outer.last = max(found.last, outer.last)
    for scope, row in rows.items():
        if isinstance(scope, Scope) and last.get(scope, -1) >= 0:
            row.output = tuple(map(value, graph.nodes[last[scope]].outputs[0].dims))
    layers = dict.fromkeys(op.kind for op in graph.ops() if not (op.is_drawn or op.is_input))
    result.kinds = [kinds[kind] for kind in layers]


def _add_memory(evaluation: Storages, result: Stats, held: Memory, number: int) -> None:
    graph = evaluation.graph
    owners = [node for node in graph.owners() if node.op.has_weights]
    owned = [weight for node in owners for weight in node.op.weights(graph.input_types(node))]
    whole, truths = (sum(prod(weight.shape) for weight in owned if weight.dtype == dtype) for dtype in ("int", "bool"))
    reals = result.parameters + result.frozen + result.buffers - whole - truths
    result.weight_bytes = reals * number + whole * WHOLE_NUMBER + truths
    inputs, course = inference_course(evaluation, number, result.sizes)
    result.inference_bytes = result.weight_bytes + max((held for _, held in course), default=inputs)
    again = numbers_at(result.sizes)(held.again)
    result.gradient_bytes = result.parameters * number
    result.training_bytes = result.weight_bytes + result.gradient_bytes + result.kept + again


def _rows(graph: Graph, result: Stats) -> dict[Scope | Node, Row]:
    """A row for every scope, and for the layers beside scopes that own something."""
    rows: dict[Scope | Node, Row] = {}
    stack: list[tuple[str, Scope | Node]] = [(name, child) for name, child in reversed(graph.root.children.items())]
    while stack:
        path, item = stack.pop()
        if item in rows:
            continue
        if isinstance(item, Scope):
            rows[item] = Row(path=path, block=item.block)
            if any(isinstance(child, Scope) for child in item.children.values()):
                stack.extend((f"{path}.{name}", child) for name, child in reversed(item.children.items()))
        elif item.op.has_weights:
            rows[item] = Row(path=path, block=item.op.kind)
        else:
            continue
        result.rows.append(rows[item])
    return rows
