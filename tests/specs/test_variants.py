"""What the variants of the ImageNet families are called, and what their parameters are called."""

from __future__ import annotations

import pytest
import torch
from oracles import Row, families
from quick import slow_but
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
SMALLEST = {
    *("resnet18", "vgg11", "alexnet", "squeezenet1_1", "mobilenet_v2", "mobilenet_v3_small", "mnasnet0_5"),
    *("shufflenet_v2_x0_5", "googlenet", "efficientnet_b0", "efficientnet_v2_s", "regnet_x_400mf", "regnet_y_400mf"),
    *("convnext_tiny", "vit_b_32", "swin_t", "swin_v2_t", "maxvit_t"),
    *("deeplabv3_mobilenet_v3_large(aux = true)", "lraspp_mobilenet_v3_large", "fcn_resnet50(aux = true)"),
}
"""The others are compared where they are run, by `test_fidelity.py`."""
TORCHVISION = [
    *(
        row
        for family in FAMILIES
        for row in families()[family]
        if row.library == "torchvision" and row.variant in SMALLEST
    ),
    *(regnet.row("regnet_y_128gf"), Row("vit_h_14", "torchvision", "vit_h_14")),  # too large to be run
]
DEPTHS = (18, 34, 50, 101, 152)


@pytest.mark.parametrize("row", TORCHVISION, ids=lambda row: row.label)
def test_names_shapes_and_order_are_torchvisions(row: Row) -> None:
    def layout(module: nn.Module) -> list[tuple[str, torch.Size, torch.dtype]]:
        return [(key, tensor.shape, tensor.dtype) for key, tensor in module.state_dict().items()]

    assert layout(row.ours().module(device="meta")) == layout(row.theirs("meta"))


@pytest.mark.parametrize("depth", slow_but((18, 50), DEPTHS))
def test_the_depth_chooses_the_variant(depth: int) -> None:
    chosen, named = archc.load("resnet", depth=depth), archc.load(f"resnet{depth}")
    assert [node.path for node in chosen.ir.nodes] == [node.path for node in named.ir.nodes]
    assert chosen.stats().parameters == named.stats().parameters
