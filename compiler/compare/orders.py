"""All orders of computation in which a checkpoint's scopes stay together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .checkpoint_names import Branch, Signature
from .places import TensorPlaces, bits, union

_LIMIT = 200_000
"""States that are looked at before a search is given up."""


class TooMany(Exception):
    """The orders are too many to go through."""


class _State(NamedTuple):
    """Amid a scope: which of its children are placed, which places are filled in all, and for children that are left
    the places in which their numbers would run against the flow, unless they have some of the others as well."""

    placed: int
    filled: int
    barred: tuple[tuple[int, int, int], ...]


class _Visit(NamedTuple):
    """A scope entered at one point: how each state is come by, and the states at the end."""

    sources: dict[_State, list[tuple[_State, int]]]
    last: list[_State]


class Orders:
    """The ways of putting the modules of a tree into places, one after another.

    A module goes into a place of its signature whose needs are filled. A scope, once begun, is finished before anything
    else is. Of two siblings of one stem the later never flows into the earlier. `allowed` narrows where modules may go.
    """

    def __init__(self, root: Branch, places: TensorPlaces, signatures: list[Signature], allowed: Mapping[str, int]):
        self.root = root
        self.places = places
        self.allowed = allowed
        self.whole = (1 << len(places.all)) - 1
        self.of: dict[Signature, int] = {}
        self.users: list[list[int]] = [[] for _ in places.all]
        for number, found in enumerate(signatures):
            self.of[found] = self.of.get(found, 0) | 1 << number
            for source in bits(places.needs[number]):
                self.users[source].append(number)
        start = sum(1 << number for number, needs in enumerate(places.needs) if not needs)
        self.open: dict[int, int] = {0: start}
        """By what is filled, the places that can be filled next."""
        self.visits: dict[tuple[int, int], _Visit] = {}
        self.masks: dict[int, int] = {}
        self.states = 0

    def possible(self) -> dict[str, int]:
        """The places that each module has in some order; empty if there is no order. Raises TooMany."""
        found: dict[str, int] = {}
        for module, place in self._uses(every=True):
            found[module] = found.get(module, 0) | place
        return found

    def one(self) -> dict[str, int]:
        """The place of each module in one of the orders; empty if there is none. Raises TooMany."""
        return {module: place.bit_length() - 1 for module, place in self._uses(every=False)}

    def farthest(self) -> int:
        """The places that can be filled where the longest beginning of an order ends."""
        return self.open[max(self.open, key=int.bit_count)]

    # --- forth -----------------------------------------------------------------------------

    def _exits(self, branch: Branch, filled: int) -> list[int]:
        """What may be filled after the branch, if it begins at `filled`."""
        if branch.module is not None:
            (only,) = branch.contents
            free = self.open[filled] & self.of.get(only, 0) & self.allowed.get(branch.module, self.whole)
            return [self._fill(filled, number) for number in bits(free)]
        key = (id(branch), filled)
        if key not in self.visits:
            self.visits[key] = self._visit(branch, filled)
        return list(dict.fromkeys(state.filled for state in self.visits[key].last))

    def _fill(self, filled: int, number: int) -> int:
        then = filled | 1 << number
        if then not in self.open:
            ready = self.open[filled] & ~(1 << number)
            for user in self.users[number]:
                if not self.places.needs[user] & ~then:
                    ready |= 1 << user
            self.open[then] = ready
        return then

    def _visit(self, branch: Branch, filled: int) -> _Visit:
        first = _State(0, filled, ())
        sources: dict[_State, list[tuple[_State, int]]] = {first: []}
        layer = [first]
        for _ in branch.children:
            following: dict[_State, None] = {}
            for state in layer:
                for series, child in self._candidates(branch, state):
                    for exit in self._exits(branch.children[child], state.filled):
                        then = self._after(branch, state, series, child, exit)
                        if then is not None:
                            sources.setdefault(then, []).append((state, child))
                            following[then] = None
            layer = list(following)
            self.states += len(layer)
            if self.states > _LIMIT:
                raise TooMany
        return _Visit(sources, layer)

    def _candidates(self, branch: Branch, state: _State) -> list[tuple[list[int], int]]:
        """The children that may come next, each with its series."""
        ready = self.open[state.filled]
        found = []
        for series in branch.series:
            left = [child for child in series if not state.placed >> child & 1]
            if len(left) > 1 and not self._waits(branch.children[left[0]], state.filled):
                left = left[:1]
            found.extend((series, child) for child in left if self._mask(branch.children[child]) & ready)
        return found

    def _waits(self, branch: Branch, filled: int) -> bool:
        """Whether the branch may still have a place when something else of its series takes a place that is open."""
        return any(
            self.places.before[number] & ~filled & self._mask(branch)
            or self._fits(branch, self.whole & ~filled & ~self.places.after[number] & ~(1 << number))
            for number in bits(self.open[filled])
        )

    def _fits(self, branch: Branch, free: int) -> bool:
        return all((self.of.get(s, 0) & free).bit_count() >= count for s, count in branch.contents.items())

    def _mask(self, branch: Branch) -> int:
        """All places of the signatures within a branch."""
        if id(branch) not in self.masks:
            mask = 0
            for found in branch.contents:
                mask |= self.of.get(found, 0)
            self.masks[id(branch)] = mask
        return self.masks[id(branch)]

    def _after(self, branch: Branch, state: _State, series: list[int], child: int, exit: int) -> _State | None:
        """The state after a child has been placed, None where its number or another's runs against the flow."""
        region = exit & ~state.filled
        if any(region & against and not region & along for left, against, along in state.barred if left == child):
            return None
        placed = state.placed | 1 << child
        barred = {entry for entry in state.barred if entry[0] != child}
        if len(series) > 1:
            rank = series.index(child)
            before, after = union(self.places.before, region) & ~exit, union(self.places.after, region) & ~exit
            for others, against, along in ((series[:rank], after, before), (series[rank + 1 :], before, after)):
                for other in others if against else ():
                    if placed >> other & 1:
                        continue
                    inner = branch.children[other]
                    if not along & self._mask(inner) and not self._fits(inner, self.whole & ~exit & ~against):
                        return None
                    barred.add((other, against, along))
        return _State(placed, exit, tuple(sorted(barred)))

    # --- back ------------------------------------------------------------------------------

    def _uses(self, every: bool) -> list[tuple[str, int]]:
        """The modules and the places that they fill, as masks: in every order, or in one."""
        if self.whole not in self._exits(self.root, 0):
            return []
        uses: list[tuple[str, int]] = []
        stack = [(self.root, 0, self.whole)]
        seen = set()
        while stack:
            branch, filled, exit = item = stack.pop()
            key = (id(branch), filled, exit)
            if key in seen:
                continue
            seen.add(key)
            if branch.module is not None:
                uses.append((branch.module, filled ^ exit))
            else:
                stack.extend(self._parts(*item, every))
        return uses

    def _parts(self, branch: Branch, filled: int, exit: int, every: bool) -> list[tuple[Branch, int, int]]:
        """The children of a scope with what is filled before and after each."""
        visit = self.visits[id(branch), filled]
        stack = [state for state in visit.last if state.filled == exit]
        stack = stack if every else stack[:1]
        reached = set(stack)
        parts = []
        while stack:
            state = stack.pop()
            sources = visit.sources[state]
            for source, child in sources if every else sources[:1]:
                parts.append((branch.children[child], source.filled, state.filled))
                if source not in reached:
                    reached.add(source)
                    stack.append(source)
        return parts
