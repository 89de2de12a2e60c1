"""Average pools before 1 x 1 convolutions: the same outputs and gradients, with fewer multiply-adds."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import archc

from .random_nets import agree, double, image

POOLS = [
    "avgpool(2)", "avgpool(3, 2, padding = 1, count_pad = false)", 'avgpool(3, 2, padding = "same")',
    "avgpool(3, 2, padding = 1)", "avgpool(3, 2, ceil = true)", "adaptive_avgpool(3)", "gap",
]  # fmt: skip
PADS = "avgpool(3, 2, padding = 1)"


def net(*layers: str, size: str = "8, 8") -> archc.Architecture:
    return archc.loads(f"arch Net {{ input x: [N, 4, {size}]  output x -> {' -> '.join(layers)} }}")


def order(found: archc.Architecture) -> list[str]:
    return [node.op.kind for node in found.ir.nodes]


@settings(max_examples=30)
@given(
    pool=st.sampled_from(POOLS),
    bias=st.booleans(),
    groups=st.sampled_from([1, 2]),
    before=st.sampled_from(["relu", "bn -> relu", "conv(4, 3)"]),
    size=st.sampled_from(["8, 8", "9, 7", "H, W"]),
)
def test_outputs_and_gradients_are_the_same(pool: str, bias: bool, groups: int, before: str, size: str) -> None:
    size = f"{size}] = [2, 4, 8, 8" if size == "H, W" else size
    layers = (before, f"c: conv(6, 1, groups = {groups}, bias = {str(bias).lower()})", pool, "relu", "conv(3, 3)")
    plain = net(*layers, size=size)
    if bias and pool == PADS:
        with pytest.raises(archc.ArchError, match="there is no pool to move"):
            plain.rewrite("pool_first")
        return
    moved = plain.rewrite("pool_first")
    assert order(moved).index(pool.partition("(")[0]) < [n.path for n in moved.ir.nodes].index("c")
    assert moved.stats().multiply_adds < plain.stats().multiply_adds
    before_module: Any = double(plain)
    module: Any = double(moved, before_module.state_dict())
    x = image(2, 4, *([8, 8] if "H" in size else map(int, size.split(", "))))
    assert agree(module, before_module, x)
    assert agree(module.train(), before_module.train(), x)
    for one in (module, before_module):
        one(x).square().sum().backward()
    for (name, a), (other, b) in zip(module.named_parameters(), before_module.named_parameters(), strict=True):
        assert name == other and torch.allclose(a.grad, b.grad, rtol=1e-9, atol=1e-9)


def test_a_shared_convolution_and_each_pool_of_a_densenet() -> None:
    shared = archc.loads("""
    arch Net {
      input x: [N, 4, 16, 16]
      shared c = conv(4, 1)
      output x -> c -> avgpool(2) -> c -> avgpool(2) -> relu
    }""")
    moved = shared.rewrite("pool_first", modules="c")
    plain = double(shared)
    assert order(moved)[1:5] == ["avgpool", "conv", "avgpool", "conv"]
    assert agree(double(moved, plain.state_dict()), plain, image(2, 4, 16, 16))
    densenet = archc.load("densenet121")
    before, after = (n.stats().multiply_adds for n in (densenet, densenet.rewrite("pool_first")))
    assert before - after == 3 * (3 * 56 * 56 * 256 * 128 // 4)


@pytest.mark.parametrize(
    ("layers", "why"),
    [
        (("c: conv(4, 3)", "avgpool(2)"), "it is no convolution of 1 x 1"),
        (("c: conv(4, 1, 2)", "avgpool(2)"), "it is no convolution of 1 x 1"),
        (("c: relu", "avgpool(2)"), "it is no convolution of 1 x 1"),
        (("c: conv(4, 1)",), "or it is an output"),
        (("c: conv(4, 1)", "relu", "avgpool(2)"), "`relu` takes what it gives"),
        (("c: conv(4, 1)", "maxpool(2)"), "`maxpool` takes what it gives"),
        (("c: conv(4, 1, bias = true)", PADS), "counts zeros beside its bias"),
    ],
)
def test_refusals(layers: tuple[str, ...], why: str) -> None:
    with pytest.raises(archc.ArchError) as error:
        net(*layers).rewrite("pool_first", modules="c")
    (problem,) = error.value.diagnostics
    assert problem.code == ("E0462") and why in problem.message


def test_a_pool_that_keeps_the_size_is_moved_where_it_is_named() -> None:
    plain = net("c: conv(6, 1)", "avgpool(3, 1, padding = 1)")
    with pytest.raises(archc.ArchError, match="there is no pool to move"):
        plain.rewrite("pool_first")
    moved = plain.rewrite("pool_first", modules="c")
    module = double(plain)
    assert order(moved) == ["input", "avgpool", "conv"]
    assert agree(double(moved, module.state_dict()), module, image(2, 4, 8, 8))
