"""Equal parts in a row, which a drawing shows once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..compiler.ir.graph import Graph, Node, Value
from .tree import Part

FEWEST_ATOMS = 3
"""So many equal small chains in a row are drawn as one; of larger parts two."""


@dataclass(slots=True)
class Run:
    """Parts that compute the same, each from the one before."""

    parts: list[Part]

    @property
    def first(self) -> Part:
        return self.parts[0]


class Runs:
    """Finds the runs among the members of a part."""

    def __init__(self, graph: Graph):
        self.consumers: list[list[int]] = [[] for _ in graph.nodes]
        self.outputs = {value[0] for output in graph.outputs for value in output.values}
        for node in graph.nodes:
            for source, _ in node.inputs:
                self.consumers[source].append(node.index)

    def among(self, members: list[Part | Node]) -> list[Run | Node]:
        found: list[Run | Node] = []
        before: Any = None
        for member in members:
            if isinstance(member, Node):
                found.append(member)
                before = None
                continue
            form = _form(member)
            last = found[-1] if found else None
            if isinstance(last, Run) and form == before and self._continues(last, member):
                last.parts.append(member)
            else:
                found.append(Run([member]))
            before = form
        return [item for run in found for item in _long_enough(run)]

    def _continues(self, run: Run, part: Part) -> bool:
        """Whether a part takes what the first took, or what the last gave, and the last gave it to nobody else."""
        own = {node.index for node in part.nodes()}
        last = {node.index for node in run.parts[-1].nodes()}
        first = _externals(run.first)
        for mine, firsts in zip(_externals(part), first, strict=True):
            if mine != firsts and mine[0] not in last:
                return False
        if last & self.outputs:
            return False
        return all(c in own or c in last for index in last for c in self.consumers[index])


def _long_enough(item: Run | Node) -> list[Run | Node]:
    if isinstance(item, Run) and len(item.parts) < FEWEST_ATOMS and item.first.is_atom:
        return [Run([part]) for part in item.parts]
    return [item]


def _externals(part: Part) -> list[Value]:
    """What a part takes from outside, in the order of first use."""
    own = {node.index for node in part.nodes()}
    taken = [value for node in part.nodes() for value in node.inputs if value[0] not in own]
    return list(dict.fromkeys(taken))


def _form(part: Part) -> tuple[Any, ...]:
    """Equal for parts that compute the same function of inputs of the same types, with weights of their own."""
    nodes = list(part.nodes())
    place = {node.index: i for i, node in enumerate(nodes)}
    outside: dict[Value, int] = {}
    form = []
    for node in nodes:
        inputs = tuple(
            (place[v[0]], v[1]) if v[0] in place else (-1 - outside.setdefault(v, len(outside)), 0) for v in node.inputs
        )
        owns = place.get(node.owner, ("shared", node.owner))
        form.append((node.op.key, inputs, node.outputs, owns, node.frozen))
    return part.block, tuple(form)
