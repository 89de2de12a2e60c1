"""Finds which weights of one network are which of another, so that both are the same expressions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .equivalence_sums import Summand
from .equivalence_terms import Terms, WeightBlock, Weighted
from .equivalence_weights import Bijection, Conflict

Group = tuple[list[Any], list[Any]]
"""Things of A and of B that compute the same up to weights, so that each may be the counterpart of each."""


class Matching:
    """A proof by congruence: two expressions are equal if they are the same function of equal expressions, and the
    entries of weights that meet are counterparts throughout.

    Where several terms of a sum could be counterparts, pairs are taken that are settled by weights already paired,
    then, with `names`, those whose weights have the same name, then those in order: by the channels of the inputs that
    they begin at, or with `columns` by where their weights stand. A wrong choice makes the proof fail; it cannot make
    it wrong, as every pair is followed to the inputs.
    """

    def __init__(self, terms: Terms, names: bool, columns: bool = False):
        self.terms = terms
        self.names = names
        self.columns = columns
        self.weights = Bijection(terms)
        self.counterpart: dict[int, int] = {}
        self._done: set[tuple[int, int]] = set()
        self._met: set[tuple[Summand, Summand]] = set()
        self._todo: list[tuple[int, int]] = []
        self._open: list[tuple[Group, tuple[int, int]]] = []
        """Groups that are still to be paired, each with the expressions that it is of."""
        self.stopped: tuple[int, int] | None = None
        """The expressions at which a proof failed."""
        self.conflict = ""
        """What it failed at, if weights have no counterparts."""

    def identify(self, pairs: Iterable[tuple[WeightBlock, WeightBlock]]) -> bool:
        """Takes these weights to be counterparts from the start, if they can be."""
        try:
            for here, there in pairs:
                self.weights.add(here, there)
        except Conflict:
            return False
        return True

    def match(self, pairs: Iterable[tuple[int, int]]) -> bool:
        """Whether all of these pairs are proved equal."""
        try:
            for a, b in pairs:
                self._pair(a, b)
            while self._todo or self._open:
                while self._todo:
                    self._step(*self._todo.pop())
                if self._open:
                    self._settle()
        except Conflict as conflict:
            self.conflict = str(conflict)
            return False
        return True

    def _pair(self, a: int, b: int) -> None:
        terms = self.terms
        if (a, b) in self._done:
            return
        if terms.width[a] != terms.width[b] or terms.kinds[a] != terms.kinds[b]:
            self.stopped = a, b
            raise Conflict
        self._done.add((a, b))
        self.counterpart[a] = b
        if a != b:
            self._todo.append((a, b))

    def _step(self, a: int, b: int) -> None:
        self.stopped = a, b
        one, other = self.terms.forms[a], self.terms.forms[b]
        sizes = [(form.rule, form.label, len(form.blocks), len(form.tensors)) for form in (one, other)]
        if sizes[0] != sizes[1]:
            raise Conflict
        for here, there in zip(one.blocks, other.blocks, strict=True):
            self.weights.add(here, there)
        for parts, others in zip(one.tensors, other.tensors, strict=True):
            self._tensors(parts, others)
        self._groups(a, b)

    def _tensors(self, parts: tuple[int, ...], parts_: tuple[int, ...]) -> None:
        if len(parts) == len(parts_) == 1:
            return self._pair(parts[0], parts_[0])
        widths = (sum(self.terms.width[part] for part in side) for side in (parts, parts_))
        if len(set(widths)) > 1:
            raise Conflict
        for a, b in self.terms.aligned([parts, parts_]):
            self._pair(a, b)
        return None

    # --- things without order ------------------------------------------------------------------------

    def _groups(self, a: int, b: int) -> None:
        """Pairs the terms of two expressions by their factors or flags and by what they compute."""
        sides = [self.terms.summands(e) for e in (a, b)]
        marks = [[(mark, s.kind) for mark, s in side] for side in sides]
        if marks[0] == marks[1] and len(set(marks[0])) == len(marks[0]):
            for (_, one), (_, other) in zip(*sides, strict=True):
                if (one, other) not in self._met:
                    self._met.add((one, other))
                    self._same(one.term, other.term)
            return
        groups: dict[Any, Group] = {}
        for side, items in enumerate(sides):
            for mark, (_, item) in zip(marks[side], items, strict=True):
                groups.setdefault(mark, ([], []))[side].append(item.term)
        for here, there in groups.values():
            if len(here) == len(there) == 1:
                self._same(here[0], there[0])
            else:
                self._open.append(((here, there), (a, b)))

    def _same(self, one: Any, other: Any) -> None:
        """Takes two things to be counterparts."""
        if isinstance(one, Weighted):
            self.weights.add(one.block, other.block)
            self._pair(one.source, other.source)
        elif isinstance(one, WeightBlock):
            self.weights.add(one, other)
        elif one is not None:
            self._pair(one, other)

    def _settle(self) -> None:
        """Pairs what is known to belong together in the groups that are open; where nothing is, all of one group."""
        progress = False
        for group, place in self._open:
            self.stopped = place
            progress |= self._pair_by(*group, self._mark)
        self._open = [entry for entry in self._open if any(entry[0])]
        if self._open and not progress:
            group, self.stopped = self._open.pop(0)
            self._pair_all(*group)

    def _pair_by(self, here: list[Any], there: list[Any], mark: Callable[[Any, int], Any]) -> bool:
        """Pairs what has the same mark on both sides, and takes it out of the group. Returns whether there was any."""
        places = {mark(item, 1): item for item in there}
        before = len(here)
        for one in list(here):
            own = mark(one, 0)
            other = places.get(own) if own is not None else None
            if other is not None and other in there and self._width(one) == self._width(other):
                here.remove(one)
                there.remove(other)
                self._same(one, other)
        return len(here) < before

    def _mark(self, item: Any, side: int) -> Any:
        """What tells a thing by its counterpart: a block of B, or an expression of B."""
        block = self._block(item)
        if block is not None:
            return block if side else self.weights.image(block)
        if isinstance(item, int):
            return item if side else self.counterpart.get(item)
        return None

    def _block(self, item: Any) -> WeightBlock | None:
        """The first weights that a thing has."""
        if isinstance(item, Weighted):
            return item.block
        if isinstance(item, WeightBlock):
            return item
        while isinstance(item, int):
            form = self.terms.forms[item]
            if form.rule != "map" or form.blocks:
                return form.blocks[0] if form.rule == "map" else None
            item = form.tensors[0][0]
        return None

    def _width(self, item: Any) -> int:
        if isinstance(item, Weighted):
            return self.terms.width[item.source]
        return self.terms.width[item] if isinstance(item, int) else 0

    def _pair_all(self, here: list[Any], there: list[Any]) -> None:
        """Pairs all of a group: by names, then in order, cutting what is wider."""
        if self.names:
            self._pair_by(here, there, self._name)
        one, other = (sorted(items, key=self._place, reverse=True) for items in (here, there))
        while one and other:
            a = one.pop()
            b = other.pop(self._nearest(a, other))
            if isinstance(a, Weighted):
                width = min(self._width(a), self._width(b))
                a, b = (self._narrow(item, width, rest) for item, rest in ((a, one), (b, other)))
                one.sort(key=self._place, reverse=True)
                other.sort(key=self._place, reverse=True)
            self._same(a, b)
        if one or other:
            raise Conflict

    def _nearest(self, item: Any, others: list[Any]) -> int:
        """The last of the things that begin at the same channel, or of all."""
        if self.columns:
            return -1
        start = self._place(item)[0]
        return next((i for i in reversed(range(len(others))) if self._place(others[i])[0] == start), -1)

    def _name(self, item: Any, side: int) -> Any:
        """What tells a thing by the name of its weights, on either side."""
        block = self._block(item)
        return None if block is None else (self.terms.symbols[block.symbol].name, *block[1:])

    def _narrow(self, item: Weighted, width: int, rest: list[Any]) -> Weighted:
        """The first channels of a term; the others are put back."""
        have, source = self.terms.width[item.source], item.source
        if have == width:
            return item
        rest.append(item.taking(width, have, self.terms.cut(source, width, have)))
        return item.taking(0, width, self.terms.cut(source, 0, width))

    def _place(self, item: Any) -> tuple[Any, int]:
        """In which order things of a group are paired: by the channels of an atom, then as they were written."""
        if self.columns and isinstance(item, Weighted):
            return item.block, item.source
        e = item.source if isinstance(item, Weighted) else item
        if not isinstance(e, int):
            return 0, e.symbol if isinstance(e, WeightBlock) else 0
        return self.terms.first[e], e
