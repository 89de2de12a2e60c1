"""Batch norm folded into the layer before it: the same outputs in evaluation, from the checkpoint of before."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

import archc

from .random_nets import Net, agree, double, image, nets

LAYERS = """
arch Layers {
  input x: [N, 4, 8, 8]
  shared twice = [conv(4, 3), bn]
  h = x -> twice -> twice -> relu
  h = h -> conv(6, 3, 2, bias = true) -> bn1: bn(eps = 0.1)
  h = h -> dw: dwconv(3, multiplier = 2) -> bn2: bn(affine = false) -> relu
  h = h -> up: upconv(6, 3, groups = 2, bias = true) -> bn3: bn -> relu
  h = h -> up2: upconv(5, 2) -> bn4: bn(init = zeros, bias_init = ones) -> relu -> alone: bn
  output h -> gap -> fc: linear(7, bias = false) -> bn5: bn
}"""


def kinds(net: archc.Architecture) -> list[str]:
    return [node.op.kind for node in net.ir.nodes]


def test_every_layer() -> None:
    net = archc.loads(LAYERS)
    folded = net.rewrite("fold_batch_norm")
    plain = double(net)
    module = double(folded, plain.state_dict())
    assert kinds(folded).count("bn") == 1 and "alone.weight" in module.state_dict()
    assert agree(module, plain, image(2, 4, 8, 8))
    again = double(folded, module.state_dict())
    assert agree(again, module, image(2, 4, 8, 8), atol=0)


def test_as_torch_folds() -> None:
    net = archc.loads(
        "arch A { input x: [N, 3, 9, 9]  output x -> a: conv(4, 3) -> bn1: bn -> gap -> b: linear(5) -> bn2: bn }"
    )
    plain: Any = double(net)
    module: Any = double(net.rewrite("fold_batch_norm"), plain.state_dict())
    conv, linear = fuse_conv_bn_eval(plain.a, plain.bn1), fuse_linear_bn_eval(plain.b, plain.bn2)
    for ours, theirs in ((module.a, conv), (module.b, linear)):
        assert torch.allclose(ours.weight, theirs.weight, rtol=0, atol=1e-14)
        assert torch.allclose(ours.bias, theirs.bias, rtol=0, atol=1e-14)


def test_resnet_of_torchvision() -> None:
    theirs = pytest.importorskip("torchvision").models.resnet18(weights=None).double().eval()
    for name, tensor in theirs.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
    module = double(archc.load("resnet18").rewrite("fold_batch_norm"), theirs.state_dict())
    assert len(module.state_dict()) == 20 * 2 + 2
    assert agree(module, theirs, image(1, 3, 64, 64))


def test_some_norms() -> None:
    net = archc.loads(LAYERS)
    chosen = net.rewrite("fold_batch_norm", modules=["bn2", "twice.1"])
    skipped = net.rewrite("fold_batch_norm", skip="bn2")
    plain = double(net)
    assert kinds(chosen).count("bn") == kinds(net).count("bn") - 3 and kinds(skipped).count("bn") == 2
    for rewritten in (chosen, skipped):
        assert agree(double(rewritten, plain.state_dict()), plain, image(2, 4, 8, 8))


def test_starts_and_freezing() -> None:
    folded = archc.loads("""
    arch A {
      input x: [N, 3, 8, 8]
      h = x -> frozen(a: conv(4, 3)) -> bn1: bn -> frozen(b: conv(4, 3) -> bn2: bn)
      output h -> c: conv(4, 3, init = ones) -> bn3: bn(init = zeros, bias_init = constant(2))
    }""").rewrite("fold_batch_norm")
    module: Any = folded.module(seed=0)
    trains = {name for name, tensor in module.named_parameters() if tensor.requires_grad}
    assert trains == {"a.weight", "a.bias", "c.weight", "c.bias"}
    assert not module.a.bias.any() and not module.c.weight.any() and torch.equal(module.c.bias, torch.full((4,), 2.0))


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(net=nets())
def test_random_nets(net: Net) -> None:
    before, skipped = net.architecture, []
    try:
        folded = before.rewrite("fold_batch_norm")
    except archc.ArchError as error:
        (problem,) = error.diagnostics
        listed = re.search(r"skip = \[(.*)\]", problem.hints[0])
        assert problem.code == "E0456" and listed is not None, problem
        skipped = [path.strip('"') for path in listed[1].split(", ")]
        folded = before.rewrite("fold_batch_norm", skip=skipped)
    plain = double(before)
    assert agree(double(folded, plain.state_dict()), plain, image(2, 3, 8, 8))
    makers = {n.path: before.ir.nodes[n.inputs[0][0]].op.kind for n in before.ir.nodes if n.op.kind == "bn"}
    left = {node.path for node in folded.ir.nodes if node.op.kind == "bn"}
    assert left == {path for path, kind in makers.items() if kind not in ("conv", "linear") or path in skipped}
