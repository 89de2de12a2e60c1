"""Buffers of a module that is read: what is not learned starts at its numbers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import archc


class Standardised(nn.Module):
    """Images less their mean, over their deviation, smoothed where some channels are kept."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1))
        self.register_buffer("keep", torch.tensor([1.0, 0.0, 1.0]).view(3, 1, 1))
        row = torch.tensor([1.0, 2.0, 1.0])
        self.register_buffer("kernel", torch.outer(row, row).div(16).expand(3, 1, 3, 3).contiguous())
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = (x - self.mean) / self.std * self.keep
        return self.conv(nn.functional.conv2d(y, self.kernel, padding=1, groups=3))


def test_buffers_start_at_their_numbers() -> None:
    source = Standardised()
    for net in (read := archc.from_torch(source, torch.randn(2, 3, 8, 8)), archc.loads(read.source())):
        made = dict(net.module(seed=0).named_buffers())
        assert all(torch.equal(made[name], buffer) for name, buffer in source.named_buffers())


def test_names_of_layers_that_are_not_applied_are_names_of_tensors() -> None:
    text = archc.from_torch(Standardised(), torch.randn(2, 3, 8, 8)).source()
    assert "block" not in text
    assert "  buffer mean = constant([[[0.485]], [[0.456]], [[0.406]]])\n" in text


def test_a_name_of_a_layer_that_is_applied_stays_the_layers() -> None:
    spec = """arch A { input x: [N, 3, 8, 8]
      y = (x, x -> relu) -> mean
      output y - (x -> part: own) }
    block own() { const mean = constant([[[0.5]], [[0.4]], [[0.3]]])  output mean }"""
    net = archc.loads(spec)
    x = torch.randn(2, 3, 8, 8)
    expected = (x + x.relu()) / 2 - torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1)
    for each in (net, archc.loads(net.source())):
        assert torch.allclose(each.module()(x), expected)
