"""Parallel branches as one, and one layer as parallel branches: the same outputs, in training too."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

import archc
from archc.compiler.decompile.python.file import class_name, to_python

from .random_nets import Net, agree, double, image, nets


def kinds(net: archc.Architecture) -> Counter[str]:
    return Counter(node.op.kind for node in net.ir.nodes)


def net(body: str, channels: int = 4) -> archc.Architecture:
    return archc.loads(f"arch A {{\n  input x: [N, {channels}, 8, 8]\n  {body}\n}}")


def same(before: archc.Architecture, after: archc.Architecture, *shape: int) -> bool:
    """Whether both compute the same in evaluation and in training, from checkpoints of before and of after."""
    plain = double(before)
    module = double(after, plain.state_dict())
    again = double(after, module.state_dict())
    x = image(*shape)
    evaluated = agree(module, plain, x) and agree(again, module, x, atol=0)
    return evaluated and agree(trained(module), trained(plain), x, atol=1e-10)


def trained(module: nn.Module) -> nn.Module:
    """The module in training, but for dropout, which is random."""
    for layer in module.train().modules():
        if isinstance(layer, nn.Dropout):
            layer.eval()
    return module


# --- merging -------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["a", "b"])
def test_resnext_becomes_form_c(form: str) -> None:
    settings: Any = {"depth": 11, "cardinality": 2, "width": 8}
    before = archc.load("resnext_cifar", form=form, **settings)
    merged = before.rewrite("merge_branches")
    grouped = archc.load("resnext_cifar", form="c", **settings)
    assert kinds(merged) == kinds(grouped) and merged.stats().parameters == grouped.stats().parameters
    assert merged.stats().multiply_adds == grouped.stats().multiply_adds
    plain = double(before)
    module = double(merged, plain.state_dict())
    meant = double(grouped)
    # Form c is the spec's own: the tensors are in the same order and have the same shapes.
    meant.load_state_dict(dict(zip(meant.state_dict(), module.state_dict().values(), strict=True)))
    x = image(2, 3, 32, 32)
    assert agree(module, plain, x) and agree(meant, plain, x)


def test_multi_residual_units() -> None:
    before = archc.load("multi_resnet_cifar", depth=11, k=3)
    merged = before.rewrite("merge_branches")
    assert kinds(merged)["conv"] == 1 + 3 * 3 + 3 and merged.stats().parameters == before.stats().parameters
    assert same(before, merged, 2, 3, 32, 32)


def test_the_1x1_convolutions_of_an_inception_module() -> None:
    before = archc.load("inception_v3", aux=False).rewrite("truncate", at="Mixed_5b")
    merged = before.rewrite("merge_branches")
    assert kinds(before)["conv"] - kinds(merged)["conv"] == 2 and kinds(merged)["split"] == 1
    assert same(before, merged, 1, 3, 75, 75)


def test_sums_of_convolutions_by_hand() -> None:
    before = net(
        "output x -> sum(a: conv(5, 3, 2, bias = true), b: conv(5, 3, 2, bias = true), id -> c: conv(5, 1, 2))"
    )
    merged = before.rewrite("merge_branches")
    assert kinds(merged)["conv"] == 2 and same(before, merged, 2, 4, 8, 8)
    plain: Any = double(before)
    x = image(2, 4, 8, 8)
    weight, bias = plain.a.weight + plain.b.weight, plain.a.bias + plain.b.bias
    meant = functional.conv2d(x, weight, bias, 2, 1) + functional.conv2d(x, plain.c.weight, None, 2)
    assert torch.allclose(double(merged, plain.state_dict())(x), meant, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("body", "convs"),
    [
        ("output x -> concat(conv(3, 3) -> bn -> relu, conv(5, 3) -> bn -> relu)", 1),
        ("a = x -> a: conv(3, 1)  b = x -> b: conv(5, 1)  output concat(b, a)", 1),
        ("a = x -> a: conv(3, 1)  b = x -> b: conv(5, 1)  output concat(b, x, a)", 1),
        ("a = x -> a: conv(4, 1)  b = x -> b: conv(4, 1)  output a * (b -> sigmoid) - b", 1),
        (
            "block f() = conv(4, 1) -> prelu -> dwconv(3) -> maxpool(2)  a = x -> f()  b = x -> f()  output b + a",
            1,
        ),
        ("output (x -> sum(conv(4, 1) -> relu -> conv(6, 3) for _ in 1..3)) - (x -> conv(6, 3))", 3),
        ("output x -> sum(conv(w, 1) -> relu -> conv(6, 3) for w in [2, 3, 4])", 2),
        ("output x -> sum(conv(4, 1) -> conv(4, 3, groups = 2) -> conv(6, 1) for _ in 1..2)", 3),
        ("output x -> concat(conv(4, 1) -> conv(w, 3) for w in [2, 3])", 3),
        ("y = x -> gap -> flatten  output (y -> linear(3) -> relu) ++ (y -> linear(4) -> relu)", 0),
        ("output x -> sum(bn -> relu -> conv(4, 3) -> bn for _ in 1..3)", 1),
        ("output x -> (id, f: [conv(4, 3), bn]) -> sum -> concat(conv(4, 3), conv(4, 3))", 2),
    ],
)
def test_forms(body: str, convs: int) -> None:
    before = net(body)
    merged = before.rewrite("merge_branches")
    assert kinds(merged)["conv"] == convs and same(before, merged, 2, 4, 8, 8)
    assert kinds(merged)["linear"] == min(kinds(before)["linear"], 1)


def test_chosen_branches_and_starts() -> None:
    before = net("output x -> concat(a: conv(4, 3), b: conv(4, 3), c: conv(4, 3), d: conv(4, 3, init = dirac))")
    merged = before.rewrite("merge_branches", modules=["a", "c"])
    assert kinds(merged)["conv"] == 3 and same(before, merged, 2, 4, 8, 8)
    assert kinds(before.rewrite("merge_branches"))["conv"] == 2  # not the one that starts as the identity
    for init in ("xavier_normal", 'kaiming_normal("fan_out")', "lecun_normal", "orthogonal"):
        forms = net(f"output x -> sum(conv(64, 1, init = {init}) -> conv(4, 3, init = {init}) for _ in 1..8)", 64)
        if init == "orthogonal":
            with pytest.raises(archc.ArchError, match="no branches"):
                forms.rewrite("merge_branches")
            continue
        before, after = (n.module(seed=0).state_dict() for n in (forms, forms.rewrite("merge_branches")))
        for name in [name for name in after if name in before]:
            assert after[name].std().item() == pytest.approx(before[name].std().item(), rel=0.1), (init, name)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=nets())
def test_merging_in_random_nets(drawn: Net) -> None:
    before = drawn.architecture
    try:
        merged = before.rewrite("merge_branches")
    except archc.ArchError as error:
        assert [d.code for d in error.diagnostics] == ["E0440"]
        return
    assert merged.stats().parameters == before.stats().parameters or kinds(before)["sum"]
    assert same(before, merged, 2, 3, 8, 8)


STAGES = [
    "conv(4, 1)",
    "conv(4, 3, bias = true)",
    "conv(6, 3, groups = 2)",
    "bn",
    "relu",
    "dwconv(3)",
    "prelu",
    "maxpool(2)",
    "bn",
]


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    chains=st.lists(st.lists(st.sampled_from(STAGES), max_size=3), min_size=1, max_size=2),
    count=st.integers(2, 3),
    widths=st.lists(st.sampled_from([2, 4]), min_size=3, max_size=3),
    meets=st.sampled_from(["sum", "concat"]),
)
def test_random_branches(chains: list[list[str]], count: int, widths: list[int], meets: str) -> None:
    terms = []
    for chain in chains:
        for i in range(count):
            last = ["adaptive_avgpool(2)", "conv(5, 1)"]
            terms.append(" -> ".join([f"conv({widths[i]}, 3)", *(s for s in chain if "groups" not in s), *last]))
    before = net(f"output x -> {meets}({', '.join(terms)}) -> tanh")
    merged = before.rewrite("merge_branches")
    assert kinds(merged)["conv"] < kinds(before)["conv"]
    assert same(before, merged, 2, 4, 8, 8)


# --- splitting -----------------------------------------------------------------------------


def test_every_layer_is_split() -> None:
    before = net("""shared t = [conv(4, 3, groups = 4, bias = true), bn, relu]
  output x -> t -> t -> dw: dwconv(3, multiplier = 2) -> c: conv(6, 3) -> gap -> fc: linear(4)""")
    parted = before.rewrite("split_branches", modules=["t.0", "dw", "c", "fc"], into=2)
    assert same(before, parted, 2, 4, 8, 8)
    shapes = {name: tuple(tensor.shape) for name, tensor in parted.module().state_dict().items()}
    assert shapes["t.0.1.weight"] == (2, 1, 3, 3) and shapes["c.0.weight"] == (3, 8, 3, 3)
    assert shapes["dw.1.weight"] == (4, 1, 3, 3) and shapes["fc.1.bias"] == (2,) and "c.weight" not in shapes
    assert parted.stats().parameters == before.stats().parameters


def test_a_split_layer_merges_again() -> None:
    before = archc.load("resnet18").rewrite("truncate", at="layer1.0")
    paths = ["layer1.0.conv1", "conv1"]
    again = before.rewrite("split_branches", modules=paths, into=4).rewrite("merge_branches")
    assert kinds(again) == kinds(before) and same(before, again, 1, 3, 32, 32)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=nets(), into=st.sampled_from([2, 4]), pick=st.integers(0, 20))
def test_splitting_in_random_nets(drawn: Net, into: int, pick: int) -> None:
    before = drawn.architecture
    convs = sorted({node.path for node in before.ir.nodes if node.op.kind == "conv"})
    path = convs[pick % len(convs)]
    if next(node for node in before.ir.nodes if node.path == path).outputs[0].channels % into:  # type: ignore[operator]
        with pytest.raises(archc.ArchError, match="make no 4 equal branches"):
            before.rewrite("split_branches", modules=path, into=into)
        return
    assert same(before, before.rewrite("split_branches", modules=path, into=into), 2, 3, 8, 8)


def test_python_source_does_the_same() -> None:
    before = net(
        "shared t = [conv(4, 3, groups = 2), relu]  output x -> t -> sum(conv(4, 1) -> conv(6, 3) for _ in 1..2)"
    )
    for after in (before.rewrite("merge_branches"), before.rewrite("split_branches", modules="t.0")):
        names: dict[str, Any] = {}
        exec(compile(to_python(after.ir), "after.py", "exec"), names)
        module, source = double(after), names[class_name(after.ir)]().double().eval()
        source.load_state_dict(module.state_dict())
        assert agree(source, module, image(2, 4, 8, 8), atol=0)


def test_two_heads_on_one_trunk() -> None:
    net = archc.loads("arch A { input x: [N, 3, 8, 8]  output a = x -> conv(6, 1)  output b = x -> conv(10, 1) }")
    assert kinds(net.rewrite("merge_branches"))["conv"] == 1
