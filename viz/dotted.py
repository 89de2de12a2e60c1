"""The whole of a picture laid out by Graphviz's `dot`: boxes with their sizes and with places for their arrows, frames
as clusters, shapes as labels of arrows. It says where all stands; how it looks is archc's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .cells import ASIDE, PAD
from .channels import Flow
from .compose import Sizes
from .diagram import Diagram, Edge
from .labels import AWAY, HIGH
from .layout import Layout, Spot
from .programs import laid_out
from .routes import finished, signs_of
from .scene import HEAD, Point, line

INCH = 72
APART = 24
"""Between rows of boxes, so that curves have room."""


def arranged_by_dot(
    diagram: Diagram, sizes: Sizes, headings: Sizes, texts: dict[int, float], turned: bool = False
) -> Layout:
    """Where boxes of some sizes are, frames with room for some headings, and along arrows texts of some widths. In a
    first drawing arrows end as they like, which says in which order they stand at their boxes."""
    graph = _Graph(diagram, sizes, headings, texts, turned)
    graph.order(graph.drawn(apart=False))
    return graph.plan(graph.drawn(apart=True))


class _Graph:
    def __init__(self, diagram: Diagram, sizes: Sizes, headings: Sizes, texts: dict[int, float], turned: bool):
        self.diagram, self.sizes, self.headings, self.texts, self.turned = diagram, sizes, headings, texts, turned
        self.net = Flow.of(diagram.edges, {}).net
        self.ins: list[list[int]] = [[] for _ in diagram.boxes]
        self.outs: list[list[int]] = [[] for _ in diagram.boxes]
        for number, edge in enumerate(diagram.edges):
            self.ins[edge.target].append(number)
            if self.net[number] not in (self.net[other] for other in self.outs[edge.source]):
                self.outs[edge.source].append(number)

    # --- to `dot` ----------------------------------------------------------------------------

    def drawn(self, apart: bool) -> dict[str, Any]:
        """What `dot` makes of it, with a place of its own for each arrow into a box, and for each tensor out of one, or
        without."""
        made: dict[str, Any] = json.loads(laid_out("json", "\n".join(self._lines(apart))))
        return made

    def _lines(self, apart: bool) -> Iterator[str]:
        yield f"digraph {{ graph [rankdir={'LR' if self.turned else 'TB'} nodesep={_inches(ASIDE)}"
        yield f'ranksep={_inches(APART)} margin=0] node [shape=box fixedsize=true label=""]'
        yield f"edge [arrowsize={HEAD / 10}]"
        yield from self._content(None)
        for number, edge in enumerate(self.diagram.edges):
            attributes = [f"id=e{number}", "weight=1" if edge.role in ("skip", "drawn") else "weight=8"]
            if number in self.texts:
                attributes.append(f"label={_room(self.texts[number] + 2 * AWAY, HIGH)}")
            ends = self._ends(number, edge) if apart else f"n{edge.source} -> n{edge.target}"
            yield f"{ends} [{' '.join(attributes)}]"
        yield "}"

    def _content(self, group: int | None) -> Iterator[str]:
        for box in self.diagram.inside(group):
            width, height = map(_inches, self.sizes[box.id])
            ins, outs = ("|".join(f"<{n}>" for n in ends[box.id]) for ends in (self.ins, self.outs))
            shape = "shape=circle" if box.face == "circle" else f'shape=record label="{{{{{ins}}}|{{{outs}}}}}"'
            yield f"n{box.id} [width={width} height={height} {shape}]"
        for inner in self.diagram.children(group):
            heading = _room(*self.headings[inner.id])
            yield f"subgraph cluster_{inner.id} {{ graph [margin={PAD} labeljust=l label={heading}]"
            yield from self._content(inner.id)
            yield "}"

    def _ends(self, number: int, edge: Edge) -> str:
        """The fields of boxes from which and to which an arrow leads. Circles have none."""
        first = next(other for other in self.outs[edge.source] if self.net[other] == self.net[number])
        out, into = (":e", ":w") if self.turned else (":s", ":n")
        circles = [self.diagram.boxes[box].face == "circle" for box in (edge.source, edge.target)]
        start = f"n{edge.source}" if circles[0] else f"n{edge.source}:{first}{out}"
        return f"{start} -> n{edge.target}" if circles[1] else f"{start} -> n{edge.target}:{number}{into}"

    # --- from `dot` --------------------------------------------------------------------------

    def order(self, found: dict[str, Any]) -> None:
        """Lets arrows stand at each box as they come and go in a drawing."""
        axis = int(self.turned)
        ways = dict(self._ways(found))
        for numbers in self.ins:
            numbers.sort(key=lambda number: (ways[number][-7][axis], number))
        for numbers in self.outs:
            numbers.sort(key=lambda number: (ways[number][3][axis], number))

    def plan(self, found: dict[str, Any]) -> Layout:
        plan = Layout(curved=True)
        for made in found["objects"]:
            name = made["name"]
            if name.startswith("cluster_"):
                left, low, right, high = map(float, made["bb"].split(","))
                plan.frames[int(name.removeprefix("cluster_"))] = Spot(left, -high, right - left, high - low)
            else:
                (x, y), (w, h) = _point(made["pos"]), self.sizes[int(name[1:])]
                plan.boxes[int(name[1:])] = Spot(x - w / 2, y - h / 2, w, h)
        plan.routes = {number: self._to_borders(number, way, plan) for number, way in self._ways(found)}
        places: dict[int, Spot] = {}
        for made in found.get("edges", ()):
            if "lp" in made:
                number, (x, y) = int(made["id"][1:]), _point(made["lp"])
                places[number] = Spot(x - self.texts[number] / 2, y - HIGH / 2, self.texts[number], HIGH)
        return finished(self.diagram, plan, places, self.headings, signs_of(self.diagram, plan, self.turned))

    def _to_borders(self, number: int, way: list[Point], plan: Layout) -> list[Point]:
        """The arrow exactly from and to the sides of boxes; `dot` leaves a point or two between."""
        edge, axis = self.diagram.edges[number], int(not self.turned)

        def moved(point: Point, to: float) -> Point:
            return (point[0], to) if axis else (to, point[1])

        source, target = plan.boxes[edge.source], plan.boxes[edge.target]
        if self.diagram.boxes[edge.source].face != "circle":
            way[0] = moved(way[0], source.bottom if axis else source.right)
        if self.diagram.boxes[edge.target].face != "circle":
            way[-3:] = line(way[-4], moved(way[-1], target.y if axis else target.x))
        return way

    def _ways(self, found: dict[str, Any]) -> Iterator[tuple[int, list[Point]]]:
        """The arrows, as cubic curves to where their heads begin, and the straight pieces of these."""
        for made in found.get("edges", ()):
            tip, *points = map(_point, made["pos"].split())
            yield int(made["id"][1:]), [*points, *line(points[-1], tip)]


def _inches(points: float) -> str:
    return f"{points / INCH:.4f}"


def _point(text: str) -> Point:
    """A place, which has a letter before it where it is the tip of an arrow; archc counts from above."""
    x, y = text.removeprefix("e,").split(",")
    return float(x), -float(y)


def _room(width: float, height: float) -> str:
    """A label that takes some room."""
    size = f'FIXEDSIZE="TRUE" WIDTH="{width:.0f}" HEIGHT="{height:.0f}"'
    return f'<<TABLE BORDER="0" CELLBORDER="0" CELLPADDING="0" CELLSPACING="0" {size}><TR><TD></TD></TR></TABLE>>'
