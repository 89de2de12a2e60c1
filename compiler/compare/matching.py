"""Which tensor of a checkpoint is which of a spec, where their names differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ..ir.graph import Graph
from .checkpoint_names import Branch, Signature, TensorKind, modules, natural, signature, stem, tree
from .orders import Orders, TooMany
from .places import TensorPlace, TensorPlaces, bits, places
from .symmetry import Symmetries

DEEPEST = 100
"""Levels of scopes in a checkpoint's names beyond which they are not matched."""


@dataclass(frozen=True, slots=True)
class Unclear:
    """Modules of a checkpoint that may change places with one another, and these places."""

    modules: tuple[str, ...]
    places: tuple[str, ...]


@dataclass(slots=True)
class Match:
    """What a comparison came to.

    `modules` says where each module of the checkpoint goes: all of them where the match is proved. Otherwise it has
    what is certain, and one of these says why: `unclear`; `left` and `wanted`, the modules whose tensors the other side
    does not have; `stuck`, the places that could come next where no order goes on; `too_many`.
    `equal` are modules that have been told apart although the network computes the same when they change places, and
    `named` those that have been told apart by names that are the same on both sides, `alike` those that have been told
    apart by what their names mean in scopes whose names differ in numbers only.
    """

    modules: dict[str, str] = field(default_factory=dict)
    unclear: list[Unclear] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    wanted: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    too_many: bool = False
    equal: list[Unclear] = field(default_factory=list)
    named: list[Unclear] = field(default_factory=list)
    alike: list[Unclear] = field(default_factory=list)

    @property
    def proved(self) -> bool:
        return not (self.unclear or self.left or self.wanted or self.stuck or self.too_many)


def match(
    tensors: Mapping[str, TensorKind], graph: Graph, known: Mapping[str, str], without: Collection[str] = ()
) -> Match:
    """Finds for each module of a checkpoint its place in the spec, if what is known of both leaves one place only.
    `known` says of some where they go, and the spec's tensors `without` have no place.

    The tensors' values and their order play no part. Assumed of the names: that they say which tensors make a module
    and which modules a scope; that a network can be computed scope by scope; and that numbers run with the data.
    """
    signatures = {path: signature(inside) for path, inside in modules(tensors).items()}
    spec = places(graph, without)
    wanted = [signature(place.tensors) for place in spec.all]
    found = _unequal(signatures, spec.all, wanted)
    if found.left or found.wanted:
        return found
    if any(path.count(".") > DEEPEST for path in signatures):
        return Match(too_many=True)
    root = tree(signatures)
    numbers = {place.path: 1 << number for number, place in enumerate(spec.all)}
    return _Matching(root, spec, wanted, graph, {module: numbers[path] for module, path in known.items()}).match()


def _unequal(signatures: Mapping[str, Signature], own: list[TensorPlace], wanted: list[Signature]) -> Match:
    """What one side has more of than the other, if anything."""
    more = Counter(signatures.values())
    more.subtract(Counter(wanted))
    left = [path for path in sorted(signatures, key=natural) if more[signatures[path]] > 0]
    lacking = [place.path for place, found in zip(own, wanted, strict=True) if more[found] < 0]
    return Match(left=left, wanted=lacking)


Labels = tuple[str, ...]


def _labels(path: str) -> Labels:
    return tuple(path.split(".")) if path else ()


def _common(paths: Iterable[str]) -> Labels:
    """The deepest scope that holds all of these modules."""
    scopes = [_labels(path)[:-1] for path in paths]
    shortest = min(scopes, key=len)
    alike = (i for i, label in enumerate(shortest) if any(scope[i] != label for scope in scopes))
    return shortest[: next(alike, len(shortest))]


def _shape(labels: Labels) -> Labels:
    """The labels without their numbers."""
    return tuple(label if stem(label) is None else f"{stem(label)}#" for label in labels)


class _Matching:
    """Narrows where modules may go until each has one place, or nothing more is known."""

    def __init__(self, root: Branch, spec: TensorPlaces, wanted: list[Signature], graph: Graph, known: dict[str, int]):
        self.spec = spec
        self.graph = graph
        self.numbers = {place.path: number for number, place in enumerate(spec.all)}
        self.modules = root.paths()
        self.symmetries: Symmetries | None = None
        self.result = Match()
        self.allowed = known
        self.orders = lambda pins: Orders(root, spec, wanted, {**self.allowed, **pins})
        self.possible: dict[str, int] = {}

    def match(self) -> Match:
        try:
            self._match()
        except TooMany:
            return Match(too_many=True)
        return self.result

    def _match(self) -> None:
        orders = self.orders({})
        self.possible = orders.possible()
        if not self.possible:
            self.result.stuck = self._paths(orders.farthest())
            return
        while groups := self._groups():
            if not self._by_names(groups) and not self._by_symmetry(groups, orders.one()):
                self.result.unclear = [self._unclear(group) for group in groups]
                break
            orders = self.orders({})
            self.possible = orders.possible()
        self.result.modules = {
            module: self._paths(mask)[0] for module, mask in self.possible.items() if mask.bit_count() == 1
        }

    def _paths(self, mask: int) -> list[str]:
        return [self.spec.all[number].path for number in bits(mask)]

    def _groups(self) -> list[list[str]]:
        """The modules with several places, those together that have places in common."""
        groups: list[tuple[int, list[str]]] = []
        for module in self.modules:
            mask = self.possible[module]
            if mask.bit_count() == 1:
                continue
            apart, joined = [], [module]
            for other, members in groups:
                if other & mask:
                    mask |= other
                    joined = [*members, *joined]
                else:
                    apart.append((other, members))
            groups = [*apart, (mask, joined)]
        return [members for _, members in groups]

    def _unclear(self, group: list[str]) -> Unclear:
        mask = 0
        for module in group:
            mask |= self.possible[module]
        return Unclear(tuple(group), tuple(self._paths(mask)))

    # --- by names --------------------------------------------------------------------------

    def _by_names(self, groups: list[list[str]]) -> bool:
        """Fixes the groups of which names tell, if the modules can be where they say: all at once, else the first."""
        told: list[tuple[Unclear, list[Unclear], dict[str, int]]] = []
        for group in groups:
            found = self._unclear(group)
            for log, tells in ((self.result.named, self._same), (self.result.alike, self._likeness)):
                pins = self._pins(tells(found))
                if pins:
                    told.append((found, log, pins))
                    break
        every = {module: mask for _, _, pins in told for module, mask in pins.items()}
        if every and not self.orders(every).one():
            told = next(([entry] for entry in told if self.orders(entry[2]).one()), [])
        for found, log, pins in told:
            self.allowed.update(pins)
            log.append(found)
        return bool(told)

    def _pins(self, places: Mapping[str, str]) -> dict[str, int]:
        """Modules with the one place that each may have, as masks; nothing if they cannot."""
        masks = {module: 1 << self.numbers[place] for module, place in places.items() if place in self.numbers}
        fits = all(mask & self.possible[module] for module, mask in masks.items())
        return masks if fits and len(set(masks.values())) == len(places) else {}

    def _same(self, found: Unclear) -> dict[str, str]:
        """Where the same names stand on both sides, they mean the same, as they do in loading by names."""
        return {module: module for module in found.modules} if set(found.modules) == set(found.places) else {}

    def _likeness(self, found: Unclear) -> dict[str, str]:
        """A name means the same in scopes that differ in numbers only: what conv3 is in layer2.0 it is in layer1.0."""
        scope, frame = _common(found.modules), _common(found.places)
        known = self._alike(scope, frame)
        places = {}
        for module in found.modules:
            ends = known.get(_labels(module)[len(scope) :], set())
            if len(ends) != 1:
                return {}
            places[module] = ".".join((*frame, *next(iter(ends))))
        return places

    def _alike(self, scope: Labels, frame: Labels) -> dict[Labels, set[Labels]]:
        """What is known of the scopes that are called like `scope`, and stand in scopes that are called like `frame`:
        by names within the former, names within the latter."""
        known: dict[Labels, set[Labels]] = {}
        for module, mask in self.possible.items():
            labels, place = _labels(module), _labels(self._paths(mask)[0])
            if mask.bit_count() > 1 or _shape(labels[: len(scope)]) != _shape(scope):
                continue
            if _shape(place[: len(frame)]) == _shape(frame):
                known.setdefault(labels[len(scope) :], set()).add(place[len(frame) :])
        return known

    # --- by symmetry -----------------------------------------------------------------------

    def _by_symmetry(self, groups: list[list[str]], first: Mapping[str, int]) -> bool:
        """Of the ways that are one function only one is kept, that in which early modules fill early places.

        Another way is compared with the first. If going from one to the other changes nothing, then the first of the
        modules that it concerns need not be where it leads forward from.
        """
        if self.symmetries is None:
            self.symmetries = Symmetries(self.graph, self.spec)
        touched = 0
        for moved in self._exchanges(groups, first):
            mask = sum(1 << place for place in moved)
            leader = next(module for module in self.modules if self.possible[module] & mask)
            kept = sum(1 << i for i in bits(self.possible[leader]) if moved.get(i, i) >= i)
            if touched & mask or kept in (0, self.possible[leader]) or not self.symmetries.holds(moved):
                continue
            touched |= mask
            self.allowed[leader] = kept
            members = tuple(module for module in self.modules if first[module] in moved)
            self.result.equal.append(Unclear(members, tuple(self._paths(mask))))
        return bool(touched)

    def _exchanges(self, groups: list[list[str]], first: Mapping[str, int]) -> Iterator[dict[int, int]]:
        """Exchanges that lead from the first way to others: of all groups at once, taken apart by the scopes that they
        are of, or else group by group."""
        pins = {group[0]: self.possible[group[0]] & ~(1 << first[group[0]]) for group in groups}
        if every := self.orders(pins).one():
            yield from _parts(self._moved(first, every), {place: module for module, place in first.items()})
            return
        for module, mask in pins.items():
            if second := self.orders({module: mask}).one():
                yield self._moved(first, second)

    def _moved(self, first: Mapping[str, int], second: Mapping[str, int]) -> dict[int, int]:
        """The places that other modules have in the second way: from the place of a module to its other one."""
        return {first[module]: second[module] for module in self.modules if first[module] != second[module]}


def _parts(moved: Mapping[int, int], modules: Mapping[int, str]) -> list[dict[int, int]]:
    """The cycles of an exchange, together those whose modules have the same scope in common."""
    parts: dict[Labels, dict[int, int]] = {}
    left = dict(moved)
    while left:
        place = next(iter(left))
        cycle: dict[int, int] = {}
        while place in left:
            cycle[place] = place = left.pop(place)
        parts.setdefault(_common(modules[place] for place in cycle), {}).update(cycle)
    return list(parts.values())
