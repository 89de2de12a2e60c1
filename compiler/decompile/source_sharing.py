"""What is applied more than once: which places as a whole, under which names, and in what order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from ..ir.graph import Value
from .source_parts import Part, Place


def order_kept(parts: list[Part]) -> dict[int, int]:
    """For parts whose order matters beyond the data, the one before: those that draw random numbers, and those of one
    module, which may keep statistics."""
    before: dict[int, int] = {}
    latest: dict[int, int] = {}
    drawn = -1
    for part in parts:
        if part.draws:
            if drawn >= 0:
                before[part.index] = drawn
            drawn = part.index
        elif part.is_module:
            if part.owner in latest:
                before[part.index] = latest[part.owner]
            latest[part.owner] = part.index
    return before


def outside(place: Place, repeated: dict[Place, list[list[int]]]) -> Place:
    """The place, or the first around it that is in nothing applied several times: those run only what is theirs."""
    at: Place | None = place
    while at is not None:
        if at in repeated and at.parent is not None:
            place = at.parent
        at = at.parent
    return place


def _inside(parts: list[Part]) -> dict[Place, list[int]]:
    """The parts whose names lie in each place that holds something applied again."""
    concerned: set[Place] = set()
    for part in parts:
        if part.owner != part.index:
            place: Place | None = part.place
            while place is not None and place not in concerned:
                concerned.add(place)
                place = place.parent
    found: dict[Place, list[int]] = defaultdict(list)
    for part in parts:
        place = part.place
        while place is not None:
            if place in concerned:
                found[place].append(part.index)
            place = place.parent
    return found


def applications(root: Place, parts: list[Part]) -> dict[Place, list[list[int]]]:
    """The outermost places that are applied several times as a whole, and the parts of each application."""
    inside = _inside(parts)
    result: dict[Place, list[list[int]]] = {}
    stack = [root] if root in inside else []
    while stack:
        place = stack.pop()
        turns = _turns(inside[place], parts) if place is not root else None
        if turns:
            result[place] = turns
        else:
            stack.extend(
                p for p in place.children.values() if isinstance(p, Place) and p.parent is place and p in inside
            )
    return result


def _turns(indices: list[int], parts: list[Part]) -> list[list[int]] | None:
    counts = Counter(parts[i].owner for i in indices)
    for turns in sorted({c for c in counts.values() if c > 1}):
        length, rest = divmod(len(indices), turns)
        if rest:
            continue
        rows = [indices[t * length : (t + 1) * length] for t in range(turns)]
        if all(_repeats(rows[0], row, parts, t) for t, row in enumerate(rows) if t):
            return rows
    return None


def _repeats(first: list[int], row: list[int], parts: list[Part], turn: int) -> bool:
    """Whether a row of parts applies again what the first applied: the same modules, or those of its own number in a
    list, in the same wiring."""
    position = {index: n for n, index in enumerate(first)}
    again = {index: n for n, index in enumerate(row)}
    elsewhere: dict[Value, Value] = {}
    for a, b in zip((parts[i] for i in first), (parts[i] for i in row), strict=True):
        own = a.place is b.place and (a.name, b.name) == ("0", str(turn)) and a.is_module and b.is_module
        if a.key != b.key or not (a.owner == b.owner or own) or len(a.inputs) != len(b.inputs):
            return False
        for p, q in zip(a.inputs, b.inputs, strict=True):
            if position.get(p[0]) != again.get(q[0]):
                return False
            if (p[0] in position and p[1] != q[1]) or (p[0] not in position and elsewhere.setdefault(p, q) != q):
                return False
    return True


def common(a: Place, b: Place) -> Place:
    while a is not b:
        if a.depth >= b.depth:
            assert a.parent is not None
            a = a.parent
        else:
            assert b.parent is not None
            b = b.parent
    return a


def holders(root: Place) -> dict[Place | Part, list[tuple[Place, str]]]:
    """The names of everything: where it is registered, and as what; its own place first."""
    found: dict[Place | Part, list[tuple[Place, str]]] = defaultdict(list)
    for place in places(root):
        for name, item in place.children.items():
            own = (item.place if isinstance(item, Part) else item.parent) is place and item.name == name
            found[item].insert(0 if own else len(found[item]), (place, name))
    return found


def places(root: Place) -> Iterator[Place]:
    """All places, each once, parents before what they hold."""
    stack, seen = [root], {root}
    while stack:
        place = stack.pop()
        yield place
        for item in reversed(place.children.values()):
            if isinstance(item, Place) and item not in seen:
                seen.add(item)
                stack.append(item)
