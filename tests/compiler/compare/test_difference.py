"""Two architectures side by side: what is the same, what is not, and that the figures add up."""

from __future__ import annotations

import random
import time
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from elaborated_zoo import FIRST_OR_ALL, shipped_graph, shipped_graphs
from elaborated_zoo import names as names_of
from patience import IN_TIME

import archc
from archc.catalog import shipped_files
from archc.compiler.compare.comparison import Costs
from archc.compiler.compare.difference import Difference, Entry, difference
from archc.compiler.ir.graph import Graph, concrete


@cache
def graph(file: str, name: str | None = None) -> Graph:
    return archc.load(file, name).ir


def built(body: str) -> Graph:
    """A network of layers that keep the shape."""
    return archc.loads(f"arch A {{\n  input x: [N, 8, 8, 8]\n  output x -> {body}\n}}").ir


def flat(entries: list[Entry]) -> list[Entry]:
    return [e for entry in entries for e in (entry, *flat(entry.members))]


def names(items: Any) -> list[str]:
    return [item.name or item.node.op.kind for item in items]


def mirrors(found: Difference, back: Difference) -> None:
    flip = {"added": "removed", "removed": "added"}
    assert back.counterparts == {b: a for a, b in found.counterparts.items()}
    assert back.statuses == tuple([flip.get(s, s) for s in side] for side in reversed(found.statuses))
    assert sorted(back.renamed) == sorted((b, a) for a, b in found.renamed)
    assert (back.parameters, back.multiply_adds) == (-found.parameters, -found.multiply_adds)
    assert bool(back) == bool(found)
    for status in ("added", "removed", "changed", "consequence"):
        assert back.count(flip.get(status, status)) == found.count(status)


def settings(found: Difference) -> set[tuple[str, str, str]]:
    return {(s.name, s.before, s.after) for entry in flat(found.entries) for s in entry.settings}


# --- shipped architectures -------------------------------------------------------------------


def test_a_plain_network_lacks_the_shortcuts_and_nothing_else() -> None:
    found = difference(graph("resnet", "plain34"), graph("resnet", "resnet34"))
    assert {entry.status for entry in flat(found.entries)} == {"same", "added"}
    added = [entry for entry in flat(found.entries) if entry.status == "added"]
    assert {name for entry in added for name in names(entry.after)} == {"sum", "downsample"}
    assert (found.count("added"), found.count("removed"), found.count("changed")) == (16 + 3 * 2, 0, 0)
    assert found.count("consequence") == 0
    assert not found.renamed and not found.outputs
    assert found.parameters == sum(64 * 4**i * 128 + 256 * 2**i for i in range(3))


def test_more_units_are_told_in_one_entry() -> None:
    found = difference(graph("resnet", "resnet50"), graph("resnet", "resnet101"))
    (stage,) = found.entries
    (units,) = stage.members
    assert (stage.status, names(stage.after), stage.count) == ("same", ["layer3"], 1)
    assert (units.status, names(units.after), units.layers) == ("added", [str(i) for i in range(6, 23)], 170)
    assert units.costs.parameters == 17 * (2 * 256 * 1024 + 9 * 256**2 + 2 * (1024 + 2 * 256))


def test_groups_and_widths_are_settings() -> None:
    found = difference(graph("resnet", "resnet50"), graph("resnext", "resnext50_32x4d"))
    assert (found.count("added"), found.count("removed"), found.count("changed")) == (0, 0, 32)
    changed = [e for e in flat(found.entries) if e.status == "changed"]
    assert {s.name for entry in changed for s in entry.settings} == {"channels", "groups"}
    assert {(s.before, s.after) for e in changed for s in e.settings if s.name == "groups"} == {("1", "32")}


def test_a_rewrite_is_told_as_what_it_did() -> None:
    found = difference(graph("vgg", "vgg16"), graph("vgg", "vgg16_fcn"))
    assert (found.parameters, found.multiply_adds) == (0, 0)
    (changed,) = [entry for entry in flat(found.entries) if entry.status == "changed"]
    assert [(s.name, s.before, s.after) for s in changed.settings] == [("layer", "linear", "conv")]
    assert names(changed.after) == ["0", "3", "6"]


@FIRST_OR_ALL
def test_nothing_differs_from_itself(path: Path, count: int | None) -> None:
    for name, one in shipped_graphs(path, count).items():
        found = difference(one, one)
        assert not found, name
        assert (found.entries, found.parameters, found.multiply_adds) == ([], 0, 0)
        assert set(found.statuses[0]) | set(found.statuses[1]) == {"same"}


def test_nor_from_what_the_same_text_gives_again() -> None:
    assert not difference(archc.load("resnet", "resnet34").ir, archc.load("resnet", "resnet34").ir)


PAIRS = [
    *(pytest.param(pair, 0, id=pair[0].stem) for pair in [*pairwise(shipped_files())][::3]),
    *(
        pytest.param(pair, -1, id=f"last of {pair[0].stem}", marks=pytest.mark.slow)
        for pair in pairwise(shipped_files())
    ),
]
"""Shipped files in a row, and which of their architectures: the first of some, the last of all."""


@pytest.mark.parametrize(("pair", "which"), PAIRS)
def test_the_figures_add_up_and_the_mirror_says_the_same(pair: tuple[Path, Path], which: int) -> None:
    before, after = (shipped_graph(path, names_of(path)[which]) for path in pair)
    found, back = difference(before, after), difference(after, before)
    totals = [archc.Architecture(side).stats() for side in (before, after)]
    assert found.parameters == totals[1].parameters - totals[0].parameters
    assert found.multiply_adds == totals[1].multiply_adds - totals[0].multiply_adds
    adds_up(found.entries, found.parameters, found.multiply_adds, 1)
    mirrors(found, back)
    assert settings(back) == {(name, b, a) for name, a, b in settings(found)}
    holds(found)


def adds_up(entries: list[Entry], parameters: int, multiply_adds: int, times: int) -> None:
    assert parameters == times * sum(entry.costs.parameters for entry in entries)
    assert multiply_adds == times * sum(entry.costs.multiply_adds for entry in entries)
    for entry in entries:
        if entry.members:
            adds_up(entry.members, entry.costs.parameters, entry.costs.multiply_adds, entry.count)


def test_a_layer_with_a_weight_of_its_own_and_with_one_that_is_given() -> None:
    own, given = (
        archc.loads(f"arch A {{ input x: [N, 8]  param w = ones([3, 8])  output {body} }}")
        for body in (
            "(x -> linear(3, bias = false)) + matmul(x, w -> transpose(0, 1))",
            "x -> linear(3, bias = false, weight = w)",
        )
    )
    found, back = difference(own.ir, given.ir), difference(given.ir, own.ir)
    assert settings(found) == {("inputs", "input", "input, w")} and settings(back) == {("inputs", "input, w", "input")}
    assert found.parameters == -24
    mirrors(found, back)


@IN_TIME
def test_thousand_layers_take_a_second_or_two(patience: int) -> None:
    pair = graph("resnet", "resnet152"), graph("preresnet_cifar", "preresnet1001_cifar")
    start = time.process_time()
    assert difference(*pair)
    assert time.process_time() - start < 4 * patience


# --- names, where structure leaves a choice --------------------------------------------------

UNITS = """
block link() = conv(8, 3) -> bn -> relu
block pre() = id + (bn -> relu -> conv(8, 3))
block post() = id + (conv(8, 3) -> bn) -> relu
"""


def in_a_row(body: str) -> archc.Architecture:
    return archc.loads(f"{UNITS}arch A {{ input x: [N, 8, 8, 8]   output x -> {body} -> gap -> fc: linear(3) }}")


@pytest.mark.parametrize("unit", ["link", "pre", "post"])
@pytest.mark.parametrize("gone", range(4))
def test_the_unit_that_a_rewrite_removed_is_told(unit: str, gone: int) -> None:
    net = in_a_row(f"body: {unit}() ** 4")
    removed = net.rewrite("remove", modules=f"body.{gone}")
    for after in (removed, archc.loads(removed.source())):
        found = net.diff(after)
        paths = {found.before.nodes[i].path for i, s in enumerate(found.statuses[0]) if s == "removed"}
        assert all(path.startswith(f"body.{gone}") for path in paths) and not found.renamed, paths
        assert (found.count("added"), found.count("changed")) == (0, 0)
        mirrors(found, after.diff(net))


def test_of_units_that_are_numbered_anew_the_last_is_gone() -> None:
    (body,) = in_a_row("body: link() ** 4").diff(in_a_row("body: link() ** 3")).entries
    assert [(e.status, names(e.before)) for e in body.members] == [("removed", ["3"])]


@pytest.mark.parametrize("order", [(1, 0, 2), (2, 0, 1), (2, 1, 0)])
def test_modules_that_change_places_keep_their_names(order: tuple[int, ...]) -> None:
    net = in_a_row(" -> ".join(f"u{i}: pre()" for i in range(3)))
    for after in (
        net.rewrite("reorder", modules=["u0", "u1", "u2"], order=list(order)),
        in_a_row(" -> ".join(f"u{i}: pre()" for i in order)),
    ):
        found = net.diff(after)
        assert found and not found.renamed and (found.count("added"), found.count("removed")) == (0, 0)
        assert {s.name for entry in flat(found.entries) for s in entry.settings} == {"inputs"}
        mirrors(found, after.diff(net))


# --- random networks -------------------------------------------------------------------------

LAYERS = (
    "conv(8, 3)",
    "conv(8, 1)",
    "conv(8, 3, groups = 2)",
    "bn",
    "relu",
    "sigmoid",
    "dropout(0.5)",
    "avgpool(3, 1, padding = 1)",
)


def chain(source: random.Random, depth: int = 0) -> list[Any]:
    """Layers, scopes and residual units, nested."""
    found: list[Any] = []
    for _ in range(source.randint(2, 5)):
        kind = source.random()
        if depth < 2 and kind < 0.25:
            found.append(("scope", chain(source, depth + 1)))
        elif depth < 2 and kind < 0.4:
            found.append(("residual", chain(source, depth + 1)))
        else:
            found.append(source.choice(LAYERS))
    return found


def text(items: list[Any]) -> str:
    parts = []
    for number, item in enumerate(items):
        if isinstance(item, str):
            parts.append(item)
        else:
            inner = text(item[1])
            body = f"({inner})" if item[0] == "scope" else f"(id + ({inner}))"
            parts.append(f"part{number}: {body}")
    return " -> ".join(parts)


def edited(items: list[Any], source: random.Random, only: str | None = None) -> list[Any]:
    """The chain with a layer put in, taken out or replaced, or with some of it in a scope of its own."""
    items = list(items)
    place = source.randrange(len(items))
    inside = [i for i, item in enumerate(items) if not isinstance(item, str)]
    if inside and source.random() < 0.5:
        place = source.choice(inside)
        items[place] = (items[place][0], edited(items[place][1], source, only))
        return items
    match only or source.choice(("insert", "remove", "replace", "wrap")):
        case "insert":
            items.insert(place, source.choice(LAYERS))
        case "remove" if len(items) > 1 and isinstance(items[place], str):
            del items[place]
        case "wrap":
            end = source.randint(place + 1, len(items))
            items[place:end] = [("scope", items[place:end])]
        case _:
            items[place] = source.choice(LAYERS)
    return items


def holds(found: Difference) -> None:
    """What is called the same is so op for op, takes the same tensors, and everything has one place."""
    before, after = found.before, found.after
    pairs = found.counterparts
    assert len(set(pairs.values())) == len(pairs)
    assert [s == "removed" for s in found.statuses[0]] == [i not in pairs for i in range(len(before.nodes))]
    partners = set(pairs.values())
    assert [s == "added" for s in found.statuses[1]] == [i not in partners for i in range(len(after.nodes))]
    for i, j in pairs.items():
        a, b = before.nodes[i], after.nodes[j]
        assert found.statuses[0][i] == found.statuses[1][j]
        alike = (a.op.key, a.frozen) == (b.op.key, b.frozen)
        if found.statuses[0][i] in ("same", "consequence"):
            assert alike
            assert fed_alike(found, i, j)
        if found.statuses[0][i] == "same":
            shapes = [[concrete(t.dims, g.nominal) for t in n.outputs] for g, n in ((before, a), (after, b))]
            assert shapes[0] == shapes[1]
        if not alike:
            assert found.statuses[0][i] == "changed"


def fed_alike(found: Difference, i: int, j: int) -> bool:
    """Whether no input of a pair comes from the counterpart of anything but what the other's input comes from."""
    a, b = found.before.nodes[i].inputs, found.after.nodes[j].inputs
    back = {y: x for x, y in found.counterparts.items()}
    if len(a) != len(b):
        known = [(found.counterparts[n], port) for n, port in a if n in found.counterparts]
        return known == [value for value in b if value[0] in back]
    return all(
        (found.counterparts[x[0]], x[1]) == y
        for x, y in zip(a, b, strict=True)
        if x[0] in found.counterparts and y[0] in back
    ) or sorted(found.counterparts.get(x[0], -1) for x in a) == sorted(y[0] if y[0] in back else -1 for y in b)


@pytest.mark.parametrize("seed", range(60))
def test_random_pairs(seed: int) -> None:
    source = random.Random(seed)
    one = chain(source)
    other = one
    for _ in range(source.randint(1, 4)):
        other = edited(other, source)
    before, after = built(text(one)), built(text(other))
    found, back = difference(before, after), difference(after, before)
    holds(found)
    adds_up(found.entries, found.parameters, found.multiply_adds, 1)
    mirrors(found, back)
    totals = [archc.Architecture(side).stats() for side in (before, after)]
    assert found.parameters == totals[1].parameters - totals[0].parameters
    assert found.multiply_adds == totals[1].multiply_adds - totals[0].multiply_adds


@pytest.mark.parametrize("seed", range(40))
def test_layers_put_in_are_all_that_is_found(seed: int) -> None:
    source = random.Random(seed)
    one = chain(source)
    other = one
    for _ in range(3):
        other = edited(other, source, "insert")
    found = difference(built(text(one)), built(text(other)))
    assert (found.count("added"), found.count("removed"), found.count("changed")) == (3, 0, 0)


@pytest.mark.parametrize("seed", range(40))
def test_what_moves_to_a_scope_of_its_own_stays_the_same(seed: int) -> None:
    source = random.Random(seed)
    one = chain(source)
    found = difference(built(text(one)), built(text(edited(one, source, "wrap"))))
    assert set(found.statuses[0]) | set(found.statuses[1]) == {"same"}


# --- single changes --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "setting"),
    [
        ("conv(8, 3)", "conv(8, 3, bias = true)", ("bias", "false", "true")),
        ("conv(8, 3, 2)", "conv(8, 3)", ("stride", "2", "1")),
        ("conv(8, 3)", "conv(8, 3, groups = 4)", ("groups", "1", "4")),
        ("conv(8, 3)", "frozen(conv(8, 3))", ("frozen", "false", "true")),
        ("relu", "elu", ("layer", "relu", "elu")),
        ("recompute(conv(8, 3))", "conv(8, 3)", ("recompute", "true", "false")),
    ],
)
def test_a_setting(one: str, other: str, setting: tuple[str, str, str]) -> None:
    found = difference(*(built(f"first: conv(8, 1) -> mid: ({layer} -> bn) -> gap") for layer in (one, other)))
    (changed,) = [entry for entry in flat(found.entries) if entry.status == "changed"]
    assert [(s.name, s.before, s.after) for s in changed.settings] == [setting]
    assert (found.count("added"), found.count("removed")) == (0, 0)


def test_shapes_change_as_a_consequence() -> None:
    found = difference(
        built("conv(8, 3) -> bn -> conv(4, 1) -> relu"), built("conv(16, 3) -> bn -> conv(4, 1) -> relu")
    )
    assert [(e.status, names(e.after)) for e in found.entries] == [
        ("changed", ["conv"]),
        ("consequence", ["bn", "conv_2"]),
    ]
    assert found.entries[1].costs.parameters == 2 * 8 + 8 * 4


def test_sharing_is_a_setting() -> None:
    spec = "arch A {{ input x: [N, 8, 8, 8]  {} f = conv(8, 3) -> relu  output x -> a: f -> relu {} }}"
    shared = archc.loads(spec.format("shared", "-> f")).ir
    own = archc.loads(
        "arch A { input x: [N, 8, 8, 8]  output x -> a: (conv(8, 3) -> relu) -> relu -> b: (conv(8, 3) -> relu) }"
    ).ir
    found = difference(shared, own)
    assert found
    assert found.parameters == 8 * 8 * 9


@pytest.mark.parametrize("head", ["linear({})", "linear(16) -> relu -> fc: linear({})"])
def test_what_is_shared_and_changes_stands_once_with_the_costs_of_all_applications(head: str) -> None:
    spec = "arch A {{ input x: [N, 16]  shared head = {}  output a = x -> head  output b = x -> linear(16) -> head }}"
    before, after = (archc.loads(spec.format(head.format(n))).ir for n in (10, 5))
    found = difference(before, after)
    changed = flat(found.entries)[-1]
    assert found.count("changed") == 1 and len(found.entries) == 1 and changed.count == 1
    assert changed.costs == Costs(parameters=-5 * 17, multiply_adds=-2 * 5 * 16)
    assert changed.costs == found.entries[0].costs == Costs(found.parameters, found.multiply_adds)


def test_other_wires_are_a_change() -> None:
    spec = (
        "arch A {{ input x: [N, 8, 8, 8]  a = x -> a: conv(8, 3)  b = a -> b: conv(8, 3)  output {} -> c: conv(8, 3) }}"
    )
    found = difference(*(archc.loads(spec.format(merge)).ir for merge in ("a + b", "x + b")))
    (changed,) = found.entries
    assert [(s.name, s.before, s.after) for s in changed.settings] == [("inputs", "a, b", "input, b")]


def test_names_alone_are_a_difference() -> None:
    found = archc.Architecture(built("a: conv(8, 3) -> relu")).diff(archc.Architecture(built("b: conv(8, 3) -> relu")))
    assert found
    assert [(e.status, names(e.before), names(e.after)) for e in found.entries] == [("renamed", ["a"], ["b"])]
    assert found.renamed == [("a", "b")]


def test_a_renamed_scope_keeps_its_layers() -> None:
    found = difference(
        *(built(f"conv(8, 1) -> {name}: (conv(8, 3) -> bn -> relu) -> gap") for name in ("body", "trunk"))
    )
    assert [(e.status, names(e.before), names(e.after)) for e in found.entries] == [("renamed", ["body"], ["trunk"])]
    assert set(found.statuses[0]) == {"same"}


def test_inputs_and_outputs() -> None:
    one = archc.loads("arch A { input x: [N, 3, H, W] = [1, 3, 8, 8]  output x -> conv(4, 3) }").ir
    other = archc.loads(
        "arch A { input x: [N, 3, H, W] = [1, 3, 16, 16]  y = x -> conv(4, 3)  output out = y  output aux = y -> relu }"
    ).ir
    found = difference(one, other)
    (size,) = [s for entry in found.entries for s in entry.settings]
    assert (size.name, size.before, size.after) == (
        "shape",
        "[N, 3, H, W] at [1, 3, 8, 8]",
        "[N, 3, H, W] at [1, 3, 16, 16]",
    )
    assert [(o.status, o.name) for o in found.outputs] == [("added", "aux")]
    assert found.multiply_adds == 3 * 4 * 9 * (16 * 16 - 8 * 8)
