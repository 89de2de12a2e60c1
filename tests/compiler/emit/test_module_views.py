"""Tools that show modules show the blocks that they show of the peer's module."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torchinfo
import torchview
import torchvision
from torch import fx, nn

import archc


@pytest.mark.parametrize(
    ("name", "ours_given", "theirs_given"),
    [
        ("resnet18", {}, {}),
        ("vgg11", {}, {}),
        ("DenseNet", {"n": [2, 3]}, {"block_config": (2, 3)}),
        pytest.param("densenet121", {}, {}, marks=pytest.mark.slow),
    ],
)
def test_blocks_are_those_of_the_peer(name: str, ours_given: dict[str, Any], theirs_given: dict[str, Any]):
    with torch.device("meta"):  # Blocks and shapes need no numbers.
        theirs = getattr(torchvision.models, name)(**theirs_given).eval()
    ours = archc.load(name, **ours_given).module(device="meta").eval()
    size = (1, 3, 64, 64)
    a, b = (torchinfo.summary(module, size, verbose=0, depth=5, device="meta") for module in (ours, theirs))
    assert (a.total_params, a.total_mult_adds) == (b.total_params, b.total_mult_adds)

    def blocks(summary: torchinfo.ModelStatistics) -> list[tuple[str, int, int]]:
        layers = [layer for layer in summary.summary_list if not layer.is_leaf_layer]
        return [(layer.var_name, layer.depth, layer.num_params) for layer in layers][1:]

    assert blocks(a) == blocks(b)
    for depth in (1, 2):
        pictures = [
            torchview.draw_graph(module, input_size=size, depth=depth, device="meta") for module in (ours, theirs)
        ]
        drawn, expected = (str(picture.visual_graph).count("label=") for picture in pictures)
        assert drawn == expected, depth


@pytest.mark.parametrize("name", ["resnet18", "resnext50_32x4d", "vgg11_bn", "densenet121", "inception_v3"])
def test_every_module_of_the_peer_has_its_name_and_class_here(name: str):
    options = {"init_weights": False} if name == "inception_v3" else {}
    with torch.device("meta"):
        ours, theirs = archc.load(name).module(), torchvision.models.get_model(name, **options)
    classes = {path: type(module) for path, module in ours.named_modules()}
    for path, module in theirs.named_modules():
        own = type(module).__module__.startswith("torch.nn.")
        ours_own = issubclass(classes[path], fx.GraphModule | nn.Sequential) and classes[path] is not nn.Sequential
        assert classes[path] is type(module) if own else ours_own, path
