"""What is read as a whole: what outputs are called, and where modules begin and end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import archc


class Net(nn.Module):
    """Three layers, in a forward of the tests."""

    def __init__(self, forward: Callable[[Any, Tensor], Any]):
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 5, 1), nn.Conv2d(3, 6, 1)
        self._forward = forward

    def forward(self, x: Tensor) -> Any:
        return self._forward(self, x)


@pytest.mark.parametrize(
    ("forward", "names"),
    [
        (lambda m, x: {"maps": [m.a(x), m.b(x), m.c(x)]}, ["maps_0", "maps_1", "maps_2"]),
        (lambda m, x: {"p": [m.a(x), m.b(x)], "q": [m.c(x)]}, ["p_0", "p_1", "q_0"]),
        (lambda m, x: ({"p": (m.a(x), m.b(x))}, m.c(x)), ["out_0_p_0", "out_0_p_1", "out_1"]),
        (lambda m, x: ([m.a(x), m.b(x)], (m.c(x),)), [None]),
    ],
)
def test_nested_outputs_are_named_by_the_keys_that_lead_to_them(forward: Any, names: list[str | None]) -> None:
    assert [output.name for output in archc.from_torch(Net(forward), (1, 3, 4, 4)).ir.outputs] == names


class Sums(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.a(x) + self.b(x)


class Around(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.m1, self.m2, self.out = Sums(), Sums(), nn.Conv2d(3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.m1(x) + self.m2(x) + x)


def test_a_sum_stays_in_the_module_that_makes_it() -> None:
    source = Around().eval()
    net = archc.from_torch(source, (1, 3, 8, 8))
    text = net.source()
    assert "block sums() = (a: conv(3, 3)) + b: conv(3, 1)\n" in text
    assert "output (x -> m1: sums) + (x -> m2: sums) + x -> out: conv(2, 1)\n" in text
    made = net.module().eval()
    made.load_state_dict(source.state_dict())
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(made(x), source(x))
