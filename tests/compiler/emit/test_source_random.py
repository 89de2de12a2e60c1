"""Random graphs, with scopes that interleave, shared modules and second names: source and fx module do the same."""

from __future__ import annotations

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from source_builder import GraphBuilder
from source_compare import assert_equal_modules

from archc.compiler.ir.graph import Scope
from archc.compiler.ops.activation import ReLU
from archc.compiler.ops.conv import Conv
from archc.compiler.ops.core import Affine
from archc.compiler.ops.dropout import Dropout
from archc.compiler.ops.merge import Add, Concat
from archc.compiler.ops.norm import BatchNorm

PATHS = [(), ("a",), ("a", "b"), ("a", "b", "0"), ("a", "b", "1"), ("c",), ("c", "s1-x"), ("n",), ("d1",), ("d2",)]
KINDS = ["conv", "conv", "bn", "relu", "dropout", "add", "add", "affine", "concat", "again", "alias"]
CHANNELS = 3

steps = st.lists(
    st.tuples(st.sampled_from(KINDS), st.sampled_from(range(len(PATHS))), st.integers(0, 5), st.integers(0, 5)),
    min_size=1,
    max_size=24,
)


def enter(build: GraphBuilder, path: tuple[str, ...]) -> None:
    build.scope = build.graph.root
    for name in path:
        child = build.scope.children.get(name)
        if child is None:
            child = build.scope.children[name] = Scope(name, build.scope, block=None if name.isdigit() else name[0])
        assert isinstance(child, Scope)
        build.scope = child


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=steps, outputs=st.integers(1, 3), training=st.booleans())
def test_random_graphs(steps: list[tuple[str, int, int, int]], outputs: int, training: bool) -> None:
    build = GraphBuilder("random")
    values = [build.input(1, CHANNELS, 4, 4, name="x"), build.input(1, CHANNELS, 4, 4, name="other")]
    modules: list[int] = []
    for number, (kind, place, first, second) in enumerate(steps):
        enter(build, PATHS[place])
        a, b = values[-1 - first % len(values)], values[-1 - second % len(values)]
        name = str(len(build.scope.children)) if PATHS[place] == ("n",) else f"{kind}{number}"
        match kind:
            case "conv":
                values.append(build.add(Conv(channels=CHANNELS, kernel=1 + 2 * (second % 2)), a, name=name))
            case "bn" | "relu" | "dropout":
                op = {"bn": BatchNorm, "relu": ReLU, "dropout": Dropout}[kind]()
                values.append(build.add(op, a, name=name))
            case "add":
                values.append(build.add(Add(), a, b))
            case "affine":
                values.append(build.add(Affine(scale=0.5 + first), a))
            case "concat":
                wide = build.add(Concat(), a, b)
                values.append(build.add(Conv(channels=CHANNELS, kernel=1), wide, name=name))
            case "again" if modules:
                owner = modules[first % len(modules)]
                values.append(build.add(build.graph.nodes[owner].op, b, owner=owner))
            case "alias" if modules:
                build.scope.children[name] = build.graph.nodes[modules[first % len(modules)]]
        node = build.graph.nodes[-1]
        fits = node.name and build.graph.type_of(node.inputs[0]).channels == CHANNELS
        if fits and node.owner == node.index and node.index not in modules:
            modules.append(node.index)
    for number in range(outputs):
        build.output(
            values[-1 - number % len(values)],
            name=f"o{number}" if outputs > 1 else None,
            when_training=training and number > 0,
        )
    inputs = [torch.randn(2, CHANNELS, 4, 4) for _ in range(2)]
    assert_equal_modules(build.graph, inputs)
