"""Which modules training has to compute again so that its memory suffices, for as little work as may be.

Every module that can be called may be computed again (Chen et al. 2016, arXiv 1604.06174): then training keeps what it
takes, and holds what is in it only while its backward pass runs. Modules lie within modules, so the choice is a set of
disjoint ones of a tree. For each bound of what the largest may hold, the cheapest set that saves enough is put together
from the leaves up; the exact memory of each such set decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from ...dsl.diagnostics import refused
from ..ir.graph import Graph, Scope
from ..ir.regions import Regions
from .figures import node_multiply_adds
from .inplace import overwritable
from .memory import Kept, numbers_at, size_text
from .pipeline import at_batch
from .training import Training, owned

BOUNDS = 24
"""How many bounds of what one module may hold are tried."""
POINTS = 48
"""How many sets of modules, each cheaper than the next and saving less, stand for all sets of a part of the network."""
CORRECTIONS = 6
"""How often more is asked to be saved, where modules side by side save less than each alone."""


class Choice(NamedTuple):
    """Modules that are computed again: the work of that, the bytes that it saves, and their paths."""

    work: int
    saved: int
    modules: tuple[str, ...] = ()

    def with_(self, other: Choice) -> Choice:
        return Choice(self.work + other.work, self.saved + other.saved, self.modules + other.modules)


@dataclass(frozen=True, slots=True)
class Fit:
    """The modules to compute again, the bytes that a training step then takes, and without them, and the part of the
    forward's multiply-adds that is done twice."""

    modules: tuple[str, ...]
    bytes: int
    before: int
    again: float


@dataclass(frozen=True, slots=True)
class _Module:
    """A module that can be computed again: the nodes of each application, what that costs and saves by itself, the
    most that it then holds, and those within it."""

    path: str
    parts: tuple[frozenset[int], ...]
    work: int
    saved: int
    holds: int
    inner: tuple[_Module, ...]


def fit(graph: Graph, limit: int, training: Training, sizes: Mapping[str, int]) -> Fit:
    """The modules to compute again so that a step takes at most `limit` bytes. Raises ArchError: E1309 where that does
    not suffice, or the memory of a layer is not known, E1304 where the batch is fixed."""
    return _Fitting(graph, limit, training, at_batch(graph, training.batch, sizes)).found()


class _Fitting:
    def __init__(self, graph: Graph, limit: int, training: Training, sizes: Mapping[str, int]):
        self.graph = graph
        self.limit = limit
        self.regions = Regions(graph)
        value = numbers_at(dict(sizes))
        self._kept = Kept(graph, training.number, overwritable(self.regions), value)
        self._held = sum(training.held(own) for own in owned(graph, training.master).values())
        self._work = [value(node_multiply_adds(graph, node)) for node in graph.nodes]

    def found(self) -> Fit:
        if self._kept.unknown:
            kinds = " and ".join(f"`{kind}`" for kind in sorted(self._kept.unknown))
            message = f"whether training {self.graph.name} fits is not known, as the memory of {kinds} is not"
            raise refused("E1309", message, "`recompute(...)` in the spec says what training computes again")
        before = sum(self._unchanged) + self._held
        best = Fit((), before, before, 0.0)
        if before <= self.limit:
            return best
        choices = [choice for bound in self._bounds() if (choice := self._within(bound)) is not None]
        fitting = [choice for choice in choices if choice.saved <= self.limit]
        if not fitting:
            least = min((choice.saved for choice in choices), default=before)
            message = f"training {self.graph.name} takes {size_text(least)} at the least, and {size_text(self.limit)} "
            hint = "train on smaller batches, in numbers of fewer bytes, or on more devices: `archc plan` says how"
            raise refused("E1309", message + "are given", hint)
        work, total, modules = min(fitting)
        return Fit(modules, total, before, work / max(1, sum(self._work)))

    def _bounds(self) -> list[int]:
        """What the largest module may hold: few of all values that make a difference."""
        holds = sorted({module.holds for module in _all(self._modules)})
        step = max(1, len(holds) // BOUNDS)
        return [*holds[::step], *holds[-1:]]

    def _within(self, bound: int) -> Choice | None:
        """The cheapest modules that hold no more than this and save enough, with the bytes of the whole step in the
        place of what they save; those that save most where none save enough."""
        kept, _ = self._unchanged
        needed = kept + self._held + bound - self.limit
        front = _sets(self._modules, bound)
        found: Choice | None = None
        for _ in range(CORRECTIONS):
            chosen = next((choice for choice in front if choice.saved >= needed), front[-1])
            if not chosen.modules:
                return None
            total = sum(self._bytes(self._parts(chosen.modules))) + self._held
            found = Choice(chosen.work, total, chosen.modules)
            if total <= self.limit or chosen is front[-1]:
                return found
            needed = chosen.saved + total - self.limit
        return found

    @cached_property
    def _unchanged(self) -> tuple[int, int]:
        return self._bytes(())

    @cached_property
    def _modules(self) -> tuple[_Module, ...]:
        return self._within_scope(self.graph.root)

    def _within_scope(self, scope: Scope) -> tuple[_Module, ...]:
        """The modules in a scope that can be computed again, without those in one of these."""
        found = list[_Module]()
        for child in scope.scopes():
            inner = self._within_scope(child)
            module = self._module(child, inner)
            found += [module] if module is not None else inner
        return tuple(found)

    def _module(self, scope: Scope, inner: tuple[_Module, ...]) -> _Module | None:
        regions = self.regions.of_scope.get(scope) or ()
        if not regions or self.regions.reason(scope) is not None:
            return None
        parts = tuple(frozenset(region.all_indices()) for region in regions)
        if any(self.graph.nodes[index].recompute is not None for part in parts for index in part):
            return None
        if any(max(part) - min(part) + 1 != len(part) for part in parts):
            return None
        alone = [self._kept.alone(part) for part in parts]
        work = sum(self._work[index] for part in parts for index in part)
        return _Module(scope.path, parts, work, sum(s for s, _ in alone), max(h for _, h in alone), inner)

    def _parts(self, modules: Sequence[str]) -> list[frozenset[int]]:
        chosen = {*modules}
        return [part for module in _all(self._modules) if module.path in chosen for part in module.parts]

    def _bytes(self, parts: Sequence[frozenset[int]]) -> tuple[int, int]:
        """What training keeps of maps where these runs of nodes are computed again, and the most that one holds."""
        again: list[object | None] = [node.recompute for node in self.graph.nodes]
        for part in parts:
            mark = object()
            for index in part:
                again[index] = mark
        return self._kept.bytes(again)


def _all(modules: Sequence[_Module]) -> Iterator[_Module]:
    for module in modules:
        yield module
        yield from _all(module.inner)


def _sets(modules: Sequence[_Module], bound: int) -> list[Choice]:
    """Sets of disjoint modules that hold at most `bound` each, by what they cost: each saves more than those before."""
    front = [Choice(0, 0)]
    for module in modules:
        own = _sets(module.inner, bound)
        if module.holds <= bound and module.saved > 0:
            own.append(Choice(module.work, module.saved, (module.path,)))
        front = _best([one.with_(other) for one in front for other in own])
    return front


def _best(choices: list[Choice]) -> list[Choice]:
    """The choices that no cheaper one saves as much as; of many the ends and some between."""
    kept = list[Choice]()
    for choice in sorted(choices, key=lambda c: (c.work, -c.saved)):
        if not kept or choice.saved > kept[-1].saved:
            kept.append(choice)
    if len(kept) <= POINTS:
        return kept
    return [kept[round(place * (len(kept) - 1) / (POINTS - 1))] for place in range(POINTS)]
