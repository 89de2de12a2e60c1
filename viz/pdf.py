"""A scene as PDF, by ReportLab. Texts are in Helvetica, which all readers of PDF have and the layout counts with."""

from __future__ import annotations

from io import BytesIO
from itertools import groupby
from typing import TYPE_CHECKING

from .measure import text_width
from .scene import Outline, Scene, Text
from .svg import DASHES, is_straight
from .words import printable

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas

OTHERS = "HeiseiKakuGo-W5"
"""The font, of those that readers of PDF bring for Asian languages, for what Helvetica and Symbol lack."""
ENCODINGS = ("cp1252", "symbol")
"""Of Helvetica and Symbol."""


def to_pdf(scene: Scene) -> bytes:
    """The PDF, of one page. Shapes and texts have the places that they have in an SVG."""
    from reportlab.pdfgen.canvas import Canvas

    written = BytesIO()
    canvas = Canvas(written, (scene.width, scene.height), invariant=1, pageCompression=1)
    canvas.setTitle(printable(scene.label))
    canvas.setCreator("archc")
    canvas.setFillColor(scene.page)
    canvas.rect(0, 0, scene.width, scene.height, stroke=0, fill=1)
    for element in scene.elements:
        for shape in element.shapes:
            if isinstance(shape, Outline):
                _outline(canvas, shape, scene.height)
            else:
                _text(canvas, shape, scene.height)
    canvas.save()
    return written.getvalue()


def _outline(canvas: Canvas, shape: Outline, height: float) -> None:
    start, *rest = [(x, height - y) for x, y in shape.points]
    path, before = canvas.beginPath(), start
    path.moveTo(*start)
    for a, b, end in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
        if is_straight(before, a, end) and is_straight(before, b, end):
            path.lineTo(*end)
        else:
            path.curveTo(*a, *b, *end)
        before = end
    if shape.fill:
        path.close()
        canvas.setFillColor(shape.fill)
    if shape.width:
        canvas.setStrokeColor(shape.stroke)
        canvas.setLineWidth(shape.width)
        canvas.setDash([float(length) for length in DASHES[shape.dash].split()] if shape.dash else [])
    canvas.drawPath(path, stroke=int(shape.width > 0), fill=int(bool(shape.fill)))


def _text(canvas: Canvas, shape: Text, height: float) -> None:
    """A text, narrower where other fonts than Helvetica would make it wider than the layout counts."""
    from reportlab.pdfbase.pdfmetrics import stringWidth

    runs = _runs(printable(shape.text), "Helvetica-Bold" if shape.bold else "Helvetica")
    width = sum(stringWidth(text, font, shape.size) for text, font in runs)
    share = min(1, text_width(shape.text, shape.size, shape.bold) / width) if width else 1
    x = shape.x - share * width * {"start": 0, "middle": 0.5, "end": 1}[shape.anchor]
    written = canvas.beginText(x, height - shape.y)
    written.setFillColor(shape.color)
    written.setHorizScale(100 * share)
    for text, font in runs:
        written.setFont(font, shape.size)
        written.textOut(text)
    written.setHorizScale(100)
    canvas.drawText(written)


def _runs(text: str, font: str) -> list[tuple[str, str]]:
    """The text in pieces of one font each. ReportLab itself takes Symbol for what Helvetica lacks."""
    return [("".join(run), font if own else _others()) for own, run in groupby(text, _is_common)]


def _is_common(character: str) -> bool:
    """Whether Helvetica or Symbol has a character."""
    return any(character == character.encode(name, "ignore").decode(name) for name in ENCODINGS)


def _others() -> str:
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfbase.pdfmetrics import getRegisteredFontNames, registerFont

    if OTHERS not in getRegisteredFontNames():
        registerFont(UnicodeCIDFont(OTHERS))
    return OTHERS
