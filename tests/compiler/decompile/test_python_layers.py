"""Every layer of the language through the Python source."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from graphs import N, Net
from python_compare import assert_equal_modules
from test_layers import CALLS, net_of


@pytest.mark.parametrize(("kind", "inputs", "settings"), CALLS, ids=[f"{i}-{call[0]}" for i, call in enumerate(CALLS)])
def test_layer(kind: str, inputs: list[Any], settings: dict[str, Any]) -> None:
    assert_equal_modules(net_of(kind, inputs, settings).graph)


def test_a_spatial_transformer() -> None:
    net = Net()
    x = net.input("image", nominal=(1, 3, 8, 8))
    theta = net.input("theta", (N, 2, 3), (1, 2, 3))
    net.output(net("", "grid_sample", x, net("", "affine_grid", theta, x, like=True)))
    assert_equal_modules(net.graph)


def test_an_embedding() -> None:
    net = Net()
    tokens = net.input("tokens", (N, 6), (1, 6), dtype="int")
    net.output(net("embedding", "embedding", tokens, count=10, channels=4))
    assert_equal_modules(net.graph, [torch.tensor([[1, 2, 3, 4, 5, 9]])])
