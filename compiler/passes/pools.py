"""Average pools before the 1 x 1 convolutions whose maps they take."""

from __future__ import annotations

import math
from typing import ClassVar

from pydantic import Field

from ..ir.graph import Graph, Node, concrete
from ..ops.conv import Conv
from .applications import Paths
from .base import Rewrite, mapped, nothing_to_do, refusal
from .replay import Replay
from .uses import Uses, layer_at


class PoolFirst(Rewrite):
    """The architecture with average pools before the 1 x 1 convolutions whose maps they take, as behind DenseNet's
    dense blocks, so that a convolution works on the smaller map: a quarter of the multiply-adds for a pool of 2 x 2.

    Both are linear, one along the channels and one along the places, so that their order does not matter: outputs and
    gradients are those of before up to rounding, in training too. Names and tensors stay. `modules` names the
    convolutions. One is refused that has another kernel than 1 x 1, a stride or padding, whose output something else
    takes too, or whose bias the pool would count less at an edge, since it counts zeros of a padding.
    """

    kind: ClassVar[str] = "pool_first"

    modules: Paths = Field((), description="the convolutions; unless told all whose pool makes the map smaller")

    def apply(self, graph: Graph) -> Graph:
        uses, named = Uses(graph), {layer_at(graph, path).owner: path for path in self.modules}
        moves = _moves(uses)
        for owner, path in named.items():
            for conv in uses.applied[owner]:
                if (why := _obstacle(conv, uses)) is not None:
                    hint = "`modules` names 1 x 1 convolutions, each with an average pool right behind it"
                    raise refusal("E0462", f"the pool behind `{path}` cannot go before it: {why}", conv, hint)
                moves[uses.users[conv.index, 0][0].index] = conv
        if named:
            moves = {pool: conv for pool, conv in moves.items() if conv.owner in named}
        if not moves:
            raise nothing_to_do(
                "there is no pool to move", "it moves average pools that take the map of a 1 x 1 convolution"
            )
        return _moved(graph, moves)

    @staticmethod
    def wherever_it_pays(graph: Graph) -> tuple[Graph, int]:
        """The graph with every pool moved behind which the convolution has less to do, and how many these are."""
        moves = _moves(Uses(graph))
        return (_moved(graph, moves) if moves else graph), len(moves)


def _moves(uses: Uses) -> dict[int, Node]:
    """The convolutions that work on less behind their pools, by the pool."""
    graph, found = uses.graph, dict[int, Node]()
    for conv in graph.nodes:
        if _obstacle(conv, uses) is None:
            pool = uses.users[conv.index, 0][0]
            before, after = (math.prod(concrete(node.outputs[0].dims, graph.nominal)) for node in (conv, pool))
            if after < before:
                found[pool.index] = conv
    return found


def _obstacle(conv: Node, uses: Uses) -> str | None:
    """Why a pool cannot go before a layer; None where it can."""
    op = conv.op
    if not (isinstance(op, Conv) and op.is_per_place(uses.graph.input_types(conv))):
        return "it is no convolution of 1 x 1 without stride and padding"
    pool = uses.only_user((conv.index, 0))
    if pool is None:
        return "more than one layer takes what it gives, or it is an output"
    if not (pool.op.family == "pool" and pool.op.is_affine() and pool.outputs[0].rank == conv.outputs[0].rank):
        return f"`{pool.op.called}` takes what it gives, and is no average pool that gives a map"
    if op.bias is not False and not pool.op.keeps_constants():
        return f"`{pool.op.called}` counts zeros beside its bias"
    return None if pool.recompute is conv.recompute else "only one of them is computed again in training"


def _moved(graph: Graph, moves: dict[int, Node]) -> Graph:
    replay, moved = Replay(graph), {conv.index for conv in moves.values()}
    for node in graph.nodes:
        if node.index in moves:
            conv = moves[node.index]
            pool = replay.again(node, inputs=(replay.values[conv.inputs[0]],))
            made = replay.again(conv, inputs=((pool.index, 0),))
            replay.values[node.index, 0] = (made.index, 0)
        elif node.index not in moved:
            replay.again(node)
    return mapped(graph, replay.finish())
