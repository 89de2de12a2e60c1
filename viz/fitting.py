"""A scene's texts in the font that Graphviz has: where that is wider than Helvetica, texts get smaller."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from .measure import text_width
from .scene import Scene, Text

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
