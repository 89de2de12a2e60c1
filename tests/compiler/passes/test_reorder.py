"""Modules that change places, held to networks written in that order."""

from __future__ import annotations

import re
from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_nets import Net, agree, double, image, nets

import archc
from archc.compiler.analyses.residual import kendall_tau


def written(body: str) -> archc.Architecture:
    return archc.loads(f"arch A {{ input x: [N, 4, 8, 8]   {body} }}")


UNITS = """
block unit() = id + (c1: conv(4, 3) -> b1: bn -> relu -> c2: conv(4, 3)) -> relu
arch Net {{ input x: [N, 4, 8, 8]   output x -> {} -> gap -> fc: linear(3) }}
"""


def chain(order: list[int]) -> archc.Architecture:
    return archc.loads(UNITS.format(" -> ".join(f"u{i}: unit()" for i in order)))


def by_pairs(order: list[int]) -> float:
    concordant = [1 if a < b else -1 for a, b in combinations(order, 2)]
    return sum(concordant) / len(concordant)


@pytest.mark.parametrize("order", [[1, 0, 2, 3], [3, 2, 1, 0], [1, 2, 3, 0], [0, 1, 2, 3]])
def test_units_in_a_row(order: list[int]) -> None:
    net, wanted = chain([0, 1, 2, 3]), chain(order)
    moved = net.rewrite("reorder", modules=[f"u{i}" for i in range(4)], order=order)
    module = double(net)
    kept = double(moved, module.state_dict())
    assert list(kept.state_dict()) == list(module.state_dict()) and not moved.ir.weight_maps[-1].gone
    x = image(2, 4, 8, 8)
    assert torch.equal(kept(x), double(wanted, module.state_dict())(x))
    assert agree(module, kept, x) == (order == [0, 1, 2, 3])
    assert moved.notes["kendall_tau"] == pytest.approx(by_pairs(order))


def test_a_swap_is_a_reorder_of_two_and_its_own_inverse() -> None:
    net = archc.load("resnet34")
    swapped = net.rewrite("swap", a="layer3.1", b="layer3.4")
    assert swapped.ir.nodes != net.ir.nodes and swapped.notes["kendall_tau"] == pytest.approx(1 - 2 * 5 / 120)
    back = swapped.rewrite("swap", a="layer3.1", b="layer3.4")
    ends = [[(n.op.key, n.path, n.inputs) for n in a.ir.nodes] for a in (net, back)]
    assert ends[0] == ends[1]
    assert not net.rewrite("reorder", modules=["layer3.1", "layer3.4"], order=[1, 0]).diff(swapped)


@pytest.mark.parametrize(
    ("before", "a", "b", "after"),
    [
        (
            "x -> a: conv(4, 3) -> relu -> b: conv(4, 3) -> bn",
            "a",
            "b",
            "x -> b: conv(4, 3) -> relu -> a: conv(4, 3) -> bn",
        ),
        (
            "x -> (a: conv(4, 3) - (b: conv(4, 5) -> c: bn))",
            "a",
            "b",
            "x -> (b: conv(4, 5) - (a: conv(4, 3) -> c: bn))",
        ),
        (
            "(x -> a: conv(4, 3) -> c: bn -> b: conv(4, 1)) + x",
            "b",
            "a",
            "(x -> b: conv(4, 1) -> c: bn -> a: conv(4, 3)) + x",
        ),
        ("x -> [conv(4, 3), relu, conv(4, 1)]", "0", "2", 'x -> "2": conv(4, 1) -> relu -> "0": conv(4, 3)'),
    ],
)
def test_places(before: str, a: str, b: str, after: str) -> None:
    net, wanted = written(f"output {before}"), written(f"output {after}")
    module = double(net)
    moved = double(net.rewrite("swap", a=a, b=b), module.state_dict())
    assert agree(moved, double(wanted, module.state_dict()), image(2, 4, 8, 8))


def test_outputs_and_inputs_move_too() -> None:
    net = written("h = x -> a: conv(4, 3)   output one = h   output two = h -> b: conv(4, 3)")
    wanted = written("h = x -> b: conv(4, 3)   output one = h   output two = h -> a: conv(4, 3)")
    module = double(net)
    moved = double(net.rewrite("swap", a="a", b="b"), module.state_dict())
    assert agree(moved, double(wanted, module.state_dict()), image(2, 4, 8, 8))


def test_parts_that_are_computed_again_stay_parts() -> None:
    net = written(
        "output x -> a: recompute(c: conv(4, 3) -> bn -> relu) -> b: conv(4, 3) -> c: recompute(conv(4, 3) -> bn)"
    )
    module = double(net)
    moved = double(net.rewrite("swap", a="a.c", b="b"), module.state_dict()).train()
    x = image(2, 4, 8, 8).requires_grad_()
    moved(x).sum().backward()
    assert x.grad is not None


@pytest.mark.parametrize(
    ("body", "settings", "code", "message"),
    [
        ("x -> a: conv(8, 3) -> b: conv(8, 3)", {"a": "a", "b": "b"}, "E0445", r"`a` makes \[N, 8, 8, 8\] of \[N, 4"),
        ("x -> a: (b: conv(4, 3) -> bn)", {"a": "a", "b": "a.b"}, "E0445", "have layers in common"),
        (
            "x -> a: (conv(4, 3) + conv(4, 5)) -> (id, b: bn) -> c: (sum -> bn)",
            {"a": "a", "b": "c"},
            "E0444",
            "takes 2",
        ),
        ("x -> a: conv(4, 3)", {"a": "a", "b": "c"}, "E0443", "no module `c`"),
    ],
)
def test_what_is_refused(body: str, settings: dict[str, str], code: str, message: str) -> None:
    with pytest.raises(archc.ArchError, match=message) as error:
        written(f"output {body}").rewrite("swap", **settings)
    assert [d.code for d in error.value.diagnostics] == [code]


def test_what_is_shared_stays() -> None:
    with pytest.raises(archc.ArchError, match="applied in 2 places"):
        written("shared f = conv(4, 3)   output x -> f -> f -> b: conv(4, 3)").rewrite("swap", a="f", b="b")


@pytest.mark.parametrize("order", [[0, 0], [0], [1, 2], [0, 1, 2]])
def test_an_order_that_is_none(order: list[int]) -> None:
    with pytest.raises(archc.ArchError, match="E0445"):
        written("output x -> a: conv(4, 3) -> b: conv(4, 3)").rewrite("reorder", modules=["a", "b"], order=order)


@pytest.mark.parametrize("order", [None, [0.5, 1], ["a"], [-1, 0]])
def test_orders_of_other_kinds(order: object) -> None:
    with pytest.raises(archc.ArchError, match="E0303"):
        written("output x -> a: conv(4, 3) -> b: conv(4, 3)").rewrite("reorder", modules=["a", "b"], order=order)


@settings(max_examples=15)
@given(net=nets(steps=False, shared=False), data=st.data())
def test_random_nets(net: Net, data: st.DataObject) -> None:
    labels = [label for label in net.units if net.units[label] != "step"]
    order = data.draw(st.permutations(range(len(labels))))
    before = net.architecture
    module = double(before)
    usable = [label for label in labels if label in before.ir.root.children]
    order = [i for i in order if i < len(usable)]
    moved = double(before.rewrite("reorder", modules=usable, order=order), module.state_dict()) if usable else module
    lines = {m[1]: m[0] for m in re.finditer(r"  h = h -> (u\d+): .*\n", net.text)}
    text = net.text
    for place, label in enumerate(usable):
        text = text.replace(lines[label], f"  @{usable[order[place]]}\n")
    for label in usable:
        text = text.replace(f"  @{label}\n", lines[label])
    wanted = double(archc.loads(text), module.state_dict())
    assert agree(moved, wanted, image(2, 3, 8, 8))


@given(st.permutations(range(7)))
def test_kendalls_tau(order: list[int]) -> None:
    assert kendall_tau(order) == pytest.approx(by_pairs(order))
