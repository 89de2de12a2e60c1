"""What the variants of the ImageNet families are called, and what their parameters are called."""

from __future__ import annotations

import pytest
import torch
from oracles import Row, families
from torch import nn

import archc

TORCHVISION = [row for family in ("resnet", "vgg") for row in families()[family] if row.library == "torchvision"]
DEPTHS = (18, 34, 50, 101, 152)


@pytest.mark.parametrize("row", TORCHVISION, ids=lambda row: row.variant)
def test_names_shapes_and_order_are_torchvisions(row: Row) -> None:
    def layout(module: nn.Module) -> list[tuple[str, torch.Size, torch.dtype]]:
        return [(key, tensor.shape, tensor.dtype) for key, tensor in module.state_dict().items()]

    assert layout(row.ours().module(device="meta")) == layout(row.theirs("meta"))


@pytest.mark.parametrize("depth", DEPTHS)
def test_the_depth_chooses_the_variant(depth: int) -> None:
    chosen, named = archc.load("resnet", depth=depth), archc.load(f"resnet{depth}")
    assert [node.path for node in chosen.ir.nodes] == [node.path for node in named.ir.nodes]
    assert chosen.stats().parameters == named.stats().parameters
