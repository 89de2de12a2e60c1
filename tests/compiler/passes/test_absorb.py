"""Batch norms absorbed where no layer with weights stands right before them: the same outputs in evaluation."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import archc

from .random_nets import agree, double, image


def net(body: str, size: str = "4, 8, 8") -> archc.Architecture:
    return archc.loads(f"arch Net {{ input x: [N, {size}]  {body} }}")


def norms(found: archc.Architecture) -> int:
    return sum(node.op.kind == "bn" for node in found.ir.nodes)


ABSORBED = {
    "behind a concat": "output (x -> conv(3, 3)) ++ (x -> conv(5, 1, bias = true)) -> bn -> relu",
    "behind nested concats": "output ((x -> conv(3, 3)) ++ (x -> upconv(4, 3, 1, 1))) ++ (x -> dwconv(3)) -> bn",
    "behind a concat with a norm in it": "output (x -> relu -> bn) ++ (x -> conv(5, 1)) -> bn -> relu",
    "two in a row": "output x -> relu -> bn(affine = false) -> bn(eps = 0.1) -> relu",
    "ahead of a convolution": "output x -> relu -> bn -> conv(6, 3, padding = 0, groups = 2)",
    "ahead of one that mirrors": 'output x -> relu -> bn -> conv(6, 3, bias = true, padding_mode = "reflect")',
    "ahead of one that wraps": 'output x -> relu -> bn -> dwconv(3, multiplier = 2, padding_mode = "circular")',
    "ahead of several": "y = x -> relu -> bn  output (y -> conv(4, 1)) + (y -> conv(4, 1, groups = 4))",
    "ahead of a pool": "output x -> relu -> bn -> gap -> linear(5)",
    "ahead of a pool of windows": "output x -> bn(affine = false) -> avgpool(2) -> conv(5, 1)",
    "ahead of a dense layer": "output x -> tanh -> gap -> bn(init = zeros, bias_init = ones) -> linear(3)",
}


@pytest.mark.parametrize("case", ABSORBED)
def test_outputs_are_the_same(case: str) -> None:
    plain = net(ABSORBED[case])
    absorbed = plain.rewrite("absorb_batch_norm")
    before = double(plain)
    module = double(absorbed, before.state_dict())
    assert norms(absorbed) == norms(plain) - 1
    assert agree(module, before, image(2, 4, 8, 8))
    assert agree(double(absorbed, module.state_dict()), module, image(2, 4, 8, 8), atol=0)


LEFT = {
    "output x -> relu -> bn -> conv(4, 3)": "pads what it gives with zeros",
    "output x -> relu -> bn -> relu": "`relu` takes what it gives",
    "output (x -> conv(3, 3)) ++ (x -> maxpool(3, 1, padding = 1)) -> bn -> relu": "it follows `maxpool`",
    "y = x -> conv(3, 3)  output a = y ++ x -> bn -> relu  output b = y": "something else takes what `conv` gives",
    "output x -> conv(4, 3) -> bn": "into which `fold_batch_norm` folds it",
    "output x -> relu -> bn(track = false) -> conv(4, 1)": "no running statistics",
    "shared n = bn  output x -> relu -> n -> conv(4, 1) -> relu -> n -> conv(4, 1)": "it is shared",
    "y = x -> relu -> bn  output a = y -> conv(3, 1)  output b = y": "is an output",
    "shared c = conv(4, 1)  output x -> c -> relu -> bn -> c": "is shared",
    "output x -> relu -> bn -> avgpool(3, 1, padding = 1) -> conv(4, 1)": "`avgpool` takes what it gives",
}


@pytest.mark.parametrize("body", LEFT)
def test_what_cannot_be_absorbed_is_refused(body: str) -> None:
    plain = net(body)
    path = next(node.path for node in plain.ir.nodes if node.op.kind == "bn")
    with pytest.raises(archc.ArchError) as error:
        plain.rewrite("absorb_batch_norm", modules=path)
    (problem,) = error.value.diagnostics
    assert problem.code == "E0456" and LEFT[body] in problem.message
    with pytest.raises(archc.ArchError, match="there is no batch norm to absorb"):
        plain.rewrite("absorb_batch_norm")


def test_named_norms_alone() -> None:
    plain = net("output x -> relu -> a: bn -> conv(4, 1) -> relu -> b: bn -> conv(4, 1)")
    chosen = plain.rewrite("absorb_batch_norm", modules="b")
    before = double(plain)
    assert norms(chosen) == 1
    assert agree(double(chosen, before.state_dict()), before, image(2, 4, 8, 8))


def test_starts_and_freezing() -> None:
    absorbed = net(
        "y = x -> relu -> frozen(bn) -> a: conv(4, 1) -> tanh"
        "  output y -> frozen(bn(init = zeros) -> b: conv(4, 1, bias = ones))"
    ).rewrite("absorb_batch_norm")
    module = absorbed.module(seed=0)
    trains = {name for name, tensor in module.named_parameters() if tensor.requires_grad}
    state = module.state_dict()
    assert trains == {"a.weight", "a.bias"} and not state["a.bias"].any()
    assert not state["b.weight"].any() and torch.equal(state["b.bias"], torch.ones(4))


BRANCHES = ["conv(4, 3)", "conv(4, 1) -> bn", "dwconv(3)", "bn", "relu -> bn", "avgpool(3, 1, padding = 1)"]


@settings(max_examples=20, deadline=None)
@given(
    branches=st.lists(st.sampled_from(BRANCHES), min_size=1, max_size=3),
    behind=st.sampled_from(["bn", "bn -> bn", "bn -> relu", "bn -> conv(4, 1)", "bn -> conv(4, 3) -> bn", "bn -> gap"]),
)
def test_optimized_nets_compute_the_same(branches: list[str], behind: str) -> None:
    joined = " ++ ".join(f"(x -> {branch})" for branch in branches)
    plain = net(f"output {joined} -> {behind}")
    module = double(plain)
    found = plain.optimized(module, dtype="float64")
    assert torch.allclose(found(image(2, 4, 8, 8)), module(image(2, 4, 8, 8)), rtol=1e-10, atol=1e-12)
