"""Labels: those that the language would give anyway are left out, and numbered parts become lists and powers."""

from __future__ import annotations

import re
from collections.abc import Callable

from ...ir.free_names import FreeNames
from .keys import Keys
from .places import Places
from .terms import IN, Term, chain, labelled, walk
from .units import Unit

NUMBER = re.compile(r"0|[1-9][0-9]*")
NUMBERED = re.compile(r"(.*?)(0|[1-9][0-9]*)")
_UNNAMED = ("in", "layer", "chain", "merge", "affine", "tuple")
GAP = 3
"""So many numbers that no part has may be left out of a list, by `id`."""


def name_parts(unit: Unit, places: Places, keys: Keys) -> None:
    """Gives the text of a unit its final labels, and settles the unit."""
    names = set(unit.scope.children) if unit.scope is not None else set()
    whole = unit.network and unit.scope is not None and unit.scope.parent is not None
    numbers = _Numbers(names)
    steps: list[Callable[[Term], Term]] = [_shortened]
    if unit.scope is not None:
        steps.append(lambda term: numbers.of(term, whole))
    steps.append(lambda term: _repeated(term, keys, unit.scope is not None and not any(map(str.isdigit, names))))
    for step in steps:
        for statement in unit.statements:
            statement.term = step(statement.term)
        unit.result = step(unit.result)
    if unit.scope is not None:
        _leave_out(unit, places)
        unit.order = places.first(unit.scope)
        unit.network = unit.network and not unit.order
    keys.settle(unit)


def _mapped(term: Term, change: Callable[[Term], Term]) -> Term:
    parts = [change(part) for part in term.parts]
    return Term(term.tag, term.data, term.values, parts, term.unit)


def _shortened(term: Term) -> Term:
    """A scope that holds a single thing with a label is a path: `head: (fc: f)` is `head.fc: f`."""
    if term.tag == "label" and term.parts[0].tag == "unit":
        unit = term.parts[0].unit
        if unit is not None and unit.network and unit.result.tag == "label" and not unit.order:
            return labelled(f"{term.data[0]}.{unit.result.data[0]}", unit.result.parts[0], unit.result.data[1])
    return _mapped(term, _shortened)


# --- lists ---------------------------------------------------------------------------------


def _number_of(term: Term) -> int | None:
    """The number that a part is labelled with, and would have in a list. What has a label of its own would have that in
    place of the number."""
    if term.tag != "label" or not NUMBER.fullmatch(term.data[0]):
        return None
    return None if _within(term.parts[0]).tag in ("shared", "label") else int(term.data[0])


def _within(term: Term) -> Term:
    """What stands in wraps and in parts that are written where they are applied."""
    while term.tag == "wrap" or (term.tag == "unit" and term.unit is not None and term.unit.network):
        term = term.parts[0] if term.unit is None else term.unit.result
    return term


def _is_plain(term: Term) -> bool:
    """Whether a part is made of functions alone, which have no names."""
    return all(item.tag in _UNNAMED and not (item.tag == "layer" and item.parts) for item in walk(term))


def _names_itself(term: Term) -> bool:
    """Whether a part would have the name of its label without it, but not in a list."""
    own = _own_kind(term) if term.tag == "label" else None
    return own is not None and re.fullmatch(rf"{own}(_\d+)?", term.data[0]) is not None


class _Numbers:
    """Makes lists of parts with numbers in a row. `next` is the number that the next element of a list gets."""

    def __init__(self, names: set[str]):
        self.names = names
        self.next = 0

    def of(self, term: Term, whole: bool = False) -> Term:
        """The term with lists. What is `whole` is all of a scope: a list, if it begins with one and may be."""
        parts = term.parts
        if term.tag == "merge" and parts and all(_number_of(p) == self.next + i for i, p in enumerate(parts)):
            self.next += len(parts)
            return Term("merge", term.data, term.values, [Term("spread", parts=[part.parts[0] for part in parts])])
        if term.tag != "chain":
            return _mapped(term, self.of) if term.tag != "label" else term
        done: list[Term] = []
        elements: list[Term] = []
        between: list[Term] = []
        for part in parts:
            number = _number_of(part)
            if number is None:
                between.append(part)
                continue
            more = self._filled(number, between) if elements else None
            if more is None:
                done += [*self._closed(elements), *map(self.of, between)]
                elements = []
                before = done[max(len(done) - number + self.next, 0) :]
                if whole and number > self.next and all(map(_is_plain, done)):
                    before = [*done]
                if any(map(_names_itself, before)):
                    before = []
                if (more := self._filled(number, before)) is None:
                    before, more = [], self._filled(number, [])
                del done[len(done) - len(before) :]
            between = []
            if more is None:
                done.append(part)
            else:
                elements += [*more, part.parts[0]]
                self.next = number + 1
        places = enumerate(between, self.next)
        if whole and elements and not done and all(self._may_stand(p, n) and not _names_itself(p) for n, p in places):
            elements += between
            between = []
        done += [*self._closed(elements), *map(self.of, between)]
        return done[0] if len(done) == 1 else Term("chain", parts=done)

    def _filled(self, number: int, between: list[Term]) -> list[Term] | None:
        """The elements before one with a number: what stands between it and the one before, and `id` for each number
        that nothing has any more. None where that cannot be in a list."""
        missing = number - self.next - len(between)
        if missing < 0 < number - self.next and all(map(_is_plain, between)):
            one = chain(*between[missing - 1 :])
            return self._filled(number, [*between[: missing - 1], one])
        plain = all(self._may_stand(part, self.next + place) for place, part in enumerate(between))
        gone = not any(str(n) in self.names for n in range(number - missing, number))
        return [*between, *[IN] * missing] if plain and gone and 0 <= missing <= GAP else None

    def _may_stand(self, part: Term, number: int) -> bool:
        """Whether a part means the same as the element of a list with a number, which nothing else has."""
        if part.tag == "label":
            return part.data[0] == str(number) or not NUMBER.fullmatch(part.data[0])
        return str(number) not in self.names and (part.tag == "shared" or _is_plain(part))

    def _closed(self, elements: list[Term]) -> list[Term]:
        """The list of these elements; one behind nothing else has a label instead."""
        *before, last = elements or [IN]
        if any(part is not IN for part in before):
            return [Term("list", parts=elements)]
        self.next -= len(elements)
        return [labelled(str(self.next + len(before)), last)] if elements else []


# --- repetitions ---------------------------------------------------------------------------


def _repeated(term: Term, keys: Keys, free: bool) -> Term:
    """Equal parts in a row as powers. `free` says that powers may use up numbers, as no part of the scope has one."""
    term = _mapped(term, lambda part: _repeated(part, keys, free))
    if term.tag == "list":
        parts = _runs(term.parts, keys, None)
        return parts[0] if len(parts) == 1 and parts[0].tag == "repeat" else Term("list", parts=parts)
    if term.tag == "chain":
        parts = _runs(term.parts, keys, "")
        parts = _same(parts, keys) if free else parts
        return parts[0] if len(parts) == 1 else Term("chain", parts=parts)
    return term


def _runs(parts: list[Term], keys: Keys, label: str | None) -> list[Term]:
    """The parts, with runs of equal ones as one. In a chain their labels are a word and numbers in a row."""
    done: list[Term] = []
    at = 0
    while at < len(parts):
        end = at + 1
        first = _split(parts[at]) if label is not None else ("", 0, parts[at])
        while first is not None and end < len(parts):
            then = _split(parts[end]) if label is not None else ("", end - at, parts[end])
            if then is None or then[:2] != (first[0], first[1] + end - at) or not keys.equal(first[2], then[2]):
                break
            end += 1
        if first is not None and end > at + 1 and first[2].tag not in ("in", "label"):
            data = (first[0], first[1]) if label is not None else (None, None)
            done.append(Term("repeat", data, [end - at], [first[2]]))
        else:
            end = at + 1
            done.append(parts[at])
        at = end
    return done


def _same(parts: list[Term], keys: Keys) -> list[Term]:
    """The parts of a chain, with applications of one shared network in a row as one."""
    done: list[Term] = []
    for part in parts:
        last = done[-1] if done else part
        power = last.tag == "repeat" and last.data == (None, None)
        if power and last.parts[0].tag == part.tag == "shared" and keys.equal(last.parts[0], part):
            last.values[0] += 1
        elif done and last.tag == part.tag == "shared" and keys.equal(last, part):
            done[-1] = Term("repeat", (None, None), [2], [part])
        else:
            done.append(part)
    return done


def _split(term: Term) -> tuple[str, int, Term] | None:
    """The word, the number and the network of a part that is labelled with both."""
    word = numbered(term.data[0]) if term.tag == "label" else None
    return None if word is None else (*word, term.parts[0])


def numbered(path: str) -> tuple[str, int] | None:
    """The word and the number that make up a path, None where it does not end in a number or that stands alone."""
    match = NUMBERED.fullmatch(path)
    return None if match is None or match[1][-1:] in ("", ".") else (match[1], int(match[2]))


# --- names that layers give themselves -----------------------------------------------------


def _leave_out(unit: Unit, places: Places) -> None:
    """Takes the labels away that layers would have as names without them."""
    scope = unit.scope
    assert scope is not None
    if unit.end == unit.start + 1:
        return
    order = places.order.get(id(scope), [])
    kinds = {term.data[0]: kind for term in _labels(unit) if (kind := _own_kind(term)) is not None}
    waiting = [name for name in order if name in kinds]
    stays: set[str] = set()
    while True:
        names = FreeNames({*order} - {*waiting} | stays)
        given = {name: names.new(kinds[name]) for name in waiting if name not in stays}
        wrong = {name for name, own in given.items() if own != name}
        if not wrong:
            break
        stays |= wrong
    for term in _labels(unit):
        if term.data[0] in given:
            inner = term.parts[0]
            term.tag, term.data, term.values, term.parts = inner.tag, inner.data, inner.values, inner.parts


def _labels(unit: Unit) -> list[Term]:
    """The labels of a unit, without those of the elements of lists, which have numbers without them."""
    items = [item for term in _all_terms(unit) for item in walk(term)]
    elements = {id(part) for item in items if item.tag in ("list", "spread") for part in item.parts}
    return [item for item in items if item.tag == "label" and id(item) not in elements]


def _all_terms(unit: Unit) -> list[Term]:
    """The terms of a unit, and of those in it that open no scope."""
    found = list(unit.written)
    for child in unit.children:
        if child.scope is None and child.cell is None:
            found += _all_terms(child)
    return found


def _own_kind(term: Term) -> str | None:
    """The name that a labelled layer would give itself."""
    if term.data[1]:
        return None
    inner = term.parts[0]
    while inner.tag == "wrap":
        inner = inner.parts[0]
    return inner.data[0] if inner.tag == "layer" and term.parts[0].data[:1] != ("fresh",) else None
