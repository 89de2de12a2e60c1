"""A scene as SVG: shapes and text only, no script, no reference to anything outside."""

from __future__ import annotations

import html
from collections.abc import Iterator

from .scene import Element, Outline, Point, Scene, Text
from .style import FAMILY

DASHES = {"dashed": "4 3", "dotted": "1 3"}


def to_svg(scene: Scene) -> bytes:
    """The SVG. Boxes are the elements n0, n1, ..., frames g0, g1, ..., arrows e0, e1, ..."""
    size = f'width="{_number(scene.width)}pt" height="{_number(scene.height)}pt"'
    view = f'viewBox="0 0 {_number(scene.width)} {_number(scene.height)}"'
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    lines.append(
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{_escaped(scene.label)}" {size} {view} '
        f'font-family="{FAMILY}" fill="none">'
    )
    lines.append(f'<rect width="100%" height="100%" fill="{scene.page}"/>')
    for element in scene.elements:
        lines += _element(element)
    return ("\n".join([*lines, "</svg>"]) + "\n").encode()


def _element(element: Element) -> Iterator[str]:
    yield f'<g id="{element.kind[0] if element.kind != "box" else "n"}{element.number}" class="{element.kind}">'
    if element.title:
        yield f"<title>{_escaped(element.title)}</title>"
    for shape in element.shapes:
        yield _outline(shape) if isinstance(shape, Outline) else _text(shape)
    yield "</g>"


def _outline(shape: Outline) -> str:
    start, *rest = shape.points
    pieces = [f"M{_point(start)}"]
    before = start
    for a, b, end in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
        straight = _straight(before, a, end) and _straight(before, b, end)
        pieces.append(f"L{_point(end)}" if straight else f"C{_point(a)} {_point(b)} {_point(end)}")
        before = end
    closed = "Z" if shape.fill else ""
    fill = f' fill="{shape.fill}"' if shape.fill else ""
    dash = f' stroke-dasharray="{DASHES[shape.dash]}"' if shape.dash else ""
    stroke = f' stroke="{shape.stroke}" stroke-width="{_number(shape.width)}"{dash}' if shape.width else ""
    return f'<path d="{"".join(pieces)}{closed}"{fill}{stroke}/>'


def _text(shape: Text) -> str:
    anchor = f' text-anchor="{shape.anchor}"' if shape.anchor != "start" else ""
    weight = ' font-weight="bold"' if shape.bold else ""
    place = f'x="{_number(shape.x)}" y="{_number(shape.y)}" font-size="{_number(shape.size)}"'
    return f'<text {place} fill="{shape.color}"{anchor}{weight}>{_escaped(shape.text)}</text>'


def _straight(a: Point, b: Point, c: Point) -> bool:
    return abs((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])) < 0.01


def _point(point: Point) -> str:
    return f"{_number(point[0])} {_number(point[1])}"


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _escaped(text: str) -> str:
    """Text without control characters and lone surrogates, in which nothing is markup."""
    return html.escape("".join(c if c.isprintable() or c == "\u00a0" else " " for c in text))
