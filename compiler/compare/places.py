"""Where a spec keeps its tensors, and how data flows between these places."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from ..ir.graph import Graph, tensor_name
from .checkpoint_names import TensorKind


@dataclass(slots=True)
class TensorPlace:
    """A module of the spec that holds tensors. Something shared has one place, that of its first application."""

    path: str
    tensors: dict[str, TensorKind] = field(default_factory=dict)


@dataclass(slots=True)
class TensorPlaces:
    """The places of a graph, in the order of its names. Sets of places are masks: bit i stands for place i.

    `needs[i]` is computed right before i, with what is shared taken where it is applied first. `before[i]` and
    `after[i]` are all whose output flows into i, and all that the output of i flows into. `owned[n]` are those of
    node n.
    """

    all: list[TensorPlace]
    needs: list[int]
    before: list[int]
    after: list[int]
    owned: dict[int, list[int]]


def bits(mask: int) -> Iterator[int]:
    """The numbers of a mask."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def union(masks: list[int], of: int) -> int:
    """The union of the masks with the numbers `of`."""
    found = 0
    for number in bits(of):
        found |= masks[number]
    return found


def places(graph: Graph, without: Collection[str] = ()) -> TensorPlaces:
    """The places of a graph; tensors of the names `without` have none."""
    found: list[TensorPlace] = []
    numbers: dict[str, int] = {}
    owned: dict[int, list[int]] = {}
    first: dict[int, str] = {}
    for path, node, weight in graph.tensors():
        if first.setdefault(node.index, path) != path:
            continue  # a second name of something shared
        whole = tensor_name(path, weight.name)
        if whole in without:
            continue
        holder, _, name = whole.rpartition(".")
        number = numbers.setdefault(holder, len(found))
        if number == len(found):
            found.append(TensorPlace(holder))
        found[number].tensors[name] = TensorKind(weight.shape, weight.dtype == "float")
        if number not in owned.setdefault(node.index, []):
            owned[node.index].append(number)
    return _flow(graph, found, owned)


def _flow(graph: Graph, found: list[TensorPlace], owned: dict[int, list[int]]) -> TensorPlaces:
    """Marks what flows where: forward over the nodes in the order of application, and back."""
    needs, before, after = ([0] * len(found) for _ in range(3))
    own = {node: sum(1 << number for number in numbers) for node, numbers in owned.items()}
    direct: list[int] = []
    flown: list[int] = []
    for node in graph.nodes:
        arriving = closest = 0
        for source, _ in node.inputs:
            mask = own.get(graph.nodes[source].owner, 0)
            arriving |= flown[source] | mask
            closest |= mask or direct[source]
        again = node.owner != node.index
        flown.append(arriving)
        direct.append(direct[node.owner] if again else closest)
        for number in () if again else owned.get(node.index, ()):
            needs[number] |= closest
            before[number] |= arriving
    reached = [0] * len(graph.nodes)
    for node in reversed(graph.nodes):
        onward = reached[node.index]
        for number in owned.get(node.owner, ()):
            after[number] |= onward
        onward |= own.get(node.index, 0)
        for source, _ in node.inputs:
            reached[source] |= onward
    return TensorPlaces(found, needs, before, after, owned)
