"""From the language's text to modules."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

import archc
from archc.compiler.emit.check import check_forward
from archc.compiler.emit.export import to_onnx, to_pt2
from archc.compiler.emit.weights import load_weights
from archc.dsl.diagnostics import ArchError

INPUT = "input image: [N, 3, H, W] = [1, 3, 16, 16]"


def build(body: str, before: str = "", **settings):
    net = archc.loads(f"{before}\narch A() {{ {INPUT}\n{body} }}")
    module = net.module(seed=0, **settings)
    check_forward(module, net.ir)
    return module, net.ir


def images() -> torch.Tensor:
    return torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def test_a_residual_block():
    unit = "block unit(c) = id + (c1: conv(c, 3) -> b1: bn -> relu -> c2: conv(c, 3)) -> relu"
    module, _ = build("output image -> stem: conv(4, 3) -> layers: unit(4) ** 2 -> gap -> fc: linear(10)", unit)
    assert [n for n, _ in module.named_parameters()][:4] == [
        *("stem.weight", "layers.0.c1.weight", "layers.0.b1.weight", "layers.0.b1.bias")
    ]
    assert module(images()).shape == (2, 10)


def test_shared_networks_are_one_set_of_parameters():
    module, _ = build("shared s = conv(3, 3) -> relu\n output image -> a: s -> b: s -> gap -> fc: linear(2)")
    state = module.state_dict()
    assert sum("weight" in name for name in state) > len([n for n, _ in module.named_parameters()]) - 1
    assert len([p for p in module.parameters() if p.dim() == 4]) == 1


def test_frozen_parts():
    module, _ = build("output image -> frozen(a: conv(3, 3)) -> b: conv(3, 3)")
    assert not module.a.weight.requires_grad and module.b.weight.requires_grad


def test_parameters_and_buffers_of_its_own():
    module, _ = build(
        "param gate = normal([1, 3, 1, 1], std = 0.5)\n buffer base = ones([1, 3, 1, 1])\n output image * gate * base"
    )
    assert list(module.state_dict()) == ["gate", "base"] and not module.base.requires_grad


def test_an_output_when_training(tmp_path: Path):
    module, graph = build(
        "h = image -> conv1: conv(4, 3)\n output aux = h -> gap -> aux: linear(5) when training\n"
        "output scores = h -> gap -> fc: linear(5)"
    )
    assert module(images())["aux"].shape == (2, 5)
    assert module.eval()(images())["aux"] is None
    to_pt2(module, graph, tmp_path / "a.pt2")
    to_onnx(module, graph, tmp_path / "a.onnx")


def test_two_thousand_layers():
    module, _ = build("output image -> relu ** 1800 -> conv(3, 1) ** 200")
    assert copy.deepcopy(module)(images()).shape == (2, 3, 16, 16)


def test_errors_of_weights_point_into_the_spec():
    module, graph = build("output image -> conv1: conv(4, 3)")
    with pytest.raises(ArchError) as error:
        load_weights(module, {"conv1.weight": torch.zeros(8, 3, 3, 3)}, graph)
    (label,) = error.value.diagnostics[0].labels
    assert "conv(4, 3)" in label.span.text


@pytest.mark.parametrize("name", ["resnet18", "vgg16"])
def test_published_nets_have_torchvisions_names(name: str):
    torchvision = pytest.importorskip("torchvision")
    with torch.device("meta"):
        theirs = getattr(torchvision.models, name)()
    ours = archc.load(name).module(device="meta")
    assert [(n, t.shape) for n, t in ours.state_dict().items()] == [
        (n, t.shape) for n, t in theirs.state_dict().items()
    ]
