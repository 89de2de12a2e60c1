"""Parts that a block gets from its caller: one that some instances lack, as a projection shortcut, and a smaller block
of its own kind, as the levels of a U-Net. So instances that differ in that alone are one block."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from .keys import Keys
from .terms import HOLE, IN, OPEN, Named, Term, rewritten, walk, word_of
from .units import Unit, declared, inner_units, instances

DEEPEST = 12
"""How many calls stand in each other at most."""
LARGEST = 400
"""Blocks of so many terms are left as they are."""


def give_smaller(root: Unit, keys: Keys) -> None:
    """Has blocks that hold a smaller one of their kind get that from their callers, and the innermost what they hold
    there."""
    texts = Texts(root, keys)
    for block, kinds in texts.blocks.items():
        _give_smaller(texts, block, kinds)
    settle(root, keys, set())


def give_lacking(root: Unit, keys: Keys) -> bool:
    """Has blocks that are another one of their kind but for a part get that from their callers, if there are any."""
    texts = Texts(root, keys)
    found = [_give_lacking(texts, kinds) for kinds in texts.blocks.values()]
    settle(root, keys, set())
    return any(found)


def settle(unit: Unit, keys: Keys, seen: set[int]) -> None:
    if id(unit) not in seen:
        seen.add(id(unit))
        for inner in (inner for term in unit.written for inner in inner_units(term)):
            settle(inner, keys, seen)
        keys.settle(unit)


class Texts:
    """All units of a text, by their blocks and keys, and the terms that call them."""

    def __init__(self, root: Unit, keys: Keys):
        self.keys = keys
        self.blocks: dict[str, dict[int, list[Unit]]] = defaultdict(dict)
        self.calls: dict[int, list[Term]] = defaultdict(list)
        for key, units in instances(root).items():
            first = units[0]
            if first.block is not None and first.scope is not None and first is not root and _size(first) <= LARGEST:
                self.blocks[first.block][key] = units
            for call in (item for unit in units for term in unit.written for item in walk(term)):
                if call.unit is not None:
                    self.calls[id(call.unit)].append(call)

    def give(self, unit: Unit, label: Term) -> None:
        """Has the callers of a unit give what stands under a label."""
        unit.hole, unit.given = word_of(label), True
        (part,), label.parts = label.parts, [HOLE]
        for call in self.calls[id(unit)]:
            call.parts = [part]


def _give_smaller(texts: Texts, block: str, kinds: dict[int, list[Unit]]) -> None:
    units = [unit for found in kinds.values() for unit in found] if len(kinds) > 1 else []
    names = {label.data[0] for unit in units for label in _labels(texts.keys, unit) if _holds(label, block)}
    groups: dict[int, list[tuple[Unit, Term]]] = defaultdict(list)
    for unit in units if len(names) == 1 else ():
        for label in (label for label in _labels(texts.keys, unit) if label.data[0] in names):
            key = texts.keys.of_text(unit, _with(unit, label, Term("label", label.data, parts=[HOLE])))
            groups[key].append((unit, label))
    for group in groups.values():
        if (
            len({unit.key for unit, _ in group}) > 1
            and max(_depth(texts.keys, label, block) for _, label in group) <= DEEPEST
        ):
            for unit, label in group:
                texts.give(unit, label)


def _give_lacking(texts: Texts, kinds: dict[int, list[Unit]]) -> bool:
    claimed: set[int] = set()
    for key, units in kinds.items():
        first = units[0]
        for number, label in enumerate([] if key in claimed or first.hole else _labels(texts.keys, first)):
            without = texts.keys.of_text(first, _with(first, label, IN))
            others = kinds.get(without, [])
            if others and not others[0].hole and without not in claimed | {key}:
                claimed |= {key, without}
                for unit in units:
                    texts.give(unit, [*_labels(texts.keys, unit)][number])
                for unit in others:
                    unit.hole = first.hole
                    unit.rewrite(_poured(first, unit))
                break
    return bool(claimed)


def _labels(keys: Keys, unit: Unit) -> Iterator[Term]:
    """The labels in a unit around networks that stand on their own, of which each is applied once."""
    own = declared(unit)
    stack = [*reversed(unit.written)]
    while stack:
        item = stack.pop()
        if item.tag in OPEN:
            stack.extend(reversed(item.parts))
        elif item.tag == "label" and word_of(item) and item.parts[0].tag != "hole":
            closed = not any(part.tag in ("var", "start", "table") for part in walk(item))
            if closed and not any(isinstance(value, Named) and value.name in own for value in keys.values(item)):
                yield item


def _holds(label: Term, block: str) -> bool:
    unit = label.parts[0].unit
    return unit is not None and unit.block == block and label.parts[0].tag == "unit"


def _depth(keys: Keys, label: Term, block: str) -> int:
    """How many blocks of a kind stand in each other under a label."""
    depth = 1
    while _holds(label, block):
        unit = label.parts[0].unit
        assert unit is not None
        label = next((inner for inner in _labels(keys, unit) if inner.data == label.data), Term("label", parts=[IN]))
        depth += 1
    return depth


def _with(unit: Unit, label: Term, other: Term) -> list[Term]:
    """The terms of a unit with another one in the place of a label."""
    return [rewritten(term, lambda part: other if part is label else None) for term in unit.written]


def _poured(pattern: Unit, unit: Unit) -> list[Term]:
    """The terms of one unit with the values and the units of another, which has the same but for a hole."""
    items = [item for term in unit.written for item in walk(term)]
    values = iter([value for item in items for value in item.values])
    units = iter([item.unit for item in items if item.unit is not None])

    def copied(term: Term) -> Term:
        found = [next(values) for _ in term.values]
        inner = next(units) if term.unit is not None else None
        return Term(term.tag, term.data, found, [copied(part) for part in term.parts], inner)

    return [copied(term) for term in pattern.written]


def _size(unit: Unit) -> int:
    return sum(1 for term in unit.written for _ in walk(term))
