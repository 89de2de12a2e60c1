"""A single column of a fractal (Larsson et al. 2016, arXiv 1605.07648)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from ..ir.graph import Graph, Node
from ..ops.merge import Mean
from ..ops.stochastic import DropMean
from ..ops.values import Whole
from .base import Rewrite, nothing_to_do, refusal
from .wiring import Wiring


class ExtractColumn(Rewrite):
    """One column of a fractal network by itself, which is a plain network: what drop-path trains when it keeps that
    column alone, and what evaluation of the column computes.

    Columns are counted as `survivor` counts them: 0 is the shallowest, and a join of k inputs joins the k deepest, so
    that its input j is column n - k + j of n. Each join that the column comes to is replaced by its input from there;
    the other joins, with the columns beside, are gone. Joins are the network's `drop_mean`s, or its `mean`s where it
    has no such. Names stay, and a checkpoint of the whole loads.
    """

    kind: ClassVar[str] = "extract_column"

    column: Whole = Field(description="the column's number, 0 for the shallowest")

    def apply(self, graph: Graph) -> Graph:
        joins = _joins(graph)
        if not joins:
            hint = "a fractal's columns meet in `drop_mean` or `mean`"
            raise nothing_to_do(f"{graph.name} has no join of columns", hint)
        count = max(_columns(node) for node in joins)
        if self.column >= count:
            widest = max(joins, key=_columns)
            what = f"there is no column {self.column}: the widest join has {count}, from 0 to {count - 1}"
            raise refusal("E0447", what, widest, "0 is the shallowest column, the last number the deepest")
        wiring, beside = Wiring(graph), set()
        for node in joins:
            arriving = node.op.arriving(node.inputs)
            place = self.column - (count - len(arriving))
            if place >= 0:
                wiring.instead[node.index, 0] = arriving[place]
            else:
                beside.add(node.index)
        column = wiring.graph()
        met = next((index for index in wiring.order if index in beside), None)
        if met is not None:
            what = f"column {self.column} leads through a join of deeper ones"
            raise refusal("E0447", what, graph.nodes[met], "joins of a fractal put the shallowest column first")
        return column


def _joins(graph: Graph) -> list[Node]:
    """The joins of a network's columns: of means, those of several tensors."""
    joins = [node for node in graph.nodes if isinstance(node.op, DropMean)]
    return joins or [node for node in graph.nodes if isinstance(node.op, Mean) and len(node.inputs) > 1]


def _columns(node: Node) -> int:
    drawn = node.op.survivor if isinstance(node.op, DropMean) else None
    return max(len(node.op.arriving(node.inputs)), drawn or 0)
