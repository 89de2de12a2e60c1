"""`recompute(f)` changes what training keeps, and nothing that it computes."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import archc

SPEC = """
block inner(k)(x) {
  param scale = normal([1, x.channels, 1, 1], std = 1)
  output x * scale -> norm1: bn -> relu -> conv1: conv(2 * k, 1) -> dropout(0.3) -> survive(0.8)
}
block layer(k)(*xs) = WRAP(concat -> inner(k)) -> norm2: bn -> relu -> conv2: conv(k, 3)
block dense(n, k)(x) {
  features = x
  for i in 1..n { features = (features, layer{i}: layer(k)(features)) }
  output features -> concat
}
arch A {
  input x: [N, 3, H, W] = [1, 3, 16, 16]
  output x -> conv0: conv(8, 3) -> dense: dense(3, 4) -> relu -> gap -> fc: linear(10)
}
"""
PLAIN, AGAIN = SPEC.replace("WRAP", ""), SPEC.replace("WRAP", "recompute")


def built(text: str, **options: Any) -> nn.Module:
    return archc.loads(text, **options).module(seed=0)


def step(module: nn.Module, images: Tensor) -> list[Tensor]:
    """Output, gradients and state of a step of training."""
    module.train()
    torch.manual_seed(1)
    images = images.clone().requires_grad_()
    output = module(images)
    (output.softmax(1) * torch.arange(output.shape[1])).sum().backward()
    torch.optim.SGD(module.parameters(), lr=0.1).step()
    assert images.grad is not None
    return [output.detach(), images.grad, *(p.grad for p in module.parameters()), *module.state_dict().values()]


def equal(a: list[Tensor], b: list[Tensor]) -> bool:
    return len(a) == len(b) and all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_the_same_step_of_training() -> None:
    plain, again = built(PLAIN), built(AGAIN)
    assert list(plain.state_dict()) == list(again.state_dict())
    images = torch.randn(4, 3, 16, 16)
    for _ in range(2):
        assert equal(step(plain, images), step(again, images))
        plain.zero_grad()
        again.zero_grad()
    assert torch.equal(plain.eval()(images), again.eval()(images))


@pytest.mark.parametrize("way", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m)), lambda m: m.to("cpu")])
def test_copies_share_nothing_with_the_original(way: Any) -> None:
    images = torch.randn(4, 3, 16, 16)
    original = built(AGAIN)
    other = way(original)
    expected = step(built(PLAIN), images)
    assert equal(step(other, images), expected)
    if other is not original:
        assert equal(step(original, images), expected)


def test_it_keeps_less() -> None:
    def kept(text: str) -> int:
        sizes: dict[int, int] = {}

        def pack(tensor: Tensor) -> Tensor:
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        module = built(text.replace("dense(3, 4)", "dense(12, 4)")).train()
        owned = {p.untyped_storage().data_ptr() for p in module.state_dict().values()}
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
            output = module(torch.randn(4, 3, 16, 16))
        del output
        return sum(size for pointer, size in sizes.items() if pointer not in owned)

    assert kept(AGAIN) < 0.5 * kept(PLAIN)


def test_a_counter_counts_once() -> None:
    text = """
    arch A {
      input x: [N, 3, 8, 8]
      output x -> WRAP((conv(4, 3), conv(4, 1)) -> freeze_drop_path(cycle = 5)) -> gap -> linear(3)
    }
    """
    plain, again = built(text.replace("WRAP", "")), built(text.replace("WRAP", "recompute"))
    images = torch.randn(2, 3, 8, 8)
    for _ in range(7):
        assert equal(step(plain, images), step(again, images))


def test_compiled_and_exported(tmp_path) -> None:
    images = torch.randn(2, 3, 16, 16)
    compiled = torch.compile(built(AGAIN), backend="aot_eager", fullgraph=True)
    assert torch.isfinite(compiled(images)).all()
    module = built(AGAIN).eval()
    exported = torch.export.export(module, (images,)).module()
    assert torch.equal(exported(images), module(images))


parts = st.sampled_from(["conv(4, 3)", "bn", "relu", "dropout(0.5)", "id", "recompute(conv(4, 1) -> relu)"])


@settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(parts, min_size=1, max_size=4), min_size=1, max_size=4), st.data())
def test_any_parts_may_be_computed_again(chains: list[list[str]], data: st.DataObject) -> None:
    branches = " + ".join(f"R({' -> '.join(chain)})" for chain in chains)
    body = f"conv(4, 3) -> relu -> ({branches}) -> relu -> gap -> linear(3)"
    text = f"arch A {{ input x: [N, 3, 8, 8]  output x -> {body} }}"
    wrapped = text
    while "R(" in wrapped:
        wrapped = wrapped.replace("R(", data.draw(st.sampled_from(["recompute(", "("])), 1)
    plain = text.replace("recompute(", "(").replace("R(", "(")
    images = torch.randn(2, 3, 8, 8)
    assert equal(step(built(plain), images), step(built(wrapped), images))
