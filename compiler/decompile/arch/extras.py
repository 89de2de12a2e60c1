"""What some units of a block have and others lack, as the shift and the mask of every second attention in windows: it
becomes a unit of its own, which a text may leave out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from ...ir.graph import Graph
from .units import Unit, insert

MOST = 300
"""Units of more nodes and parts are left as they are."""
FEWEST = 2
"""One node alone, as an activation, is no part worth a parameter."""
KINDS = 12
"""Blocks that are written in more ways too."""
Span = tuple[int, int]


class _Item(NamedTuple):
    """A node of a unit, or a unit in it: what tells it from others, and where it stands."""

    word: tuple[str, ...]
    start: int
    end: int
    unit: Unit | None


def part_extras(graph: Graph, root: Unit) -> bool:
    """Makes such units, each of what takes one tensor and makes one. Whether there are any."""
    blocks: dict[str, dict[tuple[Any, ...], list[tuple[Unit, list[_Item]]]]] = defaultdict(lambda: defaultdict(list))
    for unit in _within(root):
        if unit.scope is not None and unit.scope.block is not None:
            items = _items(graph, unit)
            blocks[unit.scope.block][tuple(item.word for item in items)].append((unit, items))
    found = False
    for rows in (rows for rows in blocks.values() if 1 < len(rows) <= KINDS):
        for words, units in rows.items():
            shorter = sorted((other for other in rows if len(other) < len(words) <= MOST), key=len, reverse=True)
            for spans in (spans for other in shorter if (spans := _added(other, words))):
                (_, first), *_ = units
                if sum(first[b - 1].end - first[a].start for a, b in spans) < FEWEST:
                    continue
                if all(_is_part(graph, items[a:b]) for _, items in units for a, b in spans):
                    for unit, items in units:
                        _part(graph, unit, [items[a:b] for a, b in spans])
                    found = True
                    break
    return found


def _within(unit: Unit) -> Iterator[Unit]:
    """The units in a unit, but for what is shared."""
    for child in unit.children:
        if child.cell is None:
            yield child
            yield from _within(child)


def _items(graph: Graph, unit: Unit) -> list[_Item]:
    children = {child.start: child for child in unit.children}
    found: list[_Item] = []
    at = unit.start
    while at < unit.end:
        node, child = graph.nodes[at], children.get(at)
        end = at + 1 if child is None else child.end
        if child is None:
            word = node.op.kind, node.name if node.op.is_module else ""
        else:
            word = "", child.block or "", child.scope.name if child.scope is not None else ""
        found.append(_Item(word, at, end, child))
        at = end
    return found


def _added(shorter: Sequence[Any], longer: Sequence[Any]) -> list[Span]:
    """What one row has more than another, none where it has not all of that in its order."""
    codes = SequenceMatcher(None, shorter, longer, autojunk=False).get_opcodes()
    only = all(code in ("equal", "insert") for code, *_ in codes)
    return [(a, b) for code, _, _, a, b in codes if code == "insert"] if only else []


def _is_part(graph: Graph, items: list[_Item]) -> bool:
    """Whether a run takes one tensor and makes one."""
    start, end = items[0].start, items[-1].end
    taken = {value for node in graph.nodes[start:end] for value in node.inputs if value[0] < start}
    put_out = {value for output in graph.outputs for value in output.values}
    later = {value for node in graph.nodes[end:] for value in node.inputs} | put_out
    return len(taken) == 1 and sum(value in later for value in graph.made_by(range(start, end))) == 1


def _part(graph: Graph, unit: Unit, runs: list[list[_Item]]) -> None:
    for items in runs:
        only = items[0].unit if len(items) == 1 else None
        made = only or insert(graph, unit, items[0].start, items[-1].end)
        made.extra = True
