"""Wider layers: copies of channels, whose takers share the weight among them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn import functional

import archc

from .random_nets import Net, agree, double, image, nets

NET = """
arch Net {
  input x: [N, 4, 8, 8]
  a = x -> c1: conv(4, 3, bias = true) -> bn -> relu -> maxpool(2)
  b = x -> c2: upconv(6, 2, 2) -> inorm(affine = true, track = true) -> avgpool(4, 4)
  r = a + (a -> c3: conv(4, 3, bias = true) -> prelu -> dwconv(3, multiplier = 1)) -> scale(bias = true)
  g = r * (r -> gap -> c4: conv(4, 1) -> sigmoid)
  output (g ++ b) -> dropout -> flatten -> fc1: linear(5) -> tanh -> fc2: linear(4)
}"""


def widened(
    net: archc.Architecture, modules: list[str], width: int, *shape: int, atol: float = 1e-12
) -> archc.Architecture:
    """The net with wider layers, of which the outputs are compared, with checkpoints of before and of after."""
    wide = net.rewrite("widen", modules=modules, width=width)
    plain = double(net)
    module = double(wide, plain.state_dict())
    assert agree(module, plain, image(*shape), atol=atol)
    assert agree(double(wide, module.state_dict()), module, image(*shape), atol=0)
    return wide


@pytest.mark.parametrize(
    ("modules", "width"),
    [(["c1", "c3", "c4"], 7), (["c2"], 13), (["fc1"], 6), (["c1", "c3", "c4", "c2", "fc1"], 8)],
)
def test_every_layer(modules: list[str], width: int) -> None:
    wide = widened(archc.loads(NET), modules, width, 2, 4, 8, 8)
    shapes = {name: tuple(tensor.shape) for name, tensor in wide.module().state_dict().items()}
    for name in modules:
        assert shapes[f"{name}.weight"][1 if name == "c2" else 0] == width


def test_by_hand() -> None:
    net = archc.loads("arch A { input x: [N, 3, 6, 6]  output x -> a: conv(2, 3) -> relu -> b: conv(4, 3) }")
    plain: Any = double(net)
    module: Any = double(net.rewrite("widen", modules="a", width=5), plain.state_dict())
    copies = [0, 1, 0, 1, 0]
    first = plain.a.weight[copies]
    second = plain.b.weight[:, copies] / torch.tensor([3.0, 2.0, 3.0, 2.0, 3.0])[:, None, None]
    assert torch.equal(module.a.weight, first) and torch.allclose(module.b.weight, second, rtol=1e-14, atol=0)
    x = image(2, 3, 6, 6)
    by_hand = functional.conv2d(functional.relu(functional.conv2d(x, first, padding=1)), second, padding=1)
    assert torch.allclose(module(x), by_hand) and torch.allclose(by_hand, plain(x))


def test_training_is_the_same_without_dropout() -> None:
    net = archc.loads(
        "arch A { input x: [N, 3, 6, 6]  output x -> a: conv(2, 3) -> bn -> relu -> gap -> b: linear(4) }"
    )
    plain = double(net)
    module = double(net.rewrite("widen", modules="a", width=5), plain.state_dict())
    assert agree(module.train(), plain.train(), image(4, 3, 6, 6))


def test_a_residual_stream_and_a_shared_cell() -> None:
    resnet = archc.loads("""
    block unit() = id + [conv(4, 3), bn, relu, conv(4, 3), bn] -> relu
    arch Net {
      input x: [N, 3, 8, 8]
      shared cell = [conv(4, 3), relu]
      output x -> stem: conv(4, 3) -> bn -> u: unit() ** 2 -> cell -> cell -> gap -> fc: linear(3)
    }""")
    stream = [node.path for node in resnet.ir.owners() if node.op.kind == "conv"]
    inner = next(path for path in stream if path.startswith("u"))
    widened(resnet, [inner], 6, 2, 3, 8, 8)
    widened(resnet, stream, 9, 2, 3, 8, 8)
    with pytest.raises(archc.ArchError, match="which is not alike"):
        resnet.rewrite("widen", modules="stem", width=9)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(net=nets(), extra=st.integers(1, 7), pick=st.integers(0, 20))
def test_random_nets(net: Net, extra: int, pick: int) -> None:
    before = net.architecture
    convs = [node for node in before.ir.owners() if node.op.kind == "conv"]
    some = convs[pick % len(convs)]
    same = [node.path for node in convs if node.outputs[0].channels == some.outputs[0].channels]
    for modules in ([some.path], same):
        try:
            widened(before, modules, some.outputs[0].channels + extra, 2, 3, 8, 8)  # type: ignore[operator]
        except archc.ArchError as error:
            assert next(d.code for d in error.diagnostics) in ("E0441", "E0461")


@pytest.mark.parametrize(
    "layer",
    ["roll(2)", 'softmax("height")', 'slice("height", 1, 5)', "subsample(2)", "lppool(2, 2)", "celu", "power(2)"],
)
def test_layers_per_channel_pass_copies(layer: str) -> None:
    text = f"arch A {{ input x: [N, 3, 8, 8]  output x -> a: conv(4, 3) -> {layer} -> b: conv(2, 1) }}"
    widened(archc.loads(text), ["a"], 7, 2, 3, 8, 8)


def test_parts_of_the_map_keep_their_copies() -> None:
    text = """arch A {
      input x: [N, 3, 8, 8]
      top, bottom = x -> a: conv(4, 3) -> split(2, axis = "height")
      output bottom * top -> b: conv(2, 1)
    }"""
    widened(archc.loads(text), ["a"], 7, 2, 3, 8, 8)


@pytest.mark.parametrize(
    ("sizes", "layers"),
    [
        ("H, W] = [1, 3, 8, 8", "maxpool(2) -> flatten"),
        ("H, W] = [1, 3, 8, 8", "maxpool(2) -> flatten -> relu"),
        ("H, 8] = [1, 3, 8, 8", "((id -> flatten) ++ (gap -> flatten))"),
        ("8, 8", "flatten(2) -> celu -> flatten"),
        ("8, 8", "flatten(1, 2) -> relu -> flatten"),
        ("8, 8", "gap -> squeeze(3) -> squeeze(2)"),
    ],
)
def test_copies_go_through_flatten(sizes: str, layers: str) -> None:
    text = f"arch A {{ input x: [N, 3, {sizes}]  output x -> a: conv(4, 3) -> {layers} -> b: linear(2) }}"
    widened(archc.loads(text), ["a"], 7, 2, 3, 8, 8)


def test_tokens_are_flattened_with_their_copies() -> None:
    text = "arch A { input x: tokens [N, 6, 4]  output x -> a: linear(3) -> flatten -> b: linear(2) }"
    widened(archc.loads(text), ["a"], 5, 2, 6, 4)
