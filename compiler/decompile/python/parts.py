"""The graph as the Python emitter sees it: modules and functions apart, every op lowered.

A layer that torch has no module for (a layer norm over the channels of a map) becomes a scope of its own, which holds
its weights and one function; so what follows knows torch modules, tensors and functions only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from ...analyses.inplace import Built, to_build
from ...elaborate.module_names import may_name
from ...ir.errors import EmitError
from ...ir.graph import Graph, Node, Scope, Value, scopes
from ...ir.lowering import In, Lowering, ModuleCall, Program, Step, WeightRef, method
from ...ir.op import Op, Weight
from ...ir.rows import members_of
from ...ops.core import Parameter


@dataclass(slots=True, eq=False)
class Part(Node):
    """One application.

    `how` says what it is: a torch module, a few functions, a tensor of the module (its Weight), or None for an input of
    the arch. `weights` are a torch module's; `bound` says which input is which weight that the functions refer to.
    """

    how: ModuleCall | Program | Weight | None = None
    weights: tuple[Weight, ...] = ()
    bound: dict[str, int] = field(default_factory=dict)

    @property
    def is_module(self) -> bool:
        return isinstance(self.how, ModuleCall)

    @property
    def called_plainly(self) -> bool:
        """Whether it is a torch module called with its inputs as they are."""
        how = self.how
        return (
            isinstance(how, ModuleCall)
            and how.inputs in (None, tuple(In(i) for i in range(len(self.inputs))))
            and not how.call_kwargs
            and how.results is None
        )


@dataclass(slots=True)
class Parts:
    """The graph with every op lowered, its nodes, and what each of its inputs became."""

    graph: Graph
    parts: list[Part]
    inputs: list[Value]


class _Translation:
    def __init__(self, graph: Graph):
        built = to_build(graph)
        self.graph = graph = built.regions.graph
        self.root = Scope("", None)
        self.parts: list[Part] = []
        self.values: dict[Value, Value] = {}
        self.scopes: dict[Scope, Scope] = {graph.root: self.root}
        self.made: dict[int, Scope | Part] = {}
        self.inner: dict[int, list[Part]] = {}
        self.regions = built.regions
        self.lowerings = _lowerings(built)
        self.members = {scope: members_of(scope, self.regions, self.lowerings) for scope in scopes(graph.root)}
        self.placed: dict[int, tuple[Scope, str, int]] = {}
        """The functions that are modules of a row: where they stand, and their first application."""
        for scope, members in self.members.items():
            for place, (name, item) in enumerate(members.items()):
                if isinstance(item, Node) and not item.name:
                    again = [region.steps[place] for region in self.regions.of_scope[scope]]
                    self.placed.update({n.index: (scope, name, item.index) for n in again if isinstance(n, Node)})

    def run(self) -> Parts:
        for node in self.graph.nodes:
            self._node(node)
        for scope in scopes(self.graph.root):
            found = self.scope(scope)
            for name, item in self.members[scope].items():
                check_name(name)
                found.children[name] = self.scope(item) if isinstance(item, Scope) else self.made[item.index]
        nodes: list[Node] = [*self.parts]
        outputs = [replace(o, values=tuple([self.values[value] for value in o.values])) for o in self.graph.outputs]
        graph = Graph(self.graph.name, nodes=nodes, root=self.root, outputs=outputs)
        return Parts(graph, self.parts, [self.values[entry.node, 0] for entry in self.graph.inputs])

    def scope(self, scope: Scope) -> Scope:
        chain: list[Scope] = []
        at: Scope | None = scope
        while at is not None and at not in self.scopes:
            chain.append(at)
            at = at.parent
        if at is None:
            raise EmitError(f"the scope {scope.name!r} is not below the root")
        for item in reversed(chain):
            self.scopes[item] = item.emptied(item.name, self.scopes[item.parent])  # type: ignore[index]
        return self.scopes[scope]

    def _add(self, node: Node, op: Op, how: Any, inputs: tuple[Value, ...], scope: Scope, name: str) -> Part:
        index, outputs = len(self.parts), node.outputs if op is node.op else node.outputs[:1]
        part = Part(index, op, inputs, outputs, scope, name, index, node.origin, node.span, node.frozen, how=how)
        part.recompute, part.names, part.entries = node.recompute, node.names, node.entries
        part.exits = node.exits if op is node.op else None
        self.parts.append(part)
        return part

    def _node(self, node: Node) -> None:
        types = tuple(self.graph.type_of(v) for v in node.inputs)
        inputs = tuple(self.values[v] for v in node.inputs)
        at, name, owner = self.placed.get(node.index, (node.scope, node.name, node.owner))
        node = replace(node, scope=at, name=name, owner=owner)
        scope = self.scope(at)
        weights = tuple(node.op.weights(types))
        if node.op.is_input:
            made = [self._add(node, node.op, None, (), scope, "")]
        elif node.op.is_parameter:
            made = [self._add(node, node.op, weights[0], (), scope, node.name)]
        else:
            how = self.lowerings[node.index]
            if node.index in self.placed:
                how = node.op.module(types, node.outputs) or _with_dims(how)
            if isinstance(how, Program) and (node.op.is_module or node.index in self.placed):
                made = self._custom(node, how, weights, inputs)
            else:
                made = [self._add(node, node.op, how, inputs, scope, node.name)]
                made[0].weights = weights
        if node.owner == node.index:
            self.inner[node.index] = made
            self.made.setdefault(node.index, made[0])
        else:
            for part, first in zip(made, self.inner[node.owner], strict=True):
                part.owner, part.scope, part.name = first.index, first.scope, first.name
        for port in range(len(node.outputs)):
            self.values[node.index, port] = (made[-1].index, port)

    def _custom(self, node: Node, how: Program, weights: tuple[Weight, ...], inputs: tuple[Value, ...]) -> list[Part]:
        """A scope for a layer that is no torch module."""
        if node.owner == node.index:
            scope = self.made[node.index] = Scope(node.name, self.scope(node.scope), block=node.op.kind)
        else:
            scope = self.inner[node.owner][0].scope
        ops = [Parameter.model_validate({name: getattr(w, name) for name in Parameter.model_fields}) for w in weights]
        made = [self._add(node, op, w, (), scope, w.name) for op, w in zip(ops, weights, strict=True)]
        for part in made:
            scope.children.setdefault(part.name, part)
        bound = {w.name: (p.index, 0) for w, p in zip(weights, made, strict=True) if w.name in referenced(how)}
        step = self._add(node, node.op, how, (*inputs, *bound.values()), scope, "")
        step.bound = {name: len(inputs) + i for i, name in enumerate(bound)}
        return [*made, step]


def _lowerings(built: Built) -> dict[int, Lowering]:
    """How the nodes become torch; rectifiers overwrite their input where that changes nothing."""
    made = {**built.lowerings}
    for index in built.inplace:
        how = made[index]
        assert isinstance(how, ModuleCall)
        made[index] = replace(how, kwargs={**how.kwargs, "inplace": True})
    return made


def _with_dims(how: Lowering) -> Lowering:
    """A permutation of axes as one argument, which can be a setting of a class."""
    match how:
        case Program(results=(Step("method", "permute", (In() as x, *dims)),)):
            return Program((method("permute", x, tuple(dims)),))
    return how


def check_name(name: str) -> None:
    """Raises unless the name can be a torch module's: what the front end refuses never gets into text."""
    if not may_name(name):
        raise EmitError(f"{name!r} cannot name a module")


def members(scope: Scope) -> Mapping[str, Scope | Part]:
    """What a scope of the lowered graph holds."""
    return cast("Mapping[str, Scope | Part]", scope.children)


def pieces(value: Any) -> Iterator[Any]:
    """The arguments inside an argument, itself included, without entering steps."""
    yield value
    if isinstance(value, slice):
        value = value.start, value.stop, value.step
    inner = value.values() if isinstance(value, dict) else value
    for item in inner if isinstance(value, list | tuple | dict) else ():
        yield from pieces(item)


def steps_of(results: Any) -> list[Step]:
    """The steps, each after those whose results it uses."""
    ordered: list[Step] = []
    seen: set[int] = set()
    stack: list[tuple[Any, bool]] = [(results, False)]
    while stack:
        item, done = stack.pop()
        if done:
            ordered.append(item)
            continue
        if isinstance(item, Step):
            if id(item) in seen:
                continue
            seen.add(id(item))
            stack.append((item, True))
            inner: Any = (item.args, item.kwargs)
        else:
            inner = item
        stack.extend((p, False) for p in reversed([p for p in pieces(inner) if isinstance(p, Step)]))
    return ordered


def referenced(program: Program) -> set[str]:
    """The weights that a program reads."""
    found = [*pieces(program.results)]
    for step in steps_of(program.results):
        found += pieces((step.args, step.kwargs))
    return {item.name for item in found if isinstance(item, WeightRef)}


def translate(graph: Graph) -> Parts:
    return _Translation(graph).run()
