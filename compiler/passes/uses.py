"""Who uses what in a graph, for rewrites that change layers together with what comes before and after them."""

from __future__ import annotations

from collections import defaultdict

from ...dsl.diagnostics import fault
from ..ir.graph import Graph, Node, Scope, Value
from .applications import module_at

Shapes = dict[str, tuple[int, ...]]
"""The tensors of a layer by their names within it."""


class Uses:
    """The users of each tensor, the applications of each layer, and the names at which its tensors stand."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.users: dict[Value, list[Node]] = defaultdict(list)
        """The nodes that take a tensor; one that takes it twice stands there twice."""
        self.applied: dict[int, list[Node]] = defaultdict(list)
        """The applications of a layer, by the index of the first one, its owner."""
        self.put_out: set[Value] = {value for output in graph.outputs for value in output.values}
        self.paths: dict[int, list[str]] = defaultdict(list)
        """Every path of a layer, by its owner's index; its own path comes first."""
        for node in graph.nodes:
            self.applied[node.owner].append(node)
            for value in node.inputs:
                self.users[value].append(node)
        for path, node in graph.module_paths():
            self.paths[node.owner].append(path)
        for owner, paths in self.paths.items():
            paths.sort(key=lambda path, own=graph.nodes[owner].path: (path != own, path))

    def only_user(self, value: Value) -> Node | None:
        """The node that takes a tensor, where nothing else does and it is no output."""
        users = self.users[value]
        return users[0] if len(users) == 1 and value not in self.put_out else None


def layer_at(graph: Graph, path: str) -> Node:
    """The layer at a path, at its first application. Raises a Fault (E0443) where there is none."""
    found = module_at(graph, path)
    if isinstance(found, Scope):
        held = ", ".join(f"`{path}.{name}`" for name in list(found.children)[:6])
        raise fault("E0443", f"`{path}` is no layer, but holds several", None, f"name one of them: {held}")
    return found
