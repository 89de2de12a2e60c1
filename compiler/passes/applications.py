"""Modules, found by their paths, where they are applied, and the tensors that enter and leave them there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import PlainValidator

from ...dsl.diagnostics import Fault, fault
from ..ir.graph import Graph, Node, Scope, Value, scopes, walk
from ..ir.region_tree import RegionTree
from ..ir.words import BadValue, did_you_mean, met
from ..ops.values import Words
from .base import refusal


def _path(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        quoted = f'a path that looks like a number stands in quotes: "{value}"' if isinstance(value, float) else ""
        raise BadValue(f'must be the path of a module, such as "layer1.0", not {met(value)}', *filter(None, [quoted]))
    return str(value)


def paths(value: Any) -> tuple[str, ...]:
    """A path, or a list of them, as a tuple."""
    listed = value if isinstance(value, list | tuple) else [value]
    if not listed:
        raise BadValue('must name modules, as in ["layer1.0", "layer1.1"], not none')
    return tuple(map(_path, listed))


Path = Annotated[str, PlainValidator(_path), Words("path of a module")]
Paths = Annotated[tuple[str, ...], PlainValidator(paths), Words("path of a module, or a list of them")]


@dataclass(frozen=True, slots=True)
class Application:
    """One application of a module: nodes by index, the tensors from outside whose values it takes, and those of its own
    that are used outside or put out."""

    path: str
    nodes: frozenset[int]
    sources: tuple[Value, ...]
    results: tuple[Value, ...]

    @property
    def first(self) -> int:
        return min(self.nodes)

    def result(self, graph: Graph, code: str) -> Value:
        """The one tensor that it gives. Raises a Fault of this code where there are several or none."""
        if len(self.results) != 1:
            many = f"{len(self.results)} tensors that are used, and not one"
            what = f"`{self.path}` gives {many if self.results else 'no tensor that is used'}"
            hint = "name a module within it that gives one"
            raise refusal(code, what, graph.nodes[max(self.nodes, default=0)], hint)
        return self.results[0]


def module_at(graph: Graph, path: str) -> Scope | Node:
    """The scope or the layer at a path. Raises a Fault (E0443) where there is none."""
    here: Scope | Node = graph.root
    for name in path.split("."):
        child = here.children.get(name) if isinstance(here, Scope) else None
        if child is None:
            raise _unknown(graph, path)
        here = child
    return here


def first_node(graph: Graph, module: Scope | Node) -> Node:
    """The first application of a layer, or of anything in a scope."""
    if isinstance(module, Node):
        return module
    inside = set(scopes(module))
    return next(node for node in graph.nodes if node.scope in inside)


def _unknown(graph: Graph, path: str) -> Fault:
    top = ", ".join(list(graph.root.children)[:12])
    known = [name for name, _ in walk(graph.root)]
    hints = did_you_mean(path, known) or (f"its modules at the top are {top}" if top else "it has no modules",)
    return fault("E0443", f"{graph.name} has no module `{path}`", None, *hints)


class Applications:
    """The applications of the modules of a graph."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.tree = RegionTree(graph)

    def of(self, path: str) -> list[Application]:
        """The applications of the layer or scope at a path, in order. Raises a Fault (E0443) where there is none."""
        return [self.made_of(path, nodes) for nodes in self._nodes(module_at(self.graph, path))]

    def only(self, path: str, code: str) -> Application:
        """The application of the module at a path. Raises a Fault of this code where there are several, or E0443."""
        found = self.of(path)
        if len(found) > 1:
            what = f"`{path}` is shared, and applied in {len(found)} places"
            hint = "`untie` makes modules of its applications"
            raise refusal(code, what, self.graph.nodes[found[1].first], hint)
        return found[0]

    def made_of(self, path: str, nodes: Collection[int]) -> Application:
        """Nodes as an application."""
        return Application(path, frozenset(nodes), self.tree.arriving(nodes), self.tree.leaving(nodes))

    def with_draws(self, nodes: Collection[int]) -> frozenset[int]:
        """The nodes, with the parameters and random draws that serve them alone."""
        result, put_out = set(nodes), {value[0] for output in self.graph.outputs for value in output.values}
        for node in reversed(self.graph.nodes):
            users = self.tree.users_of(node)
            carries = node.op.is_input or any(True for _ in node.op.arriving(node.inputs))
            if users and users <= result and not carries and node.index not in put_out:
                result.add(node.index)
        return frozenset(result)

    def _nodes(self, module: Scope | Node) -> list[set[int]]:
        """What each application of a module applies."""
        if isinstance(module, Node):
            return [{node.index} for node in self.graph.nodes if node.owner == module.owner]
        regions = self.tree.of_scope.get(module)
        if regions:
            return [region.all_indices() for region in regions]
        # Second names alone, of what is applied elsewhere.
        inside = [self._nodes(child) for child in module.children.values()]
        if len({len(turns) for turns in inside}) == 1:
            return [set().union(*turns) for turns in zip(*inside, strict=True)]
        return [set().union(*(nodes for turns in inside for nodes in turns))]


def single(graph: Graph, part: Application) -> tuple[Value, Value]:
    """What a part takes and what it gives. Raises a Fault (E0444) unless both are one tensor."""
    for values, verb in ((part.sources, "takes"), (part.results, "gives")):
        if len(values) != 1:
            what = f"`{part.path}` {verb} {len(values) or 'no'} tensor{'s' if len(values) != 1 else ''}"
            hint = "what is moved or left out of a chain is a part that takes one tensor and gives one"
            raise refusal("E0444", what, graph.nodes[part.first], hint)
    return part.sources[0], part.results[0]
