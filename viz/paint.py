"""A diagram as a scene: heading, frames, arrows, boxes, legend."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..compiler.ir.counts import short
from .compose import crowded
from .diagram import Box, Diagram, Group, Shape
from .dotted import arranged_by_dot
from .faces import CORNER, LINES, PILE, shapes_of, shown_chips, size_of
from .labels import RISE, SIGN
from .layout import Layout, Spot
from .legend import legend
from .measure import fitted, text_width
from .routes import arranged
from .scene import (
    HEAD,
    Element,
    Outline,
    Point,
    Scene,
    Text,
    heading,
    line,
    polyline,
    rectangle,
    scaled,
    shifted,
    short_of,
)
from .sheet import SHEET, Sheet
from .style import NARROW, PAGE, SLIM, SMALL, STROKES, TEXT, THEMES, TITLE, WIDE, Theme
from .thumbnail import thumbnail
from .ushape import arranged_as_u, ways_of
from .words import clipped, sizes

MARGIN, ROUND = 12, 7
"""Around the picture; of the corners of arrows."""


def painted(diagram: Diagram, sheet: Sheet = SHEET) -> Scene:
    """The picture of a diagram. Where the sheet has a width it has that too."""
    scene = _ScenePainter(diagram, sheet).scene()
    return scene if sheet.width is None else scaled(scene, sheet.width.points / scene.width, sheet.width.unit)


def needed(diagram: Diagram, sheet: Sheet) -> float:
    """How wide the picture is before it gets the width of its sheet, in points."""
    return _ScenePainter(diagram, sheet).scene().width


def placed(diagram: Diagram, sheet: Sheet = SHEET) -> Layout:
    """Where everything of a picture is, without heading and legend."""
    return _ScenePainter(diagram, sheet).plan


def widths_of(diagram: Diagram) -> dict[int, float]:
    """The widths of the shapes that are told along arrows."""
    shapes = ((number, edge.shape) for number, edge in enumerate(diagram.edges))
    return {number: text_width(sizes(shape), SMALL) for number, shape in shapes if shape is not None}


def heading_size(group: Group) -> tuple[float, float]:
    """The room that a frame has for its heading."""
    width = text_width(group.title, TEXT, True) + text_width(group.note, TEXT) + 8
    return max(min(width, 130), text_width(group.told, SMALL)) + 6, 30 if group.told else 18


def heading_of(group: Group, x: float, y: float, theme: Theme) -> Iterator[Text]:
    """What stands in the upper left corner of a frame."""
    title = fitted(group.title, 130, TEXT, True)
    width = text_width(title, TEXT, True)
    yield Text(x + 8, y + 14, title, TEXT, theme.ink, bold=True)
    note = fitted(group.note, 134 - width, TEXT)
    if note:
        yield Text(x + 8 + width + 5, y + 14, note, TEXT, theme.ink)
    if group.told:
        yield Text(x + 8, y + 25, group.told, SMALL, theme.muted)


class _ScenePainter:
    def __init__(self, diagram: Diagram, sheet: Sheet):
        self.diagram, self.sheet, self.theme = diagram, sheet, THEMES[sheet.colors]
        flows = [(edge.source, edge.target) for edge in diagram.edges if edge.role not in ("skip", "drawn")]
        self.plan = self._arranged(NARROW if sheet.turned or crowded(flows) else WIDE)
        room = PAGE[0] if sheet.most is None else sheet.most - 2 * MARGIN
        for width in (NARROW, SLIM) if sheet.width else (NARROW,):
            if self.plan.w > room:
                self.plan = self._arranged(width)

    def _arranged(self, width: float) -> Layout:
        self.thumbs = [thumbnail(box, width) for box in self.diagram.boxes]
        lines = LINES if self.sheet.turned or (self.sheet.width and width < WIDE) else 1
        boxes = [size_of(box, width, self.thumbs[box.id], lines) for box in self.diagram.boxes]
        headings = [heading_size(group) for group in self.diagram.groups]
        ways = ways_of(self.diagram) if self.sheet.bent else None
        if ways is not None:
            return arranged_as_u(self.diagram, ways, boxes, widths_of(self.diagram))
        lay_out = arranged_by_dot if self.sheet.layout == "dot" else arranged
        return lay_out(self.diagram, boxes, headings, widths_of(self.diagram), self.sheet.turned)

    def scene(self) -> Scene:
        diagram, theme = self.diagram, self.theme
        plan = self.plan
        heading, used = self._title()
        widest = max(plan.w, used, self.sheet.width.points - 2 * MARGIN if self.sheet.width else 0)
        shown = [
            replace(box, sketch=()) if thumb else replace(box, inner=None, sketch=shown_chips(box, plan.boxes[box.id]))
            for box, thumb in zip(diagram.boxes, self.thumbs, strict=True)
        ]
        told = replace(diagram, boxes=tuple(shown))
        key, key_width, key_height = legend(told, theme, widest) if self.sheet.legend else ([], 0.0, 0.0)
        widest = max(widest, key_width)
        top = MARGIN + 50
        plan.move(MARGIN + (widest - plan.w) / 2, top)
        scene = Scene(widest + 2 * MARGIN, top + plan.h + key_height + MARGIN, theme.page, self._label())
        middle = scene.width / 2
        scene.elements.append(Element("title", 0, shapes=[replace(text, x=middle) for text in heading]))
        scene.elements += [
            self._frame(group, plan.frames[group.id]) for group in diagram.groups if group.id in plan.frames
        ]
        scene.elements += [self._arrow(n, way, plan) for n, way in plan.routes.items()]
        scene.elements += [self._box(box, plan.boxes[box.id]) for box in diagram.boxes]
        if key:
            left, low = MARGIN + (widest - key_width) / 2, top + plan.h
            scene.elements.append(Element("legend", 0, shapes=[shifted(shape, left, low) for shape in key]))
        return scene

    def _label(self) -> str:
        return f"{clipped(self.diagram.name)}: {short(self.diagram.parameters)} parameters"

    def _title(self) -> tuple[list[Text], float]:
        d, theme = self.diagram, self.theme
        room = 400 if self.sheet.most is None else min(400, self.sheet.most - 2 * MARGIN)
        costs = f"{short(d.parameters)} parameters · {short(d.multiply_adds)} multiply-adds"
        lines = [
            Text(0, MARGIN + 13, fitted(clipped(d.name), room, TITLE, True), TITLE, theme.ink, "middle", True),
            Text(0, MARGIN + 27, costs, TEXT, theme.ink, "middle"),
            Text(0, MARGIN + 38, "in boxes: parameters · multiply-adds", SMALL, theme.muted, "middle"),
        ]
        return lines, max(text_width(text.text, text.size, text.bold) for text in lines)

    def _frame(self, group: Group, spot: Spot) -> Element:
        theme = self.theme
        level = len(self.diagram.around(group.parent))
        element = Element("group", group.id, _hover(group.path, (), group.figures))
        fill = theme.frames[level % len(theme.frames)]
        for back in (2 * PILE, PILE, 0) if group.count > 1 else (0,):
            outline = rectangle(spot.x + back, spot.y + back, spot.w, spot.h, CORNER)
            element.shapes.append(Outline(outline, theme.line, fill, 0.8))
        element.shapes += heading_of(group, spot.x, spot.y, theme)
        return element

    def _box(self, box: Box, spot: Spot) -> Element:
        element = Element("box", box.id, _hover(box.path, box.shape, box.figures))
        element.shapes += shapes_of(box, spot, self.theme, self.thumbs[box.id])
        return element

    def _arrow(self, number: int, way: list[Point], plan: Layout) -> Element:
        edge, theme, points = self.diagram.edges[number], self.theme, list(way)
        color = STROKES.get(edge.status, theme.line)
        dash = "dashed" if edge.role in ("training", "drawn") else ""
        tip, before = points[-1], points[-4] if plan.curved else points[-2]
        end = short_of(before, tip, HEAD - 0.5)
        path = (*points[:-3], *line(before, end)) if plan.curved else polyline([*points[:-1], end], ROUND)
        shown = Outline(path, color, width=1.1, dash=dash)
        element = Element("edge", number, shapes=[shown, _head(before, tip, color)])
        label, sign = plan.labels.get(number), plan.signs.get(number)
        if label is not None and edge.shape is not None:
            element.shapes.append(Text(label.x, label.y + RISE, sizes(edge.shape), SMALL, theme.muted))
        if sign:
            text, spot = sign
            size = SMALL if text[0].isdigit() else TEXT
            element.shapes.append(Text(spot.x, spot.y + SIGN - 2.5, text, size, theme.ink))
        return element


def _head(before: Point, tip: Point, color: str) -> Outline:
    x, y = short_of(before, tip, HEAD)
    down, right = heading(before, tip)
    across = 2.2 * right, -2.2 * down
    corners = [tip, (x + across[0], y + across[1]), (x - across[0], y - across[1]), tip]
    return Outline(polyline(corners, 0), color, color, 0.5)


def _hover(path: str, shape: Shape, costs: str) -> str:
    return "  ".join(filter(None, [clipped(path, 120), sizes(shape) if shape else "", costs]))
