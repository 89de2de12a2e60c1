"""What makes the arrows of a picture readable, checked on the places of a layout alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import combinations, pairwise

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
    things = dict(things_of(diagram, plan))
    for number, way in plan.routes.items():
        edge = diagram.edges[number]
        for name, (spot, owners) in things.items():
            if not owners & {edge.source, edge.target}:
                hit = any(cuts(a, b, spot) for a, b in pairwise(way))
                assert not hit, f"arrow {number} from {edge.source} to {edge.target} runs through {name}"
    assert_no_shared_lines(diagram, plan)
    return plan


def things_of(diagram: Diagram, plan: Layout) -> Iterator[tuple[str, tuple[Spot, set[int]]]]:
    """What no arrow runs through, but a box's own."""
    ends = Counter(edge.target for edge in diagram.edges)
    for box, spot in plan.boxes.items():
        yield f"box {box}", (spot, {box})
    for group, spot in plan.frames.items():
        wide, high = heading_size(diagram.groups[group])
        yield f"heading {group}", (Spot(spot.x, spot.y, wide, high), set())
    for number, spot in plan.labels.items():
        yield f"the shape at {number}", (spot, set())
    for number, (_, spot) in plan.signs.items():
        if ends[diagram.edges[number].target] > 2:
            continue  # in the throng at a circle a minus may stand on a line, as leaving it out would be wrong
        yield f"the sign at {number}", (Spot(spot.x + 0.5, spot.y + 2, spot.w - 1, spot.h - 4), set())


def assert_no_shared_lines(diagram: Diagram, plan: Layout) -> None:
    lines: defaultdict[tuple[bool, int], list[tuple[float, float, int]]] = defaultdict(list)
    for number, way in plan.routes.items():
        for down, across, low, high in pieces(way):
            lines[down, round(across)].append((low, high, number))
    pieces_of = {number: list(pieces(way)) for number, way in plan.routes.items()}
    for (down, at), near in lines.items():
        close = near + lines.get((down, at + 1), [])
        for (_, _, one), (_, _, other) in combinations(close, 2):
            if diagram.edges[one].source != diagram.edges[other].source:
                for a in pieces_of[one]:
                    for b in pieces_of[other]:
                        shared = a[0] == b[0] and abs(a[1] - b[1]) < 0.9 and min(a[3], b[3]) - max(a[2], b[2]) > 0.9
                        assert not shared, f"arrows {one} and {other} share a line {a} {b}"


def pieces(way: list[tuple[float, float]]) -> Iterator[Piece]:
    for a, b in pairwise(way):
        down = a[0] == b[0]
        along, across = (1, 0) if down else (0, 1)
        low, high = sorted((a[along], b[along]))
        yield down, a[across], low, high


def cuts(a: tuple[float, float], b: tuple[float, float], spot: Spot) -> bool:
    (left, right), (top, bottom) = sorted((a[0], b[0])), sorted((a[1], b[1]))
    return left < spot.right - 0.1 and right > spot.x + 0.1 and top < spot.bottom - 0.1 and bottom > spot.y + 0.1


def is_on_border(tip: tuple[float, float], spot: Spot) -> bool:
    x, y = tip
    if abs(spot.w - spot.h) < 0.1:  # a circle, or as small as one
        return abs(((x - spot.middle) ** 2 + (y - spot.centre) ** 2) ** 0.5 - spot.w / 2) < 0.1 or y == spot.y
    return y == spot.y and spot.x < x < spot.right


def length(a: tuple[float, float], b: tuple[float, float]) -> float:
    return abs(a[0] - b[0]) + abs(a[1] - b[1])
