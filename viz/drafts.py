"""Boxes in the making, and how layers that follow one another go into one: a convolution, its norm, its activation."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ..compiler.ir.graph import Node, Value
from .diagram import Chip, Diagram, Row, Shape

TALLEST, HIGH = 5, 12
"""Layers that one box holds at most, and that one of a high stack does."""

STACKED = frozenset({("conv", "conv"), ("conv", "pool"), ("dense", "dense")})
"""Main layers that follow one another in a high stack."""


@dataclass(slots=True)
class Draft:
    """A box in the making. `takes` holds the drafts and the values that it reads."""

    role: str
    rows: list[Row]
    nodes: list[Node]
    group: int | None
    times: int
    title: str = ""
    note: str = ""
    sketch: tuple[Chip, ...] = ()
    takes: list[tuple[int, Value]] = field(default_factory=list)
    training: bool = False
    count: int = 1
    inner: Diagram | None = None
    first: Shape | None = None

    @property
    def joins(self) -> bool:
        """Whether it is a merge that puts tensors side by side."""
        return self.role == "merge" and self.nodes[0].op.joins_shapes


def stacked(drafts: list[Draft], high: bool = False) -> tuple[list[Draft], list[int]]:
    """The drafts with chains of layers put into one, numbered anew; and for each draft its new number. Stacks that are
    `high` hold several convolutions, to the pool behind them, or several dense layers."""
    leaving = Counter(source for draft in drafts for source, _ in draft.takes)
    boxes: list[Draft] = []
    tops: list[int] = []
    place: list[int] = []
    for number, draft in enumerate(drafts):
        draft.takes = list(dict.fromkeys((place[source], value) for source, value in draft.takes))
        below = draft.takes[0][0] if len(draft.takes) == 1 else None
        if below is not None and leaving[tops[below]] == 1 and _fits(draft, boxes[below], high):
            boxes[below].rows += draft.rows
            boxes[below].nodes += draft.nodes
            tops[below] = number
        else:
            below = len(boxes)
            boxes.append(draft)
            tops.append(number)
        place.append(below)
    return boxes, place


def _fits(draft: Draft, box: Draft, high: bool) -> bool:
    """Whether a layer goes into the box before it, which has one main layer: convolution, norm, activation; or, where
    it began with the others, norm, activation, convolution."""
    tallest = HIGH if high else TALLEST
    if (draft.role, box.role) != ("layer", "layer") or box.group != draft.group or len(box.rows) >= tallest:
        return False
    if draft.count > 1 or box.count > 1:
        return False
    mains = [row.kind for row in box.rows if not row.minor]
    if draft.rows[0].minor:
        return not (mains and box.rows[0].minor)
    return not mains or (high and (mains[-1], draft.rows[0].kind) in STACKED)
