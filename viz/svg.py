"""A scene as SVG: shapes and text only, no script, no reference to anything outside."""

from __future__ import annotations

import html
from collections.abc import Iterator

from .measure import is_known, text_width
from .scene import Element, Outline, Point, Scene, Text
from .sheet import UNITS
from .style import FAMILY
from .words import printable

DASHES = {"dashed": "4 3", "dotted": "1 3"}


def to_svg(scene: Scene, inline: bool = False) -> bytes:
    """The SVG. Boxes are the elements n0, n1, ..., frames g0, g1, ..., arrows e0, e1, ... For a page that may hold
    others, `inline`, elements have no names and there is no declaration of XML."""
    size = " ".join(
        f'{name}="{number(length / UNITS[scene.unit])}{scene.unit}"'
        for name, length in (("width", scene.width), ("height", scene.height))
    )
    view = f'viewBox="0 0 {number(scene.width)} {number(scene.height)}"'
    lines = [] if inline else ['<?xml version="1.0" encoding="UTF-8"?>']
    lines.append(
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{_escaped(scene.label)}" {size} {view} '
        f'font-family="{FAMILY}" fill="none">'
    )
    lines.append(f'<rect width="100%" height="100%" fill="{scene.page}"/>')
    for element in scene.elements:
        lines += _element(element, "" if inline else f' id="{_name(element)}"')
    return ("\n".join([*lines, "</svg>"]) + "\n").encode()


def _name(element: Element) -> str:
    return f"{element.kind[0] if element.kind != 'box' else 'n'}{element.number}"


def _element(element: Element, name: str) -> Iterator[str]:
    yield f'<g{name} class="{element.kind}">'
    if element.title:
        yield f"<title>{_escaped(element.title)}</title>"
    for shape in element.shapes:
        yield _outline(shape) if isinstance(shape, Outline) else _text(shape)
    yield "</g>"


def _outline(shape: Outline) -> str:
    fill = f' fill="{shape.fill}"' if shape.fill else ""
    dash = f' stroke-dasharray="{DASHES[shape.dash]}"' if shape.dash else ""
    stroke = f' stroke="{shape.stroke}" stroke-width="{number(shape.width)}"{dash}' if shape.width else ""
    return f'<path d="{path_data(shape)}"{fill}{stroke}/>'


def path_data(shape: Outline) -> str:
    """The outline in the words of SVG's paths."""
    start, *rest = shape.points
    pieces = [f"M{_point(start)}"]
    before = start
    for a, b, end in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
        straight = is_straight(before, a, end) and is_straight(before, b, end)
        pieces.append(f"L{_point(end)}" if straight else f"C{_point(a)} {_point(b)} {_point(end)}")
        before = end
    return "".join(pieces) + ("Z" if shape.fill else "")


def _text(shape: Text) -> str:
    anchor = f' text-anchor="{shape.anchor}"' if shape.anchor != "start" else ""
    weight = ' font-weight="bold"' if shape.bold else ""
    width = exact_width(shape)
    length = f' textLength="{number(width)}" lengthAdjust="spacingAndGlyphs"' if width else ""
    place = f'x="{number(shape.x)}" y="{number(shape.y)}" font-size="{number(shape.size)}"{length}'
    return f'<text {place} fill="{shape.color}"{anchor}{weight}>{_escaped(shape.text)}</text>'


def exact_width(shape: Text) -> float:
    """The width that the layout gave a text, so that no other font's runs into what stands beside it.

    Characters that Helvetica lacks have an upper estimate only, to which no text is stretched: 0.
    """
    return text_width(shape.text, shape.size, shape.bold) if is_known(shape.text) else 0


def is_straight(a: Point, b: Point, c: Point) -> bool:
    """Whether three points are on a line."""
    return abs((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])) < 0.01


def _point(point: Point) -> str:
    return f"{number(point[0])} {number(point[1])}"


def number(value: float) -> str:
    """A length to two digits."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _escaped(text: str) -> str:
    return html.escape(printable(text))
