"""What must hold of the symbolic sizes of an architecture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import dropwhile, islice, product, takewhile

from .deciding import Requirement, require_at_least, require_divisible, require_equal, require_several
from .formulas import Formula, as_formulas
from .legal import Legal
from .proofs import prove_equal
from .sizes import Dim, Size

SEARCH_BOUND = 2**20
"""`Requirements.smallest` looks no further than this."""

_CHUNK = 2**14
_ENLARGED = 2**10
_TRIED, _TRIED_SYMBOLS = 65, 2


class Requirements:
    """The claims on symbolic sizes that could not be decided, and so are required of whoever gives the sizes.

    A claim that needs one symbol narrows the values which that symbol may take; others are kept as formulas.
    """

    def __init__(self) -> None:
        self._answers: dict[tuple[str | Dim, ...], bool] = {}
        self._legal: dict[str, Legal] = {}
        self._formulas: dict[Formula, None] = {}
        self._said: dict[str, dict[Formula, None]] = {}
        self._others: dict[str, Requirements] = {}
        self._impossible = False

    @property
    def in_training(self) -> Requirements:
        """What training requires beside."""
        return self._others.setdefault("in training", Requirements())

    @property
    def unenforced(self) -> Unenforced:
        """The same questions where torch takes sizes of which the claim fails, and gives something odd."""
        return Unenforced(self, self._others.setdefault("unenforced", Requirements()))

    def equal(self, a: Dim, b: Dim) -> bool:
        """Require a == b. False where that never holds, alone or with what is required already."""
        if a is b:
            return True
        if isinstance(a, int) and isinstance(b, int):
            return a == b
        return self._ask("==", a, b, require_equal)

    def at_least(self, a: Dim, n: Dim) -> bool:
        """Require a >= n. False where that never holds, alone or with what is required already."""
        if isinstance(a, int) and isinstance(n, int):
            return a >= n
        return self._ask(">=", a, n, require_at_least)

    def divisible(self, a: Dim, n: int) -> bool:
        """Require a to be a multiple of n >= 1. False where it never is, alone or with what is required already."""
        if isinstance(a, int):
            return a % n == 0
        return self._ask("%", a, n, require_divisible)

    def several(self, sizes: Sequence[Dim]) -> bool:
        """Require that one of the sizes is 2 or more. False where none ever is."""
        if any(isinstance(size, int) and size > 1 for size in sizes):
            return True
        return self._answer(("several", *sizes), lambda: require_several(sizes))

    def never(self) -> None:
        """Require what no size fulfils."""
        self._impossible = True

    def certainly_equal(self, a: Dim, b: Dim) -> bool:
        """Whether a == b is proved for all sizes. Requires nothing."""
        if a is b:
            return True
        if isinstance(a, int) and isinstance(b, int):
            return a == b
        key = ("is", a, b)
        answer = self._answers.get(key)
        if answer is None:
            answer = self._answers[key] = prove_equal(a, b) is True
        return answer

    @property
    def asked(self) -> int:
        """How many different questions were asked so far: where it has not grown, nothing more is required."""
        return len(self._answers)

    def symbols(self) -> frozenset[str]:
        """The symbols of which something is required."""
        return frozenset(self._legal).union(*(formula.symbols() for formula in self._formulas))

    def describe(self, beside: Requirements | None = None) -> list[str]:
        """The requirements in words, merged: bounds, then what else is asked of one symbol, then of several; without
        those that follow from bounds `beside` them."""
        if self._impossible:
            return ["no size"]
        bounded: dict[int, list[str]] = {}
        others: list[str] = []
        for name, legal in self._legal.items():
            for text, part in legal.parts(name):
                if part == Legal(low=part.low):
                    bounded.setdefault(part.low, []).append(name)
                else:
                    others.append(text)
        least = [f"{_joined(names)} at least {low}" for low, names in bounded.items()]
        return least + others + [str(formula) for formula in self._others_than_legal(beside)]

    def formulas(self) -> list[Formula]:
        """The requirements as formulas, none of which is true of some legal sizes alone."""
        found: dict[Formula, None] = {}
        for name, legal in self._legal.items():
            plain = as_formulas(name, legal)
            found |= self._said[name] if plain is None else dict.fromkeys(plain)
        return [*found, *self._others_than_legal()]

    def _others_than_legal(self, beside: Requirements | None = None) -> list[Formula]:
        """The formulas that do not follow from the values that symbols may take."""
        known = [*self._legal.items(), *(beside._legal.items() if beside else ())]
        lows: dict[str, int] = {}
        for name, legal in known:
            lows[name] = max(lows.get(name, 1), legal.least() or 1)
        return [
            formula for formula in self._formulas if not any(lows.get(name, 1) >= low for name, low in formula.least)
        ]

    def violations(self, sizes: Mapping[str, int]) -> list[str]:
        """What is required and fails at these sizes, with the sizes. Raises ValueError where a symbol has no size."""
        missing = sorted(self.symbols() - sizes.keys())
        if missing:
            raise ValueError(f"no value is given for the size {missing[0]}")
        failures = ["no size is legal"] * self._impossible
        failures += [f"{name} at least 1, but {name} = {size}" for name, size in sizes.items() if size < 1]
        for name, legal in self._legal.items():
            if sizes[name] >= 1:
                texts = [text for text, part in legal.parts(name) if sizes[name] not in part]
                failures += [f"{text}, but {name} = {sizes[name]}" for text in texts]
        return failures + [formula.failure(sizes) for formula in self._formulas if not formula.holds(sizes)]

    def smallest(self) -> dict[str, int] | None:
        """The smallest value of each symbol that the requirements on it alone allow.

        Symbols required to be equal get one value, and those of which one must be large are so together. Other formulas
        over several symbols may still fail. None where some symbol has no value up to SEARCH_BOUND.
        """
        sizes: dict[str, int] = {}
        for names in self.equal_symbols():
            value = self._smallest(names)
            if value is None:
                return None
            sizes |= dict.fromkeys(names, value)
        for formula in self._formulas:
            if formula.relation == ">=" and not formula.holds(sizes):
                sizes |= self._enlarged(formula, sizes)
        return sizes

    def fixed(self) -> frozenset[str]:
        """The symbols that have a single legal value."""
        single = {name for name, legal in self._legal.items() if len(list(islice(legal.ascending(), 2))) == 1}
        return frozenset(name for names in self.equal_symbols() if single & {*names} for name in names)

    def usual(self) -> dict[str, int]:
        """The smallest values, and small ones that are tried where formulas over few symbols fail with these; none
        where there is no smallest."""
        sizes = self.smallest() or {}
        failing = [formula for formula in self._formulas if sizes and not formula.holds(sizes)]
        return sizes | self._tried(failing, sizes) if failing else sizes

    def _tried(self, failing: list[Formula], sizes: dict[str, int]) -> dict[str, int]:
        """Small values of the symbols of failing formulas, with which all hold; none where none are found."""
        wanted = frozenset[str]().union(*(formula.symbols() for formula in failing))
        groups = [names for names in self.equal_symbols() if wanted & {*names}]
        if len(groups) > _TRIED_SYMBOLS:
            return {}
        for values in sorted(product(range(1, _TRIED), repeat=len(groups)), key=lambda v: (max(v), sum(v))):
            trial = {name: value for names, value in zip(groups, values, strict=True) for name in names}
            if all(formula.holds(sizes | trial) for formula in failing) and not self.violations(sizes | trial):
                return trial
        return {}

    def _enlarged(self, formula: Formula, sizes: Mapping[str, int]) -> dict[str, int]:
        """Larger values of a formula's symbols, where it then holds."""
        groups = [names for names in self.equal_symbols() if formula.symbols() & {*names}]
        for least in range(2, _ENLARGED):
            values = [self._smallest(names, least) for names in groups]
            trial = {n: v or 1 for names, v in zip(groups, values, strict=True) for n in names}
            if None in values or formula.holds({**sizes, **trial}):
                return {} if None in values else trial
        return {}

    def _smallest(self, names: list[str], least: int = 1) -> int | None:
        legals = [self._legal[name] for name in names if name in self._legal] or [Legal()]
        formulas = [formula.of(names[0], names) for formula in self._formulas if formula.symbols() <= set(names)]
        candidates = takewhile(lambda value: value <= SEARCH_BOUND, legals[0].ascending())
        candidates = dropwhile(lambda value: value < least, candidates)
        length = 1
        while chunk := list(islice(candidates, length)):
            chunk = [value for value in chunk if all(value in legal for legal in legals[1:])]
            for formula in formulas:
                chunk = formula.filtered(chunk)
            if chunk:
                return chunk[0]
            length = min(2 * length, _CHUNK)
        return None

    def equal_symbols(self, others: Iterable[str] = ()) -> list[list[str]]:
        """The symbols, and `others` of which nothing is required; those together that are required to be equal."""
        groups = {name: [name] for name in sorted(self.symbols().union(others))}
        for formula in self._formulas:
            names = [side.name for side in (formula.left, formula.right) if isinstance(side, Size) and side.name]
            if formula.relation != "==" or len(names) != 2:
                continue
            first, second = (groups[name] for name in names)
            if first is not second:
                first += second
                groups |= dict.fromkeys(second, first)
        return list({id(group): group for group in groups.values()}.values())

    def _ask(self, kind: str, a: Dim, b: Dim, require: Callable[[Dim, Dim], Requirement]) -> bool:
        return self._answer((kind, a, b), lambda: require(a, b))

    def _answer(self, key: tuple[str | Dim, ...], require: Callable[[], Requirement]) -> bool:
        answer = self._answers.get(key)
        if answer is None:
            answer = self._answers[key] = self._record(require())
        return answer

    def _record(self, requirement: Requirement) -> bool:
        if isinstance(requirement, bool):
            return requirement
        if isinstance(requirement, Formula):
            known = [formula for formula in self._formulas if formula.least] if requirement.least else []
            if not any(formula.implies(requirement) for formula in known):
                for formula in filter(requirement.implies, known):
                    del self._formulas[formula]
                self._formulas[requirement] = None
            return True
        name, legal, formula = requirement
        self._said.setdefault(name, {})[formula] = None
        known = self._legal.get(name, Legal())
        both = known.meet(legal)
        if both is None:
            self._formulas[formula] = None
            return True
        if both.least() is None:
            return False
        if both != Legal():
            self._legal[name] = both
        return True


@dataclass(frozen=True, slots=True)
class Unenforced:
    """Asks the questions of `everything`, and keeps what is then required in `own` too."""

    everything: Requirements
    own: Requirements

    @property
    def unenforced(self) -> Unenforced:
        return self

    @property
    def in_training(self) -> Requirements:
        return self.everything.in_training

    def equal(self, a: Dim, b: Dim) -> bool:
        return self.everything.equal(a, b) and self.own.equal(a, b)

    def at_least(self, a: Dim, n: Dim) -> bool:
        return self.everything.at_least(a, n) and self.own.at_least(a, n)

    def divisible(self, a: Dim, n: int) -> bool:
        return self.everything.divisible(a, n) and self.own.divisible(a, n)

    def several(self, sizes: Sequence[Dim]) -> bool:
        return self.everything.several(sizes) and self.own.several(sizes)

    def never(self) -> None:
        self.everything.never()

    def certainly_equal(self, a: Dim, b: Dim) -> bool:
        return self.everything.certainly_equal(a, b)


def _joined(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
