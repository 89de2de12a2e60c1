"""What is applied more than once: which scopes as a whole, under which names, and in what order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from .graph import Graph, Node, Scope, Value, scopes


def registered(root: Scope) -> Iterator[tuple[Scope, str]]:
    """Every name in a scope and in those in it, with the scope that holds it, in the order of the checkpoint. The names
    in a scope follow its own name."""
    stack = [(root, name) for name in reversed(root.children)]
    while stack:
        scope, name = stack.pop()
        yield scope, name
        child = scope.children[name]
        if isinstance(child, Scope) and scope.names_first(name):
            stack.extend((child, inner) for inner in reversed(child.children))


class Names:
    """The names of everything: where it is registered, and as what. What is shared may have several."""

    def __init__(self, graph: Graph):
        self.depth: dict[Scope, int] = {graph.root: 0}
        self.holders: dict[Scope | tuple[Scope, str], list[tuple[Scope, str]]] = defaultdict(list)
        self.position: dict[tuple[Scope, str], int] = {}
        """The place of each name in the order of the checkpoint."""
        for place, (scope, name) in enumerate(registered(graph.root)):
            held = self.holders[_key(scope.children[name])]
            held.insert(0 if scope.names_first(name) else len(held), (scope, name))
            self.position[scope, name] = place

    def depth_of(self, scope: Scope) -> int:
        """How many scopes are around it."""
        chain: list[Scope] = []
        at = scope
        while at not in self.depth:
            chain.append(at)
            assert at.parent is not None
            at = at.parent
        for inner in reversed(chain):
            assert inner.parent is not None
            self.depth[inner] = self.depth[inner.parent] + 1
        return self.depth[scope]

    def path(self, scope: Scope, target: Scope | Node) -> str | None:
        """The dotted path from a scope to a scope or layer in it, by the first of its names that are there; None where
        none leads there."""
        if isinstance(target, Node) and target.scope is scope and target.name in scope.children:
            return target.name
        stack: list[tuple[Scope | tuple[Scope, str], str]] = [(_key(target), "")]
        seen: set[Scope] = set()
        while stack:
            item, below = stack.pop()
            ways = [(holder, f"{name}.{below}" if below else name) for holder, name in self.holders.get(item, ())]
            for holder, path in ways:
                if holder is scope:
                    return path
            for holder, path in reversed(ways):
                if holder not in seen:
                    seen.add(holder)
                    stack.append((holder, path))
        return None

    def holders_of(self, target: Scope | Node) -> Sequence[tuple[Scope, str]]:
        """The scopes that have a name for something, with that name: its own first, then in registration order."""
        return self.holders.get(_key(target), ())

    def nearest(self, target: Scope | Node, around: Sequence[Scope]) -> Scope:
        """Of the scopes that have a name for something the one that shares most of its path with those around."""
        assert target.holder is not None
        best, score = target.holder, -1
        for holder, _ in self.holders_of(target):
            depth = max((self.depth_of(self.common(holder, scope)) for scope in around), default=0)
            if depth > score:
                best, score = holder, depth
        return best

    def common(self, a: Scope, b: Scope) -> Scope:
        """The innermost scope that two scopes are in."""
        while a is not b:
            if self.depth_of(a) < self.depth_of(b):
                a, b = b, a
            assert a.parent is not None
            a = a.parent
        return a


def _key(item: Scope | Node) -> Scope | tuple[Scope, str]:
    """What tells a scope or layer from others, wherever it is applied."""
    return (item.scope, item.name) if isinstance(item, Node) else item


def order_kept(nodes: Iterable[Node]) -> dict[int, int]:
    """For nodes whose order matters beyond the data, the one before: those that draw random numbers, and those of one
    layer, which may keep statistics."""
    before: dict[int, int] = {}
    latest: dict[int, int] = {}
    drawn: int | None = None
    for node in nodes:
        if node.op.is_random():
            if drawn is not None:
                before[node.index] = drawn
            drawn = node.index
        elif node.op.is_module:
            if node.owner in latest:
                before[node.index] = latest[node.owner]
            latest[node.owner] = node.index
    return before


def applications(
    root: Scope,
    nodes: Sequence[Node],
    applied: Iterable[Node],
    names: Callable[[], Names],
    widest: bool = False,
    by_first: bool = False,
) -> dict[Scope, list[list[int]]]:
    """The outermost scopes that are applied several times as a whole, and the nodes of each application. `widest`: what
    is around something shared and nothing else is applied as often as that. `by_first`: where the first application
    takes one tensor in two places, so do the others."""
    inside = _inside(applied)
    result: dict[Scope, list[list[int]]] = {}
    stack = [root] if root in inside else []
    while stack:
        scope = stack.pop()
        turns = _turns(scope, inside[scope], nodes, names, widest, by_first) if scope is not root else None
        if turns and not _is_applied_once(scope, names(), widest):
            result[scope] = turns
        else:
            stack.extend(
                child
                for child in scope.children.values()
                if isinstance(child, Scope) and child.parent is scope and child in inside
            )
    return result


def _is_applied_once(scope: Scope, names: Names, widest: bool) -> bool:
    """Whether a scope is no more than what is around something shared, which alone is applied several times."""
    if _in_shared(scope):
        return False
    inside = set(scopes(scope))
    holders = [names.holders_of(child) for inner in inside for child in inner.children.values()]
    named_elsewhere = any(holder not in inside for held in holders for holder, _ in held)
    return named_elsewhere or (not widest and any(inner.shared for inner in inside))


def _in_shared(scope: Scope | None) -> bool:
    while scope is not None and not scope.shared:
        scope = scope.parent
    return scope is not None


def _inside(applied: Iterable[Node]) -> dict[Scope, list[int]]:
    """The nodes whose names lie in each scope that is shared, or holds something applied again."""
    applied = list(applied)
    concerned: set[Scope] = set()
    for start in _applied_again(applied):
        scope: Scope | None = start
        while scope is not None and scope not in concerned:
            concerned.add(scope)
            scope = scope.parent
    found: dict[Scope, list[int]] = defaultdict(list)
    for node in applied if concerned else ():
        scope = node.scope
        while scope is not None:
            if scope in concerned:
                found[scope].append(node.index)
            scope = scope.parent
    return found


def _applied_again(applied: Iterable[Node]) -> Iterator[Scope]:
    """The scopes of what is applied again, and those that are shared."""
    seen: set[Scope] = set()
    for node in applied:
        scope: Scope | None = node.scope
        if node.owner != node.index:
            yield node.scope
        while scope is not None and scope not in seen:
            seen.add(scope)
            if scope.shared:
                yield scope
            scope = scope.parent


def _turns(
    scope: Scope,
    indices: list[int],
    nodes: Sequence[Node],
    names: Callable[[], Names],
    widest: bool,
    by_first: bool,
) -> list[list[int]] | None:
    counts = {*Counter(nodes[i].owner for i in indices).values()}
    own_parts = _in_shared(scope) or (widest and any(inner.shared for inner in scopes(scope)))
    if counts == {1} and scope.shared and len(names().holders_of(scope)) > 1:
        counts = {len(inner.children) for inner in scopes(scope) if inner is not scope and "0" in inner.children}
    for turns in sorted(count for count in counts if count > 1):
        length, rest = divmod(len(indices), turns)
        if rest or not _has_names_enough(scope, [nodes[i] for i in indices], turns, names()):
            continue
        rows = [indices[turn * length : (turn + 1) * length] for turn in range(turns)]
        if all(_repeats(rows[0], row, nodes, n if own_parts else 0, by_first) for n, row in enumerate(rows) if n):
            return rows
    return None


def _has_names_enough(scope: Scope, applied: Sequence[Node], turns: int, names: Names) -> bool:
    """Whether each layer with several names in the scope is applied in each turn once for each of them: a second name
    is that of another application in the same turn."""
    inside = set(scopes(scope))
    counts = Counter(node.owner for node in applied)
    for node in applied:
        known, item = 1, node
        while item is not scope:
            known *= max(1, sum(holder in inside for holder, _ in names.holders_of(item)))
            item = item.holder
            assert item is not None
        if node.owner == node.index and known > 1 and counts[node.index] < known * turns:
            return False
    return True


def _repeats(first: list[int], row: list[int], nodes: Sequence[Node], turn: int, by_first: bool) -> bool:
    """Whether a row of nodes applies again what the first applied, wired alike inside: the same layers, or, with a
    `turn`, those of this number in a list."""
    position = {index: place for place, index in enumerate(first)}
    again = {index: place for place, index in enumerate(row)}
    elsewhere: dict[Value, Value] = {}
    for a, b in zip((nodes[i] for i in first), (nodes[i] for i in row), strict=True):
        if len(a.inputs) != len(b.inputs) or not _alike(a, b) or not _is_turn(nodes[a.owner], nodes[b.owner], turn):
            return False
        for p, q in zip(a.inputs, b.inputs, strict=True):
            if position.get(p[0]) != again.get(q[0]) or (p[0] in position and p[1] != q[1]):
                return False
            if by_first and p[0] not in position and elsewhere.setdefault(p, q) != q:
                return False
    return True


def _is_turn(a: Node, b: Node, turn: int) -> bool:
    """Whether a layer is the one of the first application, or the one in its place in a list that each application has
    a module of its own in."""
    return a is b or (turn > 0 and bool(counterparts(a, b, turn))) or not (a.op.is_module or b.op.is_module)


def counterparts(a: Node, b: Node, turn: int) -> list[tuple[Scope | Node, Scope | Node]]:
    """A layer of the first application and that of another one which stands for it, with the scopes around them, up to
    the modules `0` and `turn` of a list. Empty where there is no such list."""
    pairs: list[tuple[Scope | Node, Scope | Node]] = [(a, b)]
    above, other = a.scope, b.scope
    while above is not other and pairs[-1][0].name == pairs[-1][1].name and above.parent and other.parent:
        pairs.append((above, other))
        above, other = above.parent, other.parent
    return pairs if above is other and (pairs[-1][0].name, pairs[-1][1].name) == ("0", str(turn)) else []


def _alike(a: Node, b: Node) -> bool:
    return a.op is b.op or a.op.key == b.op.key
