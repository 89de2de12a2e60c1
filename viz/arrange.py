"""The layout of a diagram: a place for every box and frame."""

from __future__ import annotations

from .cells import Plan, Spot
from .compose import composed, floating
from .diagram import Diagram
from .routes import stretched

Arranged = tuple[Plan, float, float]
Sizes = list[tuple[float, float]]


def arranged(diagram: Diagram, sizes: Sizes, headings: Sizes) -> Arranged:
    """Where boxes of some sizes are and frames with room for some headings, and the width and height of it all."""
    plan = Plan()
    top = 0.0
    for box in floating(diagram):
        plan.boxes[box] = Spot(0, top, *sizes[box])
        top += sizes[box][1] + 6
    cell = composed(diagram, sizes, headings)
    cell.place(0, top, plan)
    stretched(diagram, plan)
    spots = [*plan.boxes.values(), *plan.frames.values()]
    ends = [x + 6 for lanes in plan.lanes.values() for x, _ in lanes]
    left = min(spot.x for spot in spots)
    right, bottom = max([spot.right for spot in spots] + ends), max(spot.bottom for spot in spots)
    moved(plan, -left, 0)
    return plan, right - left, bottom


def moved(plan: Plan, x: float, y: float) -> None:
    """Moves everything to the right and down."""
    for spot in (*plan.boxes.values(), *plan.frames.values()):
        spot.x, spot.y = spot.x + x, spot.y + y
    for edge, lanes in plan.lanes.items():
        plan.lanes[edge] = [(lane + x, top + y) for lane, top in lanes]
