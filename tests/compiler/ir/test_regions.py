"""Regions: one for each application of a scope, held against what the spec says and against what torch calls."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_nets import Net, nets

import archc
from archc.compiler.ir.graph import Graph
from archc.compiler.ir.region_tree import Region, RegionTree

TWICE = """
block unit(f) {
  shared h = f
  output in -> h -> bn -> h
}
arch Net {
  input x: [N, 4, 8, 8]
  shared g = unit(conv(4, 3) -> relu)
  output x -> a: g -> relu -> b: g
}
"""
UNROLLED = """
block unrolled(f) {
  shared cell = f
  output in -> cell ** 3
}
arch Net {
  input x: [N, 4, 8, 8]
  output x -> u: unrolled(conv(4, 3) -> relu) -> v: unrolled(conv(4, 3) -> relu)
}
"""
ELSEWHERE = """
block double(c) {
  shared f = c
  output in -> a: (k: f -> relu) -> b: (l: f -> tanh)
}
arch Net {
  input x: [N, 4, 8, 8]
  output x -> double(conv(4, 3) -> bn)
}
"""
OWN = """
arch Net {
  input x: [N, 4, 8, 8]
  shared f = conv(4, 3) -> post: fresh(conv(4, 3) -> bn)
  output x -> f -> f
}
"""
SCALED = """
block scaled() {
  param w = ones([1, 4, 1, 1])
  output in * w -> conv(4, 1)
}
arch Net {
  input x: [N, 4, 8, 8]
  shared s = scaled
  output x -> a: s -> relu -> b: s
}
"""


def drawn(tree: RegionTree) -> list[str]:
    """The tree as lines: two spaces a level, the path of the scope and the kinds of its own layers."""
    lines: list[str] = []
    stack = [(tree.root, 0)]
    while stack:
        region, depth = stack.pop()
        kinds = [node.op.kind for node in (*region.parameters, *region.nodes)]
        lines.append(f"{'  ' * depth}{region.scope.path or 'top'}: {' '.join(kinds)}".rstrip(": "))
        stack.extend((child, depth + 1) for child in reversed(region.children))
    return lines


def regions_of(text: str) -> RegionTree:
    return RegionTree(archc.loads(text).ir)


def test_what_is_shared_within_what_is_shared_is_told_apart() -> None:
    inner = ["    a.h: conv relu", "    a.h: conv relu"]
    assert drawn(regions_of(TWICE)) == ["top: relu", "  a: bn", *inner, "  a: bn", *inner]


def test_a_scope_that_holds_nothing_but_something_shared_is_applied_once() -> None:
    cells = ["    %s.cell: conv relu"] * 3
    expected = ["top", "  u", *[c % "u" for c in cells], "  v", *[c % "v" for c in cells]]
    assert drawn(regions_of(UNROLLED)) == expected


def test_what_is_applied_again_is_where_it_is_applied() -> None:
    assert drawn(regions_of(ELSEWHERE)) == ["top", "  a: relu", "    a.k: conv bn", "  b: tanh", "    a.k: conv bn"]


def test_each_application_has_scopes_of_its_own_in_a_list() -> None:
    turns = [["  f: conv", "    f.post", f"      f.post.{turn}: conv bn"] for turn in (0, 1)]
    assert drawn(regions_of(OWN)) == ["top", *turns[0], *turns[1]]


def test_parameters_are_in_the_application_that_uses_them() -> None:
    once = "  a: parameter multiply conv"
    assert drawn(regions_of(SCALED)) == ["top: relu", once, once]


@pytest.mark.parametrize("text", [TWICE, UNROLLED, ELSEWHERE, SCALED])
def test_a_module_is_called_as_often_as_its_scope_is_applied(text: str) -> None:
    net = archc.loads(text)
    tree, module = RegionTree(net.ir), net.module(seed=0)
    called = Counter[str]()
    for path, child in module.named_modules():
        child.register_forward_hook(lambda *_, path=path: called.update([path]))
    module(torch.ones(1, 4, 8, 8))
    applied = {scope.path: len(regions) for scope, regions in tree.of_scope.items()}
    assert applied == {path: called[path] for path in applied}


@settings(max_examples=40, deadline=None)
@given(nets(), st.randoms(use_true_random=False))
def test_every_node_is_in_one_region_and_the_ends_are_those_of_the_graph(net: Net, random: object) -> None:
    graph = net.architecture.ir
    tree = RegionTree(graph)
    placed = [node.index for region in tree.root.within() for node in (*region.nodes, *region.parameters)]
    assert sorted(placed) == [node.index for node in graph.nodes if node.op.kind != "input"]
    for region in tree.root.within():
        assert region.indices == sorted(i for part in region.within() for i in [node.index for node in part.nodes])
        assert all(child.parent is region for child in region.children)
        assert_ends(graph, tree, region)


def assert_ends(graph: Graph, tree: RegionTree, region: Region) -> None:
    inside = region.all_indices()
    into = {v for i in inside for v in graph.nodes[i].inputs if v[0] not in inside}
    out = {v for node in graph.nodes if node.index not in inside for v in node.inputs if v[0] in inside}
    out |= {v for output in graph.outputs for v in output.values if v[0] in inside}
    assert set(tree.entering(inside)) == into and tree.leaving(inside) == tuple(sorted(out))
    assert set(tree.arriving(inside)) <= into
