"""A scene for Graphviz to paint: shapes in xdot, its drawing language, as a background; texts as nodes in place."""

from __future__ import annotations

from collections.abc import Iterator

from .dot import quoted
from .measure import text_width
from .scene import Outline, Point, Scene, Text

FONT = "Helvetica"
RISE = 0.32
"""Of the size: how far the middle of a line of text is above its base line."""


def to_xdot(scene: Scene, dpi: int | None = None) -> str:
    """A graph in DOT whose nodes all have places, for `neato -n2`."""
    shapes = [shape for element in scene.elements for shape in element.shapes]
    drawing = " ".join(_outline(shape, scene.height) for shape in shapes if isinstance(shape, Outline))
    resolution = f" dpi={dpi}" if dpi else ""
    lines = [
        f'graph archc {{ graph [pad=0 margin=0 bgcolor="{scene.page}"{resolution} _background="{drawing}"]',
        "node [shape=none fixedsize=true width=0 height=0 margin=0]",
        f'c0 [pos="0,0" label=""] c1 [pos="{scene.width:.2f},{scene.height:.2f}" label=""]',
        *_texts([shape for shape in shapes if isinstance(shape, Text)], scene.height),
    ]
    return "\n".join([*lines, "}"]) + "\n"


def _texts(texts: list[Text], height: float) -> Iterator[str]:
    for number, text in enumerate(texts):
        half = text_width(text.text, text.size, text.bold) / 2
        x = text.x + {"start": half, "middle": 0, "end": -half}[text.anchor]
        font = f"{FONT}-Bold" if text.bold else FONT
        place = _point((x, text.y - RISE * text.size), height).replace(" ", ",")
        yield (
            f't{number} [pos="{place}" label={quoted([text.text])} fontname="{font}" fontsize={text.size:g} '
            f'fontcolor="{text.color}"]'
        )


def _outline(shape: Outline, height: float) -> str:
    stroke = shape.stroke if shape.width else shape.fill
    style = f"{_style(f'setlinewidth({shape.width:g})')} {_style(shape.dash or 'solid')}"
    points = " ".join(_point(point, height) for point in shape.points)
    pen = f"c {len(stroke)} -{stroke}"
    if shape.fill:
        return f"{style} {pen} C {len(shape.fill)} -{shape.fill} b {len(shape.points)} {points}"
    return f"{style} {pen} B {len(shape.points)} {points}"


def _style(text: str) -> str:
    return f"S {len(text)} -{text}"


def _point(point: Point, height: float) -> str:
    return f"{point[0]:.2f} {height - point[1]:.2f}"
