"""Makes graphs by hand, for tests of the emitters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from archc.compiler.ir.graph import Graph, GraphInput, GraphOutput, Node, Scope, Value
from archc.compiler.ir.op import Op
from archc.compiler.ir.types import TensorType
from archc.compiler.ops.core import Input


class GraphBuilder:
    def __init__(self, name: str = "net", doc: str | None = None):
        self.graph = Graph(name, doc)
        self.scope = self.graph.root

    def input(self, *nominal: int, name: str = "x", dims: tuple[Any, ...] | None = None) -> Value:
        kind = TensorType.of(dims or nominal)
        value = self._append(Input(name=name), (), (kind,), "")
        self.graph.inputs.append(GraphInput(name, value[0], kind, nominal))
        return value

    @contextmanager
    def inside(self, name: str, block: str | None = None) -> Iterator[Scope]:
        """Enters a scope of the current one, made if it is not there."""
        outer = self.scope
        if name not in outer.children:
            outer.children[name] = Scope(name, outer, block=block)
        scope = outer.children[name]
        assert isinstance(scope, Scope)
        self.scope = scope
        yield scope
        self.scope = outer

    def add(self, op: Op, *inputs: Value, name: str = "", owner: int | None = None, frozen: bool = False) -> Value:
        types = tuple(self.graph.type_of(v) for v in inputs)
        return self._append(op, inputs, op.infer(types, self.graph.requirements), name, owner, frozen)

    def _append(
        self, op: Op, inputs: tuple[Value, ...], outputs: Any, name: str, owner: int | None = None, frozen: bool = False
    ) -> Value:
        index = len(self.graph.nodes)
        scope = self.scope
        if owner is not None:
            scope, name = self.graph.nodes[owner].scope, self.graph.nodes[owner].name
        node = Node(index, op, inputs, outputs, scope, name, index if owner is None else owner, None, None, frozen)
        self.graph.nodes.append(node)
        if name and owner is None:
            assert name not in scope.children, name
            scope.children[name] = node
        return (index, 0)

    def output(self, *values: Value, name: str | None = None, when_training: bool = False) -> None:
        self.graph.outputs.append(GraphOutput(name, values, when_training))
