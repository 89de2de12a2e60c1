"""Random edits of graphs: what is taken agrees with its torch module, and everything else is refused."""

from __future__ import annotations

from typing import Any

import networkx
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_programs import elaborated, programs

import archc
from archc.compiler.decompile.arch.same import first_discrepancy
from archc.compiler.interchange.to_networkx import to_networkx

NETS = {
    name: archc.load(name).graph
    for name in (
        "resnet20_cifar",
        "fractalnet",
        "densenet121",
        "stn_svhn_multi",
        "stochastic_depth",
        "tied_resnet_cifar",
    )
}
STRANGE: list[Any] = [
    0, 1, 2, 3, -1, 16, 0.5, 1e400, -0.0, "", "same", "half", "1", "a.b", "relu", None, True, [], [1], [2, 2], [[1, 2]],
    (3, 3, 3, 3), {}, {"a": 1}, {1: 2}, 2**70, float("nan"), object(), b"", set(), "café", ["N", 3], (0, 0), range(2),
]  # fmt: skip
OPS = [
    "relu",
    "gelu",
    "dropout",
    "tanh",
    "sum",
    "concat",
    "conv",
    "linear",
    "gap",
    "flatten",
    "bn",
    "drop_mean",
    "choice",
    "input",
    "affine",
    "x",
]


@st.composite
def edited(draw: st.DrawFn) -> networkx.MultiDiGraph:
    """A graph after one edit, or a few: of a shipped network or of a random program."""
    shipped = draw(st.sampled_from([None, None, *sorted(NETS)]))
    graph = NETS[shipped].copy() if shipped else to_networkx(elaborated(draw(programs())))
    edits = [nudged, nudged, bypassed, bypassed, rewired, replaced, replaced, added, reset, marked, edged, without_node]
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        if graph.number_of_edges():
            draw(st.sampled_from(edits))(graph, draw)
    return graph


def nudged(graph: networkx.MultiDiGraph, draw: st.DrawFn) -> None:
    """A number among the settings becomes another one like it, a truth value the other."""
    settings = [(n, name) for n in graph for name, v in graph.nodes[n].items() if isinstance(v, int | float)]
    if settings:
        node, name = draw(st.sampled_from(settings))
        value = graph.nodes[node][name]
        other = (
            not value if isinstance(value, bool) else draw(st.sampled_from([value + 1, value * 2, value / 2, -value]))
        )
        graph.nodes[node][name] = other


def replaced(graph: networkx.MultiDiGraph, draw: st.DrawFn) -> None:
    """A node becomes another op, in its place."""
    node = a_node(graph, draw)
    kept = {name: said for name, said in graph.nodes[node].items() if name == "path" and draw(st.booleans())}
    graph.nodes[node].clear()
    graph.nodes[node].update(kept, op=draw(st.sampled_from(OPS)))


def a_node(graph: networkx.MultiDiGraph, draw: st.DrawFn) -> Any:
    return draw(st.sampled_from(list(graph)))


def without_node(graph: networkx.MultiDiGraph, draw: st.DrawFn) -> None:
    graph.remove_node(a_node(graph, draw))


def bypassed(graph: networkx.MultiDiGraph, draw: st.DrawFn) -> None:
    """A node is left out; what takes its result takes its first input."""
    node = a_node(graph, draw)
    sources = list(graph.in_edges(node, data=True))
    for _, target, data in list(graph.out_edges(node, data=True)) if sources else ():
        graph.add_edge(sources[0][0], target, port=sources[0][2].get("port", 0), slot=data.get("slot", 0))
    graph.remove_node(node)


def rewired(graph: networkx.MultiDiGraph, draw: st.DrawFn) -> None:
    edges = list(graph.edges(keys=True, data=True))
    source, target, key, data = draw(st.sampled_from(edges))
    graph.remove_edge(source, target, key)
    graph.add_edge(a_node(graph, draw), target, **data)


def reset(graph: networkx.MultiDiGraph, draw: st.DrawFn) -> None:
    """A setting, or what else a node says, gets another value, or none."""
    node = a_node(graph, draw)
    name = draw(st.sampled_from([*graph.nodes[node], "shared_with", "frozen", "recompute", "scope"]))
    if draw(st.booleans()):
        graph.nodes[node].pop(name, None)
    else:
        value = st.sampled_from(STRANGE) | st.sampled_from(OPS) | st.integers(-2, 70) | st.text(max_size=3)
        graph.nodes[node][name] = draw(value)


def marked(graph: networkx.MultiDiGraph, draw: st.DrawFn) -> None:
    """What the graph says of itself, or of a path, gets another value, or none."""
    paths = graph.graph.get("modules")
    if draw(st.booleans()) and isinstance(paths, dict) and paths:
        first, other = draw(st.sampled_from(list(paths))), draw(st.sampled_from([*paths, "new", "a.b"]))
        said = st.sampled_from([{"same_as": first}, {}, {"series": []}, {"block": 3}, {"shared": True}, 3])
        graph.graph["modules"] = {**paths, other: draw(said)}
    else:
        name = draw(st.sampled_from(["name", "outputs", "modules", "doc", "assumed", "weight_maps", "more"]))
        outputs = [{"values": [(a_node(graph, draw), draw(st.sampled_from([0, 1, "a"])))]}]
        graph.graph[name] = draw(st.sampled_from([*STRANGE, outputs, outputs * 2]))
        if draw(st.booleans()):
            del graph.graph[name]


def added(graph: networkx.MultiDiGraph, draw: st.DrawFn) -> None:
    node = a_node(graph, draw)
    graph.add_node("new", op=draw(st.sampled_from(OPS)))
    graph.add_edge(node, "new")
    if draw(st.booleans()):
        graph.graph["outputs"] = [{"values": [("new", 0)]}]
    else:
        graph.add_edge("new", a_node(graph, draw), slot=draw(st.sampled_from([None, 0, 1, 2])))


def edged(graph: networkx.MultiDiGraph, draw: st.DrawFn) -> None:
    edges = list(graph.edges(keys=True))
    source, target, key = draw(st.sampled_from(edges))
    graph.edges[source, target, key][draw(st.sampled_from(["slot", "port", "weight"]))] = draw(st.sampled_from(STRANGE))


@settings(max_examples=120)
@given(edited())
def test_an_edited_graph_agrees_with_its_module_or_is_refused(graph: networkx.MultiDiGraph) -> None:
    try:
        net = archc.from_graph(graph)
    except archc.ArchError as error:
        assert error.diagnostics
        assert all(d.message and d.span is None for d in error.diagnostics)
        return
    agree_with_module(net)
    assert first_discrepancy(net.ir, archc.from_graph(net.graph).ir) is None


def agree_with_module(net: archc.Architecture) -> None:
    """Shapes, parameters and names of a net are those of its torch module, and it runs."""
    sizes = net.ir.nominal
    if any(size > 300 for size in sizes.values()) or net.stats().parameters > 3e7:
        return
    module = net.module(seed=0).eval()
    assert {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()} == net.ir.tensor_shapes()
    inputs = [example(entry.type.dtype, entry.nominal) for entry in net.ir.inputs]
    with torch.no_grad():
        got = module(*inputs)
    wanted = [
        [tuple(d if isinstance(d, int) else d.evaluate(sizes) for d in net.ir.type_of(v).dims) for v in o.values]
        for o in net.ir.outputs
        if not o.when_training
    ]
    values = [v for v in got.values() if v is not None] if isinstance(got, dict) else [got]
    shapes = [[tuple(t.shape) for t in (v if isinstance(v, tuple) else (v,))] for v in values]
    assert shapes == wanted


def example(dtype: str, shape: tuple[int, ...]) -> torch.Tensor:
    if dtype == "float":
        return torch.rand(shape)
    return torch.zeros(shape, dtype=torch.int64 if dtype == "int" else torch.bool)
