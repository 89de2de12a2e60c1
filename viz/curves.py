"""What plots show, as values: the costs of the boxes of a drawing, and memory along the layers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, groupby

from ..compiler.analyses.inplace import overwritable
from ..compiler.analyses.memory import DTYPES, Storages, inference_course, memory, numbers_at
from ..compiler.ir.graph import Graph, Node
from ..compiler.ir.regions import Regions
from .build import diagram_of
from .diagram import Box
from .view import View

FEWEST, DEEPEST = 4, 3
"""Sections are scopes at the first level at which there are so many, or at the deepest of these levels."""


@dataclass(frozen=True, slots=True)
class BoxCost:
    """A box of the drawing that costs something; of all equal ones that it stands for."""

    label: str
    parameters: int
    multiply_adds: int


@dataclass(frozen=True, slots=True)
class Course:
    """Memory along the layers that run in evaluation, in order, in bytes, without weights: `held` while a layer runs,
    `kept` for the backward pass of training up to it, what is read of the inputs included. `sections` are scopes, with
    how many layers run before each. `unknown` are kinds of layers whose memory is not known."""

    held: list[int]
    kept: list[int]
    sections: list[tuple[int, str]]
    sizes: dict[str, int]
    unknown: tuple[str, ...]


def box_costs(graph: Graph, depth: int | None = None) -> list[BoxCost]:
    """The boxes of a drawing from top to bottom, which together cost what the architecture does. Raises ArchError for a
    depth below 1."""
    boxes = diagram_of(graph, View(depth)).boxes
    costing = [box for box in boxes if box.total_parameters or box.total_multiply_adds]
    return [BoxCost(_label(box), box.total_parameters, box.total_multiply_adds) for box in costing]


def _label(box: Box) -> str:
    if box.role in ("fold", "rest"):
        name = box.path if box.path and not box.path[-1].isdigit() else box.title
        return name if box.count == 1 else box.title
    row = next((row for row in box.rows if row.parameters or row.multiply_adds), box.rows[0])
    return row.label or row.text


def course(graph: Graph, sizes: dict[str, int], dtype: str) -> Course:
    """The memory at some sizes, in numbers of a type. Raises ValueError for a type that maps cannot have."""
    if dtype not in DTYPES:
        raise ValueError(f"numbers are of type {', '.join(DTYPES)}, and not {dtype!r}")
    number, value = DTYPES[dtype], numbers_at(sizes)
    evaluation = Storages(graph, overwritable(Regions(graph)), training=False)
    found = memory(evaluation, number)
    _, held = inference_course(evaluation, number, sizes)
    kept = list(accumulate((value(bytes) for bytes in found.kept), initial=value(found.inputs)))
    nodes = [graph.nodes[index] for index, _ in held]
    return Course(
        [bytes for _, bytes in held],
        [kept[node.index + 1] for node in nodes],
        _sections(nodes),
        sizes,
        tuple(sorted(found.unknown)),
    )


def _sections(nodes: list[Node]) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    for level in range(1, DEEPEST + 1):
        found, start = [], 0
        for name, group in groupby(nodes, key=lambda node: ".".join(node.path.split(".")[:-1][:level])):
            if name:
                found.append((start, name))
            start += len(list(group))
        if len(found) >= FEWEST:
            break
    return [(start, name.rpartition(".")[2]) for start, name in found]
