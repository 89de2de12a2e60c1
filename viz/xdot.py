"""A scene for Graphviz to paint: shapes in xdot, its drawing language, as a background; texts as nodes in place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .dot import quoted
from .fitting import room_for, texts_of
from .scene import Outline, Point, Scene, Text

FONT = "Helvetica"
RISE = 0.32
"""Of the size: how far the middle of a line of text is above its base line."""


QUOTED = 8000
"""Characters of a quoted string at most; Graphviz 2.43 refuses 16,384 bytes. `+` joins strings."""


def to_xdot(scene: Scene, dpi: int | None = None, widths: Sequence[float] | None = None) -> str:
    """A graph in DOT whose nodes all have places, for `neato -n2`.

    `widths` are those of the scene's texts in the font that Graphviz has, in points; without them, Helvetica's.
    """
    shapes = [shape for element in scene.elements for shape in element.shapes]
    drawing = " ".join(_outline(shape, scene.height) for shape in shapes if isinstance(shape, Outline))
    resolution = f" dpi={dpi}" if dpi else ""
    texts = texts_of(scene)
    lines = [
        f'graph archc {{ graph [pad=0 margin=0 bgcolor="{scene.page}"{resolution} _background={_joined(drawing)}]',
        "node [shape=none fixedsize=true width=0 height=0 margin=0]",
        f'c0 [pos="0,0" label=""] c1 [pos="{scene.width:.2f},{scene.height:.2f}" label=""]',
        *_texts(texts, [room_for(text) for text in texts] if widths is None else widths, scene.height),
    ]
    return "\n".join([*lines, "}"]) + "\n"


def measured(scene: Scene, laid_out: dict[str, Any]) -> list[float]:
    """The widths of the scene's texts, in points, as the JSON says that Graphviz makes of `to_xdot(scene)`."""
    nodes = {node["name"]: node for node in laid_out["objects"]}
    drawn = [nodes[_node(number)].get("_ldraw_", ()) for number in range(len(texts_of(scene)))]
    return [sum(operation["width"] for operation in one if operation["op"] == "T") for one in drawn]


def _joined(text: str) -> str:
    return " + ".join(f'"{text[at : at + QUOTED]}"' for at in range(0, max(len(text), 1), QUOTED))


def _node(number: int) -> str:
    """The name of the node that is a text."""
    return f"t{number}"


def _texts(texts: list[Text], widths: Sequence[float], height: float) -> Iterator[str]:
    for number, (text, width) in enumerate(zip(texts, widths, strict=True)):
        x = text.x + {"start": width / 2, "middle": 0, "end": -width / 2}[text.anchor]
        font = f"{FONT}-Bold" if text.bold else FONT
        place = _point((x, text.y - RISE * text.size), height).replace(" ", ",")
        yield (
            f'{_node(number)} [pos="{place}" label={quoted([text.text])} fontname="{font}" fontsize={text.size:g} '
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
