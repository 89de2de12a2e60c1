"""A scene as TikZ: a document of its own, or a picture where another document `\\input`s it."""

from __future__ import annotations

from collections.abc import Iterator

from .scene import Outline, Point, Scene, Text
from .svg import exact_width, is_straight, number
from .words import printable

DASHES = {"dashed": "on 4bp off 3bp", "dotted": "on 1bp off 3bp"}
SIZE = 10 * 72 / 72.27
"""Of the font that is made smaller or larger, in points of 1/72 of an inch."""
MACROS = {
    "\\": r"\ensuremath{\backslash}",
    "{": r"\ensuremath{\{}",
    "}": r"\ensuremath{\}}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\ensuremath{<}",
    ">": r"\ensuremath{>}",
    "|": r"\ensuremath{|}",
    '"': r"\char34{}",
    "'": r"\char39{}",
    "`": r"\char96{}",
    "-": "-{}",
    "×": r"\ensuremath{\times}",
    "÷": r"\ensuremath{\div}",
    "±": r"\ensuremath{\pm}",
    "−": r"\ensuremath{-}",
    "·": r"\ensuremath{\cdot}",
    "→": r"\ensuremath{\to}",
    "–": r"\textendash{}",
    "…": r"\dots{}",
    "\u00a0": "~",
    **{character: f"\\{character}" for character in "#$%&_"},
}
HEAD = r"""% A document of its own, or a picture in another that loads tikz: \input it there.
\expandafter\ifx\csname @nodocument\endcsname\relax\let\archcend\relax\else
\def\archcend{\end{document}}
\documentclass{article}
\usepackage{tikz}
\usepackage[paperwidth=WIDTHbp,paperheight=HEIGHTbp,margin=0pt]{geometry}
\pagestyle{empty}\setlength\parindent{0pt}\setlength\topskip{0pt}
\begin{document}
\fi
\begingroup
"""
DEFINITIONS = r"""% \archctext{place}{anchor}{colour}{font}{scale}{width, or 0bp}{text}, narrower where it is wider.
\def\archctext#1#2#3#4#5#6#7{\node[anchor=base #2,inner sep=0pt,outer sep=0pt,text=#3] at (#1) {%
  \setbox0\hbox{\scalebox{#5}{\normalfont\sffamily\fontsize{10}{10}\selectfont#4#7}}%
  \ifdim#6>0pt\ifdim\wd0>#6\resizebox{#6}{\height}{\copy0}\else\copy0\fi\else\copy0\fi};}%
% \archcchar{code}{character}: the character where TeX reads Unicode, else its code.
\def\archcchar#1#2{\ifdefined\Umathchar#2\else U+#1\fi}%
"""


def to_tikz(scene: Scene) -> str:
    """The TikZ. Shapes and texts have the places that they have in an SVG; texts are no wider than in it, in whatever
    font the document has."""
    w, h = number(scene.width), number(scene.height)
    shapes = [shape for element in scene.elements for shape in element.shapes]
    colors = {color for shape in shapes for color in _colors(shape)} | {scene.page}
    lines = [
        HEAD.replace("WIDTH", w).replace("HEIGHT", h) + DEFINITIONS.rstrip(),
        *(f"\\definecolor{{{_color(color)}}}{{HTML}}{{{color[1:].upper()}}}%" for color in sorted(colors)),
        "\\begin{tikzpicture}[x=1bp,y=-1bp,line join=miter]",
        f"\\useasboundingbox (0,0) rectangle ({w},{h});",
        f"\\fill[{_color(scene.page)}] (0,0) rectangle ({w},{h});",
    ]
    for element in scene.elements:
        lines.append(f"% {element.kind} {element.number}")
        lines += [_outline(shape) if isinstance(shape, Outline) else _text(shape) for shape in element.shapes]
    return "\n".join([*lines, "\\end{tikzpicture}%", "\\endgroup", "\\archcend"]) + "\n"


def _colors(shape: Outline | Text) -> Iterator[str]:
    return filter(None, (shape.color,) if isinstance(shape, Text) else (shape.stroke, shape.fill))


def _color(color: str) -> str:
    return f"archc{color[1:].lower()}"


def _outline(shape: Outline) -> str:
    options = [f"fill={_color(shape.fill)}"] if shape.fill else []
    if shape.stroke and shape.width:
        options += [f"draw={_color(shape.stroke)}", f"line width={number(shape.width)}bp"]
        options += [f"dash pattern={DASHES[shape.dash]}"] if shape.dash else []
    start, *rest = shape.points
    before, pieces = start, [_point(start)]
    for a, b, end in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
        straight = is_straight(before, a, end) and is_straight(before, b, end)
        pieces.append(f"-- {_point(end)}" if straight else f".. controls {_point(a)} and {_point(b)} .. {_point(end)}")
        before = end
    closed = " -- cycle" if before == start else ""
    return f"\\path[{','.join(options)}] {' '.join(pieces)}{closed};"


def _text(shape: Text) -> str:
    anchor = {"start": "west", "middle": "", "end": "east"}[shape.anchor]
    place = f"{number(shape.x)},{number(shape.y)}"
    font, scale = "\\bfseries" if shape.bold else "", f"{shape.size / SIZE:.4f}"
    arguments = place, anchor, _color(shape.color), font, scale, f"{number(exact_width(shape))}bp", _escaped(shape.text)
    return "\\archctext" + "".join(f"{{{argument}}}" for argument in arguments)


def _point(point: Point) -> str:
    return f"({number(point[0])},{number(point[1])})"


def _escaped(text: str) -> str:
    return "".join(map(_character, printable(text)))


def _character(one: str) -> str:
    if one in MACROS:
        return MACROS[one]
    return one if one.isascii() else f"\\archcchar{{{ord(one):04X}}}{{{one}}}"
