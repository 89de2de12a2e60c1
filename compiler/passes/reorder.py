"""Modules that change places in the flow (Veit et al. 2016, arXiv 1605.06431, section 4.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar

from pydantic import Field, PlainValidator

from ...dsl.diagnostics import fault
from ..analyses.paths import counted
from ..analyses.residual import kendall_tau
from ..ir.graph import Graph, Value
from ..ir.words import BadValue, met, say, whole
from ..ops.values import Words
from .applications import Application, Applications, Path, Paths, single
from .base import Rewrite, refusal
from .wiring import Wiring


def _order(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list | tuple):
        raise BadValue(f"must list the modules' numbers, from 0, as they shall stand, not {met(value)}")
    return tuple([whole(item, 0) for item in value])


Order = Annotated[tuple[int, ...], PlainValidator(_order), Words("list of whole numbers from 0")]


class Reorder(Rewrite):
    """The architecture with modules in other places. Where `modules[i]` stood, `modules[order[i]]` stands: it takes
    what came to that place, and what came after it takes its result.

    Each module takes one tensor and gives one, and all take, and give, the same shapes. Names and weights stay with the
    modules, so that checkpoints of before still load.

    The result's `kendall_tau` compares the orders in which the network goes through its residual modules before and
    after, or where it has none through its layers with weights: 1 where they are the same, -1 where one is the other
    backwards.
    """

    kind: ClassVar[str] = "reorder"

    modules: Paths = Field(description="paths of the modules")
    order: Order = Field(description="which of the modules, numbered from 0, stands in the place of each")

    def apply(self, graph: Graph) -> Graph:
        if sorted(self.order) != list(range(len(self.modules))):
            what = f"the order {say(self.order)} does not name each of {len(self.modules)} modules once, from 0"
            raise fault("E0445", what, None, "`order = [1, 0]` swaps two modules")
        return reordered(graph, self.modules, self.order)


class Swap(Rewrite):
    """The architecture with two modules in each other's place: `reorder` of the two."""

    kind: ClassVar[str] = "swap"

    a: Path = Field(description="path of one module")
    b: Path = Field(description="path of the other")

    def apply(self, graph: Graph) -> Graph:
        return reordered(graph, (self.a, self.b), (1, 0))


def reordered(graph: Graph, modules: Sequence[str], order: Sequence[int]) -> Graph:
    """The graph with modules in other places. Raises a Fault (E0443 to E0445) where they cannot stand there."""
    applications = Applications(graph)
    parts = [applications.only(name, "E0445") for name in modules]
    ends = [single(graph, part) for part in parts]
    _check_shapes(graph, parts, ends)
    wiring = exchanged(graph, parts, order)
    after = wiring.graph()
    after.notes["kendall_tau"] = _tau(graph, wiring.order)
    return after


def exchanged(graph: Graph, parts: Sequence[Application], order: Sequence[int]) -> Wiring:
    """The wiring in which `parts[order[i]]` stands where `parts[i]` stood. Each takes one tensor and gives one."""
    ends = [(part.sources[0], part.results[0]) for part in parts]
    place = {standing: position for position, standing in enumerate(order)}
    now = {ends[position][1]: ends[standing][1] for position, standing in enumerate(order)}
    inside = {index: number for number, part in enumerate(parts) for index in part.nodes}
    wiring = Wiring(graph)
    for node in graph.nodes:
        number = inside.get(node.index)
        if number is None:
            wiring.inputs[node.index] = tuple([now.get(value, value) for value in node.inputs])
            continue
        source, arriving = ends[place[number]][0], ends[number][0]
        moved = {arriving: now.get(source, source)}
        own = parts[number].nodes
        wiring.inputs[node.index] = tuple(
            [moved[v] if v == arriving else v if v[0] in own else now.get(v, v) for v in node.inputs]
        )
    wiring.outputs = [replace(o, values=tuple([now.get(value, value) for value in o.values])) for o in graph.outputs]
    return wiring


def _check_shapes(graph: Graph, parts: list[Application], ends: list[tuple[Value, Value]]) -> None:
    """Raises a Fault (E0445) where modules lie in one another, or differ in what they take or give."""
    first, taken = parts[0], [tuple(map(graph.type_of, pair)) for pair in ends]
    for number, part in enumerate(parts):
        node = graph.nodes[part.first]
        other = next((p for p in parts[:number] if p.nodes & part.nodes), None)
        if other is not None:
            what = f"`{other.path}` and `{part.path}` have layers in common"
            raise refusal("E0445", what, node, "modules that change places stand beside or behind each other")
        if taken[number] != taken[0]:
            (a, b), (c, d) = taken[0], taken[number]
            what = f"`{first.path}` makes {b} of {a}, and `{part.path}` makes {d} of {c}"
            raise refusal("E0445", what, node, "only modules that take, and give, the same shapes can change places")


def _tau(before: Graph, order: list[int]) -> float:
    """Kendall's tau of an order of the nodes: of the residual modules, or without any of the layers with weights."""
    ends = counted(before, "module") or counted(before, "layer")
    return kendall_tau([index for index in order if index in ends])
