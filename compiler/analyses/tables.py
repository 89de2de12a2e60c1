"""Tables of figures as Markdown, LaTeX and HTML."""

from __future__ import annotations

import html
from collections.abc import Collection, Sequence

Rows = Sequence[Sequence[str]]
_LATEX = {c: rf"\{c}" for c in "&%$#_{}"} | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}"}
_LATEX |= {
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "×": r"$\times$",
}
INDENT = "  "
"""A level of a row in its first cell."""


def markdown(columns: Sequence[str], rows: Rows, right: Collection[int]) -> list[str]:
    """The lines of a table, the columns numbered in `right` flush right."""
    lines = ["| " + " | ".join(columns) + " |"]
    lines.append("| " + " | ".join("---:" if i in right else "---" for i in range(len(columns))) + " |")
    return [*lines, *("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)]


def latex(columns: Sequence[str], rows: Rows, right: Collection[int], total: Sequence[str] | None = None) -> list[str]:
    """The lines of a `tabular` with the rules of the package booktabs; `total` stands below a rule of its own."""
    extents = "".join("r" if i in right else "l" for i in range(len(columns)))
    below = [r"\midrule", _latex_row(total)] if total is not None else []
    body = [r"\toprule", _latex_row(columns), r"\midrule", *map(_latex_row, rows), *below, r"\bottomrule"]
    return [rf"\begin{{tabular}}{{{extents}}}", *body, r"\end{tabular}"]


def _latex_row(row: Sequence[str]) -> str:
    level, first = _unindented(row[0])
    begin = r"\quad " * level or "{}" * first.startswith(("[", "*"))  # which `\\` would take for its own arguments
    cells = [begin + _latex_text(first), *map(_latex_text, row[1:])]
    return " & ".join(cells) + r" \\"


def _latex_text(text: str) -> str:
    return "".join(_LATEX.get(c, c) for c in text)


def html_table(
    columns: Sequence[str], rows: Rows, right: Collection[int], total: Sequence[str] | None = None, caption: str = ""
) -> str:
    """A table for a notebook."""
    head = "".join(f"<th style='text-align: {_side(i, right)}'>{html.escape(c)}</th>" for i, c in enumerate(columns))
    body = "".join(_html_row(row, right) for row in rows)
    foot = f"<tfoot style='font-weight: bold'>{_html_row(total, right)}</tfoot>" if total is not None else ""
    above = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    return f"<table>{above}<thead><tr>{head}</tr></thead><tbody>{body}</tbody>{foot}</table>"


def _html_row(row: Sequence[str], right: Collection[int]) -> str:
    level, first = _unindented(row[0])
    styles = [f"text-align: left; padding-left: {0.5 + level}em"]
    styles += [f"text-align: {_side(i, right)}" for i in range(1, len(row))]
    cells = zip(styles, [first, *row[1:]], strict=True)
    return "<tr>" + "".join(f"<td style='{style}'>{html.escape(cell)}</td>" for style, cell in cells) + "</tr>"


def _side(column: int, right: Collection[int]) -> str:
    return "right" if column in right else "left"


def _unindented(cell: str) -> tuple[int, str]:
    text = cell.lstrip(" ")
    return (len(cell) - len(text)) // len(INDENT), text
