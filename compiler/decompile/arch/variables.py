"""How the text of a body calls its tensors: as the spec does, else by the last label, else by a letter."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import count, pairwise

from ....grammar import words
from ...ops import registry
from .terms import Term, Variable, walk
from .units import DECLARES, Unit

LETTERS = ("x", "y", "z", "u", "v", "w")
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def local_names(unit: Unit, taken: set[str]) -> tuple[dict[Variable, str], list[str]]:
    """The names of a body's variables, and of its inputs where there are several."""
    return _Naming(unit, taken | set(words().keywords) | set(registry.LAYERS)).names()


class _Naming:
    """Gives the variables of a body names. One that the spec gives to several tensors is given again where the tensor
    that had it is used up."""

    def __init__(self, unit: Unit, taken: set[str]):
        self.unit = unit
        self.taken = taken
        self.found: dict[Variable, str] = {}
        self.last: dict[Variable, int] = {}
        """The statement that takes a tensor last."""
        self.made: dict[Variable, int] = {("in", number): -1 for number in range(len(unit.inputs))}
        self.holds: dict[str, Variable] = {}
        """What has each name at the moment."""
        for place, term in enumerate(unit.written):
            self.last.update((item.data, place) for item in walk(term) if item.tag == "var")
        for place, statement in enumerate(unit.statements):
            self.made.update((("local", target), place) for target in statement.targets)
            if statement.opening.startswith(DECLARES) and statement.targets:
                self._give(("local", statement.targets[0]), statement.opening.split()[1].rstrip(":"))
        self.fixed = {*self.holds}
        self.spoken: dict[str, list[Variable]] = defaultdict(list)
        """The tensors that the spec calls by a name, in the order in which they are made."""
        for variable in self.made:
            for name in unit.called.get(variable, ()):
                self.spoken[name].append(variable)
        rows = ((name, pairwise(found)) for name, found in self.spoken.items())
        self.torn = {n for n, row in rows if any(self.last.get(a, -1) > self.made[b] for a, b in row)}
        """The names that not all of these can have, as some live on."""
        self.letters = self._letters()

    def names(self) -> tuple[dict[Variable, str], list[str]]:
        inputs: list[str] = []
        for number in range(len(self.unit.inputs) if len(self.unit.inputs) > 1 else 0):
            inputs.append(self._give(("in", number), self._name(("in", number))))
        if not inputs:
            self.found["in", 0] = "in"
        for statement in self.unit.statements:
            for target in statement.targets if statement.term.tag != "input" else ():
                if len(statement.targets) > 1 and ("local", target) not in self.last:
                    self.found["local", target] = "_"
                elif ("local", target) not in self.found:
                    hint = _hint(statement.term, len(statement.targets))
                    self._give(("local", target), self._name(("local", target), hint))
        return self.found, inputs

    def _give(self, variable: Variable, name: str) -> str:
        self.found[variable] = name
        self.holds[name] = variable
        return name

    def _name(self, variable: Variable, hint: str = "") -> str:
        """A name for a tensor: the spec's, where nothing that is still needed has it."""
        names = [name for name in self.unit.called.get(variable, ()) if self._fits(name, variable)]
        names.sort(key=self.torn.__contains__)
        if names and names[0] not in self.torn:
            return names[0]
        return hint if self._is_new(hint) else names[0] if names else next(self.letters)

    def _fits(self, name: str, variable: Variable) -> bool:
        if name in self.taken or name in self.fixed:
            return False
        held = self.holds.get(name)
        return held is None or self.last.get(held, -1) <= self.made[variable]

    def _is_new(self, name: str) -> bool:
        return bool(name) and name not in self.taken and name not in self.holds and name not in self.spoken

    def _letters(self) -> Iterator[str]:
        """Short names that nothing has."""
        for number in count(1):
            yield from filter(self._is_new, (f"{letter}{number if number > 1 else ''}" for letter in LETTERS))


def telling(unit: Unit) -> set[Variable]:
    """The variables that the spec gives a word of their own, more than a letter."""
    times = Counter(name for names in unit.called.values() for name in names)
    again = {name for name, count in times.items() if count > 1}
    said = unit.called.items()
    return {found for found, names in said if any(len(name) > 1 for name in names) and again.isdisjoint(names)}


def counters() -> Iterator[str]:
    """Names of what counts."""
    return (letter if number == 1 else f"{letter}{number}" for number in count(1) for letter in "ijk")


def _hint(term: Term, targets: int) -> str:
    """A name for what a term makes: the label of its last part."""
    last = term.parts[-1] if term.tag == "chain" else term
    word = last.data[0].rsplit(".", 1)[-1] if last.tag == "label" and targets == 1 else ""
    return word if PLAIN.match(word) else ""
