"""A diagram as a graph in the DOT language. All identifiers are generated; all text is escaped."""

from __future__ import annotations

from collections.abc import Iterator

from ..compiler.ir.counts import short
from .diagram import Box, Chip, Diagram, Edge, Group, Row
from .style import (
    BORDER,
    CHIP_GAP,
    FIGURES,
    FILLS,
    FONT,
    FRAMES,
    GAP,
    INK,
    INSET,
    LINE,
    MUTED,
    NARROW,
    SMALL,
    TEXT,
    TITLE,
    WIDE,
)
from .words import GLYPHS, clipped, figures, sizes


def to_dot(diagram: Diagram, dpi: int | None = None) -> str:
    """The diagram in DOT. The nodes are named n0, n1, ... as the boxes are numbered, the clusters after the groups."""
    width = NARROW if _branches(diagram) else WIDE
    lines = ["digraph archc {", *_settings(diagram, dpi), *_content(diagram, None, 0, width, _spine(diagram))]
    lines += [f"  {_edge(edge)}" for edge in diagram.edges]
    return "\n".join([*lines, "}"]) + "\n"


def escaped(text: str) -> str:
    """Text for an HTML-like label, where nothing in it is markup."""
    text = "".join(c if c.isprintable() or c in GAP else " " for c in text)
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


def _spine(diagram: Diagram) -> set[int]:
    """The boxes on the path with the most of them, which stand in one column."""
    before: dict[int, tuple[int, int | None]] = {box.id: (0, None) for box in diagram.boxes}
    for edge in diagram.edges:
        length = before[edge.source][0] + 1
        if length > before[edge.target][0]:
            before[edge.target] = length, edge.source
    at: int | None = max(before, key=lambda box: before[box][0], default=None)
    found: set[int] = set()
    while at is not None:
        found.add(at)
        at = before[at][1]
    return found


def _settings(diagram: Diagram, dpi: int | None) -> Iterator[str]:
    costs = f"{short(diagram.parameters)} parameters · {short(diagram.multiply_adds)} multiply-adds"
    key = "in boxes: parameters · multiply-adds"
    lines = (_font(clipped(diagram.name), TITLE, bold=True), _font(costs, TEXT), _font(key, SMALL, MUTED))
    cells = "".join(f"<TR><TD>{line}</TD></TR>" for line in lines)
    label = (
        f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="1">{cells}<TR><TD HEIGHT="4"></TD></TR></TABLE>'
    )
    resolution = f" dpi={dpi}" if dpi else ""
    yield f'  graph [rankdir=TB nodesep=0.22 ranksep=0.18 pad=0.15 bgcolor="#ffffff"{resolution}'
    yield f'    fontname="{FONT}" fontcolor="{INK}" labelloc=t label=<{label}>]'
    yield f'  node [shape=plain fontname="{FONT}" fontsize={TEXT} fontcolor="{INK}" color="{BORDER}"]'
    yield f'  edge [fontname="{FONT}" fontsize={SMALL} fontcolor="{MUTED}" color="{LINE}" arrowsize=0.55 penwidth=1.1]'


def _content(diagram: Diagram, group: int | None, level: int, width: int, spine: set[int]) -> Iterator[str]:
    """The boxes of a group and the groups in it."""
    indent = "  " * (level + 1)
    for box in diagram.inside(group):
        column = " group=main" if box.id in spine else ""
        yield f"{indent}n{box.id} [{_node(box, width)}{column}]"
    for inner in diagram.children(group):
        yield f"{indent}subgraph cluster_g{inner.id} {{"
        yield f"{indent}  {_frame(inner, level)}"
        yield from _content(diagram, inner.id, level + 1, width, spine)
        yield f"{indent}}}"


def _frame(group: Group, level: int) -> str:
    costs = _font(figures(group.parameters, group.multiply_adds), SMALL, MUTED)
    head = _font(group.title, TEXT, bold=True) + _font(f"{GAP}{group.note}" if group.note else "", TEXT)
    rows = "".join(f'<TR><TD ALIGN="LEFT">{line}</TD></TR>' for line in (head, costs) if line)
    table = '<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="1"><TR><TD HEIGHT="2"></TD></TR>'
    label = f"{table}{rows}</TABLE>"
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
    glyph = GLYPHS.get(box.title)
    if glyph is None:
        return _pill(_font(box.rows[0].text, SMALL), "merge")
    fill = f'style=filled fillcolor="{FILLS["merge"]}"'
    return f"shape=circle fixedsize=true width=0.21 {fill} label=<{_font(glyph, 13)}>"


def _pill(text: str, kind: str) -> str:
    fill = f'style="rounded,filled" fillcolor="{FILLS[kind]}"'
    return f'shape=box {fill} height=0.2 width=0.6 margin="0.09,0.03" label=<{text}>'


def _stack(box: Box, width: int) -> str:
    rows = "".join(_row(row, width) for row in box.rows)
    fill = next((FILLS[row.kind] for row in box.rows if not row.minor), FILLS[box.rows[0].kind])
    return f'<TABLE BORDER="1" COLOR="{BORDER}" BGCOLOR="{fill}" CELLBORDER="0" CELLSPACING="0">{rows}</TABLE>'


def _row(row: Row, width: int) -> str:
    size, height = (SMALL, 13) if row.minor else (TEXT, 20)
    costs = "" if row.minor and not row.multiply_adds else figures(row.parameters, row.multiply_adds)
    fill = f'BGCOLOR="{FILLS[row.kind]}" CELLPADDING="0" HEIGHT="{height}"'
    end = "" if costs else GAP
    # Text of a second size on a line moves it off the middle, so there is some only where there is a label.
    text = _font(f"{GAP}{row.text}{'' if row.label else end}", size)
    text += _font(f"{GAP}{row.label}{end}", SMALL, MUTED) if row.label else ""
    if not costs:
        return f'<TR><TD ALIGN="LEFT" COLSPAN="2" WIDTH="{width}" {fill}>{text}</TD></TR>'
    return (
        f'<TR><TD ALIGN="LEFT" WIDTH="{width - FIGURES}" {fill}>{text}</TD>'
        f'<TD ALIGN="RIGHT" WIDTH="{FIGURES}" {fill}>{_font(costs + GAP, SMALL, MUTED)}</TD></TR>'
    )


def _folded(box: Box, width: int) -> str:
    """Two lines: title and note, sketch and figures; one where there is neither note nor sketch."""
    # Bold text sits a little higher in its line; a bold gap lifts the note beside it as much.
    title = _font(GAP[:1], TEXT) + _font(box.title, TEXT, bold=True)
    note = _font(box.note, TEXT) + _font(GAP, TEXT, bold=True) if box.note else ""
    costs = figures(box.parameters, box.multiply_adds)
    costs = _font(f"{costs}{GAP}" if costs else "", SMALL, MUTED)
    lines = _line([(title, 0)], note or costs, width - INSET)
    if box.sketch or note:
        lines += _line([_chip(chip) for chip in box.sketch], costs if note else "", width - INSET)
    return (
        f'<TABLE BORDER="1" STYLE="ROUNDED" COLOR="{BORDER}" BGCOLOR="{FILLS["fold"]}" CELLBORDER="0" '
        f'CELLSPACING="0" CELLPADDING="0">{lines}</TABLE>'
    )


def _line(cells: list[tuple[str, int]], right: str, width: int) -> str:
    """A line of a folded box: cells with their widths on the left, something on the right."""
    if len(cells) == 1 and not cells[0][1]:
        left = f'<TD ALIGN="LEFT" WIDTH="{width - FIGURES}">{cells[0][0]}</TD>'
    else:
        chips = "".join(cell for cell, _ in cells)
        rest = max(0, width - FIGURES * bool(right) - sum(size for _, size in cells) - CHIP_GAP * (len(cells) + 3))
        left = f'<TD WIDTH="5"></TD>{chips}<TD WIDTH="{rest}"></TD>'
    end = f'<TD ALIGN="RIGHT" WIDTH="{FIGURES}">{right}</TD>' if right else ""
    table = f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="{CHIP_GAP}" CELLPADDING="0">'
    return f'<TR><TD HEIGHT="18">{table}<TR>{left}{end}</TR></TABLE></TD></TR>'


def _chip(chip: Chip) -> tuple[str, int]:
    """A chip and its width."""
    if chip.text in GLYPHS.values():
        size, frame = 11, f'STYLE="ROUNDED" BORDER="1" COLOR="{BORDER}"'
    else:
        size, frame = text_width(chip.text) + 6, f'BGCOLOR="{FILLS[chip.kind]}"'
    return f'<TD {frame} WIDTH="{size}" HEIGHT="12">{_font(chip.text, SMALL)}</TD>', size


def text_width(text: str) -> int:
    """About how wide a small text is, in points."""
    return round(sum(0.28 if c in " ,.:·il1tfj" and c != "1" else 0.56 for c in text) * SMALL)


# --- arrows --------------------------------------------------------------------------------------


def _edge(edge: Edge) -> str:
    """An arrow; one past other boxes weighs enough to run straight, too little to bend the rest."""
    attributes = ["weight=1" if edge.role == "skip" else "weight=20"]
    if edge.shape is not None:
        attributes.append(f"label=<{_font(chr(160) + sizes(edge.shape), SMALL, MUTED)}>")
    if edge.role == "training":
        attributes.append("style=dashed")
    if edge.sign:
        attributes.append(f"headlabel=<{_font(edge.sign, TEXT)}> labeldistance=1.3 labelangle=-40")
    return f"n{edge.source} -> n{edge.target} [{' '.join(attributes)}]"
