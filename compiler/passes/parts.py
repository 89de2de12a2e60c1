"""Parts of a network, found by the paths of their modules, and the tensors that enter and leave them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import PlainValidator

from ...dsl.diagnostics import Fault, fault
from ..ir.graph import Graph, Node, Scope, Value
from ..ops.values import Words
from ..ops.words import BadValue, met, nearest
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
class Part:
    """What a module does in the flow: nodes by index, the tensors from outside whose values it takes, and those of its
    own that are used outside or put out."""

    path: str
    nodes: frozenset[int]
    sources: tuple[Value, ...]
    results: tuple[Value, ...]

    @property
    def first(self) -> int:
        return min(self.nodes)


def module_at(graph: Graph, path: str) -> Scope | Node:
    """The scope or the layer at a path. Raises a Fault (E0443) where there is none."""
    here: Scope | Node = graph.root
    for name in path.split("."):
        child = here.children.get(name) if isinstance(here, Scope) else None
        if child is None:
            raise _unknown(graph, path)
        here = child
    return here


def _unknown(graph: Graph, path: str) -> Fault:
    top = ", ".join(list(graph.root.children)[:12])
    hints = nearest(path, _known(graph)) or (f"its modules at the top are {top}" if top else "it has no modules",)
    return fault("E0443", f"{graph.name} has no module `{path}`", None, *hints)


def _known(graph: Graph) -> Iterator[str]:
    stack: list[tuple[str, Scope]] = [("", graph.root)]
    while stack:
        prefix, scope = stack.pop()
        for name, child in scope.children.items():
            yield prefix + name
            if isinstance(child, Scope):
                stack.append((f"{prefix}{name}.", child))


def parts_at(graph: Graph, path: str) -> list[Part]:
    """The parts that a module is, one for each application: a layer, or a scope with all that is applied in it.

    Raises a Fault (E0443) where there is no such module.
    """
    module = module_at(graph, path)
    inside = scopes_within(module) if isinstance(module, Scope) else set()
    applied: dict[int, list[int]] = defaultdict(list)
    for node in graph.nodes:
        if (node.owner == module.owner) if isinstance(module, Node) else (id(node.scope) in inside):
            applied[node.owner].append(node.index)
    counts = {len(indices) for indices in applied.values()}
    if len(counts) > 1:  # what is shared lies within the scope, which is applied once
        return [part_of(graph, path, {index for indices in applied.values() for index in indices})]
    return [part_of(graph, path, set(nodes)) for nodes in zip(*applied.values(), strict=True)]


def scopes_within(scope: Scope) -> set[int]:
    """The scope and those within it, by id."""
    found, stack = {id(scope)}, [scope]
    while stack:
        for child in stack.pop().children.values():
            if isinstance(child, Scope) and id(child) not in found:
                found.add(id(child))
                stack.append(child)
    return found


def part_of(graph: Graph, path: str, nodes: set[int]) -> Part:
    """Nodes as a part."""
    sources = {v: None for i in sorted(nodes) for v in graph.nodes[i].op.arriving(graph.nodes[i].inputs)}
    taken = [value for node in graph.nodes if node.index not in nodes for value in node.inputs]
    taken += [value for output in graph.outputs for value in output.values]
    results = sorted({value for value in taken if value[0] in nodes})
    return Part(path, frozenset(nodes), tuple([v for v in sources if v[0] not in nodes]), tuple(results))


def single(graph: Graph, part: Part) -> tuple[Value, Value]:
    """What a part takes and what it gives. Raises a Fault (E0444) unless both are one tensor."""
    for values, verb in ((part.sources, "takes"), (part.results, "gives")):
        if len(values) != 1:
            what = f"`{part.path}` {verb} {len(values) or 'no'} tensor{'s' if len(values) != 1 else ''}"
            hint = "what is moved or left out of a chain is a part that takes one tensor and gives one"
            raise refusal("E0444", what, graph.nodes[part.first], hint)
    return part.sources[0], part.results[0]


def called(graph: Graph, value: Value) -> str:
    """How a message calls the node that makes a tensor."""
    node = graph.nodes[value[0]]
    name = getattr(node.op, "name", None) if node.op.kind == "input" else node.path if node.name else None
    return f"`{name or node.op.kind}`"
