"""`recompute(f)` changes what training keeps, and nothing that it computes."""

from __future__ import annotations

import copy
import pickle
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils import parametrizations, parametrize

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


def replaced(module: nn.Module) -> None:
    for layer in list(module.modules()):
        if isinstance(layer, nn.Conv2d):
            layer.weight = nn.Parameter(torch.zeros_like(layer.weight))
        if isinstance(layer, nn.BatchNorm2d):
            layer.register_buffer("running_mean", torch.ones_like(layer.bias))


BETWEEN = {
    "evaluation": lambda module: module.eval(),
    "frozen": lambda module: module.requires_grad_(False),
    "another batch": lambda module: module(torch.randn(3, 3, 16, 16)),
    "other weights": replaced,
    "other draws": lambda module: torch.manual_seed(5),
}


@pytest.mark.parametrize("change", BETWEEN.values(), ids=BETWEEN)
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_what_happens_before_the_backward_pass_changes_no_gradient(change: Any, precision: torch.dtype) -> None:
    def gradients(module: nn.Module) -> list[Tensor]:
        torch.manual_seed(1)
        x = torch.randn(4, 3, 16, 16, requires_grad=True)
        used = [x, *module.parameters()]
        with torch.autocast("cpu", dtype=precision, enabled=precision != torch.float32):
            cost = module.train()(x).float().square().sum()
        change(module)
        cost.backward(retain_graph=True)
        return [t.grad for t in used if t.grad is not None] + list(torch.autograd.grad(cost, x))

    assert equal(gradients(built(PLAIN)), gradients(built(AGAIN)))


def test_weights_of_a_functional_call_are_those_computed_with_again() -> None:
    def gradients(module: nn.Module) -> list[Tensor]:
        torch.manual_seed(1)
        x = torch.randn(4, 3, 16, 16)
        draws = [{name: torch.randn(p.shape).requires_grad_() for name, p in module.named_parameters()} for _ in "ab"]
        costs = [functional_call(module, weights, (x,)).square().sum() for weights in draws]
        torch.stack(costs).sum().backward()
        return [p.grad for weights in draws for p in weights.values() if p.grad is not None]

    plain = gradients(built(PLAIN))
    assert len(plain) == 2 * len(list(built(PLAIN).parameters())) and equal(plain, gradients(built(AGAIN)))


def test_parametrised_weights_are_drawn_once() -> None:
    def gradients(module: nn.Module, cached: bool) -> list[Tensor]:
        torch.manual_seed(1)
        for layer in [layer for layer in module.modules() if isinstance(layer, nn.Conv2d)]:
            parametrizations.spectral_norm(layer)
        with parametrize.cached() if cached else nullcontext():
            cost = module(torch.randn(4, 3, 16, 16)).square().sum()
        cost.backward()
        return [p.grad for p in module.parameters() if p.grad is not None] + list(module.state_dict().values())

    for cached in (False, True):
        assert equal(gradients(built(PLAIN), cached), gradients(built(AGAIN), cached))


def test_weights_that_change_in_place_before_the_backward_pass_are_named() -> None:
    module = built(AGAIN)
    cost = module(torch.randn(4, 3, 16, 16)).sum()
    with torch.no_grad():
        module.get_parameter("dense.layer3.norm1.bias").add_(1)
    with pytest.raises(archc.ArchError, match=r"`norm1\.bias` changed in place before the backward pass") as caught:
        cost.backward()
    assert [d.code for d in caught.value.diagnostics] == ["E0824"]


SCOPES = """
block unit(c) = id + (conv: conv(c, 3) -> bn: bn -> dropout(0.3) -> relu)
block row(c) = conv: conv(c, 3) -> bn: bn -> relu
arch A {
  input x: [N, 3, H, W] = [1, 3, 8, 8]
  CELL output x -> stem: conv(4, 3) -> BODY -> gap -> fc: linear(3)
}
"""


def with_scopes(body: str) -> str:
    return SCOPES.replace("BODY", body).replace("CELL", "shared cell = unit(4)\n " if "cell" in body else "")


scopes = st.sampled_from(
    """R(unit(4)); R(row(4)); R(unit(4)) ** 2; [R(unit(4)), relu, unit(4)]; R([R(unit(4)), unit(4)]); R(cell); cell;
    R(R(unit(4))); R(a: unit(4) -> b: row(4)); R(deep: (er: unit(4))); R(a: unit(4) -> relu)""".replace(
        "\n   ", ""
    ).split("; ")
)


@settings(max_examples=15, deadline=None)
@given(st.lists(scopes, min_size=1, max_size=4))
def test_any_scopes_may_be_computed_again(chain: list[str]) -> None:
    body = " -> ".join(f"part{place}: {part}" if "cell" not in part else part for place, part in enumerate(chain))
    text = with_scopes(body)
    plain, again = built(text.replace("R(", "(")), built(text.replace("R(", "recompute("))
    images = torch.randn(2, 3, 8, 8)
    assert list(plain.state_dict()) == list(again.state_dict())
    assert equal(step(plain, images), step(again, images))
    for path, scope in plain.named_modules():
        if isinstance(scope, nn.Sequential):
            assert isinstance(again.get_submodule(path), nn.Sequential), path


def test_a_block_is_computed_again_by_its_own_forward() -> None:
    body = "layer1: [recompute(unit(4)) ** 2] -> layer2: recompute([unit(4), unit(4)])"
    module = built(with_scopes(body))
    calls: list[str] = []
    for path, layer in module.named_modules():
        layer.register_forward_hook(lambda *_, path=path: calls.append(path))
    module(torch.randn(2, 3, 8, 8)).sum().backward()
    assert calls.count("layer1.0") == 1 and calls.count("layer1.0.conv") == calls.count("layer2.0.conv") == 2
    calls.clear()
    module.layer1[0](torch.randn(2, 4, 8, 8)).sum().backward()
    assert calls.count("conv") == 0 and calls.count("layer1.0.conv") == 2
