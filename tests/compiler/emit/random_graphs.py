"""Random graphs that no text says but a rewrite may make, whose scopes interleave."""

from __future__ import annotations

from hypothesis import strategies as st
from python_builder import GraphBuilder
from random_programs import CHANNELS

from archc.compiler.ir.graph import Graph, Scope, Value
from archc.compiler.ops.activation import ReLU
from archc.compiler.ops.conv import Conv
from archc.compiler.ops.core import Affine
from archc.compiler.ops.dropout import Dropout
from archc.compiler.ops.merge import Add, Concat
from archc.compiler.ops.norm import BatchNorm

PATHS = [(), ("a",), ("a", "b"), ("a", "b", "0"), ("a", "b", "1"), ("c",), ("c", "s1-x"), ("n",), ("d1",), ("d2",)]
KINDS = ["conv", "conv", "bn", "relu", "dropout", "add", "add", "affine", "concat", "again", "alias", "both", "both"]
STEPS = st.lists(
    st.tuples(st.sampled_from(KINDS), st.sampled_from(range(len(PATHS))), st.integers(0, 5), st.integers(0, 5)),
    min_size=1,
    max_size=24,
)


def _enter(build: GraphBuilder, path: tuple[str, ...]) -> None:
    build.scope = build.graph.root
    for name in path:
        child = build.scope.children.get(name)
        if child is None:
            child = build.scope.children[name] = Scope(name, build.scope, block=None if name.isdigit() else name[0])
        assert isinstance(child, Scope)
        build.scope = child


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """A graph of two inputs whose scopes interleave, with shared layers and second names."""
    build = GraphBuilder("Net")
    values = [build.input(1, CHANNELS, 4, 4, name="x"), build.input(1, CHANNELS, 4, 4, name="other")]
    modules: list[int] = []
    for number, (kind, place, first, second) in enumerate(draw(STEPS)):
        _enter(build, PATHS[place])
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
            case "again" | "both" if modules:
                owner = modules[first % len(modules)]
                if kind == "both":
                    build.scope.children[name] = build.graph.nodes[owner]
                values.append(build.add(build.graph.nodes[owner].op, b, owner=owner))
            case "alias" if modules:
                build.scope.children[name] = build.graph.nodes[modules[first % len(modules)]]
        node = build.graph.nodes[-1]
        fits = node.name and build.graph.type_of(node.inputs[0]).channels == CHANNELS
        if fits and node.owner == node.index and node.index not in modules:
            modules.append(node.index)
    _use_up(build, values)
    _without_empty(build.graph)
    count, training = draw(st.integers(1, 3)), draw(st.booleans())
    for number in range(count):
        name = f"o{number}" if count > 1 else None
        build.output(values[-1 - number % len(values)], name=name, when_training=training and number > 0)
    return build.graph


def _use_up(build: GraphBuilder, values: list[Value]) -> None:
    """Adds up what nothing takes, since a layer on which no output depends is none that a program may have."""
    taken = {value for node in build.graph.nodes for value in node.inputs}
    left = [value for value in values if value not in taken]
    if len(left) > 1:
        build.scope = build.graph.root
        values.append(build.add(Add(), *left))


def _without_empty(graph: Graph) -> None:
    """Takes scopes away that hold no layer, which a program does not have either."""

    def fill(scope: Scope) -> bool:
        inner = [(name, child) for name, child in scope.children.items() if isinstance(child, Scope)]
        for name, child in inner:
            if not fill(child):
                del scope.children[name]
        return bool(scope.children)

    fill(graph.root)
    for node in graph.nodes:
        while node.scope.parent is not None and not node.scope.children:
            node.scope = node.scope.parent
