"""What is applied more than once: which scopes as a whole, under which names, and in what order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from .graph import Graph, Node, Scope, Value, scopes


class Names:
    """The names of everything: where it is registered, and as what. What is shared may have several."""

    def __init__(self, graph: Graph):
        self.depth: dict[Scope, int] = {graph.root: 0}
        self.holders: dict[Scope | tuple[Scope, str], list[tuple[Scope, str]]] = defaultdict(list)
        for scope in scopes(graph.root):
            for name, item in scope.children.items():
                held = self.holders[_key(item)]
                held.insert(0 if scope.owns(name, item) else len(held), (scope, name))

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
        """The dotted path from a scope to a scope or layer in it; None where none leads there."""
        if isinstance(target, Node) and target.scope is scope and target.name in scope.children:
            return target.name
        stack: list[tuple[Scope | tuple[Scope, str], str]] = [(_key(target), "")]
        seen: set[Scope] = set()
        while stack:
            item, below = stack.pop()
            for holder, name in reversed(self.holders.get(item, ())):
                path = f"{name}.{below}" if below else name
                if holder is scope:
                    return path
                if holder not in seen:
                    seen.add(holder)
                    stack.append((holder, path))
        return None

    def holders_of(self, target: Scope | Node) -> Sequence[tuple[Scope, str]]:
        """The scopes that have a name for something, with that name: its own first, then in registration order."""
        return self.holders.get(_key(target), ())

    def nearest(self, target: Scope | Node, around: Sequence[Scope]) -> Scope:
        """Of the scopes that have a name for something the one that shares most of its path with those around."""
        own = target.scope if isinstance(target, Node) else target.parent
        assert own is not None
        best, score = own, -1
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


def applications(root: Scope, nodes: Sequence[Node], applied: Iterable[Node]) -> dict[Scope, list[list[int]]]:
    """The outermost scopes that are applied several times as a whole, and the nodes of each application."""
    inside = _inside(applied)
    result: dict[Scope, list[list[int]]] = {}
    stack = [root] if root in inside else []
    while stack:
        scope = stack.pop()
        turns = _turns(inside[scope], nodes) if scope is not root else None
        if turns and not _is_applied_once(scope):
            result[scope] = turns
        else:
            stack.extend(
                child
                for child in scope.children.values()
                if isinstance(child, Scope) and child.parent is scope and child in inside
            )
    return result


def _is_applied_once(scope: Scope) -> bool:
    """Whether a scope is no more than what is around something shared, which alone is applied several times."""
    at: Scope | None = scope
    while at is not None and not at.shared:
        at = at.parent
    return at is None and any(inner.shared for inner in scopes(scope))


def _inside(applied: Iterable[Node]) -> dict[Scope, list[int]]:
    """The nodes whose names lie in each scope that holds something applied again."""
    applied = list(applied)
    concerned: set[Scope] = set()
    for node in applied:
        if node.owner != node.index:
            scope: Scope | None = node.scope
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


def _turns(indices: list[int], nodes: Sequence[Node]) -> list[list[int]] | None:
    counts = Counter(nodes[i].owner for i in indices)
    for turns in sorted({count for count in counts.values() if count > 1}):
        length, rest = divmod(len(indices), turns)
        if rest:
            continue
        rows = [indices[turn * length : (turn + 1) * length] for turn in range(turns)]
        if all(_repeats(rows[0], row, nodes, turn) for turn, row in enumerate(rows) if turn):
            return rows
    return None


def _repeats(first: list[int], row: list[int], nodes: Sequence[Node], turn: int) -> bool:
    """Whether a row of nodes applies again what the first applied, in the same wiring: the same layers, or those of its
    own number in a list."""
    position = {index: place for place, index in enumerate(first)}
    again = {index: place for place, index in enumerate(row)}
    elsewhere: dict[Value, Value] = {}
    for a, b in zip((nodes[i] for i in first), (nodes[i] for i in row), strict=True):
        fresh = a.scope is b.scope and (a.name, b.name) == ("0", str(turn)) and a.op.is_module and b.op.is_module
        if not (a.owner == b.owner or fresh) or len(a.inputs) != len(b.inputs) or not _alike(a, b):
            return False
        for p, q in zip(a.inputs, b.inputs, strict=True):
            if position.get(p[0]) != again.get(q[0]):
                return False
            if (p[0] in position and p[1] != q[1]) or (p[0] not in position and elsewhere.setdefault(p, q) != q):
                return False
    return True


def _alike(a: Node, b: Node) -> bool:
    return a.op is b.op or a.op.key == b.op.key
