"""The layout of a diagram: a place for every box and frame, for the arrows and for the texts along them."""

from __future__ import annotations

from .cells import Layout, Spot
from .compose import Sizes, composed, floating
from .diagram import Diagram
from .labels import label
from .routes import Router, stretched


def arranged(diagram: Diagram, sizes: Sizes, headings: Sizes, texts: dict[int, float] | None = None) -> Layout:
    """Where boxes of some sizes are, frames with room for some headings, and along arrows texts of some widths. Arrows
    of drawn numbers, which may lead to any join, have no way."""
    texts, plan, top = texts or {}, Layout(), 0.0
    for box in floating(diagram):
        plan.boxes[box] = Spot(0, top, *sizes[box])
        top += sizes[box][1] + 6
    composed(diagram, sizes, headings, texts).place(0, top, plan)
    stretched(diagram, plan)
    router = Router(diagram, plan)
    plan.routes = {
        number: router.route(number, edge) for number, edge in enumerate(diagram.edges) if edge.role != "drawn"
    }
    signs = router.part()
    places = {number: router.label(diagram.edges[number], plan.routes[number]) for number in texts}
    label(places, texts, headings, signs, plan)
    spots = [*plan.boxes.values(), *plan.frames.values(), *plan.labels.values()]
    ends = [x + 6 for lanes in plan.lanes.values() for x, _ in lanes]
    left = min(spot.x for spot in spots)
    plan.w = max([spot.right for spot in spots] + ends) - left
    plan.h = max(spot.bottom for spot in spots)
    plan.move(-left, 0)
    return plan
