"""The module of each scope: a namespace, a list of numbered modules, or a row of them that can be called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from torch import nn

from ..ir.graph import Graph, Node, Scope, Value
from ..ops.lowering import In, Lowering, ModuleCall
from .modules import Container, Numbered
from .names import identifier


@dataclass(frozen=True, slots=True)
class _Row:
    """What a scope or layer turns into what, where calling its module does that."""

    source: Value
    result: Value


def containers(graph: Graph, lowerings: Mapping[int, Lowering]) -> dict[int, nn.Module]:
    """An empty module for each scope but the root, by the scope's id.

    Scopes whose children are modules called 0 to n-1 can be indexed: as `nn.Sequential` where calling the children one
    after the other is what the graph does, else as `nn.ModuleList`, which has no forward. Where some numbers
    are missing the others are found by their number. All others are namespaces.
    """
    scopes = _scopes(graph.root)
    rows = _Rows(graph, lowerings)
    for scope in reversed(scopes):
        rows.add(scope)
    return {id(scope): _container(scope, id(scope) in rows.scopes) for scope in scopes[1:]}


def _container(scope: Scope, is_row: bool) -> nn.Module:
    if _numbered(scope):
        return nn.Sequential() if is_row else nn.ModuleList()
    numbers = all(name.isdigit() for name in scope.children)
    cls = Numbered if numbers and _holds_modules(scope) else Container
    return cls(identifier(scope.block) if scope.block else "")


def _scopes(root: Scope) -> list[Scope]:
    """Every scope once, each after those that hold it."""
    holders: dict[int, int] = {id(root): 0}
    stack = [root]
    while stack:
        for child in stack.pop().children.values():
            if isinstance(child, Scope):
                if id(child) not in holders:
                    holders[id(child)] = 0
                    stack.append(child)
                holders[id(child)] += 1
    order, ready = [], [root]
    while ready:
        order.append(scope := ready.pop())
        for child in scope.children.values():
            if isinstance(child, Scope):
                holders[id(child)] -= 1
                if not holders[id(child)]:
                    ready.append(child)
    return order


def _holds_modules(scope: Scope) -> bool:
    tensors = any(isinstance(child, Node) and child.op.kind == "parameter" for child in scope.children.values())
    return bool(scope.children) and not tensors


def _numbered(scope: Scope) -> bool:
    return _holds_modules(scope) and list(scope.children) == [str(i) for i in range(len(scope.children))]


class _Rows:
    """Finds the scopes that are rows: `add` takes them inside out."""

    def __init__(self, graph: Graph, lowerings: Mapping[int, Lowering]):
        self.lowerings = lowerings
        self.scopes: dict[int, _Row] = {}
        self.applied: dict[int, int] = {}
        self.inside: dict[int, int] = {}
        for node in graph.nodes:
            self.applied[node.owner] = self.applied.get(node.owner, 0) + 1
            self.inside[id(node.scope)] = self.inside.get(id(node.scope), 0) + 1

    def add(self, scope: Scope) -> None:
        layers = sum(isinstance(child, Node) for child in scope.children.values())
        if not _numbered(scope) or self.inside.get(id(scope), 0) != layers:
            return
        parts = [self._row(child) for child in scope.children.values()]
        steps = [part for part in parts if part is not None]
        if len(steps) == len(parts) and all(a.result == b.source for a, b in pairwise(steps)):
            self.scopes[id(scope)] = _Row(steps[0].source, steps[-1].result)

    def _row(self, child: Scope | Node) -> _Row | None:
        if isinstance(child, Scope):
            return self.scopes.get(id(child))
        once = self.applied[child.owner] == 1 and len(child.inputs) == 1 and len(child.outputs) == 1
        return _Row(child.inputs[0], (child.index, 0)) if once and _plain(self.lowerings[child.owner]) else None


def _plain(lowering: Lowering) -> bool:
    """Whether the module gets the layer's input as it is, and gives its output as it is."""
    if not isinstance(lowering, ModuleCall):
        return True
    return lowering.inputs in (None, (In(0),)) and not lowering.call_kwargs and lowering.take is None
