"""Names of modules, and the tree of scopes: from what is said of nodes, and in `modules` of paths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import networkx

from ...dsl.diagnostics import Fault, fault
from ..elaborate.module_names import own_name
from ..ir.free_names import FreeNames
from ..ir.graph import Graph, Node, Scope, scopes
from .attributes import Key, OfNode, OfPath, at, called, check_path, read


def share(graph: Graph, made: Mapping[Key, Node], said: Mapping[Key, OfNode]) -> dict[int, OfNode]:
    """Says of each node which one owns the parameters that it uses: of those that share, the first. Returns what is
    said of each owner's place.

    Raises a Fault (E1103, E1107) where nodes share that are not the same layer on the same shapes, or have two names.
    """
    owners: dict[Key, Node] = {}
    places: dict[int, OfNode] = {}
    for key, node in made.items():
        try:
            home = _home(key, made, said)
            owner = owners.setdefault(home, node)
            if not graph.may_share(node, owner):
                hint = "give both the same settings and inputs, or leave `shared_with` out"
                message = "it shares its parameters, and is another layer, or gets other channels, than where it is"
                raise fault("E1107", f"{message} first applied", None, hint)
            _check_place(node, said[key], said[home], home)
        except Fault as problem:
            raise at(key, problem) from None
        node.owner = owner.index
        places[owner.index] = said[home]
    return places


def _home(key: Key, made: Mapping[Key, Node], said: Mapping[Key, OfNode]) -> Key:
    """The node whose name a node has: itself, or the one that it shares with. Raises a Fault (E1107)."""
    seen = [key]
    while (target := said[seen[-1]].shared_with) is not None:
        if target not in made:
            what = f"`shared_with` is {called(target)}, which the graph does not have"
            raise fault("E1107", what, None, "it names the node that has the parameters")
        if target in seen:
            hint = "one of the nodes that share has no `shared_with`"
            raise fault("E1107", "`shared_with` leads back to it", None, hint)
        seen.append(target)
    return seen[-1]


def _check_place(node: Node, place: OfNode, home: OfNode, called_home: Key) -> None:
    """Raises a Fault (E1103, E1107) where what a node says of its place cannot be."""
    if place.path and not node.op.is_module:
        hint = "`scope` says where it stands"
        raise fault("E1103", f"`{node.op.kind}` is no module, so it has no `path`", None, hint)
    if place.path and place.scope and place.path.rpartition(".")[0] != place.scope:
        message = f"`path` is `{place.path[:60]}`, which is not in the `scope` `{place.scope[:60]}`"
        raise fault("E1103", message, None, "leave one out")
    if (place.path or place.scope) and (place.path, place.scope) != (home.path, home.scope):
        hint = 'leave `path` and `scope` out; a second name is `g.graph["modules"][path] = {"same_as": ...}`'
        what = f"it has another name than {called(called_home)}, whose parameters it shares"
        raise fault("E1107", what, None, hint)


def build_tree(graph: Graph, places: Mapping[int, OfNode], modules: Mapping[str, Mapping[str, Any]]) -> None:
    """Names the nodes, and makes the scopes. `places` has what is said of those that own what they apply.

    Raises a Fault (E0501 to E0504, E1103). What `modules` says of a path that is gone is left out.
    """
    marks = {path: read(OfPath, f"`{path[:60]}` in `modules`", said) for path, said in modules.items()}
    seconds = {path: mark.same_as for path, mark in marks.items() if mark.same_as is not None}
    nodes = _named(graph, places, seconds)
    seconds = {path: target for path, target in seconds.items() if path not in nodes and check_path(path)}
    alive: set[str] = set()
    for path in (*nodes, *seconds):
        alive.update(_around(path))
        for leaf in (around for around in _around(path) if around in nodes or around in seconds):
            what = f"`{leaf}` is a layer or a second name, so it cannot hold `{path}`"
            raise fault("E0504", what, None, "rename one of the two")
    tree = Tree(graph.root, marks)
    for path in (*marks, *nodes):
        if path in nodes or path in seconds or path in alive:
            tree.register(path, nodes.get(path), path in seconds)
    tree.resolve(nodes, seconds)
    for index, place in places.items():
        if not graph.nodes[index].name:
            graph.nodes[index].scope = tree.innermost(place.scope)
    graph.drop_empty_scopes()


def _named(graph: Graph, places: Mapping[int, OfNode], seconds: Mapping[str, str]) -> dict[str, Node]:
    """The modules by path, in topological order; one without a path by its kind, numbered where that is taken."""
    given = [place.path for place in places.values() if place.path]
    for path in (path for path, count in Counter(given).items() if count > 1):
        hint = "each has parameters of its own, so rename one; `shared_with` applies one module several times"
        raise fault("E0504", f"two modules are called `{path}`", None, hint)
    names = FreeNames([*given, *seconds, *(around for path in given for around in _around(path))])
    found: dict[str, Node] = {}
    for index, place in places.items():
        node = graph.nodes[index]
        if node.op.is_module:
            prefix = f"{place.scope}." if place.scope else ""
            found[place.path or names.new(prefix + own_name(node))] = node
    return found


def _around(path: str) -> Iterator[str]:
    """The paths of the scopes around, the innermost first."""
    while path:
        path = path.rpartition(".")[0]
        if path:
            yield path


class Tree:
    """The scopes under construction, by path."""

    def __init__(self, root: Scope, marks: Mapping[str, OfPath]):
        self.scopes = {"": root}
        self._marks = marks
        self._series: dict[Key, object] = {}
        self._mark("", root)

    def register(self, path: str, node: Node | None, is_second: bool) -> None:
        """Puts a module, a scope or a second name, for which the root stands till the end, into the scope around."""
        around, _, name = path.rpartition(".")
        holder = self._opened(around)
        if node is not None:
            node.scope, node.name = holder, name
        if node is None and not is_second:
            self._opened(path)
        else:
            holder.children.setdefault(name, node or self.scopes[""])

    def _opened(self, path: str) -> Scope:
        for inner in reversed([path, *_around(path)]):
            if inner not in self.scopes:
                around, _, name = inner.rpartition(".")
                scope = self.scopes[inner] = self.scopes[around].children[name] = Scope(name, self.scopes[around])
                self._mark(inner, scope)
        return self.scopes[path]

    def _mark(self, path: str, scope: Scope) -> None:
        if mark := self._marks.get(path):
            scope.block, scope.arguments, scope.shared = mark.block, mark.arguments, mark.shared
            if mark.series is not None:
                scope.series = self._series.setdefault(mark.series, object())

    def innermost(self, path: str) -> Scope:
        """The scope at a path, or the innermost around it that there is."""
        return next(self.scopes[outer] for outer in (path, *_around(path), "") if outer in self.scopes)

    def resolve(self, nodes: Mapping[str, Node], seconds: Mapping[str, str]) -> None:
        """Lets second names stand for what they name; those of what is gone are left out. Raises a Fault."""
        for path in seconds:
            around, _, name = path.rpartition(".")
            target, passed = seconds[path], {path}
            while target in seconds and target not in passed:
                passed.add(target)
                target = seconds[target]
            item = nodes.get(target) or (self.scopes.get(target) if target else None)
            if item is None:
                del self.scopes[around].children[name]
            else:
                self.scopes[around].children[name] = item
        inside = networkx.DiGraph()
        for scope in scopes(self.scopes[""]):
            inside.add_edges_from((scope, child) for child in scope.children.values() if isinstance(child, Scope))
        if not networkx.is_directed_acyclic_graph(inside):
            raise fault("E1103", "in `modules`, a scope is the `same_as` of one that it stands in", None)
