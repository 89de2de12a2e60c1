"""Sums of convolutions of one tensor as one convolution: the same outputs."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import archc

from .random_nets import agree, double, image


def net(body: str, size: str = "4, 9, 7") -> archc.Architecture:
    return archc.loads(f"arch Net {{ input x: [N, {size}]  {body} }}")


def order(found: archc.Architecture) -> list[str]:
    return [node.op.kind for node in found.ir.nodes]


MERGED = {
    "RepVGG, folded": "output (x -> a: conv(4, 3, bias = true)) + (x -> conv(4, 1, bias = true)) + (x -> bn) -> relu",
    "with a stride": "output (x -> conv(4, 1, 2)) + (x -> a: conv(4, 3, 2)) -> relu",
    "grouped": "output (x -> a: conv(4, 3, groups = 2)) + (x -> conv(4, 1, groups = 2)) + (x -> bn(affine = false))",
    "depthwise": "output (x -> dwconv(1)) + (x -> dwconv(3)) + (x -> bn) + (x -> a: dwconv(7)) + x",
    "with signs": "output (x -> conv(4, 1)) - (x -> a: conv(4, 3)) - x",
    "oblong": "output (x -> a: conv(4, [3, 3])) + (x -> conv(4, [1, 3])) + (x -> conv(4, [3, 1]))",
    "dilated": "output (x -> a: conv(4, 3, dilation = 2)) + (x -> conv(4, 1))",
    "beside the middle": "output (x -> a: conv(4, 4, padding = [[2, 2], [2, 2]])) + (x -> conv(4, 2, padding = 1))",
    "mirrored": 'output (x -> a: conv(4, 3, padding_mode = "reflect")) + (x -> conv(4, 1))',
    "beside another tensor": "y = x -> tanh  output (x -> a: conv(4, 3)) + y + (x -> conv(4, 1, bias = true))",
}


@pytest.mark.parametrize("case", MERGED)
def test_outputs_are_the_same(case: str) -> None:
    plain = net(MERGED[case])
    merged = plain.rewrite("merge_kernels")
    before = double(plain)
    module = double(merged, before.state_dict())
    assert sum(kind in ("conv", "dwconv") for kind in order(merged)) == 1 and "bn" not in order(merged)
    assert {name.partition(".")[0] for name in module.state_dict()} == {"a"}
    assert agree(module, before, image(2, 4, 9, 7))
    assert agree(double(merged, module.state_dict()), module, image(2, 4, 9, 7), atol=0)


def test_gradients_arrive_as_before() -> None:
    plain = net("output (x -> a: conv(4, 3)) + (x -> conv(4, 1)) + x -> tanh")
    before = double(plain).train()
    module = double(plain.rewrite("merge_kernels"), before.state_dict()).train()
    x, y = (image(2, 4, 9, 7).requires_grad_() for _ in range(2))
    module(x).square().sum().backward()
    before(y).square().sum().backward()
    assert torch.allclose(x.grad, y.grad, rtol=1e-10)


APART = [
    "output (x -> conv(4, 3)) + x",
    "output (x -> conv(4, 3)) + (x -> relu -> conv(4, 1))",
    "output (x -> conv(4, 3)) + (x -> conv(4, 3, groups = 2))",
    "output (x -> conv(4, 3)) + (x -> conv(4, 3, dilation = 2))",
    'output (x -> conv(4, 3)) + (x -> conv(4, 5, padding_mode = "reflect"))',
    "output (x -> conv(4, 3)) * (x -> conv(4, 1))",
    "output mean(x -> conv(4, 3), x -> conv(4, 1))",
    "y = x -> conv(4, 3)  output a = y + (x -> conv(4, 1))  output b = y -> relu",
    "shared c = conv(4, 3)  y = x -> c  output y -> c",
    "output (x -> conv(4, 3)) + (x -> bn(track = false))",
]


@pytest.mark.parametrize("body", APART)
def test_what_stays_apart(body: str) -> None:
    with pytest.raises(archc.ArchError, match="there are no kernels to merge"):
        net(body).rewrite("merge_kernels")


def test_a_convolution_that_meets_no_other_is_refused() -> None:
    plain = net("output (x -> a: conv(4, 3)) + (x -> b: conv(4, 1)) -> c: conv(4, 3)")
    with pytest.raises(archc.ArchError) as error:
        plain.rewrite("merge_kernels", modules=["a", "b", "c"])
    assert error.value.diagnostics[0].code == "E0458" and "`c`" in error.value.diagnostics[0].message
    assert order(plain.rewrite("merge_kernels", modules=["a", "b"])).count("conv") == 2


TERMS = [
    "conv(4, 3)",
    "conv(4, 1, bias = true)",
    "conv(4, 5)",
    "conv(4, 3, groups = 2)",
    "dwconv(3)",
    "bn",
    "relu",
    "id",
]


@settings(max_examples=25, deadline=None)
@given(
    terms=st.lists(st.sampled_from(TERMS), min_size=2, max_size=5), signs=st.lists(st.sampled_from("+-"), min_size=4)
)
def test_random_sums(terms: list[str], signs: str) -> None:
    body = "output " + "".join(f" {sign} (x -> {term})" for sign, term in zip(["", *signs], terms, strict=False))
    plain = net(body)
    try:
        merged = plain.rewrite("merge_kernels")
    except archc.ArchError as error:
        assert error.diagnostics[0].code == "E0440"
        return
    before = double(plain)
    assert agree(double(merged, before.state_dict()), before, image(2, 4, 9, 7))


def test_repvgg_becomes_one_convolution_a_block() -> None:
    block = "(y -> conv(8, 3) -> bn) + (y -> conv(8, 1) -> bn) + (y -> bn) -> relu"
    plain = net(f"y = x -> conv(8, 3, 2) -> bn -> relu  y = {block}  y = {block}  output y -> gap -> linear(5)")
    module = double(plain)
    made = plain.optimized(module, dtype="float64")
    assert made.report.done["sums of convolutions of one tensor merged into one convolution"] == 2
    x = image(2, 4, 9, 7)
    assert torch.allclose(made(x), module(x), rtol=1e-10)
