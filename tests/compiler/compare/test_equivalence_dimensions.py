"""Architectures told apart by how many dimensions the functions have that they can be.

The oracle is torch: the rank of the Jacobian of outputs by weights, for many inputs and weights, which is never more
than the bound from above, and reaches that from below.
"""

from __future__ import annotations

import random

import pytest
import torch
from torch import nn
from torch.func import functional_call, jacrev, vmap

import archc
from archc import Architecture
from archc.compiler.compare.equivalence_least import least_dimensions
from archc.compiler.compare.equivalence_most import most_dimensions
from archc.compiler.compare.equivalence_reading import sized


def built(body: str, size: int = 1) -> Architecture:
    return archc.loads(f"arch A {{\n input x: [N, 2, H, W] = [2, 2, {size}, {size}]\n output x -> ({body})\n}}")


def bounds(net: Architecture, **sizes: int) -> tuple[int, int]:
    graph = sized(net.ir, {**net.ir.nominal, "N": 1, **sizes})
    return least_dimensions(graph), most_dimensions(graph)


def rank(net: Architecture, size: int, least: int, tries: int) -> int:
    """In how many independent directions weights move the outputs: the most that is met, until it is as many as asked.

    Norms are set to what arrives, so that each `relu` has kinks among the inputs.
    """
    best = 0
    for seed in range(tries):
        module = net.module(seed=seed, dtype="float64")
        generator = torch.Generator().manual_seed(seed)
        weights = dict(module.named_parameters())
        with torch.no_grad():
            for weight in weights.values():
                scale = 2 / weight[0].numel() ** 0.5 if weight.dim() > 1 else 1
                weight.copy_(scale * torch.randn(weight.shape, generator=generator, dtype=weight.dtype))
        count = 12 * sum(map(torch.Tensor.numel, weights.values())) + 200
        x = torch.randn(count, 2, size, size, generator=generator, dtype=torch.float64)
        x *= torch.exp(1.2 * torch.randn(count, 1, 1, 1, generator=generator, dtype=torch.float64))
        settle(module, x)
        rows = jacobian(module, x)
        singular = torch.linalg.svdvals(torch.linalg.qr(rows, mode="r")[1])
        best = max(best, int((singular > 1e-9 * singular[0]).sum()))
        if best >= least:
            break
    return best


def settle(module: nn.Module, x: torch.Tensor) -> None:
    with torch.no_grad():
        for norm in module.modules():
            if isinstance(norm, nn.BatchNorm2d):
                norm.momentum = 1.0
                norm.bias.mul_(0.5)
        module(x)
        module.eval()


def jacobian(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    weights = {name: weight.detach() for name, weight in module.named_parameters()}
    buffers = dict(module.named_buffers())

    def outputs(weights: dict[str, torch.Tensor], one: torch.Tensor) -> torch.Tensor:
        return functional_call(module, (weights, buffers), (one[None],)).flatten()

    found = vmap(jacrev(outputs), (None, 0))(weights, x)
    return torch.cat([part.flatten(2).flatten(0, 1) for part in found.values()], 1)


UNIT = "[conv(2, 1), bn, relu, conv(3, 1), bn]"
PRE = "[bn, relu, conv(3, 1), bn, relu, conv(3, 1)]"
STEM = "conv(3, 1) -> bn -> relu"
NETS = [
    # a chain: every weight counts but the factors of channels
    (f"{STEM} -> conv(3, 1) -> bn -> relu -> gap -> linear(2)", 1, 23, 23),
    ("conv(3, 3, bias = true) -> relu -> conv(3, 3, bias = true) -> relu -> gap -> linear(2)", 1, 23, 23),
    ("conv(3, 1, bias = true) -> leakyrelu(0.2) -> conv(3, 1, bias = true) -> leakyrelu(0.2) -> conv(2, 1)", 1, 21, 21),
    # what is added to a shortcut has no free factor
    (f"{STEM} -> (id + {UNIT}) -> relu -> gap -> linear(2)", 1, 27, 32),
    (f"conv(3, 1) -> (id + {PRE}) -> bn -> relu -> gap -> linear(1)", 1, 28, 40),
    (f"{STEM} -> ({UNIT} + [conv(3, 1), bn]) -> relu -> conv(1, 1)", 1, 30, 36),
    # groups, and what joins and mixes channels
    ("conv(4, 1) -> bn -> relu -> conv(4, 1, groups = 2) -> bn -> relu -> gap -> linear(1)", 1, 21, 21),
    (f"{STEM} -> (id ++ [conv(2, 1), bn, relu]) -> gap -> linear(1)", 1, 18, 18),
    ("conv(3, 1) -> (id ++ [bn, relu, conv(2, 1)]) -> bn -> relu -> gap -> linear(1)", 1, 17, 34),
    ("conv(4, 1) -> bn -> relu -> channel_shuffle(2) -> conv(4, 1, groups = 2) -> bn -> relu -> conv(1, 1)", 1, 20, 20),
    (f"{STEM} -> mean([conv(3, 1), bn, relu], {UNIT[:-1]}, relu]) -> conv(1, 1)", 1, 30, 36),
    # layers in a row, layers for each channel, and a second kink
    ("conv(3, 1, bias = true) -> relu -> conv(2, 1) -> conv(4, 1, bias = true) -> relu -> gap -> linear(1)", 1, 19, 25),
    ("conv(3, 1) -> bn -> relu6 -> dwconv(3) -> bn -> relu6 -> gap -> linear(1)", 1, 11, 19),
    ("conv(3, 1, bias = true) -> relu6 -> conv(3, 1, bias = true) -> relu6 -> gap -> linear(1)", 1, 21, 25),
    # one channel is no two, with another summand
    (
        "conv(4, 1) -> bn -> relu -> conv(2, 1) -> (id ++ bn) -> conv(3, 1, bias = true) -> relu -> conv(1, 1)",
        1,
        17,
        35,
    ),
    # without a bias there is nothing that moves kinks
    ("conv(3, 1) -> relu -> conv(3, 1) -> relu -> gap -> linear(1)", 1, 1, 13),
    # maps: of a kernel one place counts at least
    ("conv(3, 3, bias = true) -> relu -> maxpool(2) -> conv(3, 3, bias = true) -> relu -> conv(1, 1)", 2, 18, 66),
]


@pytest.mark.parametrize(("body", "size", "least", "most"), NETS)
def test_the_rank_is_between_the_bounds(body: str, size: int, least: int, most: int) -> None:
    net = built(body, size)
    assert bounds(net, H=size, W=size) == (least, most)
    assert least <= rank(net, size, least, tries=100) <= most


BLOCKS = (
    "conv({c}, 1) -> bn -> relu",
    "conv({c}, 3, bias = true) -> relu",
    "conv({c}, 1) -> bn -> conv({c}, 1) -> bn -> relu6",
    "conv({c}, 1, bias = true) -> leakyrelu(0.1)",
    "(id + [conv({k}, 1), bn, relu, conv({w}, 1), bn]) -> relu",
    "(id + [bn, relu, conv({w}, 1)])",
    "(id ++ [conv({k}, 1), bn, relu])",
    "(id ++ [bn, relu, conv({k}, 1)])",
    "mean([conv({c}, 1), bn, relu], [conv({c}, 1), bn, relu])",
    "max([conv({c}, 1), bn], [conv({c}, 1), bn])",
    "(id * [conv({w}, 1, bias = true), sigmoid])",
    "dwconv(3) -> bn -> relu",
    "maxpool(3, 1, padding = 1)",
    "bn -> relu",
    "dropout(0.5)",
    "relu",
)


def drawn(seed: int) -> str:
    """A small network of blocks drawn at random."""
    generator, width, blocks = random.Random(seed), 2, []
    for _ in range(generator.randint(1, 4)):
        block = generator.choice(BLOCKS)
        k, c = generator.randint(1, 3), generator.randint(1, 4)
        blocks.append(block.format(c=c, k=k, w=width))
        width = c if "{c}" in block else width + k if "++" in block else width
    return " -> ".join([*blocks, "gap", f"linear({generator.randint(1, 2)})"])


@pytest.mark.parametrize("seed", range(40))
def test_the_rank_of_networks_drawn_at_random_is_below_the_bound(seed: int) -> None:
    net = built(drawn(seed))
    least, most = bounds(net, H=1, W=1)
    assert least <= most
    assert rank(net, 1, most, tries=2) <= most


@pytest.mark.parametrize("seed", range(8))
def test_networks_drawn_at_random_are_as_many_functions_as_is_said(seed: int) -> None:
    net = built(drawn(100 + seed))
    least, _ = bounds(net, H=1, W=1)
    assert rank(net, 1, least, tries=150) >= least


def cifar(shortcut: str) -> Architecture:
    return archc.load("resnet_cifar", depth=20, shortcut=shortcut)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("resnet18", "plain18"),
        ("resnet34", "plain34"),
        ("resnetv2_50", "wide_resnet50_2"),
        pytest.param("preresnet110_cifar", "resnet1001_cifar", marks=pytest.mark.slow),
        ("A", "none"),
        ("B", "none"),
    ],
)
def test_networks_that_see_the_same_are_told_apart(one: str, other: str) -> None:
    a, b = (cifar(name) if len(name) < 5 else archc.load(name) for name in (one, other))
    for here, there in ((a, b), (b, a)):
        found = here.equivalent(there)
        assert found.verdict == "different" and "dimensions" in found.reason, found.reason
        assert found.by_name is not True


@pytest.mark.parametrize("name", ["resnet18", "resnext50_8x14d", "preresnet18", "densenet121", "mnasnet0_5"])
def test_no_rewrite_is_fewer_functions_than_its_source(name: str) -> None:
    source = archc.load(name)
    least, most = bounds(source, H=32, W=32)
    for made in (source.rewrite("fold_batch_norm"), archc.loads(source.source())):
        other, more = bounds(made, H=32, W=32)
        assert least <= more and other <= most
