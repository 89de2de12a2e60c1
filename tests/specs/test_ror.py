"""Residual networks of residual networks: closed forms and paths for any number of levels, the form, refusals."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from oracles import BUILDERS
from quick import slow_but
from rows.resnet import with_adaptive_pool
from torch import Tensor, nn
from torch.nn import functional
from twins import FORMS, loaded, ours, randomised

import archc


def shortcuts(m: int, n: int) -> int:
    """How many stand over the units of one stage, from the third level on."""
    return 0 if m < 3 else 1 + (shortcuts(m - 1, n - n // 2) + shortcuts(m - 1, n // 2) if m > 3 else 0)


def parameters(m: int, n: int, width: int, classes: int, norm: bool) -> int:
    """Projections have a batch norm, unless units are pre-activated."""

    def conv(a: int, b: int, k: int) -> int:
        return a * b * k * k + (2 * b if norm else 0)

    total, entering = conv(3, 16, 3), 16
    for c in (width, 2 * width, 4 * width):
        total += n * 18 * c * c + 9 * c * (entering - c) + n * 4 * c  # convolutions and their norms
        total += 0 if norm else 2 * entering - 2 * c  # a norm before the first convolution has its input's channels
        total += conv(entering, c, 1) if entering != c else 0
        for level in range(3, m + 1):  # the first group of a level enters with the stage's channels
            groups = 2 ** (level - 3)
            total += conv(entering, c, 1) + (groups - 1) * conv(c, c, 1)
        entering = c
    total += conv(16, entering, 1) if m > 1 else 0
    return total + (0 if norm else 2 * entering) + entering * classes + classes


@pytest.mark.parametrize("preact", [False, True])
@pytest.mark.parametrize("m", slow_but((1, 3, 5), (1, 2, 3, 4, 5)))
def test_parameters_by_the_closed_form(m: int, preact: bool) -> None:
    for n in (4, 7):
        for width in (16, 32):
            network = archc.load("ror_cifar", m=m, n=n, width=width, preact=preact, classes=100)
            assert network.stats().parameters == parameters(m, n, width, 100, not preact)
            assert network.stats().depth == 6 * n + 2


def test_the_closed_form_gives_known_figures() -> None:
    assert [parameters(3, n, 16, 10, True) for n in (8, 17, 26)] == [762_746, 1_637_690, 2_512_634]


def paths(m: int, n: int) -> int:
    """Of one stage of n units: their two ways each, and one more for each shortcut over them."""
    if m < 4:
        return 2**n + (m == 3)
    return paths(m - 1, n - n // 2) * paths(m - 1, n // 2) + 1


def ways(graph: Any) -> int:
    """Paths from the input to the output, by walking every one of them."""

    def below(node: Any) -> int:
        edges = list(graph.out_edges(node))
        return sum(below(to) for _, to in edges) if edges else 1

    return sum(below(node) for node in graph if graph.in_degree(node) == 0)


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_paths_one_by_one(m: int) -> None:
    for n in (2, 3) if m > 3 else (1, 2, 3):
        assert ways(archc.load("ror_cifar", m=m, n=n).graph) == paths(m, n) ** 3 + (m > 1)


@pytest.mark.parametrize(("m", "n"), [(2, 26), (3, 26), (4, 9), (6, 11), (7, 16)])
def test_paths_of_deep_nets(m: int, n: int) -> None:
    text = f'use ror_cifar from "zoo/ror.arch"\narch net = ror_cifar({m}, {n})\n  expect paths == 0'
    expected = paths(m, n) ** 3 + (m > 1)
    found = archc.check(text=text)
    assert [f"it is {expected:,}" in diagnostic.message for diagnostic in found] == [True]


def test_three_levels_have_the_papers_number_of_paths() -> None:
    assert [paths(3, n) ** 3 + 1 for n in (8, 17)] == [16_974_594, 2_251_851_353_686_018]
    assert paths(3, 26) ** 3 + 1 == 302_231_468_414_456_377_114_626


class Nothing(nn.Module):
    """A shortcut left out of a sum, which a zero does not change."""

    def forward(self, x: Tensor) -> float:
        return 0.0


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("m", [1, 2, 3])
def test_lower_levels_are_the_peer_without_its_shortcuts(m: int, form: str) -> None:
    reference = with_adaptive_pool(lambda: BUILDERS["pytorchcv"]("ror3_56_cifar10", {}))()
    body = reference.get_submodule("features.body")
    if m == 1:
        body.shortcut = Nothing()
    if m < 3:
        for stage in body.stages:
            stage.shortcut = Nothing()
    state = randomised(reference)
    reference.load_state_dict(state)
    made = loaded(ours(archc.load("ror_cifar", m=m, n=8), form), {key: t.clone() for key, t in state.items()})
    images = torch.randn(2, 3, 12, 20)
    with torch.no_grad():
        assert torch.equal(made.eval()(images.clone()), reference.eval()(images.clone()))


class Formulas:
    """The network in functions, in eval, where it has no peer: pre-activated units, and more than three levels."""

    def __init__(self, state: dict[str, Tensor], preact: bool):
        self.state, self.preact = state, preact

    def conv(self, x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = self.state[f"{name}.weight"]
        return functional.conv2d(x, weight, None, stride, weight.shape[2] // 2)

    def bn(self, x: Tensor, name: str) -> Tensor:
        return functional.batch_norm(
            x, *(self.state[f"{name}.{s}"] for s in ("running_mean", "running_var", "weight", "bias"))
        )

    def conv_bn(self, x: Tensor, name: str, stride: int = 1) -> Tensor:
        return (
            self.conv(x, name, stride) if self.preact else self.bn(self.conv(x, f"{name}.conv", stride), f"{name}.bn")
        )

    def unit(self, x: Tensor, name: str) -> Tensor:
        if self.preact:
            a = self.bn(x, f"{name}.body.conv1.bn").relu()
            y = self.bn(self.conv(a, f"{name}.body.conv1.conv"), f"{name}.body.conv2.bn").relu()
            y = self.conv(y, f"{name}.body.conv2.conv")
        else:
            a = x
            y = self.conv_bn(self.conv_bn(x, f"{name}.body.conv1").relu(), f"{name}.body.conv2")
        projected = any(key.startswith(f"{name}.identity_conv.") for key in self.state)
        return y + (self.conv_bn(a, f"{name}.identity_conv") if projected else x)

    def act(self, x: Tensor) -> Tensor:
        return x if self.preact else x.relu()

    def group(self, x: Tensor, name: str, n: int, m: int) -> Tensor:
        if m < 4:
            y = x
            for i in range(n):
                y = self.unit(self.act(y) if i else y, f"{name}.units.unit{i + 1}")
        else:
            y = self.group(x, f"{name}.half1", (n + 1) // 2, m - 1)
            y = self.group(self.act(y), f"{name}.half2", n // 2, m - 1)
        return y + self.conv_bn(x, f"{name}.shortcut") if m > 2 else y

    def __call__(self, x: Tensor, n: int, m: int) -> Tensor:
        x = self.act(self.conv_bn(x, "features.init_block"))
        y = x
        for i in range(3):
            y = functional.max_pool2d(self.act(y), 2) if i else y
            y = self.group(y, f"features.body.stages.stage{i + 1}", n, m)
        y = y + self.conv_bn(x, "features.body.shortcut", 4)
        y = self.bn(y, "features.post_activ.bn").relu() if self.preact else y.relu()
        return functional.linear(y.mean((2, 3)), self.state["output.weight"], self.state["output.bias"])


@pytest.mark.parametrize(("m", "n", "preact"), [(3, 2, True), (2, 2, True), (4, 3, False), (5, 5, False), (5, 4, True)])
def test_computes_what_the_levels_say(m: int, n: int, preact: bool) -> None:
    module = archc.load("ror_cifar", m=m, n=n, preact=preact).module(dtype="float64").eval()
    module.load_state_dict(randomised(module))
    images = torch.randn(2, 3, 8, 12, dtype=torch.float64)
    with torch.no_grad():
        expected = Formulas(module.state_dict(), preact)(images, n, m)
        assert float((module(images) - expected).abs().max()) < 1e-12 * float(expected.abs().max())


def test_relu_follows_all_the_additions_of_a_point() -> None:
    """One in each unit, one between units, one after each stage."""
    for m in (1, 2, 3, 4):
        kinds = [node.op.kind for node in archc.load("ror_cifar", m=m, n=4).ir.nodes]
        assert kinds.count("relu") == 1 + 12 + 3 * 3 + 3
        assert kinds.count("maxpool") == 2


def test_sizes() -> None:
    legal = archc.load("ror_cifar").ir.requirements.violations
    assert not legal({"N": 1, "H": 36, "W": 4})
    assert legal({"N": 1, "H": 33, "W": 32})
    assert not archc.load("ror_cifar", m=1).ir.requirements.violations({"N": 1, "H": 33, "W": 5})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"m": 0}, "m starts at 1"),
        ({"m": 7, "n": 8}, r"m starts at 1, and stages at max\(1, 2 \*\* \(m - 3\)\) units"),
        ({"m": 1000}, "m starts at 1"),
        ({"n": 0}, r"stages at max\(1"),
        ({"preact": "yes"}, "true or false"),
    ],
)
def test_impossible_parameters(given: dict[str, Any], message: str) -> None:
    with pytest.raises(archc.ArchError, match=message):
        archc.load("ror_cifar", **given)
