"""Rows of scopes in which those that come again are one row."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field

from .stats import Costs, Row, Stats
from .tables import INDENT, html_table

_NUMBERED = re.compile(r"(.*?)(\d+)", re.DOTALL)


@dataclass(slots=True)
class Line(Costs):
    """A row, or `count` of them in a row that have the same costs and parts, numbered one after another: their sums.

    `name` is the last part of the `path`, `1..3` of several, and `level` how many scopes are around it.
    """

    path: str = ""
    name: str = ""
    level: int = 0
    count: int = 1
    block: str | None = None
    output: tuple[int, ...] = ()


@dataclass(slots=True)
class _Item:
    row: Row
    name: str
    parts: list[_Item] = field(default_factory=list)
    content: int = 0
    """Equal for items that differ in their names alone."""


def collapsed(rows: Sequence[Row]) -> list[Line]:
    """The rows, in their order; the sums of the lines of one level are those of the rows."""
    top: list[_Item] = []
    around: list[_Item] = []
    items: list[_Item] = []
    for row in rows:
        while around and not row.path.startswith(f"{around[-1].row.path}."):
            around.pop()
        name = row.path.removeprefix(f"{around[-1].row.path}.") if around else row.path
        item = _Item(row, name)
        (around[-1].parts if around else top).append(item)
        around.append(item)
        items.append(item)
    known: dict[Hashable, int] = {}
    for item in reversed(items):
        parts = tuple((part.name, part.content) for part in item.parts)
        item.content = known.setdefault((item.row.all, item.row.block, item.row.output, parts), len(known))
    return list(_lines(top, "", 0, 1))


def _lines(items: Sequence[_Item], prefix: str, level: int, times: int) -> Iterator[Line]:
    start = 0
    while start < len(items):
        first, end = items[start], start + 1
        while end < len(items) and items[end].content == first.content and _follows(items[end - 1], items[end]):
            end += 1
        count = end - start
        name = first.name if count == 1 else f"{first.name}..{_number(items[end - 1])[1]}"
        path = prefix + name
        line = Line(path=path, name=name, level=level, count=count, block=first.row.block, output=first.row.output)
        line.add(*(times * count * cost for cost in first.row.all))
        yield line
        yield from _lines(first.parts, f"{path}.", level + 1, times * count)
        start = end


def _number(item: _Item) -> tuple[str, str]:
    """The name as a stem and a number, which is empty where it ends in none."""
    found = _NUMBERED.fullmatch(item.name)
    return (found[1], found[2]) if found is not None else (item.name, "")


def _follows(one: _Item, other: _Item) -> bool:
    (stem, number), (next_stem, next_number) = _number(one), _number(other)
    return bool(number and next_number) and stem == next_stem and int(next_number) == int(number) + 1


def to_html(figures: Stats) -> str:
    """The scopes and their costs, for a notebook."""
    columns = ("parameters", "buffers", "multiply_adds")
    titles = ("scope", "block", *(c.replace("_", "-") for c in columns), "output")
    totals = ("total", "", *(f"{getattr(figures, c):,}" for c in columns), "")
    rows = table_rows(figures, columns)
    return html_table(titles, rows, {2, 3, 4}, totals, f"{figures.name}, depth {figures.depth}")


def table_rows(figures: Stats, columns: Sequence[str], paths: bool = False) -> list[list[str]]:
    """The scopes as rows of texts: by their `paths`, else by their names, further in at each level; the block, with
    their number where there are several; the costs in these columns; the shape of the output."""
    rows = []
    for line in collapsed(figures.rows):
        name = line.path if paths else INDENT * line.level + line.name
        block = f"{line.count} x {line.block or 'scope'}" if line.count > 1 else line.block or ""
        rows.append([name, block, *(f"{getattr(line, c):,}" for c in columns), str(list(line.output))])
    return rows
