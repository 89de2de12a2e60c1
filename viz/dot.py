"""A diagram as a graph in the DOT language, for other tools to lay out. Identifiers are generated; text is quoted."""

from __future__ import annotations

from collections.abc import Iterator

from .diagram import Box, Diagram, Edge, Group
from .sheet import SHEET, Sheet
from .style import DARK_INK, FILLS, STROKES, THEMES
from .words import GLYPHS, clipped, printable, sizes


def to_dot(diagram: Diagram, sheet: Sheet = SHEET) -> str:
    """The diagram in DOT. The nodes are named n0, n1, ... as the boxes are numbered, the clusters after the groups."""
    colors, rankdir = THEMES[sheet.colors], " rankdir=LR" if sheet.turned else ""
    lines = [
        "digraph archc {",
        f"  graph [label={quoted([clipped(diagram.name)])} labelloc=t{rankdir} "
        f'bgcolor="{colors.page}" fontcolor="{colors.ink}" fontname="Helvetica"]',
        f'  node [shape=box style=filled fillcolor="{colors.card}" color="{colors.line}" fontcolor="{colors.ink}" '
        'fontname="Helvetica" fontsize=10]',
        f'  edge [color="{colors.line}" fontcolor="{colors.muted}" fontname="Helvetica" fontsize=8]',
        *_content(diagram, None, "  "),
        *(f"  {_edge(edge)}" for edge in diagram.edges),
    ]
    return "\n".join([*lines, "}"]) + "\n"


def _content(diagram: Diagram, group: int | None, indent: str) -> Iterator[str]:
    for box in diagram.inside(group):
        yield f"{indent}n{box.id} [{_node(box)}]"
    for inner in diagram.children(group):
        yield f"{indent}subgraph cluster_g{inner.id} {{"
        yield f"{indent}  graph [label={quoted(_heading(inner))} labeljust=l style=rounded]"
        yield from _content(diagram, inner.id, f"{indent}  ")
        yield f"{indent}}}"


def _heading(group: Group) -> list[str]:
    return [f"{group.title}  {group.note}".strip(), group.told]


def _node(box: Box) -> str:
    if box.face == "circle":
        return f"shape=circle label={quoted([GLYPHS[box.title]])}"
    dash = "dashed" if any(row.stochastic for row in box.rows) else ""
    corner = {"pill": "rounded", "card": "rounded"}.get(box.face, "")
    fill = next((FILLS[row.kind] for row in box.rows if row.kind in FILLS and not row.minor), "")
    fill = fill or (FILLS.get(box.rows[0].kind, "") if box.face == "stack" else "")
    color = f' fillcolor="{fill}" fontcolor="{DARK_INK}"' if fill else ""
    style = ",".join(filter(None, ("filled", corner, dash)))
    return f'label={quoted(_words(box))} style="{style}"{color}'


def _words(box: Box) -> list[str]:
    if box.face == "card":
        return [f"{box.title}  {box.note}".strip(), " | ".join(chip.text for chip in box.sketch), box.figures]
    shared = [f"weights {chr(64 + row.shared)}" for row in box.rows if 0 < row.shared <= 26]
    rows = ["  ".join(filter(None, [row.text, row.label, row.notes])) for row in box.rows]
    return [*rows, *shared, box.figures]


def _edge(edge: Edge) -> str:
    attributes = ["weight=1" if edge.role in ("skip", "drawn") else "weight=20"]
    if edge.shape is not None:
        attributes.append(f"label={quoted([sizes(edge.shape)])}")
    if edge.role in ("training", "drawn"):
        attributes.append("style=dashed")
    if edge.status:
        attributes.append(f'color="{STROKES[edge.status]}"')
    if edge.sign:
        attributes.append(f"headlabel={quoted([edge.sign])}")
    return f"n{edge.source} -> n{edge.target} [{' '.join(attributes)}]"


def quoted(lines: list[str]) -> str:
    """A quoted string of some lines: no escape of DOT's, such as the name of the node, and no entity of HTML's."""
    return '"' + "\\n".join(_escaped(line) for line in lines if line) + '"'


def _escaped(text: str) -> str:
    return printable(text).replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
