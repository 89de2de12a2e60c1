"""The layout of a diagram: where everything is, and where the arrows run: straight down, or with corners."""

from __future__ import annotations

from itertools import pairwise

from .cells import Layout, Spot
from .channels import Flow, points_of
from .compose import Sizes, composed, floating
from .diagram import Diagram
from .labels import HEAD_ROOM, RISE, label
from .scene import Point


def arranged(diagram: Diagram, sizes: Sizes, headings: Sizes, texts: dict[int, float] | None = None) -> Layout:
    """Where boxes of some sizes are, frames with room for some headings, and along arrows texts of some widths. Arrows
    of drawn numbers, which may lead to any join, have no way."""
    texts, plan, top = texts or {}, Layout(), 0.0
    for box in floating(diagram):
        plan.boxes[box] = Spot(0, top, *sizes[box])
        top += sizes[box][1] + 6
    flow = Flow.of(diagram.edges, texts)
    whole = composed(diagram, sizes, headings, texts, flow)
    whole.place(0, plan)
    whole.route(flow, plan)
    whole.lower(top, plan)
    for number, edge in enumerate(diagram.edges):
        if number in flow.tips:
            plan.routes[number] = _way(flow, number, plan.boxes[edge.source], plan.boxes[edge.target])
    places = {number: _text(flow, number, plan.routes[number]) for number in texts if number in plan.routes}
    label(places, texts, headings, _signs(diagram, plan), plan)
    spots = [*plan.boxes.values(), *plan.frames.values(), *plan.labels.values()]
    lines = [x for way in plan.routes.values() for x, _ in way]
    left = min([spot.x for spot in spots] + [x - MARGIN for x in lines])
    plan.w = max([spot.right for spot in spots] + [x + MARGIN for x in lines]) - left
    plan.h = max(spot.bottom for spot in spots)
    plan.move(-left, 0)
    return plan


MARGIN = 3
"""Beside an arrow at the border of the picture."""


def _way(flow: Flow, number: int, source: Spot, target: Spot) -> list[Point]:
    """The corners of an arrow, from the bottom of its source to its tip."""
    bends, tip = flow.bends[number], flow.tips[number]
    x = bends[-1].end
    if not tip.side:
        end = [(x, target.y + tip.inside)]
    else:
        y = target.centre + tip.below
        end = [(x, y), (target.right - tip.inside if tip.side > 0 else target.x + tip.inside, y)]
    return [(bends[0].start, source.bottom), *points_of(bends), *end]


def _text(flow: Flow, number: int, way: list[Point]) -> Point:
    """Where a text along an arrow stands: right below its source, or above its target."""
    stem = number in flow.stems
    bend = flow.bends[number][0 if stem else -1]
    strip = bend.strip
    if not strip.is_crossed:
        return bend.start if stem else bend.end, strip.y + strip.h / 2 - 1
    if stem:
        return bend.start, strip.y + HEAD_ROOM
    return bend.end, strip.y + strip.h - 14 + RISE - 2.8


def _signs(diagram: Diagram, plan: Layout) -> dict[int, str]:
    """What stands at the tips of arrows, where it matters which input they bring: at a bar only where they do not stand
    in order."""
    into: dict[int, list[int]] = {}
    for number in plan.routes:
        into.setdefault(diagram.edges[number].target, []).append(number)
    found: dict[int, str] = {}
    for target, numbers in into.items():
        tips = [plan.routes[number][-1][0] for number in numbers]
        if diagram.boxes[target].face != "bar" or any(a >= b for a, b in pairwise(tips)):
            found |= {number: diagram.edges[number].sign for number in numbers if diagram.edges[number].sign}
    return found
