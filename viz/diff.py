"""The difference of two architectures as a diagram: both in one picture, what they have in common folded."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import replace
from heapq import heappop, heappush
from itertools import groupby

from ..compiler.analyses.figures import multiply_adds, parameters
from ..compiler.compare.difference import Difference, Entry, children
from ..compiler.compare.items import Item
from ..compiler.ir.counts import short
from ..compiler.ir.graph import Node
from ..compiler.ir.sizes import evaluate
from .diagram import Box, Diagram, Edge, Group, Row
from .draw import Picture, pictured
from .render import ready
from .sheet import SHEET
from .words import clipped, describe

SIGNS = {"added": "+", "removed": "−", "changed": "~", "renamed": "~", "consequence": "="}
FEW = 4
"""So many layers that are no different are named where they stand in one box."""

Pair = tuple[Item | None, Item | None]
"""A part before and its counterpart after; either may be missing."""
Place = tuple[bool, int]
"""A node: whether it is one of the architecture after, and its index."""


def draw_difference(difference: Difference, format: str = "svg") -> Picture:
    """The drawing of a difference as "svg", "png", "pdf", "tex" or "dot".

    Raises ArchError for an unknown format, for one that nothing here can write, and for a drawing that is too large.
    """
    ready(format, SHEET)
    hint = "`archc diff` without `-o` tells it as text"
    return pictured(diagram_of_difference(difference), format, SHEET, lambda: hint)


def diagram_of_difference(difference: Difference) -> Diagram:
    """The diagram of a difference. Rows and arrows have its statuses: "added", "removed", "changed", ..."""
    return DifferenceBuilder(difference).diagram()


class DifferenceBuilder:
    """Builds the diagram. `where` says in which box a node is; of parts that are alike only the first is drawn, and
    `passed` are the nodes of the others."""

    def __init__(self, difference: Difference):
        self.difference = difference
        self.entries: dict[int, Entry] = {}
        stack = list(difference.entries)
        while stack:
            entry = stack.pop()
            self.entries.update((id(item), entry) for item in (*entry.before, *entry.after))
            stack.extend(entry.members)
        self.boxes: list[Box] = []
        self.groups: list[Group] = []
        self.where: dict[Place, int] = {}
        self.passed: set[Place] = set()

    def diagram(self) -> Diagram:
        d = self.difference
        self._place(*d.roots, None, 1)
        found = dict(self._edges())
        for output in d.after.outputs:
            found.update({(self.where[True, node], len(self.boxes)): "" for node, _ in output.values})
            self._box("output", [Row("io", clipped(output.name or "output"))], None, 1)
        place = _order(len(self.boxes), set(found))
        boxes = sorted((replace(box, id=place[box.id]) for box in self.boxes), key=lambda box: box.id)
        edges = sorted((place[a], place[b], status) for (a, b), status in found.items())
        drawn = tuple(Edge(a, b, None, status=status) for a, b, status in edges if a < b)
        costs = " · ".join(_signed(n) for n in (d.parameters, d.multiply_adds))
        name = f"{clipped(d.before.name, 24)} → {clipped(d.after.name, 24)}: {costs}"
        spent = evaluate(multiply_adds(d.after), d.after.nominal)
        return Diagram(name, parameters(d.after), spent, 1, 1, tuple(boxes), tuple(self.groups), drawn)

    # --- boxes -------------------------------------------------------------------------------

    def _place(self, one: Item | None, other: Item | None, group: int | None, times: int) -> None:
        """Places what stands in a scope, in order; what is no different, or alike, and in a row goes into one."""
        for _, row in groupby(children(one, other), self._key):
            pairs = list(row)
            item = _item(pairs[0])
            entry = self.entries.get(id(item))
            if entry is None or entry.status == "consequence":
                self._common(pairs, "consequence" if entry is not None else "", group, times)
            else:
                self._entry(entry, pairs, group, times)

    def _key(self, pair: Pair) -> Hashable:
        """Equal for parts of a scope that may go into one box."""
        item = _item(pair)
        entry = self.entries.get(id(item))
        if item.node is not None and item.node.op.is_input:
            return id(item)
        return entry.status if entry is not None and entry.status == "consequence" else id(entry)

    def _common(self, pairs: list[Pair], status: str, group: int | None, times: int) -> None:
        """One box for parts that are no different, or in shapes only."""
        items = [_item(pair) for pair in pairs]
        node = items[0].node
        if node is not None and node.op.is_input:
            number = self._box("input", [Row("io", describe(node))], group, times)
        else:
            names = list(map(_name, items))
            text = ", ".join(names) if len(names) <= FEW else f"{names[0]}, …, {names[-1]}"
            row = Row(status, f"{SIGNS[status]} {text}" if status else text, items[0].path)
            number = self._box("layer", [row], group, times)
        self._hold(pairs, number)

    def _entry(self, entry: Entry, pairs: list[Pair], group: int | None, times: int) -> None:
        """An entry, or those of its parts that follow one another at once. Of scopes that are alike one is opened."""
        items, count = list(map(_item, pairs)), len(pairs)
        item, sign = items[0], SIGNS.get(entry.status, "~")
        if not entry.members:
            alone = entry.status in ("added", "removed")
            shares = [entry.each[entry.items.index(one)] for one in items] if alone else []
            spent = [abs(sum(share.parameters for share in shares)), abs(sum(share.multiply_adds for share in shares))]
            name, text = _names(items), _text(entry, count)
            label = name if name != text else ""
            row = Row(entry.status, f"{sign} {text}", item.path, spent[0], spent[1], label=label)
            self._hold(pairs, self._box("layer", [row], group, times, count))
        elif item is not entry.items[0]:
            row = Row("changed", f"~ as in {_name(entry.items[0])}", item.path, label=_names(items))
            self._hold(pairs, self._box("layer", [row], group, times, count))
        else:
            title = f"{count} × {_block(item) or 'unit'}" if count > 1 else _name(item)
            title = f"{sign} {title}" if entry.status == "renamed" else title
            note = _names(items) if count > 1 else _block(item)
            number = len(self.groups)
            self.groups.append(Group(number, title, note, item.path, group, count, 0, 0))
            self._place(*pairs[0], number, times * count)
            self._hold(pairs[1:], self.where[max(_places(pairs[0]))])
            self.passed.update(place for pair in pairs[1:] for place in _places(pair))

    def _box(self, role: str, rows: list[Row], group: int | None, times: int, count: int = 1) -> int:
        self.boxes.append(Box(len(self.boxes), role, tuple(rows), group, times, count=count))
        return len(self.boxes) - 1

    def _hold(self, pairs: list[Pair], number: int) -> None:
        for pair in pairs:
            self.where.update(dict.fromkeys(_places(pair), number))

    # --- arrows ------------------------------------------------------------------------------

    def _edges(self) -> Iterator[tuple[tuple[int, int], str]]:
        """The arrows by source and target; one that is there before and after has no status."""
        found: dict[tuple[int, int], set[str]] = {}
        for source, target, status in self._flows():
            a, b = self.where.get(source), self.where.get(target)
            if a is not None and b is not None and a != b and target not in self.passed:
                found.setdefault((a, b), set()).add(status)
        for ends, statuses in found.items():
            yield ends, min(statuses)

    def _flows(self) -> Iterator[tuple[Place, Place, str]]:
        """What flows after, and what flowed from and to layers that were removed."""
        d = self.difference
        flowed = {(self._now(s), self._now(node.index)) for node in d.before.nodes for s, _ in node.inputs}
        for node in d.after.nodes:
            for source, _ in node.inputs:
                ends = (True, source), (True, node.index)
                yield *ends, "" if ends in flowed else "added"
        for source, target in flowed:
            if not (source[0] and target[0]):
                yield source, target, "removed"

    def _now(self, index: int) -> Place:
        """Where a node of the architecture before stands in the picture."""
        counterpart = self.difference.counterparts.get(index)
        return (False, index) if counterpart is None else (True, counterpart)


def _order(count: int, edges: set[tuple[int, int]]) -> list[int]:
    """For each box its place in an order along the arrows, as near to the order of their numbers as can be. Boxes that
    lead to one another, as those may that stand for several layers, keep the order of their numbers."""
    after: list[list[int]] = [[] for _ in range(count)]
    waits = [0] * count
    for a, b in edges:
        after[a].append(b)
        waits[b] += 1
    ready = [box for box in range(count) if not waits[box]]
    left = set(range(count))
    place = [0] * count
    while left:
        box = heappop(ready) if ready else min(left)
        if box not in left:
            continue
        place[box] = count - len(left)
        left.remove(box)
        for other in after[box]:
            waits[other] -= 1
            if not waits[other]:
                heappush(ready, other)
    return place


def _signed(count: int) -> str:
    return f"{'+' if count > 0 else '−' if count else '±'}{short(abs(count))}"


def _item(pair: Pair) -> Item:
    item = pair[1] or pair[0]
    assert item is not None
    return item


def _places(pair: Pair) -> Iterator[Place]:
    """The nodes of a pair, those before only where they have no counterpart."""
    for side, item in enumerate(pair):
        for leaf in item.leaves() if item is not None else ():
            if leaf.node is not None and (side == 1 or leaf.partner is None):
                yield side == 1, leaf.node.index


def _name(item: Item) -> str:
    return item.name or (describe(item.node) if item.node is not None else "")


def _names(items: list[Item]) -> str:
    return _name(items[0]) if len(items) == 1 else f"{_name(items[0])} … {_name(items[-1])}"


def _block(item: Item) -> str:
    return clipped(item.scope.block or "", 28) if item.scope is not None else ""


def told(node: Node) -> str:
    """A layer in a few words, and whether it uses weights of another application."""
    return describe(node) + (" (shared)" if node.owner != node.index and node.op.has_weights else "")


def _text(entry: Entry, count: int) -> str:
    """What a box says of so many of an entry."""
    item = entry.items[0]
    times = f"{count} × " if count > 1 else ""
    if entry.settings:
        return times + ", ".join(f"{s.name} {s.before} → {s.after}" for s in entry.settings)
    if item.node is not None:
        return f"{count} layers" if entry.status == "renamed" and count > 1 else times + told(item.node)
    return times + (_block(item) or f"{entry.layers // entry.count} layers")
