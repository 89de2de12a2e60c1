"""What one architecture has otherwise than another, as a tree of entries along their scopes."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from ..ir.graph import Graph, GraphOutput
from .comparison import Comparison, Costs, Setting
from .items import Item, numberless


@dataclass(slots=True, eq=False)
class Entry:
    """One difference, or a scope with differences in it.

    `status` is "added" or "removed" (a layer, or a whole scope); "changed" (a layer with other `settings`); "renamed"
    (a layer or a scope that has another name or stands in another scope); "consequence" (layers that do the same, on
    tensors of other shapes); or "same": a scope that is no different but for its `members`.

    `before` and `after` hold the layer or scope on either side, or several that are alike, or have only consequences;
    `each` is what each of them costs more after than before, and `layers` how many layers are added, removed or
    concerned in all. Of several that are alike `members` are those of the first. What is shared and differs alike
    wherever it is applied is one entry, with an item for each application.
    """

    status: str
    before: tuple[Item, ...]
    after: tuple[Item, ...]
    settings: tuple[Setting, ...] = ()
    each: tuple[Costs, ...] = ()
    layers: int = 1
    members: list[Entry] = field(default_factory=list)

    @property
    def costs(self) -> Costs:
        """What all of them cost more after than before."""
        return _total(self.each)

    @property
    def items(self) -> tuple[Item, ...]:
        """Those after; before, where there are none."""
        return self.after or self.before

    @property
    def count(self) -> int:
        """How many alike, what is shared once."""
        return len(set(map(_thing, self.items)))


@dataclass(frozen=True, slots=True)
class OutputChange:
    """An output that was added, removed, or changed: it is another tensor, or another number of them."""

    status: str
    name: str


@dataclass(slots=True)
class Difference:
    """What `after` has otherwise than `before`. False where there is no difference.

    `parameters` and `multiply_adds` are what it has more of, the sums over the entries. `renamed` pairs the names,
    before and after, of layers with weights that are counterparts under other names. `statuses` says for each node,
    before and after, how it stands: "same", "changed", "consequence", and "removed" or "added"; `counterparts` has the
    nodes of `after` by those of `before`, and `roots` are the two trees.
    """

    before: Graph
    after: Graph
    entries: list[Entry]
    outputs: list[OutputChange]
    parameters: int
    multiply_adds: int
    renamed: list[tuple[str, str]]
    statuses: tuple[list[str], list[str]]
    counterparts: dict[int, int]
    roots: tuple[Item, Item]

    def __bool__(self) -> bool:
        return bool(self.entries or self.outputs or self.renamed)

    def count(self, status: str) -> int:
        """How many layers were "added", "removed" or "changed", or are other as a "consequence". One that is shared
        counts once, and for each of its counterparts, where these are not shared."""
        graph, statuses = (self.before if status == "removed" else self.after), self.statuses[status != "removed"]
        partners = {} if status == "removed" else {b: self.before.nodes[a].owner for a, b in self.counterparts.items()}
        pairs = zip(graph.nodes, statuses, strict=True)
        return len({(partners.get(node.index), node.owner) for node, found in pairs if found == status})

    def __repr__(self) -> str:
        counts = ", ".join(f"{self.count(s):,} {s}" for s in ("added", "removed", "changed"))
        costs = f"{self.parameters:+,} parameters, {self.multiply_adds:+,} multiply-adds"
        return f"<Difference {self.before.name} -> {self.after.name}: {counts}; {costs}>"


def difference(before: Graph, after: Graph) -> Difference:
    """The difference of two architectures, aligned by structure."""
    comparison = Comparison(before, after)
    entries = _Entries(comparison)
    root = entries.scope(comparison.before.root, comparison.after.root)
    pairs = [(leaf, leaf.partner) for leaf in comparison.before.leaves if leaf.partner is not None]
    named = [
        (a.path, b.path) for a, b in pairs if a.node and b.node and a.node.op.has_weights and b.node.op.has_weights
    ]
    renamed = [(one, other) for one, other in named if one != other]
    total = root.costs if root is not None else Costs()
    return Difference(
        before,
        after,
        root.members if root is not None else [],
        list(_outputs(comparison)),
        total.parameters,
        total.multiply_adds,
        renamed,
        (
            [entries.standing(leaf, leaf.partner)[0] for leaf in comparison.before.leaves],
            [entries.standing(leaf.partner, leaf)[0] for leaf in comparison.after.leaves],
        ),
        {a.node.index: b.node.index for a, b in pairs if a.node and b.node},
        (comparison.before.root, comparison.after.root),
    )


class _Entries:
    """Makes the entries of counterparts."""

    def __init__(self, comparison: Comparison):
        self.comparison = comparison
        self.statuses: dict[tuple[Item | None, Item | None], tuple[str, tuple[Setting, ...]]] = {}

    def standing(self, one: Item | None, other: Item | None) -> tuple[str, tuple[Setting, ...]]:
        """How a layer stands, and what it has another value of."""
        if one is None or other is None:
            return ("added" if one is None else "removed"), ()
        found = self.statuses.get((one, other))
        if found is None:
            settings = self.comparison.settings(one, other)
            consequence = not settings and self.comparison.is_consequence(one, other)
            found = "changed" if settings else "consequence" if consequence else "same", settings
            self.statuses[one, other] = found
        return found

    def layer(self, one: Item | None, other: Item | None) -> Entry | None:
        status, settings = self.standing(one, other)
        if status in ("same", "consequence") and one and other and _renamed(one, other):
            status = "renamed"
        if status == "same":
            return None
        return Entry(status, _tuple(one), _tuple(other), settings, (self.comparison.costs(one, other),))

    def scope(self, one: Item | None, other: Item | None) -> Entry | None:
        """The entry of a scope, None where it is no different."""
        made = (self._child(a, b) for a, b in children(one, other))
        members = _folded(_once([entry for entry in made if entry is not None]))
        renamed = one is not None and other is not None and _renamed(one, other)
        if not members and not renamed:
            return None
        layers = sum(member.layers for member in members)
        costs = _total([member.costs for member in members])
        entry = Entry("renamed" if renamed else "same", _tuple(one), _tuple(other), (), (costs,), layers, members)
        size = sum(1 for item in (other, one) if item is not None for _ in item.leaves())
        if one is None or other is None:
            status = "added" if one is None else "removed"
            whole = layers == size and all(member.status == status for member in members)
            return replace(entry, status=status, members=[]) if whole else entry
        if renamed and not members:
            return replace(entry, layers=size // 2)
        if one.parent is not None and not renamed and all(member.status == "consequence" for member in members):
            return replace(entry, status="consequence", members=[])
        return entry

    def _child(self, one: Item | None, other: Item | None) -> Entry | None:
        item = other or one
        assert item is not None
        return self.scope(one, other) if item.node is None else self.layer(one, other)


def children(one: Item | None, other: Item | None) -> list[tuple[Item | None, Item | None]]:
    """What stands in a scope: what is there after, with its counterparts, and what was removed, where it was before."""
    gone: dict[Item | None, list[Item]] = {}
    place: Item | None = None
    for child in one.children if one is not None else ():
        if child.partner is None:
            gone.setdefault(place, []).append(child)
        elif other is not None and child.partner.parent is other:
            place = child.partner
    found: list[tuple[Item | None, Item | None]] = [(child, None) for child in gone.get(None, ())]
    for child in other.children if other is not None else ():
        found.append((child.partner, child))
        found += [(removed, None) for removed in gone.get(child, ())]
    return found


def _renamed(one: Item, other: Item) -> bool:
    """Whether counterparts have other names, numbers apart, or stand in scopes that are no counterparts."""
    if one.parent is None or other.parent is None or (one.node is not None and not one.name and not other.name):
        return False
    return one.parent.partner is not other.parent or numberless(one.name) != numberless(other.name)


def _once(entries: list[Entry]) -> list[Entry]:
    """The entries of a scope, with one for all applications of what is shared, where these differ alike."""
    found: dict[Hashable, Entry] = {}
    for place, entry in enumerate(entries):
        key = place if entry.status in ("added", "removed") else _same(entry)
        found[key] = _together(found[key], entry) if key in found else entry
    return [*found.values()]


def _together(one: Entry, other: Entry) -> Entry:
    """Two applications of what is shared as one."""
    members = list(map(_together, one.members, other.members))
    return replace(_joined([one, other]), layers=one.layers, members=members)


def _same(entry: Entry) -> Hashable:
    """Equal for applications of what is shared that differ alike."""
    sides = tuple(frozenset(map(_thing, side)) for side in (entry.before, entry.after))
    return entry.status, sides, entry.settings, tuple(map(_same, entry.members))


def _thing(item: Item) -> Hashable:
    """The layer or scope of which an item is an application."""
    return (item.node.owner,) if item.node is not None else id(item.scope)


def _folded(entries: list[Entry]) -> list[Entry]:
    """The entries, those that follow one another and are alike in one, and the consequences in one at the end."""
    found: list[Entry] = []
    last: Hashable = None
    consequences = [entry for entry in entries if entry.status == "consequence"]
    for entry in entries:
        if entry.status == "consequence":
            continue
        key = _key(entry)
        if found and key == last:
            found[-1] = _joined([found[-1], entry])
        else:
            found.append(entry)
        last = key
    return [*found, _joined(consequences)] if consequences else found


def _joined(entries: list[Entry]) -> Entry:
    """Several as one; of those that are alike the first keeps its members."""
    before = tuple(item for entry in entries for item in entry.before)
    after = tuple(item for entry in entries for item in entry.after)
    layers = sum(entry.layers for entry in entries)
    each = tuple(costs for entry in entries for costs in entry.each)
    return replace(entries[0], before=before, after=after, each=each, layers=layers)


def _key(entry: Entry) -> Hashable:
    """Equal for entries of one scope that may be told as one."""
    if entry.status == "renamed" and entry.items[0].node is not None:
        return "renamed", id(entry.before[0].parent), id(entry.after[0].parent)
    return _content(entry)


def _content(entry: Entry) -> Hashable:
    """Equal for entries that say the same, but for numbers in the names that they have themselves. What is added or
    removed is alike for what it does, whatever that costs where it stands."""
    one = entry.items[0]
    alone = entry.status in ("added", "removed")
    name = numberless(one.name) if one.node is None or entry.status != "changed" else one.node.op.kind
    block = one.scope.block if one.scope is not None else None
    members = tuple((_content(member), tuple(item.name for item in member.items)) for member in entry.members)
    return entry.status, id(one.structure) if alone else entry.each[0], name, block, entry.settings, members


def _tuple(item: Item | None) -> tuple[Item, ...]:
    return () if item is None else (item,)


def _total(costs: Iterable[Costs]) -> Costs:
    costs = list(costs)
    return Costs(sum(c.parameters for c in costs), sum(c.multiply_adds for c in costs))


def _outputs(comparison: Comparison) -> Iterator[OutputChange]:
    """The outputs that differ, by name."""
    sides: list[dict[str, GraphOutput]] = [
        {output.name or "out": output for output in tree.graph.outputs}
        for tree in (comparison.before, comparison.after)
    ]
    for name in {**sides[0], **sides[1]}:
        one, other = sides[0].get(name), sides[1].get(name)
        if one is None or other is None:
            yield OutputChange("added" if one is None else "removed", name)
        elif one.when_training != other.when_training or not comparison.same_outputs(one.values, other.values):
            yield OutputChange("changed", name)
