"""In which rows boxes stand, and in which order: what Graphviz's `dot` says of them, whatever their sizes are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from .layout import too_large
from .programs import laid_out
from .siblings import Place, in_order

HEAD = 'digraph { splines=none nslimit=NSLIMIT node [shape=box label="" fixedsize=true width=0.5 height=0.5]'
"""Arrows without ways, and places across that are good enough to tell what is left of what."""
TURNS = 500
"""How often `dot` moves nodes across, in all, where it may not do so once for each."""
MOST = 8_000
"""Places in rows, of nodes and of arrows that pass, that are laid out: `dot` takes much more than twice as long for
twice as many."""
Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of nodes and of what passes them, from left to right. `blocks` are the places that stand below one another,
    from left to right too; the longest path begins in the block `trunk`. `links` lead from row to row."""

    rows: tuple[tuple[int, ...], ...]
    blocks: tuple[tuple[Place, ...], ...]
    links: tuple[tuple[Place, Place], ...]
    trunk: int


def rows_of(nodes: list[int], arrows: Iterable[tuple[int, int]], start: int, end: int) -> Rows:
    """The rows of nodes in topological order, between a start and an end. Arrows are in the order in which their
    targets take them."""
    names = dict(enumerate([start, *nodes, end]))
    number = {node: place for place, node in names.items()}
    found = _rows_of(len(nodes), tuple(dict.fromkeys((number[a], number[b]) for a, b in arrows)))

    def named(entry: int) -> int:
        return names[entry] if entry >= 0 else -1 - names[-1 - entry]

    def moved(place: Place) -> Place:
        return place[0], named(place[1])

    return Rows(
        tuple(tuple(map(named, row)) for row in found.rows),
        tuple(tuple(map(moved, block)) for block in found.blocks),
        tuple((moved(one), moved(other)) for one, other in found.links),
        found.trunk,
    )


@lru_cache(maxsize=512)
def _rows_of(count: int, arrows: Pairs) -> Rows:
    """Of the nodes 1 to `count`; 0 is the start, the number behind the last the end."""
    end, pairs = count + 1, tuple(sorted(arrows))
    row = _ranks(count, pairs)
    last = max(row[node] for node in range(1, end))
    row |= {0: -1, end: last + 1}
    lowest: dict[int, int] = {}
    for a, b in pairs:
        lowest[a] = max(lowest.get(a, 0), row[b] - 1)
    rows: list[list[int]] = [[] for _ in range(last + 1)]
    for node in range(1, end):
        rows[row[node]].append(node)
    _check_places(count + sum(low - row[node] for node, low in lowest.items()))
    for node, low in sorted(lowest.items()):
        for number in range(row[node] + 1, low + 1):
            rows[number].append(-1 - node)

    def place(node: int, number: int) -> Place:
        return number, node if row[node] == number else -1 - node

    links: list[tuple[Place, Place]] = []
    for a, low in sorted(lowest.items()):
        links += [(place(a, number), place(a, number + 1)) for number in range(row[a], low)]
    links += [(place(a, row[b] - 1), (row[b], b)) for a, b in pairs]
    trunk = _longest(count, pairs)
    rows = in_order(_ordered(rows, links, trunk), links, arrows, end)
    inner = [link for link in links if link[0][0] >= 0 and link[1][0] <= last]
    blocks = _blocks(rows, inner, set(pairwise(trunk)))
    first = next(n for n, block in enumerate(blocks) if (row[trunk[0]], trunk[0]) in block)
    return Rows(tuple(map(tuple, rows)), blocks, tuple(inner), first)


def _check_places(count: int) -> None:
    """Raises ArchError where there are too many places to lay out."""
    if count > MOST:
        message = f"the arrows of this drawing pass {count:,} places in rows of boxes; {MOST:,} are the most"
        raise too_large(message)


# --- what `dot` says -----------------------------------------------------------------------------


def _ranks(count: int, pairs: Pairs) -> dict[int, int]:
    """The row of each node, so that arrows are short."""
    ends = [f"{{rank={rank}; n{node}}}" for node, rank in ((0, "source"), (count + 1, "sink"))]
    used = {node for pair in pairs for node in pair}
    lines = [line for line, node in zip(ends, (0, count + 1), strict=True) if node in used]
    lines += [f"n{node}" for node in range(1, count + 1)]
    lines += [f"n{a} -> n{b}" for a, b in _needed(count, pairs)]
    heights = {node: -y for node, (_, y) in _laid_out(lines).items()}
    levels = sorted({heights[node] for node in range(1, count + 1)})
    number = {level: place for place, level in enumerate(levels)}
    return {node: number[heights[node]] for node in range(1, count + 1)}


def _needed(count: int, pairs: Pairs) -> list[tuple[int, int]]:
    """Without the arrows to what is reached by others as well."""
    after: dict[int, list[int]] = {}
    for a, b in pairs:
        after.setdefault(a, []).append(b)
    reached: dict[int, int] = {}
    found = []
    for a in range(count + 1, -1, -1):
        behind = 0
        for b in sorted(after.get(a, ())):
            if not behind >> b & 1:
                found.append((a, b))
            behind |= reached[b] | 1 << b
        reached[a] = behind
    return found[::-1]


def _ordered(rows: list[list[int]], links: list[tuple[Place, Place]], trunk: list[int]) -> list[list[int]]:
    """The rows with few crossings, the trunk rather at the left."""
    places = [(number, entry) for number, row in enumerate(rows) for entry in row]
    names = {place: number for number, place in enumerate(places)}
    lines = [f"{{rank=same; {' '.join(f'n{names[n, entry]}' for entry in row)}}}" for n, row in enumerate(rows)]
    lines += [f"n{names[a]} -> n{names[b]}" for a, b in links if a in names and b in names]
    found = _laid_out(lines)
    on_trunk = set(trunk)
    across = {place: found[number][0] for place, number in names.items()}
    ordered = [sorted(row, key=lambda entry, n=n: (across[n, entry], entry)) for n, row in enumerate(rows)]
    share = [place - (len(row) - 1) / 2 for row in ordered for place, node in enumerate(row) if node in on_trunk]
    return [row[::-1] for row in ordered] if sum(share) > 0 else ordered


def _laid_out(lines: list[str]) -> dict[int, tuple[float, float]]:
    """Where `dot` puts the nodes n0, n1, ... Raises ArchError where no Graphviz does."""
    head = HEAD.replace("NSLIMIT", f"{min(1, TURNS / len(lines)):.4f}")
    text = laid_out("plain", "\n".join([head, *lines, "}"]))
    words = [line.split() for line in text.splitlines() if line.startswith("node ")]
    return {int(name[1:]): (float(x), float(y)) for _, name, x, y, *_ in words}


# --- what stands below one another ---------------------------------------------------------------


def _longest(count: int, pairs: Pairs) -> list[int]:
    """The path with most nodes."""
    before: dict[int, list[int]] = {node: [] for node in range(1, count + 1)}
    for a, b in pairs:
        if a and b <= count:
            before[b].append(a)
    best: dict[int, tuple[int, int]] = {}
    for node, sources in before.items():
        length, source = max(((best[a][0], -a) for a in sources), default=(0, 0))
        best[node] = length + 1, -source
    node = max(best, key=lambda node: (best[node][0], -node))
    path: list[int] = []
    while node:
        path.append(node)
        node = best[node][1]
    return path[::-1]


def _blocks(
    rows: list[list[int]], links: list[tuple[Place, Place]], trunk: set[tuple[int, int]]
) -> tuple[tuple[Place, ...], ...]:
    """Lines of places along links that cross no other of these: the trunk first, then what passes rows."""
    at = {(number, entry): place for number, row in enumerate(rows) for place, entry in enumerate(row)}

    def rank(link: tuple[Place, Place]) -> tuple[int, int, int]:
        (_, one), (_, other) = link
        kind = 0 if (one, other) in trunk else 1 if one < 0 and other < 0 else 2 if one >= 0 and other >= 0 else 3
        return kind, abs(at[link[0]] - at[link[1]]), at[link[0]]

    below: dict[Place, Place] = {}
    chosen: dict[int, list[tuple[int, int]]] = {}
    for one, other in sorted(links, key=lambda link: (link[0][0], rank(link))):
        found, ends = chosen.setdefault(one[0], []), (at[one], at[other])
        if all((a - ends[0]) * (b - ends[1]) > 0 for a, b in found):
            found.append(ends)
            below[one] = other
    heads = set(at) - set(below.values())
    blocks = []
    for head in sorted(heads):
        block = [head]
        while block[-1] in below:
            block.append(below[block[-1]])
        blocks.append(tuple(block))
    return _from_left(rows, blocks)


def _from_left(rows: list[list[int]], blocks: list[tuple[Place, ...]]) -> tuple[tuple[Place, ...], ...]:
    """The blocks in an order in which each comes after all that stand to its left."""
    of = {place: number for number, block in enumerate(blocks) for place in block}
    right: dict[int, set[int]] = {number: set() for number in range(len(blocks))}
    for number, row in enumerate(rows):
        for one, other in pairwise(row):
            right[of[number, one]].add(of[number, other])
    waiting = dict.fromkeys(right, 0)
    for after in right.values():
        for number in after:
            waiting[number] += 1
    ready = [number for number, count in waiting.items() if not count]
    found = []
    for number in ready:
        found.append(blocks[number])
        for other in sorted(right[number]):
            waiting[other] -= 1
            if not waiting[other]:
                ready.append(other)
    return tuple(found)
