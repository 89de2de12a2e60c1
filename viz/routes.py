"""The layout of a diagram: where everything is, and where the arrows run: straight down, or with corners."""

from __future__ import annotations

from itertools import pairwise

from .channels import Flow, points_of
from .compose import Sizes, composed
from .diagram import Diagram
from .labels import AWAY, HEAD_ROOM, HIGH, OVER, RISE, label
from .layout import Layout, Spot
from .scene import Point


def arranged(
    diagram: Diagram, sizes: Sizes, headings: Sizes, texts: dict[int, float] | None = None, turned: bool = False
) -> Layout:
    """Where boxes of some sizes are, frames with room for some headings, and along arrows texts of some widths. Where
    it is `turned`, arrows run to the right: it is laid out with heights for widths, and then turned."""
    texts, plan = texts or {}, Layout()
    upright = headings
    if turned:
        sizes, upright = [(h, w) for w, h in sizes], [(h, w) for w, h in headings]
    flow = Flow.of(diagram.edges, texts, turned)
    whole = composed(diagram, sizes, upright, texts, flow)
    whole.place(0, plan)
    whole.route(flow, plan)
    whole.lower(0, plan)
    for number, edge in enumerate(diagram.edges):
        if number in flow.tips:
            plan.routes[number] = way_of(flow, number, plan.boxes[edge.source], plan.boxes[edge.target])
    places = {number: _text(flow, number, texts[number]) for number in texts if number in plan.routes}
    if not turned:
        return finished(diagram, plan, places, headings)
    signs = signs_of(diagram, plan)
    plan.turn()
    return finished(diagram, plan, places, headings, signs)


def finished(
    diagram: Diagram, plan: Layout, places: dict[int, Spot], headings: Sizes, signs: dict[int, str] | None = None
) -> Layout:
    """The layout with its texts, and with a size."""
    label(places, headings, signs_of(diagram, plan) if signs is None else signs, plan)
    spots = [*plan.boxes.values(), *plan.frames.values(), *plan.labels.values()]
    points = [point for way in plan.routes.values() for point in way]
    left = min([spot.x for spot in spots] + [x - MARGIN for x, _ in points])
    top = min([spot.y for spot in spots] + [y - MARGIN for _, y in points])
    plan.w = max([spot.right for spot in spots] + [x + MARGIN for x, _ in points]) - left
    plan.h = max([spot.bottom for spot in spots] + [y + MARGIN for _, y in points]) - top
    plan.move(-left, -top)
    return plan


MARGIN, BEFORE_HEAD = 3, 7
"""Beside an arrow at the border of the picture; between a text and the tip that an arrow has to the right of it."""


def way_of(flow: Flow, number: int, source: Spot, target: Spot) -> list[Point]:
    """The corners of an arrow, from the bottom of its source to its tip."""
    bends, tip = flow.bends[number], flow.tips[number]
    x = bends[-1].end
    if not tip.side:
        end = [(x, target.y + tip.inside)]
    else:
        y = target.centre + tip.below
        end = [(x, y), (target.right - tip.inside if tip.side > 0 else target.x + tip.inside, y)]
    return [(bends[0].start, source.bottom), *points_of(bends), *end]


def _text(flow: Flow, number: int, width: float) -> Spot:
    """Where a text along an arrow stands where nothing is in the way: right behind its source, or before its target."""
    stem = number in flow.stems
    bend = flow.bends[number][0 if stem else -1]
    strip, across = bend.strip, bend.start if stem else bend.end
    if flow.widths is not None:
        along = AWAY if stem else strip.h - width - BEFORE_HEAD
        along = along if strip.is_crossed else (strip.h - width - HEAD_ROOM) / 2
        return Spot(strip.y + along, across - OVER - HIGH, width, HIGH)
    if not strip.is_crossed:
        along = strip.h / 2 - 1
    else:
        along = HEAD_ROOM if stem else strip.h - 14 + RISE - 2.8
    return Spot(across + AWAY, strip.y + along + 2.8 - RISE, width, HIGH)


def signs_of(diagram: Diagram, plan: Layout, turned: bool = False) -> dict[int, str]:
    """What stands at the tips of arrows, where it matters which input they bring: at a bar only where they do not stand
    in order."""
    into: dict[int, list[int]] = {}
    for number in plan.routes:
        into.setdefault(diagram.edges[number].target, []).append(number)
    found: dict[int, str] = {}
    for target, numbers in into.items():
        tips = [plan.routes[number][-1][int(turned)] for number in numbers]
        if diagram.boxes[target].face != "bar" or any(a >= b for a, b in pairwise(tips)):
            found |= {number: diagram.edges[number].sign for number in numbers if diagram.edges[number].sign}
    return found
