"""`archc.from_graph`: it takes back what `Architecture.graph` gives, and refuses what is no architecture."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx
import pytest
import torch
from elaborated_zoo import FIRST_OR_ALL, shipped_graphs
from hypothesis import given, settings
from random_graphs import graphs
from random_nets import nets
from random_programs import elaborated, programs

import archc
from archc.compiler.decompile.arch.same import first_discrepancy
from archc.compiler.decompile.graph_json import json_text
from archc.compiler.interchange.attributes import OfInput, OfNode
from archc.compiler.interchange.from_networkx import from_networkx
from archc.compiler.interchange.to_networkx import to_networkx
from archc.compiler.ir.graph import Graph, Scope
from archc.compiler.ops.registry import INTERNAL, LAYERS, lookup_kind

SMALL = ["resnet20_cifar", "fractalnet", "tied_resnet_cifar", "stn_svhn_multi", "nin_cifar"]


def scopes(graph: Graph) -> list[tuple[Any, ...]]:
    """What is said of each scope, those of one series by the first of them."""
    found: list[tuple[Any, ...]] = []
    first: dict[int, int] = {}
    stack: list[Scope] = [graph.root]
    while stack:
        scope = stack.pop()
        series = None if scope.series is None else first.setdefault(id(scope.series), len(found))
        found.append((scope.path, list(scope.children), scope.block, scope.arguments, series, scope.shared))
        stack += [c for n, c in reversed(scope.children.items()) if isinstance(c, Scope) and scope.names_first(n)]
    return found


def check_same(graph: Graph, back: Graph) -> None:
    assert first_discrepancy(graph, back) is None
    assert json_text(graph) == json_text(back)
    assert scopes(graph) == scopes(back)
    assert [(n.path, n.owner, n.frozen, n.origin, n.span) for n in graph.nodes] == [
        (n.path, n.owner, n.frozen, n.origin, n.span) for n in back.nodes
    ]
    assert (graph.parameters, graph.notes, graph.assumed) == (back.parameters, back.notes, back.assumed)
    assert graph.weight_maps == back.weight_maps


@FIRST_OR_ALL
def test_every_shipped_architecture_is_taken_back(path: Path, count: int | None) -> None:
    for graph in shipped_graphs(path, count).values():
        check_same(graph, from_networkx(to_networkx(graph)))


@pytest.mark.parametrize("name", SMALL)
def test_weights_outputs_and_text_are_the_same(name: str) -> None:
    net = archc.load(name)
    back = archc.from_graph(net.graph)
    assert back.source() == net.source()
    one, other = net.module(seed=3), back.module(seed=3)
    assert list(one.state_dict()) == list(other.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))
    image = torch.randn(2, *net.ir.inputs[0].nominal[1:], generator=torch.Generator().manual_seed(0))
    for module in (one, other):
        torch.manual_seed(5)
        module.result = module(image)
    results = [m.result if isinstance(m.result, tuple | list) else [m.result] for m in (one, other)]
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


@settings(max_examples=60)
@given(programs())
def test_random_programs_are_taken_back(text: str) -> None:
    graph = elaborated(text)
    check_same(graph, from_networkx(to_networkx(graph)))


@settings(max_examples=60)
@given(graphs())
def test_scopes_that_interleave_are_taken_back(graph: Graph) -> None:
    view = to_networkx(graph)
    try:
        back = from_networkx(view)
    except archc.ArchError as error:
        assert {d.code for d in error.diagnostics} == {"E0509"}  # what is drawn by hand may lead nowhere
        return
    check_same(graph, back)


@settings(max_examples=25)
@given(nets())
def test_rewritten_architectures_are_taken_back(net: Any) -> None:
    before = net.architecture
    for name, arguments in (("convolutionalize", {}), ("fold_batch_norm", {}), ("widen", {"factor": 2})):
        try:
            rewritten = before.rewrite(name, **arguments)
        except archc.ArchError:
            continue
        back = archc.from_graph(rewritten.graph)
        check_same(rewritten.ir, back.ir)


def test_a_checkpoint_of_before_a_rewrite_loads_into_what_is_taken_back() -> None:
    net = archc.loads("arch A { input x: [N, 3, 8, 8] output x -> c: conv(4, 3, bias = false) -> b: bn -> relu }")
    folded = archc.from_graph(net.rewrite("fold_batch_norm").graph)
    assert folded.ir.weight_maps
    graph = folded.graph
    graph.nodes[1]["channels"] = 8
    assert codes(graph) == ["E1108"]
    del graph.graph["weight_maps"]
    assert archc.from_graph(graph).stats().parameters == 3 * 8 * 9 + 8


@pytest.mark.parametrize("copied", [copy.deepcopy, networkx.MultiDiGraph.copy, lambda g: pickle.loads(pickle.dumps(g))])
def test_copies_are_taken_back(copied: Callable[[Any], Any]) -> None:
    net = archc.load("resnet20_cifar")
    assert first_discrepancy(net.ir, archc.from_graph(copied(net.graph)).ir) is None


def test_no_setting_is_called_like_another_attribute() -> None:
    for kind in (*LAYERS, *INTERNAL):
        cls = lookup_kind(kind)
        assert cls is not None
        said = OfNode.model_fields.keys() | (OfInput.model_fields.keys() - {"name"} if cls.is_input else set())
        assert not said & cls.model_fields.keys(), kind


# --- edits and graphs of one's own ---------------------------------------------------------


def chain(**more: Any) -> networkx.DiGraph:
    """An input, a convolution and a rectifier."""
    graph = networkx.DiGraph(**more)
    graph.add_node("x", op="input", shape=["N", 3, "H", "W"], nominal=[1, 3, 32, 32])
    graph.add_node("c", op="conv", channels=8, kernel=3, bias=True)
    graph.add_node("r", op="relu")
    networkx.add_path(graph, ["x", "c", "r"])
    return graph


def same_as(graph: networkx.DiGraph, text: str) -> bool:
    """Whether a graph is the architecture that a text says."""
    return first_discrepancy(archc.loads(text).ir, archc.from_graph(graph).ir) is None


HEAD = "arch net { input x: [N, 3, H, W] = [1, 3, 32, 32]"


def test_a_graph_of_ones_own_is_what_the_language_says() -> None:
    assert same_as(chain(), f"{HEAD} output x -> conv(8, 3, bias = true) -> relu }}")


def test_names_scopes_and_order() -> None:
    graph = chain(name="Mine", modules={"body.act": {}, "body.c1": {}})
    graph.nodes["c"]["path"], graph.nodes["r"]["path"] = "body.c1", "body.act"
    net = archc.from_graph(graph)
    assert net.name == "Mine"
    assert [path for path, _ in net.ir.module_paths()] == ["body.act", "body.c1"]
    graph.nodes["r"].pop("path")
    graph.nodes["r"]["scope"] = "body"
    assert [path for path, _ in archc.from_graph(graph).ir.module_paths()] == ["body.c1", "body.relu"]


def test_modules_without_names_are_numbered() -> None:
    graph = chain()
    graph.add_node("again", op="conv", channels=4, kernel=1, bias=True)
    graph.add_edge("r", "again")
    assert list(archc.from_graph(graph).module().state_dict()) == [
        "conv.weight",
        "conv.bias",
        "conv_2.weight",
        "conv_2.bias",
    ]


def test_an_edited_setting_counts_everywhere() -> None:
    net = archc.load("resnet20_cifar")
    graph = net.graph
    last = max(n for n in graph if graph.nodes[n]["op"] == "linear")
    graph.nodes[last]["units"] = 7
    edited = archc.from_graph(graph)
    assert edited.stats().parameters == net.stats().parameters - 3 * 65
    assert edited.module()(torch.zeros(2, 3, 32, 32)).shape == (2, 7)
    assert net.module()(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_slots_give_the_order_and_gaps_close() -> None:
    graph = chain()
    graph.add_node("cat", op="concat")
    graph.add_edge("r", "cat", slot=5)
    graph.add_edge("x", "cat", slot=2)
    assert same_as(graph, f"{HEAD} output x ++ (x -> conv(8, 3, bias = true) -> relu) }}")


def test_what_is_shared() -> None:
    graph = networkx.MultiDiGraph()
    graph.add_node("x", op="input", shape=["N", 4, 8, 8])
    graph.add_node("f", op="conv", channels=4, kernel=3, path="f")
    graph.add_node("g", op="conv", channels=4, kernel=3, shared_with="f")
    networkx.add_path(graph, ["x", "f", "g"])
    assert same_as(graph, "arch net { input x: [N, 4, 8, 8] shared f = conv(4, 3) output x -> f -> f }")


def test_second_names() -> None:
    graph = chain(modules={"a": {}, "tied.b": {"same_as": "a"}, "gone": {}, "lost": {"same_as": "gone"}})
    graph.nodes["c"]["path"] = "a"
    module = archc.from_graph(graph).module()
    assert list(module.state_dict()) == ["a.weight", "a.bias", "tied.b.weight", "tied.b.bias"]
    assert module.get_submodule("tied.b") is module.get_submodule("a")


def test_a_second_name_of_a_second_name_is_one_more_of_the_first() -> None:
    graph = chain(
        modules={"z": {"same_as": "y"}, "y": {"same_as": "a"}, "a": {}, "p": {"same_as": "q"}, "q": {"same_as": "p"}}
    )
    graph.nodes["c"]["path"] = "a.c"
    module = archc.from_graph(graph).module()
    assert list(module.state_dict()) == [f"{path}.c.{name}" for path in "zya" for name in ("weight", "bias")]


def test_a_tensor_without_a_path_has_its_own_name() -> None:
    graph = with_parameter(scope="act")
    assert list(archc.from_graph(graph).module().state_dict()) == ["conv.weight", "conv.bias", "act.gain"]
    graph.nodes["p"]["name"] = "no name"
    assert codes(graph) == ["E0501"]


def test_an_edit_of_one_graph_is_in_no_other() -> None:
    net = archc.load("resnet20_cifar")
    net.graph.nodes[1]["channels"] = 7
    assert first_discrepancy(net.ir, archc.from_graph(net.graph).ir) is None


def test_several_outputs_ports_tokens_and_drawn_numbers() -> None:
    graph = networkx.MultiDiGraph()
    graph.add_node("x", op="input", shape=["N", 16, 8], dtype="tokens")
    graph.add_node("halves", op="chunk", parts=2)
    graph.add_node("which", op="choice", n=2)
    graph.add_node("join", op="drop_mean", p=0.1, survivor=True)
    graph.add_edge("x", "halves")
    graph.add_edge("x", "which")
    for slot, (source, port) in enumerate([("halves", 0), ("halves", 1), ("which", 0)]):
        graph.add_edge(source, "join", port=port, slot=slot)
    graph.graph["outputs"] = [
        {"name": "joined", "values": [("join", 0)]},
        {"name": "parts", "values": [("halves", 1), ("halves", 0)], "when_training": True},
    ]
    found = archc.from_graph(graph).module()(torch.zeros(3, 16, 8))
    assert found["joined"].shape == (3, 16, 4)
    assert [part.shape for part in found["parts"]] == [(3, 16, 4)] * 2


def test_initialisers_are_plain() -> None:
    graph = chain()
    graph.nodes["c"].update(init=("constant", {"value": 2}), bias=("zeros", {}))
    assert same_as(graph, f"{HEAD} output x -> conv(8, 3, init = constant(2), bias = zeros) -> relu }}")


def test_numbers_of_numpy_are_numbers() -> None:
    numpy = pytest.importorskip("numpy")
    graph = chain()
    graph.nodes["c"].update(channels=numpy.int64(8), kernel=[numpy.int32(3)] * 2)
    assert archc.from_graph(graph).stats().parameters == 8 * 28


# --- what is refused -----------------------------------------------------------------------


def codes(graph: Any) -> list[str]:
    with pytest.raises(archc.ArchError) as caught:
        archc.from_graph(graph)
    return [d.code for d in caught.value.diagnostics]


def first(graph: Any) -> archc.Diagnostic:
    with pytest.raises(archc.ArchError) as caught:
        archc.from_graph(graph)
    return caught.value.diagnostics[0]


def with_node(**attributes: Any) -> networkx.DiGraph:
    """The chain with one more node, which takes the last one's result."""
    graph = chain()
    graph.add_node("new", **attributes)
    graph.add_edge("r", "new")
    return graph


def changed(node: str, **attributes: Any) -> networkx.DiGraph:
    graph = chain()
    graph.nodes[node].update(attributes)
    return graph


def with_parameter(**attributes: Any) -> networkx.DiGraph:
    """The chain with a factor of its own in place of its last layer."""
    graph = changed("r", op="multiply")
    graph.add_node("p", op="parameter", name="gain", shape=[1], init=("ones", {}), **attributes)
    graph.add_edge("p", "r")
    return graph


def with_edge(source: str, target: str, **attributes: Any) -> networkx.MultiDiGraph:
    graph = networkx.MultiDiGraph(chain())
    graph.add_edge(source, target, **attributes)
    return graph


def said(**attributes: Any) -> networkx.DiGraph:
    return chain(**attributes)


def changed_names(modules: dict[str, Any]) -> networkx.DiGraph:
    graph = chain(modules=modules)
    graph.nodes["c"]["path"] = "a.c"
    return graph


REFUSED = [
    (networkx.Graph(), "E1101", "undirected graph"),
    ("resnet50", "E1101", "a value of type str"),
    (networkx.DiGraph(), "E1106", "no input"),
    (with_node(), "E1102", "node 'new': it has no `op`"),
    (with_node(op="rleu"), "E1102", "node 'new': there is no op `rleu`"),
    (with_node(op="Conv2d"), "E1102", "there is no op `Conv2d`"),
    (with_node(op=["relu"]), "E1102", "there is no op"),
    (with_node(op="conv", channels=4), "E0303", "node 'new': conv needs `kernel`"),
    (with_node(op="conv", channels=4, kernel=3, strid=2), "E0303", "no parameter `strid`"),
    (with_node(op="conv", channels=-4, kernel=3), "E0303", "positive whole number, not -4"),
    (with_node(op="conv", channels="N", kernel=3), "E0303", "positive whole number"),
    (with_node(op="relu", **{"1": 2}), "E0303", "no parameter `1`"),
    (changed("c", init=("nromal", {})), "E0303", "node 'c': `nromal` is no initialiser"),
    (changed("c", init=("normal", {"std": -1})), "E0303", "`std` of normal"),
    (changed("c", kernel=64, padding=0), "E0430", "node 'c': `conv` does not fit here"),
    (changed("x", shape=["N", 3], nominal=None), "E0401", "node 'c'"),
    (changed("r", op="matmul"), "E0301", "node 'r': `matmul` takes 2 tensors, and 1 arrives"),
    (changed("r", op="crop", like=True), "E0301", "one tensor beside 1 named, and 0 arrive"),
    (with_parameter(persistent=False), "E0407", "node 'p': a param is learned, and what no checkpoint has cannot be"),
    (changed("x", shape=None), "E0348", "node 'x': an input has a `shape`"),
    (changed("x", shape=["N", 0]), "E0348", "0 is no size"),
    (changed("x", shape=["N", "if"]), "E0348", "'if' is no size"),
    (changed("x", dtype="half"), "E0202", "`float`, `int`, `bool` or `tokens`"),
    (changed("x", nominal=[1, 4, 8, 8]), "E0350", "4 cannot be 3"),
    (changed("x", nominal=[1, 3]), "E0350", "must have 4 sizes"),
    (changed("x", name="self"), "E0511", "node 'x': an input cannot be named `self`"),
    (changed("x", name="H"), "E0511", "as one of the sizes is"),
    (changed("x", name="a b"), "E1103", "`name` must be a word"),
    (changed("x", name="in"), "E1103", "no input can be called `in`, which is a word of the language"),
    (changed("x", frozen=True), "E1103", "neither frozen nor computed again"),
    (changed("c", frozen=1), "E1103", "`frozen` must be true or false"),
    (changed("c", recompute=[1]), "E1103", "`recompute`"),
    (changed("c", origin="here"), "E1103", "`origin`"),
    (changed("c", path="a..b"), "E0501", "node 'c'"),
    (changed("c", path="a.if"), "E0502", "node 'c'"),
    (changed("c", path="train"), "E0503", "node 'c'"),
    (changed("c", path=".".join("a" * 500)), "E0911", "nested"),
    (changed("c", path="a.b", scope="c"), "E1103", "not in the `scope`"),
    (with_node(op="sum", path="s"), "E1103", "`sum` is no module"),
    (with_node(op="conv", channels=1, kernel=1, shared_with="c"), "E1107", "node 'new': it shares"),
    (with_node(op="relu", shared_with="nobody"), "E1107", "`shared_with` is node 'nobody'"),
    (with_node(op="relu", shared_with="new"), "E1107", "leads back"),
    (with_node(op="relu", shared_with="r", path="other"), "E1107", "another name than node 'r'"),
    (with_edge("x", "x"), "E1105", "a cycle through 1 node: 'x' -> 'x'"),
    (with_edge("r", "c"), "E1105", "a cycle through 2 nodes"),
    (with_edge("c", "x"), "E1105", "cycle"),
    (with_edge("x", "r", slot=0), "E1104", "node 'r': `relu` takes 2 tensors"),
    (with_edge("x", "r"), "E1104", "node 'r'"),
    (with_edge("x", "r", weight=0.5), "E1103", "no attribute `weight`"),
    (with_edge("x", "r", port=1), "E1103", "`input` at node 'x' has one output, port 0"),
    (with_edge("x", "r", slot=-1), "E1103", "`slot` must be a whole number from 0"),
    (said(nmae="a"), "E1103", "no attribute `nmae`"),
    (said(name="my net"), "E1103", "`name`"),
    (said(doc=3), "E1103", "`doc` must be a text"),
    (said(modules=["c"]), "E1103", "`modules` must be a dict"),
    (said(modules={"conv": {"blok": "b"}}), "E1103", "no attribute `blok`"),
    (
        said(modules={"a.b": {"same_as": "conv"}, "a.b.c": {"same_as": "a"}}),
        "E0504",
        "`a.b` is a layer or a second name",
    ),
    (changed_names({"a.c": {}, "a.again": {"same_as": "a"}}), "E1103", "stands in"),
    (changed_names({"a.c.more": {"same_as": "relu"}}), "E0504", "cannot hold `a.c.more`"),
    (changed_names({"a": {"same_as": "relu"}}), "E0504", "`a` is a layer or a second name"),
    (said(outputs=[]), "E1103", "`outputs`"),
    (said(outputs=[{"values": ["r"]}]), "E1103", "`values` must be a list of pairs"),
    (said(outputs=[{"values": [("q", 0)]}]), "E1106", "node 'q', which the graph does not have"),
    (said(outputs=[{"values": [("r", 2)]}]), "E1103", "`relu` at node 'r' has one output"),
    *((said(doc=doc), "E1103", "a text without") for doc in ('"""', "a\0b", "\x1b[31m", "\ud800")),
    (said(outputs=[{"values": [("r", 0)]}] * 2), "E0347", "two outputs are called `out`"),
    (said(outputs=[{"values": [("x", 0)]}]), "E0509", "node 'c': this `conv` has parameters"),
    (said(assumed={"H": "many"}), "E1103", "`assumed`"),
    (said(weight_maps=[1]), "E1103", "`weight_maps`"),
]  # fmt: skip


@pytest.mark.parametrize(("graph", "code", "words"), REFUSED, ids=[f"{c}-{w}" for _, c, w in REFUSED])
def test_what_is_no_architecture_is_refused(graph: Any, code: str, words: str) -> None:
    found = first(graph)
    assert (found.code, words in found.message) == (code, True), found.message
    assert found.span is None


def test_hints_say_what_is_meant() -> None:
    assert "`relu`" in str(first(with_node(op="rleu")).hints)
    assert "`conv(channels, kernel)`" in str(first(with_node(op="Conv2d")).hints)
    assert "`stride`" in str(first(with_node(op="conv", channels=4, kernel=3, strid=2)).hints)
    assert "`name`" in str(first(said(nmae="a")).hints)


def test_several_sinks_are_no_output() -> None:
    graph = with_edge("x", "r2")
    graph.nodes["r2"]["op"] = "relu"
    assert first(graph).message == "the graph does not say its outputs, and 2 nodes lead nowhere: 'r', 'r2'"


def test_drawn_numbers_go_where_they_are_taken() -> None:
    graph = with_node(op="choice", n=2)
    assert codes(graph) == ["E0306"]
    graph.add_node("more", op="relu")
    graph.add_edge("new", "more")
    assert codes(graph) == ["E0353"]
    graph.nodes["more"].update(op="drop_mean", p=0.1, survivor=True)
    assert codes(graph) == ["E0301"]
    graph.add_edge("r", "more", slot=1)
    graph.edges["new", "more"]["slot"] = 0
    assert codes(graph) == ["E0303"]
    graph.edges["r", "more"]["slot"], graph.edges["new", "more"]["slot"] = 0, 1
    assert archc.from_graph(graph).module()(torch.zeros(1, 3, 32, 32)).shape == (1, 8, 32, 32)


def test_all_that_is_wrong_is_said_once() -> None:
    graph = chain()
    for name, source in (("a", "x"), ("b", "c"), ("after", "a")):
        graph.add_node(name, op="conv", channels=0, kernel=3)
        graph.add_edge(source, name)
    assert codes(graph) == ["E0303", "E0303"]


def test_two_modules_of_one_name() -> None:
    graph = with_node(op="conv", channels=4, kernel=1, path="a")
    graph.nodes["c"]["path"] = "a"
    assert codes(graph) == ["E0504"]
    graph.nodes["c"]["path"] = "a.b"
    assert codes(graph) == ["E0504"]


def test_layers_of_the_host_are_for_the_tensors_that_they_were_declared_for() -> None:
    net = archc.loads(
        "extern halved()(x: [N, C, H, W]) -> [N, C // 2, H, W]\n"
        "arch A { input x: [N, 4, 8, 8] output x -> conv(6, 1) -> halved() -> relu }"
    )
    check_same(net.ir, archc.from_graph(net.graph).ir)
    graph = net.graph
    graph.nodes[1]["channels"] = 8
    assert codes(graph) == ["E1107"]


def test_a_usual_size_that_was_assumed_stays_while_it_is_legal() -> None:
    net = archc.loads("arch A { input x: [N, 3, H, W] output x -> conv(4, 5, padding = 0) }")
    graph = net.graph
    assert graph.graph["assumed"] == {"H": 5, "W": 5}
    graph.graph["assumed"] = {"H": 9, "W": 9}
    assert archc.from_graph(graph).ir.nominal == {"N": 1, "H": 9, "W": 9}
    graph.graph["assumed"] = {"H": 3, "W": 3}
    assert archc.from_graph(graph).ir.nominal == {"N": 1, "H": 5, "W": 5}
