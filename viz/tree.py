"""A graph as a tree of parts: the scopes of its modules, and the calls of blocks that open no scope of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from ..compiler.ir.graph import Graph, Node, Origin, Scope
from .words import MAIN, kind_of

ATOM = 5
"""A chain of at most so many layers with one main layer among them is drawn as it is, never folded."""


@dataclass(slots=True, eq=False)
class Part:
    """What a folded box stands for: nodes that follow one another in the graph, so that no path leaves it and returns.

    `name` is the label in the spec, empty for a call without one; `block` the block that fills it, and `call`
    that with the numbers among its arguments.
    """

    name: str
    block: str | None
    path: str
    series: object | None
    call: str = ""
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
        nodes = [member for member in self.members if isinstance(member, Node)]
        if len(nodes) != len(self.members) or len(nodes) > ATOM:
            return False
        mains = sum(kind_of(node.op) in MAIN for node in nodes)
        chained = all(b.inputs == ((a.index, 0),) for a, b in pairwise(nodes))
        return chained and mains <= 1


def tree(graph: Graph) -> Part:
    """The whole graph as one part."""
    root = Part("", None, "", None)
    chains = _Chains(graph)
    open_keys: list[object] = []
    open_parts = [root]
    for node in graph.nodes:
        chain = chains.of(node)
        keys = [key for key, _ in chain]
        common = 0
        while common < min(len(keys), len(open_keys)) and keys[common] == open_keys[common]:
            common += 1
        del open_parts[common + 1 :]
        for _, level in chain[common:]:
            part = _part(level)
            open_parts[-1].members.append(part)
            open_parts.append(part)
        open_keys = keys
        open_parts[-1].members.append(node)
    _simplify(root)
    return root


def _part(level: Scope | Origin) -> Part:
    if isinstance(level, Scope):
        return Part(level.name, level.block, level.path, level.series, _call(level.block, level.arguments))
    return Part("", level.block, "", None, _call(level.block, level.arguments))


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
        if member.name and (not member.name.isdigit() or not inner.name.isdigit()):
            if member.block is not None and inner.name and not inner.name.isdigit():
                inner.block, inner.call = member.block, member.call
            inner.name, inner.path, inner.series = member.name, member.path, member.series
        if inner.block is None:
            inner.block, inner.call = member.block, member.call
    return inner
