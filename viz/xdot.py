"""A scene for Graphviz to paint: shapes in xdot, its drawing language, as a background; texts as nodes in place, and
smaller where the font that Graphviz has is wider than Helvetica."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from .dot import quoted
from .measure import text_width
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


Measure = Callable[[Scene], Sequence[float]]
"""The widths of a scene's texts in points, in order."""


def texts_of(scene: Scene) -> list[Text]:
    """The texts of a scene, in order."""
    return [shape for element in scene.elements for shape in element.shapes if isinstance(shape, Text)]


def room_for(text: Text) -> float:
    """The width in points that the layout gives a text: its own, in Helvetica."""
    return text_width(text.text, text.size, text.bold)


def fitted(scene: Scene, measure: Measure) -> tuple[Scene, list[float]]:
    """The scene with texts that have room, and how wide each then is.

    All texts shrink alike, by what the font is wider than Helvetica. As fonts round the widths of small letters,
    single texts may still be too wide; these shrink once more.
    """
    texts = texts_of(scene)
    rooms = [room_for(text) for text in texts]
    widths = measure(scene)
    scene = _resized(scene, [_share(sum(rooms), sum(widths))] * len(texts))
    widths = measure(scene)
    scales = [_share(room, width) for room, width in zip(rooms, widths, strict=True)]
    return _resized(scene, scales), [width * scale for width, scale in zip(widths, scales, strict=True)]


def _share(room: float, width: float) -> float:
    return min(1, room / width) if width else 1


def _resized(scene: Scene, scales: Sequence[float]) -> Scene:
    left = iter(scales)
    elements = [
        replace(
            element, shapes=[replace(s, size=s.size * next(left)) if isinstance(s, Text) else s for s in element.shapes]
        )
        for element in scene.elements
    ]
    return replace(scene, elements=elements)
