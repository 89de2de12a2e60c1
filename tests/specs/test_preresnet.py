"""Pre-activation residual networks on ImageNet: three places of the first activation."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from oracles import BUILDERS
from quick import slow_but
from rows.resnet import with_adaptive_pool
from torch import Tensor, nn
from twins import FORMS, loaded, ours, randomised

import archc


@pytest.mark.parametrize(
    ("depth", "authors", "pytorchcv"),
    slow_but(
        [(50, 25_549_352, 25_549_480)],
        [(50, 25_549_352, 25_549_480), (101, 44_541_480, 44_541_608), (200, 64_666_152, 64_666_280)],
    ),
)
def test_the_forms_differ_by_one_batch_norm(depth: int, authors: int, pytorchcv: int) -> None:
    def count(**given: Any) -> int:
        return archc.load("preresnet", depth=depth, **given).stats().parameters

    assert count() == count(version=1) == pytorchcv
    assert count(first="none") == count(stem_norm=False) == authors


class Activated(nn.Module):
    """pytorchcv's first unit for an input that is activated already."""

    def __init__(self, unit: nn.Module) -> None:
        super().__init__()
        self.body, self.project = unit.body, unit.resize_identity
        self.body.conv1.bn = self.body.conv1.activ = nn.Identity()
        if self.project:
            self.identity_conv = unit.identity_conv

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)[0] + (self.identity_conv(x) if self.project else x)


def reference(name: str, form: str) -> nn.Module:
    network = with_adaptive_pool(lambda: BUILDERS["pytorchcv"](name, {}))()
    if form == "timm":
        stem = network.get_submodule("features.init_block")
        stem.bn = stem.activ = nn.Identity()
    if form == "authors":
        stage = network.get_submodule("features.stage1")
        stage.unit1 = Activated(stage.get_submodule("unit1"))
    return network


FORMS_OF_THE_STEM: dict[str, dict[str, Any]] = {
    "pytorchcv": {},
    "timm": {"stem_norm": False},
    "authors": {"first": "none"},
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("stem", FORMS_OF_THE_STEM)
@pytest.mark.parametrize(
    ("name", "unit"),
    slow_but([("preresnet10", "basic")], [("preresnet10", "basic"), ("preresnetbc14b", "bottleneck")]),
)
def test_equal_to_the_peer_changed_likewise(name: str, unit: str, stem: str, form: str) -> None:
    text = f'use {unit} from "std/preactivation.arch"\nuse PreResNet from "zoo/preresnet.arch"\n'
    network = archc.loads(f"{text}arch net = PreResNet({unit}, [1, 1, 1, 1])", "net", **FORMS_OF_THE_STEM[stem])
    peer = reference(name, stem)
    state = randomised(peer)
    peer.load_state_dict(state)
    made = loaded(ours(network, form), {key: t.clone() for key, t in state.items()})
    for height, width in ((64, 64), (33, 97), (1, 1)):
        assert not network.ir.requirements.violations({"N": 2, "H": height, "W": width})
        images = torch.randn(2, 3, height, width)
        with torch.no_grad():
            assert torch.equal(made.eval()(images.clone()), peer.eval()(images.clone()))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"stem_norm": False, "first": "none"}, "without batch norm in the stem the first unit needs its own"),
        ({"depth": 26}, "18, 34, 50, 101, 152 or 200"),
        ({"version": 2}, "1 or 1.5"),
        ({"first": "raw"}, '"branch", "both" or "none"'),
    ],
)
def test_impossible_parameters(given: dict[str, Any], message: str) -> None:
    with pytest.raises(archc.ArchError, match=message):
        archc.load("preresnet", **given)
