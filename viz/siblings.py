"""Which places of rows are siblings; these stand in the order of their arrows, as far as nothing crosses for it."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence

Place = tuple[int, int]
"""A row, and in it a node, or -1 minus a node whose arrows pass the row."""
LARGEST = 200
"""Places of a part that is moved; larger ones stay where they are."""
Rows = list[list[int]]
Links = Sequence[tuple[Place, Place]]


def in_order(rows: Rows, links: Links, arrows: Iterable[tuple[int, int]], end: int) -> Rows:
    """The rows with siblings in the order in which what they lead to takes them, else in that of the nodes. `end` is
    the node below the last row, which is in none."""
    number = {arrow: place for place, arrow in enumerate(arrows)}
    before: dict[Place, set[Place]] = {}
    after: dict[Place, set[Place]] = {}
    for one, other in links:
        before.setdefault(other, set()).add(one)
        after.setdefault(one, set()).add(other)
    for family in _families(rows, before):
        parts = {place: _below(place, before, after, len(rows)) for place in family}
        parts = {place: part for place, part in parts.items() if len(part) <= LARGEST}
        alike: dict[tuple[frozenset[Place], int], list[Place]] = {}
        for place, part in parts.items():
            exits = frozenset(goal for inner in part for goal in after.get(inner, ()) if goal not in part)
            alike.setdefault((exits, max(row for row, _ in part)), []).append(place)
        for (exits, _), siblings in alike.items():
            goals = sorted(node for _, node in exits if node != end)

            def first(place: Place, goals: list[int] = goals, parts: dict[Place, set[Place]] = parts) -> int:
                nodes = {node for _, node in parts[place]}
                return min(number.get((node, goals[0]), len(number)) for node in nodes) if goals else place[1]

            wanted = sorted(siblings, key=lambda place: (first(place), place[1]))
            if wanted != siblings:
                moved = _moved(rows, [parts[place] for place in wanted])
                rows = moved if _crossings(moved, links) <= _crossings(rows, links) else rows
    return rows


def _families(rows: Rows, before: dict[Place, set[Place]]) -> list[list[Place]]:
    """Nodes of one row, from left to right, that come from the same."""
    found: dict[tuple[int, frozenset[Place]], list[Place]] = {}
    for row, entries in enumerate(rows):
        for entry in entries:
            if entry >= 0 and (row, entry) in before:
                found.setdefault((row, frozenset(before[row, entry])), []).append((row, entry))
    return [family for family in found.values() if len(family) > 1]


def _below(place: Place, before: dict[Place, set[Place]], after: dict[Place, set[Place]], count: int) -> set[Place]:
    """A place, and all that comes from it alone; not all of it where that is more than the largest part."""
    found, waiting = {place}, [place]
    for one in waiting:
        if len(found) > LARGEST:
            break
        for other in sorted(after.get(one, ())):
            if other[0] < count and other not in found and before[other] <= found:
                found.add(other)
                waiting.append(other)
    return found


def _moved(rows: Rows, parts: list[set[Place]]) -> Rows:
    """The rows with the entries of some parts in the order of these, in the spots that they have together."""
    found = []
    for number, row in enumerate(rows):
        entries = iter([entry for part in parts for entry in row if (number, entry) in part])
        taken = {entry for part in parts for place, entry in part if place == number}
        found.append([next(entries) if entry in taken else entry for entry in row])
    return found


def _crossings(rows: Rows, links: Links) -> int:
    """How often links cross one another."""
    at = {(number, entry): place for number, row in enumerate(rows) for place, entry in enumerate(row)}
    pairs = sorted((one[0], at[one], at[other]) for one, other in links if one in at and other in at)
    ends: dict[int, list[int]] = {}
    count = 0
    for row, _, target in pairs:
        count += len(ends.setdefault(row, [])) - bisect_right(ends[row], target)
        insort(ends[row], target)
    return count
