"""What makes the arrows of a picture readable, checked on the places of a layout alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise

import numpy

from archc.viz.diagram import Diagram
from archc.viz.layout import Layout, Spot
from archc.viz.paint import HEAD, heading_size, placed
from archc.viz.sheet import Sheet

Piece = tuple[bool, float, float, float]
"""A straight piece of an arrow: whether it runs down, where across that, and from where to where along it."""


def assert_arrows_are_clear(diagram: Diagram, direction: str = "down") -> Layout:
    """Every arrow has a way from its source to its target with room for its head; none runs through a box, a heading or
    a text, and none lies on one of another source."""
    plan = placed(diagram, Sheet(direction=direction))
    turned = direction == "right"
    assert set(plan.routes) == set(range(len(diagram.edges))), "arrows without a way"
    for number, way in plan.routes.items():
        edge = diagram.edges[number]
        source, target = plan.boxes[edge.source], plan.boxes[edge.target]
        where = f"arrow {number} from {edge.source} to {edge.target}"
        assert length(way[-2], way[-1]) >= HEAD, f"{where} has no room for its head"
        if turned:
            way = [(y, x) for x, y in way]
            source, target = (Spot(spot.y, spot.x, spot.h, spot.w) for spot in (source, target))
        assert way[0][1] == source.bottom and source.x < way[0][0] < source.right, f"{where} begins beside its source"
        assert is_on_border(way[-1], target), f"{where} ends beside its target"
        assert all((a[0] == b[0]) != (a[1] == b[1]) and a[1] <= b[1] for a, b in pairwise(way)), f"{where} goes back"
    assert_nothing_is_run_through(diagram, plan)
    assert_no_shared_lines(diagram, plan)
    return plan


def assert_nothing_is_run_through(diagram: Diagram, plan: Layout) -> None:
    things = list(things_of(diagram, plan))
    left, top, right, bottom = numpy.array(
        [(spot.x + 0.1, spot.y + 0.1, spot.right - 0.1, spot.bottom - 0.1) for _, spot, _ in things]
    ).T
    owners = numpy.array([-1 if owner is None else owner for _, _, owner in things])
    for number, way in plan.routes.items():
        edge = diagram.edges[number]
        others = (owners != edge.source) & (owners != edge.target)
        for (x, y), (u, v) in pairwise(way):
            hit = others & (min(x, u) < right) & (max(x, u) > left) & (min(y, v) < bottom) & (max(y, v) > top)
            assert not hit.any(), f"arrow {number} from {edge.source} to {edge.target} runs through " + ", ".join(
                things[i][0] for i in numpy.flatnonzero(hit)
            )


def things_of(diagram: Diagram, plan: Layout) -> Iterator[tuple[str, Spot, int | None]]:
    """What no arrow runs through, and the box whose arrows may."""
    ends = Counter(edge.target for edge in diagram.edges)
    for box, spot in plan.boxes.items():
        yield f"box {box}", spot, box
    for group, spot in plan.frames.items():
        wide, high = heading_size(diagram.groups[group])
        yield f"heading {group}", Spot(spot.x, spot.y, wide, high), None
    for number, spot in plan.labels.items():
        yield f"the shape at {number}", spot, None
    for number, (_, spot) in plan.signs.items():
        if ends[diagram.edges[number].target] > 2:
            continue  # in the throng at a circle a minus may stand on a line, as leaving it out would be wrong
        yield f"the sign at {number}", Spot(spot.x + 0.5, spot.y + 2, spot.w - 1, spot.h - 4), None


def assert_no_shared_lines(diagram: Diagram, plan: Layout) -> None:
    lines: defaultdict[tuple[bool, int], list[tuple[float, float, float, int]]] = defaultdict(list)
    for number, way in plan.routes.items():
        for down, across, low, high in pieces(way):
            lines[down, round(across)].append((low, high, across, number))
    for (down, at), near in lines.items():
        running: list[tuple[float, float, float, int]] = []
        for piece in sorted(near + lines.get((down, at + 1), [])):
            low, high, across, number = piece
            running = [other for other in running if other[1] - low > 0.9]
            for _, end, beside, other in running:
                shared = abs(across - beside) < 0.9 and min(high, end) - low > 0.9
                same = diagram.edges[number].source == diagram.edges[other].source
                assert same or not shared, f"arrows {number} and {other} share a line at {across} from {low}"
            running.append(piece)


def pieces(way: list[tuple[float, float]]) -> Iterator[Piece]:
    for a, b in pairwise(way):
        down = a[0] == b[0]
        along, across = (1, 0) if down else (0, 1)
        low, high = sorted((a[along], b[along]))
        yield down, a[across], low, high


def is_on_border(tip: tuple[float, float], spot: Spot) -> bool:
    x, y = tip
    if abs(spot.w - spot.h) < 0.1:  # a circle, or as small as one
        return abs(((x - spot.middle) ** 2 + (y - spot.centre) ** 2) ** 0.5 - spot.w / 2) < 0.1 or y == spot.y
    return y == spot.y and spot.x < x < spot.right


def length(a: tuple[float, float], b: tuple[float, float]) -> float:
    return abs(a[0] - b[0]) + abs(a[1] - b[1])
