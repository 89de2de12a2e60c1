"""Statements put into one another: one expression where the flow of data allows it.

A statement is put into the next in a time that does not grow with either, since terms are changed in place and keep
account of the variables in them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from .terms import OPEN, Term, Variable, as_network, chain, is_var, variables
from .units import Statement

NESTING = 40
"""A statement whose brackets would be nested deeper is left as two."""


def folded(statements: list[Statement], told: Collection[Variable]) -> list[Statement]:
    """The statements, each put into the next wherever it can be. What a word of the spec tells of is no operand."""
    return _Folding(statements, told).done


class _Folding:
    def __init__(self, statements: list[Statement], told: Collection[Variable]):
        self.told = told
        self.accounts: dict[int, _Account] = {}
        self.uses: Counter[Variable] = Counter()
        for statement in statements:
            self.uses.update(variables(statement.term))
        self.done: list[Statement] = []
        named: list[Statement] = []
        """Outputs that only name tensors: what is made before them may as well be made behind."""
        for statement in statements:
            is_output = statement.opening.startswith("output")
            if not is_output:
                self.done += named
                named.clear()
            self._take(statement)
            named.append(statement)
            if not is_output or self.applies(statement.term):
                self.done += named
                named.clear()
        self.done += named

    def _take(self, statement: Statement) -> None:
        """Puts the statements before one into it."""
        while self.done and not self.done[-1].opening and self.done[-1].targets:
            last = self.done[-1]
            targets: list[Variable] = [("local", target) for target in last.targets]
            known = self._account(statement.term).uses
            count = sum(known.get(target, 0) for target in targets)
            if not count or any(known.get(t) != self.uses[t] for t in targets):
                return
            if len(targets) > 1 and count != len(targets):
                return
            first = self._comes_first(statement.term, targets)
            depth = max(statement.depth + first, last.depth + (not first))
            if depth > NESTING or (not first and targets[0] in self.told):
                return
            term = self._put_in(statement.term, targets, last.term, count)
            if term is None:
                return
            statement.term, statement.depth = term, depth
            self.done.pop()

    def _account(self, term: Term) -> _Account:
        account = self.accounts.get(id(term))
        if account is None:
            account = self.accounts[id(term)] = _Account(term, self)
        return account

    def applies(self, term: Term) -> bool:
        """Whether evaluating the term makes nodes."""
        return any(map(self.applies, term.parts)) if term.tag == "tuple" else term.tag not in ("var", "in")

    def _place(self, term: Term, targets: list[Variable], count: int) -> int | None:
        """The part of a term that alone holds all of some variables, where none before is evaluated."""
        account = self._account(term)
        place = account.places.get(targets[0], -1)
        if place < 0 or place > account.first or (term.tag == "chain" and place > 0):
            return None
        inside = self._account(term.parts[place]).uses
        return place if sum(inside.get(target, 0) for target in targets) == count else None

    def _comes_first(self, term: Term, targets: list[Variable]) -> bool:
        """Whether what is put in for variables comes first in the term, or in the chain that it is."""
        head = term.parts[0] if term.tag == "chain" else term
        if head.tag not in OPEN or (len(targets) > 1 and _are(head.parts, targets)):
            return True
        count = sum(self._account(head).uses.get(target, 0) for target in targets)
        return self._place(head, targets, count) is None

    def _put_in(self, term: Term, targets: list[Variable], value: Term, count: int) -> Term | None:
        """The term with what `value` makes in the place of its variables, which occur in it `count` times in all, where
        nothing is evaluated before. A variable that occurs more than once must be the input of a part that nothing else
        goes into. None where that cannot be, and then nothing is changed."""
        if len(targets) > 1 and _are(term.parts, targets):
            if term.tag == "tuple":
                return value
            if term.tag == "merge" and not term.data[2]:
                return self._continued(value, [Term("layer", (*term.data[:2], ()), term.values)])
        if len(targets) == 1 and is_var(term, targets[0]):
            return value
        if term.tag not in OPEN:
            return None
        place = self._place(term, targets, count)
        if place is not None:
            new = self._put_in(term.parts[place], targets, value, count)
            return None if new is None else self._with_part(term, place, new, targets, value)
        network = as_network(term, targets[0]) if len(targets) == 1 else None
        return None if network is None else self._continued(value, [network])

    def _with_part(self, term: Term, place: int, new: Term, targets: list[Variable], value: Term) -> Term:
        """A term with another part, which has in it what `value` has instead of the variables."""
        if term.tag == "chain" and (new.tag == "chain" or new.tag == "in"):
            return self._continued(new, term.parts[1:])
        account = self._account(term)
        term.parts[place] = new
        account.replace(place, targets, self._account(value).uses, self.applies(new))
        return term

    def _continued(self, term: Term, rest: list[Term]) -> Term:
        """A chain that goes on."""
        if term.tag != "chain" or any(part.tag in ("chain", "in") for part in rest):
            return chain(term, *rest)
        account = self._account(term)
        term.parts.extend(rest)
        for part in rest:
            for variable, count in variables(part).items():
                account.add(variable, count, len(term.parts) - 1)
        return term


def _are(parts: list[Term], variables: list[Variable]) -> bool:
    return len(parts) == len(variables) and all(map(is_var, parts, variables))


class _Account:
    """How often a term has each variable, in which part (-1: in several), and the first part that makes nodes."""

    def __init__(self, term: Term, folding: _Folding):
        self.term = term
        self.uses: dict[Variable, int] = {}
        self.places: dict[Variable, int] = {}
        if term.tag == "var":
            self.add(term.data, 1, 0)
        for place, part in enumerate(term.parts):
            for variable, count in folding._account(part).uses.items():
                self.add(variable, count, place)
        self.first = next((i for i, part in enumerate(term.parts) if folding.applies(part)), len(term.parts))

    def add(self, variable: Variable, count: int, place: int) -> None:
        self.uses[variable] = self.uses.get(variable, 0) + count
        if self.places.setdefault(variable, place) != place:
            self.places[variable] = -1

    def replace(self, place: int, targets: list[Variable], uses: dict[Variable, int], applies: bool) -> None:
        """One part has other variables in the place of some."""
        for target in targets:
            del self.uses[target], self.places[target]
        for variable, count in uses.items():
            self.add(variable, count, place)
        if applies:
            self.first = min(self.first, place)
