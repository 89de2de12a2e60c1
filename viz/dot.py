"""A diagram as a graph in the DOT language. All identifiers are generated; all text is escaped."""

from __future__ import annotations

from collections.abc import Iterator

from .diagram import Box, Diagram, Edge, Group, Row
from .style import BORDER, FILLS, FONT, FRAMES, INK, LINE, MUTED, NARROW, SMALL, TEXT, TITLE, WIDE
from .words import clipped, figures, short, sizes

CIRCLES = {"sum": "+", "multiply": "×"}


def to_dot(diagram: Diagram, dpi: int | None = None) -> str:
    """The diagram in DOT. The nodes are named n0, n1, ... as the boxes are numbered, the clusters after the groups."""
    width = NARROW if _branches(diagram) else WIDE
    lines = ["digraph archc {", *_settings(diagram, dpi), *_content(diagram, None, 0, width)]
    lines += [f"  {_edge(diagram, edge)}" for edge in diagram.edges]
    return "\n".join([*lines, "}"]) + "\n"


def escaped(text: str) -> str:
    """Text for an HTML-like label."""
    for character, entity in (("&", "amp"), ("<", "lt"), (">", "gt"), ('"', "quot"), ("'", "#39")):
        text = text.replace(character, f"&{entity};")
    return text


def _branches(diagram: Diagram) -> bool:
    """Whether three boxes or more stand side by side somewhere."""
    sources: dict[int, set[int]] = {}
    for edge in diagram.edges:
        if edge.role != "skip":
            sources.setdefault(edge.target, set()).add(edge.source)
    return any(len(found) > 2 for found in sources.values())


def _settings(diagram: Diagram, dpi: int | None) -> Iterator[str]:
    costs = f"{short(diagram.parameters)} parameters · {short(diagram.multiply_adds)} multiply-adds"
    key = "in boxes: parameters · multiply-adds"
    label = f"{_font(clipped(diagram.name), TITLE, bold=True)}<BR/>{_font(costs, TEXT)}<BR/>{_font(key, SMALL, MUTED)}"
    resolution = f" dpi={dpi}" if dpi else ""
    yield f'  graph [rankdir=TB nodesep=0.22 ranksep=0.24 pad=0.15 bgcolor="#ffffff"{resolution}'
    yield f'    fontname="{FONT}" fontcolor="{INK}" labelloc=t label=<{label}>]'
    yield f'  node [shape=plain fontname="{FONT}" fontsize={TEXT} fontcolor="{INK}" color="{BORDER}"]'
    yield f'  edge [fontname="{FONT}" fontsize={SMALL} fontcolor="{MUTED}" color="{LINE}" arrowsize=0.55 penwidth=1.1]'


def _content(diagram: Diagram, group: int | None, level: int, width: int) -> Iterator[str]:
    """The boxes of a group and the groups in it."""
    indent = "  " * (level + 1)
    for box in diagram.inside(group):
        yield f"{indent}n{box.id} [{_node(box, width)}]"
    for inner in diagram.children(group):
        yield f"{indent}subgraph cluster_g{inner.id} {{"
        yield f"{indent}  {_frame(inner, level)}"
        yield from _content(diagram, inner.id, level + 1, width)
        yield f"{indent}}}"


def _frame(group: Group, level: int) -> str:
    costs = figures(group.parameters, group.multiply_adds)
    words = [_font(group.title, TEXT, bold=True), _font(group.note, SMALL, MUTED), _font(costs, SMALL, MUTED)]
    label = "&#160;&#160;".join(word for word in words if word)
    fill = FRAMES[level % len(FRAMES)]
    style = f'style="rounded,filled" color="{LINE}" fillcolor="{fill}" penwidth=0.7'
    return f"graph [{style} labeljust=l margin=10 label=<{label}>]"


def _font(text: str, size: int, color: str = INK, bold: bool = False) -> str:
    if not text:
        return ""
    inner = f"<B>{escaped(text)}</B>" if bold else escaped(text)
    return f'<FONT POINT-SIZE="{size}" COLOR="{color}">{inner}</FONT>'


# --- boxes ---------------------------------------------------------------------------------------


def _node(box: Box, width: int) -> str:
    if box.role == "merge":
        return _merge(box)
    if box.role in ("input", "output"):
        return _pill(_font(box.rows[0].text, TEXT), "io")
    if box.role == "fold":
        return f"label=<{_folded(box, width)}>"
    return f"label=<{_stack(box, width)}>"


def _merge(box: Box) -> str:
    glyph = CIRCLES.get(box.title)
    if glyph is None:
        return _pill(_font(box.rows[0].text, SMALL), "merge")
    fill = f'style=filled fillcolor="{FILLS["merge"]}"'
    return f"shape=circle fixedsize=true width=0.21 {fill} label=<{_font(glyph, 13)}>"


def _pill(text: str, kind: str) -> str:
    fill = f'style="rounded,filled" fillcolor="{FILLS[kind]}"'
    return f'shape=box {fill} height=0.2 width=0.6 margin="0.09,0.03" label=<{text}>'


def _stack(box: Box, width: int) -> str:
    rows = "".join(_row(row) for row in box.rows)
    return (
        f'<TABLE BORDER="1" COLOR="{BORDER}" CELLBORDER="0" CELLSPACING="0" CELLPADDING="4" WIDTH="{width}">'
        f"{rows}</TABLE>"
    )


def _row(row: Row) -> str:
    size, padding = (SMALL, 2) if row.minor else (TEXT, 4)
    text = _font(row.text, size)
    costs = "" if row.minor and not row.multiply_adds else figures(row.parameters, row.multiply_adds)
    fill = f'BGCOLOR="{FILLS[row.kind]}" CELLPADDING="{padding}"'
    if not costs:
        return f'<TR><TD ALIGN="LEFT" COLSPAN="2" {fill}>{text}</TD></TR>'
    right = _font(costs, SMALL, MUTED)
    return f'<TR><TD ALIGN="LEFT" {fill}>{text}</TD><TD ALIGN="RIGHT" {fill}>{right}</TD></TR>'


def _folded(box: Box, width: int) -> str:
    title, note = _font(box.title, TEXT, bold=True), _font(box.note, TEXT)
    costs = _font(figures(box.parameters, box.multiply_adds), SMALL, MUTED)
    head = f'<TR><TD ALIGN="LEFT">{title}</TD><TD ALIGN="RIGHT">{note or costs}</TD></TR>'
    chips = _chips(box)
    foot = ""
    if chips or note:
        right = costs if note else ""
        foot = f'<TR><TD ALIGN="LEFT">{chips}</TD><TD ALIGN="RIGHT">{right}</TD></TR>'
    return (
        f'<TABLE BORDER="1" STYLE="ROUNDED" COLOR="{BORDER}" BGCOLOR="{FILLS["fold"]}" CELLBORDER="0" '
        f'CELLSPACING="0" CELLPADDING="4" WIDTH="{width}">{head}{foot}</TABLE>'
    )


def _chips(box: Box) -> str:
    if not box.sketch:
        return ""
    cells = "".join(f'<TD BGCOLOR="{FILLS[chip.kind]}">{_font(chip.text, SMALL)}</TD>' for chip in box.sketch)
    return f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="2" CELLPADDING="2"><TR>{cells}</TR></TABLE>'


# --- arrows --------------------------------------------------------------------------------------


def _edge(diagram: Diagram, edge: Edge) -> str:
    attributes = ["weight=0" if edge.role == "skip" else "weight=20"]
    if edge.shape is not None:
        attributes.append(f"label=<{_font(chr(160) + sizes(edge.shape), SMALL, MUTED)}>")
    if edge.role == "skip" and diagram.boxes[edge.target].role == "merge":
        attributes.append("headport=e")
    if edge.role == "training":
        attributes.append("style=dashed")
    return f"n{edge.source} -> n{edge.target} [{' '.join(attributes)}]"
