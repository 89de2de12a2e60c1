"""Rows in compiled modules and in written Python: all are `nn.Sequential`, also where a function is an element."""

from __future__ import annotations

import copy
from collections import OrderedDict
from typing import Any

import pytest
import torch
from python_compare import assert_equal_modules, built
from torch import nn

import archc

ELEMENTS = {
    "flatten": nn.Flatten,
    "flatten(2)": nn.Flatten,
    "upsample(2)": nn.Upsample,
    'upsample([2, 3], mode = "bilinear")': nn.Upsample,
    'upsample(size = 5, mode = "bilinear", align_corners = true)': nn.Upsample,
    "pixel_shuffle(2)": nn.PixelShuffle,
    "pixel_unshuffle(2)": nn.PixelUnshuffle,
    "pad(1)": nn.ZeroPad2d,
    "pad([[0, 1], [2, 3]], value = 0.5)": nn.ConstantPad2d,
    'pad([1, 2], mode = "reflect")': nn.ReflectionPad2d,
    'pad(1, mode = "replicate")': nn.ReplicationPad2d,
    'pad(1, mode = "circular")': nn.CircularPad2d,
    "clamp(0, 6)": nn.Module,
    "channel_shuffle(2)": nn.Module,
    "l2norm": nn.Module,
    "permute([0, 1, 3, 2])": nn.Module,
    'reduce("mean", "height")': nn.Module,
}


def forms(net: archc.Architecture, seed: int | None = None) -> list[Any]:
    """The compiled module and the written class."""
    return [net.module(seed=seed).eval(), built(net.ir).eval()]


def spec(body: str, blocks: str = "") -> archc.Architecture:
    return archc.loads(f"{blocks}\narch A {{ input x: [N, 4, 6, 6] = [2, 4, 6, 6]  output x -> {body} }}")


@pytest.mark.parametrize(("element", "kind"), ELEMENTS.items())
def test_a_function_in_a_list_is_a_module_in_its_place(element: str, kind: type[nn.Module]) -> None:
    net = spec(f"part: [bn, {element}, gelu]")
    assert_equal_modules(net.ir)
    x = torch.randn(2, 4, 6, 6)
    for made in forms(net, seed=0):
        part = made.part
        assert type(part) is nn.Sequential and isinstance(part[1], kind)
        assert list(part._modules)[:3] == ["0", "1", "2"]
        assert torch.equal(part[1:](part[:1](x)), made(x))
        part.insert(1, nn.Hardtanh(0, 1))
        part.append(nn.Tanh())
        assert torch.equal(made(x), torch.tanh(part[:-1](x)))
        part.pop(1)
        part.pop(-1)
        assert torch.equal(part[1:](part[:1](x)), made(x))


def test_elements_with_names_keep_them_and_their_places() -> None:
    net = spec("part: [a: conv(3, 3), flatten, linear(5)]")
    for made in forms(net):
        assert list(made.part._modules) == ["a", "1", "2"] and isinstance(made.part[1], nn.Flatten)


def test_a_row_that_is_applied_again_has_its_functions_once() -> None:
    net = archc.loads("""arch A {
      input x: [N, 4, 6, 6]
      shared part = [conv(4, 3), clamp(0, 1), pad(1), maxpool(3, 1, padding = 0)]
      output x -> part -> part
    }""")
    assert_equal_modules(net.ir)
    for made in forms(net):
        assert len(made.part) == 4 and isinstance(made.part[2], nn.ZeroPad2d)


def flat(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(*layers, nn.Flatten(1))


def padded(before: int, after: int) -> nn.Module:
    return nn.ZeroPad2d((before, after, before, after))


class Twice(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 0.5 + 1


def conv(*settings: int, **more: int) -> nn.Conv2d:
    return nn.Conv2d(*settings, bias=False, **more)


ADDED = (lambda held: held.append(nn.ReLU()), lambda held: held.insert(1, nn.ReLU()))
TWINS = {
    "conv(8, 3), relu, gap, linear(10)": lambda: (
        [conv(4, 8, 3, padding=1), nn.ReLU(), flat(nn.AdaptiveAvgPool2d(1)), nn.Linear(8, 10)]
    ),
    "conv(8, 3), gap, dropout(0.5), linear(10), relu, linear(2)": lambda: [
        conv(4, 8, 3, padding=1),
        nn.AdaptiveAvgPool2d(1),
        flat(nn.Dropout(0.5)),
        nn.Linear(8, 10),
        nn.ReLU(),
        nn.Linear(10, 2),
    ],
    'conv(8, 3), reduce("mean", [2, 3], keep = true), linear(10)': lambda: (
        [conv(4, 8, 3, padding=1), flat(nn.AdaptiveAvgPool2d(1)), nn.Linear(8, 10)]
    ),
    'conv(8, 3), relu, conv(6, 4, padding = "same"), maxpool(2, 1, padding = "same")': lambda: [
        conv(4, 8, 3, padding=1),
        nn.Sequential(nn.ReLU(), padded(1, 2)),
        conv(8, 6, 4),
        nn.Sequential(nn.ConstantPad2d((0, 1, 0, 1), float("-inf")), nn.MaxPool2d(2, 1)),
    ],
    "conv(8, 3), id * 0.5 + 1, relu": lambda: [conv(4, 8, 3, padding=1), Twice(), nn.ReLU()],
    "conv(8, 3), clamp(0, 1) -> flatten, linear(3)": lambda: (
        [conv(4, 8, 3, padding=1), flat(nn.Hardtanh(0, 1)), nn.Linear(288, 3)]
    ),
    'clamp(0, 1), clamp(0, 0.5), bn, maxpool(2, 1, padding = "same")': lambda: [
        nn.Hardtanh(0, 1),
        nn.Hardtanh(0, 0.5),
        nn.BatchNorm2d(4),
        nn.Sequential(nn.ConstantPad2d((0, 1, 0, 1), float("-inf")), nn.MaxPool2d(2, 1)),
    ],
    "conv(8, 3), [relu, gap], linear(3)": lambda: (
        [conv(4, 8, 3, padding=1), flat(nn.ReLU(), nn.AdaptiveAvgPool2d(1)), nn.Linear(8, 3)]
    ),
    "[conv(8, 3), clamp(0, 1), gap, bn], linear(3)": lambda: (
        [
            flat(conv(4, 8, 3, padding=1), nn.Hardtanh(0, 1), nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(8)),
            nn.Linear(8, 3),
        ]
    ),
}


@pytest.mark.parametrize("body", TWINS)
def test_what_an_element_carries_goes_into_a_module_without_tensors(body: str) -> None:
    """Held against a list as a person writes it, through all that `nn.Sequential` does."""
    net = spec(f"part: [{body}]")
    assert_equal_modules(net.ir)
    x = torch.randn(2, 4, 6, 6)
    for made in forms(net, seed=0):
        twin = nn.Sequential(*TWINS[body]()).eval()
        assert list(made.state_dict()) == [f"part.{name}" for name in twin.state_dict()]
        twin.load_state_dict(made.part.state_dict())
        assert type(made.part) is nn.Sequential and len(made.part) == len(twin)
        for cut in range(1, len(twin)):
            assert torch.equal(made.part[:cut](x), twin[:cut](x))
        for row in (made.part, twin):
            row.append(nn.Tanh())
            row.insert(1, nn.Hardtanh(0, 1))
        assert torch.equal(made(x), twin(x))
        del made.part[1], made.part[-1], twin[1], twin[-1]
        assert torch.equal(made(x), twin(x)) and torch.equal(copy.deepcopy(made)(x), twin(x))
        assert torch.equal(torch.fx.symbolic_trace(made)(x), twin(x))


def test_a_row_with_such_elements_is_applied_again_and_computed_again() -> None:
    blocks = 'block b(c) = [conv(c, 3), relu, conv(c, 4, padding = "same"), relu]'
    net = archc.loads(f"""{blocks}
    arch A {{
      input x: [N, 4, 6, 6] = [2, 4, 6, 6]
      shared part = b(4)
      output x -> part -> part -> recompute([b(4), gap, linear(3)])
    }}""")
    assert_equal_modules(net.ir)
    for made in forms(net):
        assert type(made.part[1]) is nn.Sequential and isinstance(made.part[1][1], nn.ZeroPad2d)


NAMED = {
    "gap, bn, linear(3)": lambda: {
        "0": nn.AdaptiveAvgPool2d(1),
        "1": nn.BatchNorm2d(4),
        "flatten": nn.Flatten(),
        "2": nn.Linear(4, 3),
    },
    'conv(6, 3), bn, conv(4, 4, padding = "same"), conv(6, 1), conv(4, 2, padding = "same")': lambda: {
        "0": conv(4, 6, 3, padding=1),
        "1": nn.BatchNorm2d(6),
        "pad": padded(1, 2),
        "2": conv(6, 4, 4),
        "3": conv(4, 6, 1),
        "pad_2": padded(0, 1),
        "4": conv(6, 4, 2),
    },
    "clamp(0, 1), clamp(0, 0.5), gap, bn, linear(3), relu": lambda: {
        "0": nn.Hardtanh(0, 1),
        "1": nn.Hardtanh(0, 0.5),
        "2": nn.AdaptiveAvgPool2d(1),
        "3": nn.BatchNorm2d(4),
        "flatten": nn.Flatten(),
        "4": nn.Linear(4, 3),
        "5": nn.ReLU(),
    },
    "tail(), linear(3)": lambda: {
        "0": nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1)),
        "flatten": nn.Flatten(),
        "1": nn.Linear(4, 3),
    },
}


@pytest.mark.parametrize("body", NAMED)
def test_where_no_module_without_tensors_is_beside_it_what_a_layer_carries_has_a_name(body: str) -> None:
    net = spec(f"part: [{body}]", "block tail() = [relu, gap]")
    assert_equal_modules(net.ir)
    x = torch.randn(2, 4, 6, 6)
    for made in forms(net, seed=0):
        assert type(made.part) is nn.Sequential and list(made.part._modules) == list(NAMED[body]())
        twin = nn.Sequential(OrderedDict(NAMED[body]())).eval()
        twin.load_state_dict(made.part.state_dict())
        assert list(made.part.state_dict()) == list(twin.state_dict())
        for cut in range(1, len(twin)):
            assert torch.equal(made.part[:cut](x), twin[:cut](x))
            assert torch.equal(made.part[cut:](made.part[:cut](x)), twin(x))
        made.part.append(nn.Tanh())
        assert torch.equal(made(x), torch.tanh(twin(x)))


STAGES = """
block unit(c) = id + (conv: conv(c, 3) -> bn: bn -> relu)
block stage(c, n) = [conv(c, 1), unit(c) ** n]
block head(c) = conv: conv(c, 1) -> norm: bn -> act: relu
"""


def test_rows_of_blocks_are_sliced_joined_and_shortened() -> None:
    net = spec("s1: stage(6, 2) -> s2: stage(8, 4) -> s3: stage(8, 4) -> h1: head(3) -> h2: head(5)", STAGES)
    assert_equal_modules(net.ir)
    x = torch.randn(2, 4, 6, 6)
    for made in forms(net, seed=0):
        whole = made(x)
        for row in (made.s1, made.s2, made.h1):
            assert isinstance(row, nn.Sequential) and isinstance(row[:2], nn.Sequential)
        joined = nn.Sequential(*made.s1, *made.s2[:2], *made.s2[2:], made.s3, *made.h1, made.h2)
        assert torch.equal(joined(x), whole)
        made.s2 = made.s2[:2]
        made.h2.append(nn.Softmax(dim=1))
        made.s3.append(copy.deepcopy(made.s3[1]))
        assert made(x).shape == whole.shape and torch.allclose(made(x).sum(1), torch.ones(2, 6, 6))


TAPS = """
block taps(n)(x) {
  a = x -> "0": conv(4, 3)
  b = a
  for i in 1..n { b = b -> "{i}": conv(4, 3) }
  output (a, b)
}
"""


def test_what_a_list_would_ignore_is_refused() -> None:
    text = f"""{TAPS}
    arch A {{
      input x: [N, 4, 6, 6] = [2, 4, 6, 6]
      a, b = x -> few: taps(2)
      c, d = b -> more: taps(4)
      output sum(a, c, d)
    }}"""
    net = archc.loads(text)
    assert_equal_modules(net.ir)
    x = torch.randn(2, 4, 6, 6)
    for name in ("few", "more"):
        for change in ADDED:
            for made in forms(net):
                with pytest.raises((AssertionError, archc.ArchError), match="by their numbers"):
                    change(getattr(made, name))
                    made(x)
