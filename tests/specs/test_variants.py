"""What the variants of the ImageNet families are called, and what their parameters are called."""

from __future__ import annotations

import pytest
import torch
from oracles import Row, families
from rows import regnet
from torch import nn

import archc

FAMILIES = (
    *(
        "resnet",
        "vgg",
        "alexnet",
        "squeezenet",
        "mobilenet_v2",
        "mobilenet_v3",
        "mnasnet",
        "shufflenet_v2",
        "googlenet",
    ),
    *("efficientnet", "regnet", "convnext", "vit", "swin", "maxvit", "fcn_resnet", "deeplabv3", "lraspp"),
)
TORCHVISION = [
    *(row for family in FAMILIES for row in families()[family] if row.library == "torchvision"),
    *(regnet.row("regnet_y_128gf"), Row("vit_h_14", "torchvision", "vit_h_14")),  # too large to be run
]
DEPTHS = (18, 34, 50, 101, 152)


@pytest.mark.parametrize("row", TORCHVISION, ids=lambda row: row.label)
def test_names_shapes_and_order_are_torchvisions(row: Row) -> None:
    def layout(module: nn.Module) -> list[tuple[str, torch.Size, torch.dtype]]:
        return [(key, tensor.shape, tensor.dtype) for key, tensor in module.state_dict().items()]

    assert layout(row.ours().module(device="meta")) == layout(row.theirs("meta"))


@pytest.mark.parametrize("depth", DEPTHS)
def test_the_depth_chooses_the_variant(depth: int) -> None:
    chosen, named = archc.load("resnet", depth=depth), archc.load(f"resnet{depth}")
    assert [node.path for node in chosen.ir.nodes] == [node.path for node in named.ir.nodes]
    assert chosen.stats().parameters == named.stats().parameters
