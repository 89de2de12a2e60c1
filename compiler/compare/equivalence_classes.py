"""Why no weights can make one network of another: functions that one of them never is, whatever its weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Literal

from ..ir.graph import Graph, Value, concrete
from ..ir.reached import reached
from ..ops.core import Extern
from .equivalence import Equivalence, wanted
from .equivalence_fields import Sides
from .equivalence_least import least_dimensions
from .equivalence_most import most_dimensions
from .equivalence_reading import sized

EXTENTS = (1, 2, 4, 8, 16, 32, 48, 64, 96, 128, 224)
"""Heights and widths of images that are tried, smallest first."""

MOST_UNCOUNTED = 400
"""Layers of both up to which examples are looked for by running them, before anything is counted."""
MOST_RUN = 10_000
"""Layers of both up to which they are run at all."""
WIDE = 8
"""Rows of an image on which kernels show."""
MOST_FREE = 400
"""Numbers of weights up to which the directions are counted in which these move the outputs."""


@dataclass(frozen=True, slots=True)
class Exclusion:
    """What no function of `never` is, and functions of the other architecture may be.

    - "curves": it is no piecewise linear function of its inputs, as all of `never` are.
    - "bends": it has a kink, where all of `never` are analytic.
    - "spans": more of its outputs, for several inputs, are linearly independent than `bound`.
    - "moves": its outputs, for several inputs, are moved by its weights in more independent directions than `bound`.
    """

    kind: Literal["curves", "bends", "spans", "moves"]
    never: int
    sizes: tuple[dict[str, int], dict[str, int]]
    bound: int = 0


def exclusions(before: Graph, after: Graph) -> Iterator[Exclusion]:
    """What may tell two architectures apart, whose inputs and outputs are alike. That `never` is never so is certain;
    that the other one can be is for weights to show."""
    graphs = before, after
    if any(entry.type.dtype != "float" for entry in before.inputs):
        return
    if any(isinstance(node.op, Extern) for graph in graphs for node in graph.nodes):
        return
    sides = Sides(before, after)
    sizes = _small(sides)
    if sizes is None:
        return
    linear, analytic = ([all(_of_class(graph, c)) for graph in graphs] for c in ("is_piecewise_linear", "is_analytic"))
    for kind, holds in (("curves", linear), ("bends", analytic)):
        if holds[0] != holds[1]:
            yield Exclusion(kind, holds.index(True), sizes)  # type: ignore[arg-type]
    counts = [span(graph, own) for graph, own in zip(graphs, sizes, strict=True)]
    if counts[0] != counts[1]:
        never = counts.index(min(counts))
        yield Exclusion("spans", never, sizes, counts[never])
    free = [freedom(graph) for graph in graphs]
    if free[0] != free[1] and min(free) <= MOST_FREE and (larger := _small(sides, WIDE)) is not None:
        never = free.index(min(free))
        yield Exclusion("moves", never, larger, free[never])


@dataclass(frozen=True, slots=True)
class Outnumbered:
    """The functions that an architecture can be have at least so many dimensions, and those of `never` at most so many,
    which are fewer: no weights of `never` make some functions of the other one."""

    never: int
    sizes: dict[str, int]
    least: int
    most: int


def outnumbered(before: Graph, after: Graph) -> Outnumbered | None:
    """Whether one of two architectures, whose inputs and outputs are alike, is more functions than the other can be,
    with inputs of the smallest sizes that both take. Nothing is run."""
    if any(isinstance(node.op, Extern) for graph in (before, after) for node in graph.nodes):
        return None
    sizes = _small(Sides(before, after))
    if sizes is None:
        return None
    graphs = [sized(graph, own) for graph, own in zip((before, after), sizes, strict=True)]
    dims = {d for graph in graphs for node in graph.nodes for y in node.outputs for d in y.dims}
    if not all(isinstance(d, int) for d in dims):
        return None
    most = [most_dimensions(graph) for graph in graphs]
    never = most.index(min(most))
    least = least_dimensions(graphs[1 - never])
    return Outnumbered(never, sizes[0], least, most[never]) if least > most[never] else None


def counted_first(found: Equivalence) -> Equivalence:
    """The same, with what counting shows of large networks, and a note where they are too large to be run."""
    if found.layers > MOST_UNCOUNTED:
        found = counted(found)
    if found.layers > MOST_RUN:
        note = f"they have {found.layers:,} layers together and were not run, as more than {MOST_RUN:,} never are"
        found = replace(found, notes=(*found.notes, note))
    return found


def counted(found: Equivalence) -> Equivalence:
    """The same, with what numbers of weights show: that one of the two is more functions than the other can be."""
    if found.verdict != "undecided" or found.sizes or (shown := outnumbered(found.before, found.after)) is None:
        return found
    sizes = ", ".join(f"{name} = {size}" for name, size in shown.sizes.items() if name != "N")
    has, lacks = "BA"[shown.never], "AB"[shown.never]
    reason = (
        f"{f'with {sizes}, ' if sizes else ''}the functions of {has} have at least {shown.least:,} dimensions, "
        f"and those of {lacks} at most {shown.most:,}"
    )
    return replace(found, verdict="different", reason=reason)


def _small(sides: Sides, least: int = 1) -> tuple[dict[str, int], dict[str, int]] | None:
    """The smallest sizes at which both can be run, with images of at least so many rows."""
    batch, names = sides.symbol((0, 0)), sides.spatial()
    one = {} if batch is None else {batch: 1}
    trials = [dict.fromkeys(names, extent) for extent in EXTENTS if extent >= least] if names else []
    return next((found for trial in (*trials, {}) if (found := sides.sizes({**trial, **one})) is not None), None)


def _of_class(graph: Graph, question: str) -> Iterator[bool]:
    """Of each layer that makes something of the inputs: whether it is of a class of functions."""
    data: set[int] = set()
    needed = {value[0] for value in reached(_ends(graph), lambda value: graph.nodes[value[0]].inputs)}
    for node in graph.nodes:
        sources = [value for value in node.inputs if value[0] in data]
        if node.op.is_input or sources:
            data.add(node.index)
        if sources and node.index in needed:
            floats = all(graph.type_of(value).dtype == "float" for value in sources)
            yield floats and getattr(node.op, question)()


def _ends(graph: Graph) -> list[Value]:
    return [value for output in wanted(graph, False) for value in output.values]


def span(graph: Graph, sizes: dict[str, int]) -> int:
    """How many values of the first output, for any inputs, can be linearly independent at most: of an affine function
    of k numbers, k + 1."""
    (node, port), batch = _ends(graph)[0], graph.inputs[0].type.dims[:1]
    least = prod(concrete(graph.nodes[node].outputs[port].dims, sizes)[1:])
    while graph.nodes[node].op.is_affine() and len(graph.nodes[node].inputs) == 1:
        node, port = graph.nodes[node].inputs[0]
        dims = graph.nodes[node].outputs[port].dims
        if dims[:1] != batch:
            break
        least = min(least, prod(concrete(dims, sizes)[1:]) + 1)
    return least


def freedom(graph: Graph) -> int:
    """In how many directions weights can move a function at most: their number, where a norm with running statistics is
    a factor and a summand for each channel."""
    total = 0
    needed = {value[0] for value in reached(_ends(graph), lambda value: graph.nodes[value[0]].inputs)}
    for owner in {graph.nodes[index].owner for index in needed}:
        node = graph.nodes[owner]
        found = [w for w in node.op.weights(graph.input_types(node)) if w.dtype == "float" and w.persistent]
        channelwise = node.op.is_affine() and node.op.is_per_channel(graph.input_types(node))
        total += sum(prod(w.shape) for w in (found[:2] if channelwise and len(found) > 2 else found))
    return total
