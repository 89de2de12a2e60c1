"""A graph as a tree of parts: the scopes of its modules, and the calls of blocks that open no scope of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice, pairwise
from typing import Any

from ..compiler.ir.graph import Graph, Node, Origin, Scope
from .words import MAIN, kind_of

ATOM = 5
"""A chain of at most so many layers with one main layer among them is drawn as it is, never folded."""


@dataclass(slots=True, eq=False)
class Part:
    """What a folded box stands for: nodes that follow one another in the graph, so that no path leaves it and returns.

    `name` is the label in the spec, empty for a call without one; `block` the block that fills it, and `call`
    that with the numbers among its arguments. `paths` are the scopes that it is, several where one holds nothing but
    the other.
    """

    name: str
    block: str | None
    path: str
    call: str = ""
    paths: tuple[str, ...] = ()
    members: list[Part | Node] = field(default_factory=list)

    def nodes(self) -> Iterator[Node]:
        stack: list[Part | Node] = [self]
        while stack:
            item = stack.pop()
            if isinstance(item, Part):
                stack.extend(reversed(item.members))
            else:
                yield item

    def parts(self) -> list[Part]:
        return [member for member in self.members if isinstance(member, Part)]

    @property
    def is_atom(self) -> bool:
        """Whether it is a chain such as convolution, norm, activation."""
        nodes = list(islice(self.nodes(), ATOM + 1))
        if len(nodes) > ATOM:
            return False
        mains = sum(kind_of(node.op) in MAIN for node in nodes)
        chained = all(b.inputs == ((a.index, 0),) for a, b in pairwise(nodes))
        return chained and mains <= 1


def tree(graph: Graph) -> Part:
    """The whole graph as one part."""
    root = Part("", None, "")
    chains = _Chains(graph)
    open_keys: list[object] = []
    open_parts = [root]
    pieces: dict[object, list[Part]] = {}
    for node in graph.nodes:
        chain = chains.of(node)
        keys = [key for key, _ in chain]
        common = 0
        while common < min(len(keys), len(open_keys)) and keys[common] == open_keys[common]:
            common += 1
        del open_parts[common + 1 :]
        for key, level in chain[common:]:
            part = _part(level)
            pieces.setdefault(key, []).append(part)
            open_parts[-1].members.append(part)
            open_parts.append(part)
        open_keys = keys
        open_parts[-1].members.append(node)
    _dissolve(root, {id(part) for parts in pieces.values() if len(parts) > 1 for part in parts})
    _simplify(root)
    return root


def _recurs(part: Part, around: Part) -> bool:
    """Whether a block is called in itself, without a name, so that the recursion is one part."""
    return not part.name and part.block is not None and part.block == around.block


def _is_namespace(part: Part) -> bool:
    """Whether a part is no block and no data flows between some of what it holds: these only share the start of their
    names."""
    if part.block is not None or len(part.members) == 1:
        return False
    nodes = list(part.nodes())
    leader = {node.index: node.index for node in nodes}

    def find(index: int) -> int:
        while leader[index] != index:
            leader[index] = leader[leader[index]]
            index = leader[index]
        return index

    for node in nodes:
        for source, _ in node.inputs:
            if source in leader:
                leader[find(node.index)] = find(source)
    return len({find(node.index) for node in nodes}) > 1


def _dissolve(root: Part, pieces: set[int]) -> None:
    """Puts the members of some parts in their place: of those that are only a piece of a scope, as data leaves that and
    comes back, and of calls in `_recurs`, and of namespaces."""
    order = [root]
    for part in order:
        order.extend(part.parts())
    for part in reversed(order):
        members: list[Part | Node] = []
        for member in part.members:
            if isinstance(member, Part) and (id(member) in pieces or _recurs(member, part) or _is_namespace(member)):
                members += member.members
            else:
                members.append(member)
        part.members = members


def _part(level: Scope | Origin) -> Part:
    if isinstance(level, Scope):
        call, path = _call(level.block, level.arguments), level.path
        return Part(level.name, level.block, path, call, (path,))
    return Part("", level.block, "", _call(level.block, level.arguments))


def _call(block: str | None, arguments: dict[str, Any]) -> str:
    """A block and the numbers that it was given: `stage(64, 2)`."""
    numbers = [str(v) for v in arguments.values() if isinstance(v, (int, float)) and not isinstance(v, bool)]
    return f"{block}({', '.join(numbers)})" if block and numbers else block or ""


class _Chains:
    """For each node the scopes and calls around it, outermost first.

    A call is a level of its own where it makes more than one node and does not make just what a scope holds. The scopes
    of something shared, applied again, are distinguished by how often it was applied before.
    """

    def __init__(self, graph: Graph):
        self.scoped: Counter[Scope] = Counter()
        self.called: Counter[Origin] = Counter()
        self.homes: dict[Origin, tuple[Scope, ...]] = {}
        self.applied: Counter[int] = Counter()
        self.once: set[Scope] = set()
        self.ordinals: list[int] = []
        for node in graph.nodes:
            self._count(node)
        for node in graph.nodes:
            if self.applied[node.owner] == 1:
                self.once.update(_scopes(node.scope))

    def _count(self, node: Node) -> None:
        self.ordinals.append(self.applied[node.owner])
        self.applied[node.owner] += 1
        scopes = _scopes(node.scope)
        self.scoped.update(scopes)
        for origin in _origins(node.origin):
            self.called[origin] += 1
            known = self.homes.get(origin)
            self.homes[origin] = scopes if known is None else _shared(known, scopes)

    def of(self, node: Node) -> list[tuple[object, Scope | Origin]]:
        calls: dict[Scope | None, list[Origin]] = {}
        for origin in _origins(node.origin):
            home = self.homes[origin][-1] if self.homes[origin] else None
            calls.setdefault(home, []).append(origin)
        chain: list[tuple[object, Scope | Origin]] = list(self._calls(calls.get(None, []), len(self.ordinals)))
        for scope in _scopes(node.scope):
            again = 0 if scope in self.once else self.ordinals[node.index]
            chain.append(((scope, again), scope))
            chain.extend(self._calls(calls.get(scope, []), self.scoped[scope]))
        return chain

    def _calls(self, origins: list[Origin], held: int) -> Iterator[tuple[object, Origin]]:
        for origin in origins:
            if 1 < self.called[origin] < held:
                held = self.called[origin]
                yield origin, origin


def _scopes(scope: Scope | None) -> tuple[Scope, ...]:
    found: list[Scope] = []
    while scope is not None and scope.parent is not None:
        found.append(scope)
        scope = scope.parent
    return tuple(reversed(found))


def _origins(origin: Origin | None) -> list[Origin]:
    """The calls of blocks around a node, outermost first; the arch itself is none."""
    found: list[Origin] = []
    while origin is not None and origin.caller is not None:
        found.append(origin)
        origin = origin.caller
    return found[::-1]


def _shared(a: tuple[Scope, ...], b: tuple[Scope, ...]) -> tuple[Scope, ...]:
    length = 0
    while length < min(len(a), len(b)) and a[length] is b[length]:
        length += 1
    return a[:length]


def _simplify(root: Part) -> None:
    """Takes away the parts that hold a single thing."""
    order = [root]
    for part in order:
        order.extend(part.parts())
    for part in reversed(order):
        part.members = [_simple(member) for member in part.members]


def _simple(member: Part | Node) -> Part | Node:
    if not isinstance(member, Part) or len(member.members) != 1:
        return member
    inner = member.members[0]
    if isinstance(inner, Part):
        inner.paths = (*member.paths, *inner.paths)
        if member.name and (not member.name.isdigit() or not inner.name.isdigit()):
            if member.block is not None and inner.name and not inner.name.isdigit():
                inner.block, inner.call = member.block, member.call
            inner.name, inner.path = member.name, member.path
        if inner.block is None:
            inner.block, inner.call = member.block, member.call
    return inner
