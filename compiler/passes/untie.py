"""Something shared as modules of their own."""

from __future__ import annotations

from collections import Counter, defaultdict
from math import gcd
from typing import ClassVar

from pydantic import Field

from ..ir.graph import Carried, Graph, Node, Scope, tensor_name
from ..ir.lowering import In, Program
from ..ir.sharing import Names
from .applications import Paths, first_node, module_at
from .base import Rewrite, mapped, refusal
from .replay import Replay

Turns = dict[int, list[int]]
"""The numbers of the applications, from 0, that each node in a module is of: one, or of a parameter all that use it."""


class Untie(Rewrite):
    """The architecture with modules of their own for the later applications of something shared. The i-th application
    gets the i-th name where what is shared has several (`a: f -> b: f`), else `NAME_i` beside the first. All start with
    the weights that they shared, in evaluation and in training the same until they are trained. What is `fresh` in it
    goes with its application.
    """

    kind: ClassVar[str] = "untie"

    modules: Paths = Field(description="paths of the shared modules")

    def apply(self, graph: Graph) -> Graph:
        for path in self.modules:
            graph = _Untying(graph, path).done()
        return graph


class _Untying:
    """Later applications of a shared module, which become modules of their own."""

    def __init__(self, before: Graph, path: str):
        self.before = before
        self.later: dict[int, list[Node]] = defaultdict(list)
        """The nodes of each application but the first."""
        self.after = self._replayed(_turns(before, path))
        self.module = module_at(self.after, path)
        self.scopes = _scopes_of(self.module)
        self.inside = {node.index for node in self.after.nodes if node.scope in self.scopes}
        self.owners = {node.index: node.owner for node in self.after.nodes}
        self.sources = {node.index: node.path for node in self.after.nodes}

    def _replayed(self, of: Turns) -> Graph:
        """The graph, in which each application of the module that uses a parameter of it applies that too."""
        replay = Replay(self.before)
        copies: dict[tuple[int, int], int] = {}
        for node in self.before.nodes:
            turns = of.get(node.index, [0])
            inputs = [(copies.get((i, turns[0]), replay.values[i, port][0]), port) for i, port in node.inputs]
            made = {turn: replay.again(node, inputs=tuple(inputs)) for turn in turns}
            if len(turns) > 1:
                copies.update({(node.index, turn): copy.index for turn, copy in made.items()})
                replay.values[node.index, 0] = made[turns[0]].index, 0
            for turn in filter(None, turns):
                self.later[turn].append(made[turn])
        return replay.finish()

    def done(self) -> Graph:
        after, places = self.after, list(Names(self.after).holders_of(self.module))
        moved = {node.index for nodes in self.later.values() for node in nodes}
        for turn, nodes in sorted(self.later.items()):
            scope, name = places[turn] if turn < len(places) else _free(*places[0], turn)
            scope.children[name] = self._module(nodes, scope, name)
        for scope in self.scopes:
            left = {name: c for name, c in scope.children.items() if isinstance(c, Scope) or c.index not in moved}
            scope.children = left
        after.drop_empty_scopes()
        made: dict[str, Carried] = {}
        for path, node, weight in after.tensors():
            if node.index in moved:
                source = (tensor_name(self.sources[node.index], weight.name), weight.shape)
                made[tensor_name(path, weight.name)] = Carried((source,), Program((In(0),)))
        return mapped(self.before, after, made)

    def _module(self, nodes: list[Node], scope: Scope, name: str) -> Scope | Node:
        """Makes a module of one application, at a place of its own."""
        own: dict[int, Node] = {}
        for node in nodes:
            owner = self.owners[node.index]
            node.owner, node.frozen = own.setdefault(owner, node).index, self.after.nodes[owner].frozen
        if isinstance(self.module, Node):
            nodes[0].scope, nodes[0].name = scope, name
            return nodes[0]
        copies = {part: part.emptied(part.name, part.parent) for part in self.scopes}
        for part in reversed(self.scopes):
            copies[part].children = self._children(part, own, copies)
        for part in self.scopes[1:]:
            assert part.parent is not None
            copies[part].parent = copies[part.parent]
        for node in nodes:
            node.scope, node.name = copies[node.scope], self.after.nodes[node.owner].name
        made = copies[self.module]
        made.name, made.parent, made.series, made.shared = name, scope, None, False
        return made

    def _children(self, scope: Scope, own: dict[int, Node], copies: dict[Scope, Scope]) -> dict[str, Scope | Node]:
        """What stands in the copy of a scope: the layers of one application, by their owners of before, and what has
        its place elsewhere. A list of which the application has a part is numbered anew."""
        found: dict[str, Scope | Node] = {}
        for name, child in scope.children.items():
            if isinstance(child, Scope):
                if copies.get(child, child).children:
                    found[name] = copies.get(child, child)
            elif child.index in own or child.index not in self.inside:
                found[name] = own.get(child.index, child)
        if len(found) == len(scope.children) or not all(map(str.isdigit, found)):
            return found
        for number, child in enumerate(found.values()):
            child.name = str(number)
        return {child.name: child for child in found.values()}


def _scopes_of(module: Scope | Node) -> list[Scope]:
    """A scope and those that have their place in it, those around others first; none of a layer."""
    found = [module] if isinstance(module, Scope) else []
    for scope in found:
        found += [child for child in scope.children.values() if isinstance(child, Scope) and child.parent is scope]
    return list(dict.fromkeys(found))


def _free(scope: Scope, name: str, turn: int) -> tuple[Scope, str]:
    """A place beside a module for its application of this number, from 0."""
    free = f"{name}_{turn + 1}"
    while free in scope.children:
        free += "_"
    return scope, free


def _turns(graph: Graph, path: str) -> Turns:
    """Raises a Fault (E0440, E0443, E0448) where a module is not applied several times as a whole."""
    module = module_at(graph, path)
    inside = set(_scopes_of(module))
    within = [n for n in graph.nodes if (n.owner == module.owner if isinstance(module, Node) else n.scope in inside)]
    nodes = [node for node in within if not node.op.is_parameter]
    found = _numbered(path, nodes) if nodes else {}
    if not found:
        what = f"`{path}` is applied once, so that nothing is shared"
        held = next((node for node in nodes if node.owner != node.index and node.path != path), None)
        hints = [f"what is shared within it is untied by its own name: `{held.path}`"] if held is not None else []
        raise refusal("E0440", what, first_node(graph, module), *hints)
    for node in within:
        if node.op.is_parameter:
            users = [user for user in graph.nodes if (node.index, 0) in user.inputs]
            found[node.index] = sorted({turn for user in users for turn in found.get(user.index, [0])})
    return found


def _numbered(path: str, nodes: list[Node]) -> Turns:
    """The application that each node is of; nothing where they are of one. Raises a Fault (E0448) where some layers are
    applied more often than the whole."""
    counts = Counter(node.owner for node in nodes)
    several = sorted(set(counts.values()) - {1})
    turns = gcd(*several)
    if turns == 1:
        what = f"the layers of `{path}` are applied {' or '.join(map(str, several))} times"
        raise refusal("E0448", what, nodes[0], "untie what is shared within it first")
    if 1 in counts.values():
        return _rows(nodes, turns) if turns else {}
    seen: Counter[int] = Counter()
    found: Turns = {}
    for node in nodes:
        found[node.index] = [seen[node.owner] * turns // counts[node.owner]]
        seen[node.owner] += 1
    return found


def _rows(nodes: list[Node], turns: int) -> Turns:
    """The application of each node, where one is as long as the other and they follow one another; else nothing."""
    length, rest = divmod(len(nodes), turns)
    if rest or not all(map(_again, nodes, nodes[length:])):
        return {}
    return {node.index: [place // length] for place, node in enumerate(nodes)}


def _again(one: Node, other: Node) -> bool:
    """Whether it is the same layer, or its like of another number in a list; merges have no names."""
    if one.owner == other.owner or not (one.name or other.name):
        return one.op.key == other.op.key
    ones, others = one.path.split("."), other.path.split(".")
    odd = [pair for pair in zip(ones, others, strict=False) if pair[0] != pair[1]]
    numbered = len(ones) == len(others) and len(odd) == 1 and all(map(str.isdigit, odd[0]))
    return numbered and one.op.key == other.op.key
