"""Boxes in the making, and how layers that follow one another go into one: a convolution, its norm, its activation."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ..compiler.ir.graph import Node, Value
from .diagram import Chip, Diagram, Row, Shape

TALLEST = 5
"""Layers that one box holds at most."""


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


def stacked(drafts: list[Draft]) -> tuple[list[Draft], list[int]]:
    """The drafts with chains of layers put into one, numbered anew; and for each draft its new number."""
    leaving = Counter(source for draft in drafts for source, _ in draft.takes)
    boxes: list[Draft] = []
    tops: list[int] = []
    place: list[int] = []
    for number, draft in enumerate(drafts):
        draft.takes = list(dict.fromkeys((place[source], value) for source, value in draft.takes))
        below = draft.takes[0][0] if len(draft.takes) == 1 else None
        if below is not None and leaving[tops[below]] == 1 and _fits(draft, boxes[below]):
            boxes[below].rows += draft.rows
            boxes[below].nodes += draft.nodes
            tops[below] = number
        else:
            below = len(boxes)
            boxes.append(draft)
            tops.append(number)
        place.append(below)
    return boxes, place


def _fits(draft: Draft, box: Draft) -> bool:
    """Whether a layer goes into the box before it, which has one main layer: convolution, norm, activation; or, where
    it began with the others, norm, activation, convolution."""
    if (draft.role, box.role) != ("layer", "layer") or box.group != draft.group or len(box.rows) >= TALLEST:
        return False
    has_main = any(not row.minor for row in box.rows)
    if draft.rows[0].minor:
        return not (has_main and box.rows[0].minor)
    return not has_main
