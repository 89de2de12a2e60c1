"""The graph as the Python emitter sees it: modules and functions apart, every op lowered.

A layer that torch has no module for (a layer norm over the channels of a map) becomes a place of its own, which holds
its weights and one function; so what follows knows torch modules, tensors and functions only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

from ..analyses.inplace import lowerings_of, overwritable
from ..elaborate.module_names import MODULE_ATTRIBUTES
from ..ir.errors import EmitError
from ..ir.graph import Graph, Node, Scope, Value
from ..ir.lowering import In, Lowering, ModuleCall, Program, Step, WeightRef
from ..ir.op import Weight
from ..ir.regions import Regions

SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*\Z")


@dataclass(slots=True, eq=False)
class Place:
    """A scope. `children` are in the order of registration; an alias is the same object under a second name."""

    name: str
    parent: Place | None
    block: str | None = None
    children: dict[str, Place | Part] = field(default_factory=dict)
    depth: int = 0

    @property
    def path(self) -> str:
        names: list[str] = []
        place: Place | None = self
        while place is not None and place.parent is not None:
            names.append(place.name)
            place = place.parent
        return ".".join(reversed(names))


@dataclass(slots=True, eq=False)
class Part:
    """One application.

    `how` says what it is: a torch module, a few functions, a tensor of the module (its Weight), or None for an input of
    the arch. `draws` says whether training draws random numbers in it: the order of such parts is part of what a
    network computes. `weights` are a torch module's; `bound` says which input is which weight that the functions refer
    to.
    """

    index: int
    how: ModuleCall | Program | Weight | None
    inputs: tuple[Value, ...]
    ports: int
    place: Place
    name: str
    owner: int
    frozen: bool
    draws: bool
    key: Any
    weights: tuple[Weight, ...] = ()
    starts_statement: bool = False
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
            and how.take is None
        )

    @property
    def named(self) -> bool:
        return isinstance(self.how, ModuleCall | Weight)


@dataclass(slots=True)
class Parts:
    """The whole: parts in application order, the tree of places, and which value each of the graph's values became."""

    root: Place
    parts: list[Part]
    values: dict[Value, Value]


class _Translation:
    def __init__(self, graph: Graph):
        self.graph = graph
        self.parts: list[Part] = []
        self.values: dict[Value, Value] = {}
        self.places: dict[Scope, Place] = {}
        self.made: dict[int, Place | Part] = {}
        self.inner: dict[int, list[Part]] = {}

        self.lowerings = _lowerings(graph)

    def run(self) -> Parts:
        self.places[self.graph.root] = Place("", None)
        for node in self.graph.nodes:
            self._node(node)
        self._register()
        return Parts(self.places[self.graph.root], self.parts, self.values)

    def place(self, scope: Scope) -> Place:
        chain: list[Scope] = []
        at: Scope | None = scope
        while at is not None and at not in self.places:
            chain.append(at)
            at = at.parent
        if at is None:
            raise EmitError(f"the scope {scope.name!r} is not below the root")
        for item in reversed(chain):
            parent = self.places[item.parent]  # type: ignore[index]
            self.places[item] = Place(item.name, parent, item.block, depth=parent.depth + 1)
        return self.places[scope]

    def _add(
        self, node: Node, how: Any, inputs: tuple[Value, ...], ports: int, place: Place, name: str, key: Any
    ) -> Part:
        index = len(self.parts)
        draws = isinstance(how, ModuleCall | Program) and node.op.is_random()
        part = Part(index, how, inputs, ports, place, name, index, node.frozen, draws, key)
        self.parts.append(part)
        return part

    def _node(self, node: Node) -> None:
        types = tuple(self.graph.type_of(v) for v in node.inputs)
        inputs = tuple(self.values[v] for v in node.inputs)
        place, ports = self.place(node.scope), len(node.outputs)
        owned = node.owner == node.index
        if node.op.kind == "input":
            made = [self._add(node, None, (), 1, place, "", "input")]
        elif node.op.kind == "parameter":
            (weight,) = node.op.weights(types)
            made = [self._add(node, weight, (), 1, place, node.name, node.op.key)]
        else:
            how = self.lowerings[node.index]
            if isinstance(how, Program) and node.op.is_module:
                made = self._custom(node, how, tuple(node.op.weights(types)), inputs)
            else:
                part = self._add(node, how, inputs, ports, place, node.name, node.op.key)
                part.weights = tuple(node.op.weights(types))
                part.starts_statement = node.op.is_weight_layer()
                made = [part]
        if owned:
            self.inner[node.index] = made
            self.made.setdefault(node.index, made[0])
        else:
            for part, first in zip(made, self.inner[node.owner], strict=True):
                part.owner, part.place, part.name = first.index, first.place, first.name
        for port in range(ports):
            self.values[node.index, port] = (made[-1].index, port)

    def _custom(self, node: Node, how: Program, weights: tuple[Weight, ...], inputs: tuple[Value, ...]) -> list[Part]:
        """A place for a layer that is no torch module."""
        if node.owner == node.index:
            parent = self.place(node.scope)
            place = Place(node.name, parent, node.op.kind, depth=parent.depth + 1)
            self.made[node.index] = place
        else:
            place = self.inner[node.owner][0].place
        made = [self._add(node, w, (), 1, place, w.name, (w.name, w.shape, repr(w.init))) for w in weights]
        for part in made:
            place.children.setdefault(part.name, part)
        bound = {w.name: (p.index, 0) for w, p in zip(weights, made, strict=True) if w.name in referenced(how)}
        numbers = {name: len(inputs) + i for i, name in enumerate(bound)}
        step = self._add(node, how, (*inputs, *bound.values()), len(node.outputs), place, "", node.op.key)
        step.bound = numbers
        return [*made, step]

    def _register(self) -> None:
        nodes = {id(node): node.index for node in self.graph.nodes}
        for scope in list(_scopes(self.graph.root)):
            place = self.place(scope)
            for name, item in scope.children.items():
                check_name(name)
                place.children[name] = self.place(item) if isinstance(item, Scope) else self.made[nodes[id(item)]]


def _lowerings(graph: Graph) -> dict[int, Lowering]:
    """How the nodes become torch; rectifiers overwrite their input where that changes nothing."""
    made = lowerings_of(graph)
    for index in overwritable(Regions(graph), made):
        how = made[index]
        assert isinstance(how, ModuleCall)
        made[index] = replace(how, kwargs={**how.kwargs, "inplace": True})
    return made


def check_name(name: str) -> None:
    """Raises unless the name can be a torch module's: what the front end refuses never gets into text."""
    if not SEGMENT.match(name) or name in MODULE_ATTRIBUTES:
        raise EmitError(f"{name!r} cannot name a module")


def _scopes(root: Scope):
    stack, seen = [root], {id(root)}
    while stack:
        scope = stack.pop()
        yield scope
        for item in scope.children.values():
            if isinstance(item, Scope) and id(item) not in seen:
                seen.add(id(item))
                stack.append(item)


def pieces(value: Any):
    """The arguments inside an argument, itself included, without entering steps."""
    stack = [value]
    while stack:
        item = stack.pop()
        yield item
        if isinstance(item, dict):
            stack.extend(reversed(item.values()))
        elif isinstance(item, list | tuple):
            stack.extend(reversed(item))
        elif isinstance(item, slice):
            stack.extend((item.step, item.stop, item.start))


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
