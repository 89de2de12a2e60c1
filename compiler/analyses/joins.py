"""Concatenations that grow, as DenseNet's: each holds all maps of the one before and some more, and can be the first
channels of one piece of memory, into which every map is written once (Pleiss et al. 2017, arXiv 1707.06990)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from ..ir.graph import Graph, Node, Value
from ..ops.axes import axis_index
from ..ops.merge import Concat
from ..ops.norm import BatchNorm


@dataclass(frozen=True, slots=True)
class Join:
    """The maps that stand side by side in one piece of memory, each with its first channel, and all channels. `ends`
    says, for each concat by its index, how many of the maps it holds."""

    maps: tuple[Value, ...]
    starts: tuple[int, ...]
    channels: int
    ends: Mapping[int, int]


def joins(
    graph: Graph,
    nodes: Sequence[Node],
    inputs: Mapping[int, tuple[Value, ...]],
    takers: Callable[[Value], Sequence[Node]],
) -> list[Join]:
    """The concats of some nodes that can be parts of one another. `inputs` are what each node takes, `takers` who takes
    a tensor, nobody where it is put out. Norms alone may take them: these neither write over a map nor need it dense.
    """
    fits = {node.index: node for node in nodes if isinstance(node.op, Concat) and _fits(node, graph)}
    held = {i: node for i, node in fits.items() if _taken_by_norms(takers((i, 0)), fits)}
    maps = {index: _maps(index, held, inputs) for index in held}
    found, left = [], sorted(held, key=lambda index: -len(maps[index]))
    while left:
        whole = maps[left[0]]
        same = [index for index in left if maps[index] == whole[: len(maps[index])]]
        left = [index for index in left if index not in same]
        # What a concat holds of one before must stand in the same memory already.
        same = [i for i in same if inputs[i][0][0] not in held or inputs[i][0][0] in same]
        if len(same) > 1:
            sizes = [graph.type_of(value).channels for value in whole]
            starts = [sum(size for size in sizes[:i] if isinstance(size, int)) for i in range(len(sizes) + 1)]
            found.append(Join(whole, tuple(starts[:-1]), starts[-1], {index: len(maps[index]) for index in same}))
    return found


def _fits(node: Node, graph: Graph) -> bool:
    """Whether a concat joins the channels of maps of images or volumes, of known numbers."""
    assert isinstance(node.op, Concat)
    types = graph.input_types(node)
    along = axis_index(types[0], node.op.axis, "concat") == 1
    return along and all(t.channel_axis == 1 and t.rank in (4, 5) and isinstance(t.dims[1], int) for t in types)


def _taken_by_norms(users: Sequence[Node], concats: Collection[int]) -> bool:
    return bool(users) and all(isinstance(user.op, BatchNorm) or user.index in concats for user in users)


def _maps(index: int, held: Mapping[int, Node], inputs: Mapping[int, tuple[Value, ...]]) -> tuple[Value, ...]:
    """The maps that a concat joins, those of a concat at its beginning one by one."""
    rest: list[tuple[Value, ...]] = []
    while True:
        first, *others = inputs[index]
        rest.append(tuple(others))
        if first[0] not in held:
            return (first, *(value for values in reversed(rest) for value in values))
        index = first[0]
