"""Blocks that differ in parts which one has and the other lacks are one, with a parameter that says whether they are
there: `if with_roll then roll(..) else id`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from ..parameters import identities, multiple_and_shift, square, usual
from .holes import Texts, settle
from .keys import Keys
from .terms import IN, OPEN, THERE, Term, rewritten, walk, word_of
from .units import Unit, inner_units


def give_optional(root: Unit, keys: Keys) -> bool:
    """Has blocks that lack parts of another one of their kind be that, if there are any."""
    found = False
    while _give_one(root, keys):
        settle(root, keys, set())
        found = True
    return found


def _give_one(root: Unit, keys: Keys) -> bool:
    for kinds in Texts(root, keys).blocks.values():
        for units in kinds.values():
            without = keys.of_text(units[0], _changed(units[0], lambda term: IN)) if _extras(units[0]) else -1
            if without in kinds and not _is_nested(units, kinds[without]):
                _give(keys, units, kinds[without])
                return True
    return False


def _is_nested(units: list[Unit], others: list[Unit]) -> bool:
    """Whether what some units have and others lack holds one of them."""
    changed = {id(unit) for unit in (*units, *others)}
    inner = (part for unit in units for extra in _extras(unit) for term in _all(extra) for part in inner_units(term))
    return any(id(unit) in changed for unit in inner)


def _extras(unit: Unit) -> list[Term]:
    """The parts of a unit that others of its kind may lack."""
    found: list[Term] = []
    stack = [*reversed(unit.written)]
    while stack:
        item = stack.pop()
        network = item.parts[0] if item.tag == "label" else item
        if network.tag == "unit" and network.unit is not None and network.unit.extra:
            found.append(item)
        elif item.tag in OPEN:
            stack.extend(reversed(item.parts))
    return found


def _changed(unit: Unit, change: Any) -> list[Term]:
    """The terms of a unit with others in the place of these parts."""
    extras = {id(term) for term in _extras(unit)}
    return [rewritten(term, lambda part: change(part) if id(part) in extras else None) for term in unit.written]


def _give(keys: Keys, units: list[Unit], others: list[Unit]) -> None:
    """Marks the parts in units, and pours the others, which lack them, into the same text."""
    first = _extras(units[0])[0]
    word = THERE + _word(first)
    rows = [[value for value, _ in _values(keys, unit)] for unit in units]
    is_extra = [extra for _, extra in _values(keys, units[0])]
    of_table = [each for extra in _extras(units[0]) for each in _of_tables(extra)]
    for unit in units:
        unit.rewrite(_changed(unit, lambda term: Term("optional", (word,), [True], [term])))
    for unit in others:
        unit.rewrite(_poured(keys, units[0], unit, _guessed(rows, is_extra, of_table, keys.of_unit(unit))))


def _word(term: Term) -> str:
    if term.tag == "label" and word_of(term):
        return word_of(term)
    layers = (item for part in _all(term) for item in walk(part) if item.tag in ("layer", "merge", "function"))
    return next((layer.data[0] for layer in layers), "part")


def _all(term: Term) -> Iterator[Term]:
    yield term
    for unit in inner_units(term):
        for inner in unit.written:
            yield from _all(inner)


def _values(keys: Keys, unit: Unit) -> Iterator[tuple[Any, bool]]:
    """Every value in a unit, and whether it stands in such a part."""
    extras = {id(term) for term in _extras(unit)}

    def values(term: Term, inside: bool) -> Iterator[tuple[Any, bool]]:
        inside = inside or id(term) in extras
        own = [*term.values, *(keys.of_unit(term.unit) if term.unit is not None else ())]
        yield from ((value, inside) for value in own)
        for part in term.parts:
            yield from values(part, inside)

    for term in unit.written:
        yield from values(term, False)


def _of_tables(extra: Term) -> Iterator[bool]:
    """For each value in a part whether it stands in the rule of a list."""
    for item in walk(extra):
        yield from (item.tag == "table" for _ in item.values)
        for term in item.unit.written if item.unit is not None else ():
            yield from _of_tables(term)


def _guessed(rows: list[list[Any]], is_extra: list[bool], of_table: list[bool], known: Sequence[Any]) -> list[Any]:
    """The values that the parts would have where they are lacking: as those that are there depend on the others. They
    are never used, and so may be any; but those that follow need no parameter."""
    columns = [*zip(*rows, strict=True)]
    beside = [column for column, extra in zip(columns, is_extra, strict=True) if not extra]
    pairs = [pair for column, value in zip(beside, known, strict=True) for pair in _numbers(column, value)]
    extras = [column for column, extra in zip(columns, is_extra, strict=True) if extra]
    return [_guess(column, pairs, table) for column, table in zip(extras, of_table, strict=True)]


def _numbers(column: Sequence[Any], value: Any) -> Iterator[tuple[Sequence[Any], Any]]:
    """A column and the value that is known beside it, or those of its elements."""
    lists = isinstance(value, list | tuple) and all(isinstance(each, list | tuple) for each in column)
    if lists and len({len(value), *map(len, column)}) == 1:
        yield from zip(zip(*column, strict=True), value, strict=True)
    else:
        yield column, value


def _guess(column: Sequence[Any], pairs: list[tuple[Sequence[Any], Any]], of_table: bool) -> Any:
    if len({*identities(column)}) == 1:
        return column[0]
    if all(isinstance(each, list | tuple) for each in column) and len({*map(len, column)}) == 1:
        return [_guess(elements, pairs, of_table) for elements in zip(*column, strict=True)]
    for other, value in pairs:
        if identities(other) == identities(column):
            return value
    for other, value in pairs:
        line = multiple_and_shift(other, column) if type(value) is int else None
        if line is not None and (of_table or not line[1]):
            return line[0] * value + line[1]
    for other, value in pairs:
        if type(value) is int and square(other, column):
            return value**2
    return (usual(column) or column)[0]


def _poured(keys: Keys, pattern: Unit, unit: Unit, guessed: list[Any]) -> list[Term]:
    """The terms of one unit, without its optional parts, with the values and the units of another."""
    items = [item for term in unit.written for item in walk(term)]
    values, guesses = iter([value for item in items for value in item.values]), iter(guessed)
    units = iter([item.unit for item in items if item.unit is not None])

    def poured(term: Term) -> Term:
        if term.tag == "optional":
            return Term("optional", term.data, [False], [guess(part) for part in term.parts])
        found = [next(values) for _ in term.values]
        inner = next(units) if term.unit is not None else None
        return Term(term.tag, term.data, found, [poured(part) for part in term.parts], inner)

    def guess(term: Term) -> Term:
        found = [next(guesses) for _ in term.values]
        inner = filled(term.unit) if term.unit is not None else None
        return Term(term.tag, term.data, found, [guess(part) for part in term.parts], inner)

    def filled(inner: Unit) -> Unit:
        statements = [replace(statement, term=guess(statement.term)) for statement in inner.statements]
        made = replace(inner, statements=statements, result=guess(inner.result))
        keys.settle(made)
        return made

    return [poured(term) for term in pattern.written]
