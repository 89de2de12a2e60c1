"""Architectures told apart by what functions they can be at all, and equal once batch norms are folded.

The oracle is torch: what one of the two is said to lack is looked for in it, with random weights.
"""

from __future__ import annotations

import pairs
import pytest
import torch

import archc
from archc import Architecture
from archc.compiler.ir.op import Trait
from archc.compiler.ops.build import build_op
from archc.compiler.ops.registry import LAYERS, lookup_kind


def built(body: str, before: str = "") -> Architecture:
    return archc.loads(f"arch A {{\n input x: [N, 4, H, W] = [2, 4, 6, 6]\n{before}\n output x -> ({body})\n}}")


@pytest.mark.parametrize(
    ("one", "other", "kind", "side"),
    [
        ("conv(4, 3) -> relu -> conv(3, 1)", "conv(4, 3) -> gelu -> conv(3, 1)", "curves", "after"),
        ("conv(4, 3) -> bn -> silu -> gap", "conv(4, 3) -> bn -> maxpool(2) -> relu6 -> gap", "curves", "before"),
        ("conv(4, 3) -> hardswish -> conv(3, 1)", "conv(4, 3) -> silu -> conv(3, 1)", "bends", "before"),
        ("conv(4, 1) -> ln -> gelu -> gap", "conv(4, 1) -> ln -> relu -> gap", "bends", "after"),
        ("conv(3, 3) -> relu -> gap -> linear(9)", "conv(8, 3) -> relu -> gap -> linear(9)", "spans", "after"),
        ("conv(2, 3) -> relu -> conv(3, 1)", "conv(3, 3) -> relu -> conv(3, 1)", "moves", "after"),
    ],
)
def test_a_function_that_one_of_them_never_is(one: str, other: str, kind: str, side: str) -> None:
    a, b = built(one), built(other)
    found = a.equivalent(b)
    shown = found.counterexample
    assert found.verdict == "different" and shown is not None, found.reason
    assert (shown.kind, shown.side) == (kind, side)
    assert pairs.wrong(a, b, found) == ""
    back = b.equivalent(a)
    assert back.verdict == "different" and back.counterexample is not None and back.counterexample.side != side


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("conv(4, 3) -> gelu", "conv(4, 3) -> silu"),
        ("conv(4, 3) -> conv(3, 1)", "conv(8, 3) -> conv(3, 1)"),
        # x * sigmoid(x) - (-x) * sigmoid(-x) is x
        ("conv(4, 3) -> (silu - (-1 * id -> silu)) -> conv(3, 1)", "conv(4, 3) -> conv(3, 1)"),
        ("conv(4, 3) -> (silu - (-1 * id -> silu)) -> relu -> conv(3, 1)", "conv(4, 3) -> relu -> conv(3, 1)"),
    ],
)
def test_what_may_be_one_function_is_not_told_apart(one: str, other: str) -> None:
    assert built(one).equivalent(built(other)).verdict == "undecided"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("conv(4, 3) -> bn -> relu -> gap -> linear(3)", "conv(4, 3, bias = true) -> relu -> gap -> linear(3)"),
        ("conv(4, 3, bias = true) -> bn", "conv(4, 3) -> bn(affine = false, eps = 0.1)"),
        ("dwconv(3) -> bn -> relu", "dwconv(3, bias = true) -> relu"),
        ("upconv(6, 2, 2, groups = 2) -> bn -> relu", "upconv(6, 2, 2, groups = 2, bias = true) -> relu"),
    ],
)
def test_norms_are_folded(one: str, other: str) -> None:
    a, b = built(one), built(other)
    for here, there in ((a, b), (b, a)):
        found = here.equivalent(there)
        assert found.verdict == "equal" and not found.training and found.by_name is None
        assert pairs.wrong(here, there, found) == ""


def test_a_rewrite_that_computes_weights_equals_its_source() -> None:
    source = archc.load("resnet_cifar", depth=20)
    made = source.rewrite("fold_batch_norm")
    for here, there in ((source, made), (made, source)):
        found = here.equivalent(there)
        assert found.verdict == "equal"
        assert pairs.wrong(here, there, found) == ""


def test_a_norm_behind_two_layers_ties_their_biases() -> None:
    """Folded, each of them would have a bias of its own."""
    tied = built(
        "f -> n -> relu -> g -> n -> relu", before="shared n = bn\nshared f = conv(4, 3)\nshared g = conv(4, 3)"
    )
    free = built("conv(4, 3, bias = true) -> relu -> conv(4, 3, bias = true) -> relu")
    assert tied.equivalent(free).verdict != "equal"


SETTINGS = {"clamp": {"low": -1}}
CLASSES = Trait.PIECEWISE_LINEAR | Trait.ANALYTIC
OF_NUMBERS = [
    kind
    for kind, op in ((kind, lookup_kind(kind)) for kind in LAYERS)
    if op.arity == 1 and Trait.ELEMENTWISE in op.traits and op.traits & CLASSES
]


@pytest.mark.parametrize("kind", OF_NUMBERS)
def test_layers_are_of_the_class_that_they_say(kind: str) -> None:
    """A piecewise linear one bends at few places, an analytic one nowhere."""
    settings = SETTINGS.get(kind, {})
    given = ", ".join(f"{name} = {value}" for name, value in settings.items())
    net = archc.loads(f"arch A {{ input x: [N, 1]\n output x -> {kind}{given and f'({given})'} }}")
    module, op = net.module(dtype="float64").eval(), build_op(lookup_kind(kind), [], settings)
    for step in (2.0**-6, 2.0**-9):
        x = torch.arange(-4, 4, step, dtype=torch.float64)[:, None]
        with torch.no_grad():
            bends = module(x)[:, 0].diff(2).abs()
        if op.is_piecewise_linear():
            assert (bends > 1e-12).sum() <= 6
        else:
            assert bends.max() < 60 * step**2


@pytest.mark.slow
def test_no_verdict_on_pairs_of_the_zoo_is_wrong() -> None:
    assert pairs.main(["--count", "20"]) == 0


def test_sizes_read_off_another_tensor() -> None:
    shape = "x -> conv(8, 3) -> flatten(2) -> reshape([8, x.height, x.width], like = x)"
    net = archc.loads(f"arch A {{ input x: [N, 3, H, W]  output {shape} }}")
    assert net.equivalent(net).verdict == "equal"
