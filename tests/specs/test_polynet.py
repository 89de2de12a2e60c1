"""PolyNet: the algebra of its modules, closed forms, paths, terms left out in training, sizes, what is refused."""

from __future__ import annotations

import itertools
import re

import networkx
import pytest
import torch
from rows.polynet import ROWS
from torch import Tensor
from twins import FORMS, loaded, ours, randomised

import archc

TEXT = """
use mpoly, poly, way from "std/poly.arch"
block f() = conv(6, 3) -> tanh -> conv(4, 1, bias = true)
arch module {{
  input x: [N, 4, 8, 8]
  output x -> {module}
}}
"""
LISTS = {"way": "way([{fs}]{more})", "mpoly": "mpoly([{fs}]{more})", "poly": "poly({fs}, {n}{more})"}


def module(kind: str, n: int, f: str = "f()", more: str = "") -> archc.Architecture:
    """n-way, mpoly-n or poly-n of a block."""
    label = "chain.{}: " if kind == "mpoly" else ""
    fs = f if kind == "poly" else ", ".join(label.format(i) + f for i in range(n))
    return archc.loads(TEXT.format(module=LISTS[kind].format(fs=fs, n=n, more=more)), "module")


def ways(architecture: archc.Architecture) -> int:
    """How many ways lead from the input to the output."""
    graph = architecture.graph
    count: dict[int, int] = {}
    for node in networkx.topological_sort(graph):
        before = [count[source] for source, _ in graph.in_edges(node)]
        count[node] = sum(before) if before else 1
    return sum(count[node] for node in graph if graph.out_degree(node) == 0)


def product(factors: list[Tensor]) -> Tensor:
    """What the first does, then the second, and so on: the last stands leftmost."""
    result = torch.eye(4, dtype=torch.float64)
    for factor in factors:
        result = factor @ result
    return result


def polynomial(kind: str, factors: list[Tensor]) -> Tensor:
    """I + F + G + ... or I + F + GF + ..., term by term."""
    if kind == "way":
        return sum(factors, torch.eye(4, dtype=torch.float64))
    return sum((product(factors[:k]) for k in range(1, len(factors) + 1)), torch.eye(4, dtype=torch.float64))


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("form", FORMS)
def test_linear_modules_are_polynomials_of_matrices(kind: str, n: int, form: str) -> None:
    """With 1 x 1 convolutions of small integers everything is exact."""
    made = ours(module(kind, n, "conv(4, 1)"), form).double()
    weights = list(made.parameters())
    assert len(weights) == (1 if kind == "poly" else n)
    with torch.no_grad():
        for weight in weights:
            weight.copy_(torch.randint(-3, 4, weight.shape))
    matrices = [weight[:, :, 0, 0] for weight in weights] * (n if kind == "poly" else 1)
    x = torch.randint(-3, 4, (2, 4, 8, 8)).double()
    assert torch.equal(made(x), torch.einsum("ij,njhw->nihw", polynomial(kind, matrices), x))


def blocks(made: torch.nn.Module, count: int) -> list[torch.nn.Sequential]:
    """The blocks of a module, as plain torch."""
    tensors = list(made.parameters())
    found = []
    for first, second, bias in zip(tensors[::3], tensors[1::3], tensors[2::3], strict=True):
        inner = torch.nn.Conv2d(4, 6, 3, padding=1, bias=False)
        outer = torch.nn.Conv2d(6, 4, 1)
        inner.weight, outer.weight, outer.bias = first, second, bias  # type: ignore[assignment]
        found.append(torch.nn.Sequential(inner, torch.nn.Tanh(), outer))
    assert len(found) == count
    return found


@pytest.mark.parametrize("n", [2, 3])
def test_nonlinear_modules(n: int) -> None:
    """In float64, against the sums of the paper and against its cascades: I + (I + G)F, I + (I + (I + H)G)F."""
    x = torch.randn(2, 4, 8, 8, dtype=torch.float64)
    for kind in LISTS:
        made = module(kind, n).module(seed=1).double()
        fs = blocks(made, 1 if kind == "poly" else n) * (n if kind == "poly" else 1)
        if kind == "way":
            expected = cascade = sum((f(x) for f in fs), x)
        else:
            powers = list(itertools.accumulate(fs, lambda value, f: f(value), initial=x))
            expected = sum(powers[1:], x)
            cascade = cascaded(fs, x)
        torch.testing.assert_close(made(x), expected, rtol=0, atol=1e-14)
        torch.testing.assert_close(made(x), cascade, rtol=0, atol=1e-14)


def cascaded(fs: list[torch.nn.Sequential], x: Tensor) -> Tensor:
    return x + cascaded(fs[1:], fs[0](x)) if fs else x


def test_a_rectifier_between_the_blocks_and_at_the_end() -> None:
    made = module("mpoly", 2, more=", act = relu").module(seed=1).double()
    f, g = blocks(made, 2)
    x = torch.randn(2, 4, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(made(x), (x + f(x) + g(f(x).relu())).relu(), rtol=0, atol=1e-14)


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_parameters_depth_and_paths(n: int) -> None:
    """poly-n has the parameters of one block, mpoly-n and n-way those of n; each has n + 1 ways through it."""
    once = 4 * 6 * 9 + 6 * 4 + 4
    for kind in LISTS:
        found = module(kind, n)
        assert found.stats().parameters == (once if kind == "poly" else n * once)
        assert found.stats().multiply_adds == n * 64 * (once - 4)
        assert found.stats().depth == (2 if kind == "way" else 2 * n)
        assert ways(found) == n + 1


def test_modules_in_a_row_multiply_the_ways_through() -> None:
    row = "way([f(), f()]) -> poly(f(), 3) -> a: mpoly([b: f(), c: f()]) -> d: poly(f(), 2)"
    assert ways(archc.loads(TEXT.format(module=row), "module")) == 3 * 4 * 3 * 3


def test_poly_has_batch_norm_for_each_application() -> None:
    found = module("poly", 3, "inner: conv(4, 3) -> norm: fresh(bn)")
    names = list(found.module(device="meta").state_dict())
    assert [name for name in names if name.endswith("conv.weight") or ".inner." in name] == ["poly.inner.weight"]
    assert [name for name in names if name.endswith("norm.weight") or re.search(r"norm\.\d\.weight", name)] == [
        f"poly.norm.{i}.weight" for i in range(3)
    ]
    assert found.stats().parameters == 4 * 4 * 9 + 3 * 2 * 4
    made = found.module(seed=1)
    x = torch.randn(2, 4, 8, 8)
    made(x)
    means = [made.get_buffer(f"poly.norm.{i}.running_mean") for i in range(3)]
    assert all(not torch.equal(a, b) for a, b in itertools.combinations(means, 2))


@pytest.mark.parametrize("kind", LISTS)
def test_terms_are_left_out_in_training(kind: str) -> None:
    """Every sum of some of the terms occurs, unscaled; evaluation has all of them, scaled."""
    made = module(kind, 2, more=", 0.5 * survive(0.5)").module(seed=1).double()
    fs = blocks(made, 1 if kind == "poly" else 2) * (2 if kind == "poly" else 1)
    x = torch.randn(1, 4, 8, 8, dtype=torch.float64)
    second = fs[1](x) if kind == "way" else fs[1](fs[0](x))
    sums = [x + a * fs[0](x) + b * second for a in (0, 1) for b in (0, 1)]
    seen = set()
    for seed in range(64):
        torch.manual_seed(seed)
        found = made(x)
        seen |= {i for i, expected in enumerate(sums) if torch.allclose(found, expected, rtol=0, atol=1e-13)}
    assert seen == {0, 1, 2, 3}
    torch.testing.assert_close(made.eval()(x), x + 0.5 * fs[0](x) + 0.5 * second, rtol=0, atol=1e-14)


# --- the networks ---------------------------------------------------------------------------

BRANCHES = {
    "a": (384, [[(32, 1), (48, 9), (64, 9)], [(32, 1), (32, 9)], [(32, 1)]]),
    "b": (1152, [[(128, 1), (160, 7), (192, 7)], [(192, 1)]]),
    "c": (2048, [[(192, 1), (224, 3), (256, 3)], [(192, 1)]]),
}
REDUCTIONS = [
    (384, [[(256, 1), (256, 9), (384, 9)], [(384, 9)]]),
    (1152, [[(256, 1), (256, 9), (256, 9)], [(256, 1), (256, 9)], [(256, 1), (384, 9)]]),
]
STEM = 605_728


def chains(channels: int, branches: list[list[tuple[int, int]]]) -> tuple[int, int, int]:
    """Weights of the convolutions, numbers of the batch norms, and channels at the end of the branches."""
    weights = norms = 0
    for branch in branches:
        before = channels
        for width, area in branch:
            weights, norms, before = weights + before * width * area, norms + 2 * width, width
    return weights, norms, sum(branch[-1][0] for branch in branches)


def module_parameters(stage: str, name: str) -> int:
    channels, branches = BRANCHES[stage]
    weights, norms, end = chains(channels, branches)
    last = end * channels + 2 * channels
    order = int(re.sub(r"\D", "", name))
    return weights + order * (norms + last) if name.startswith("poly") else order * (weights + norms + last)


def parameters(modules: dict[str, list[str]], n: list[int], classes: int = 1000) -> int:
    stages = sum(
        count * sum(module_parameters(stage, name) for name in modules[stage])
        for stage, count in zip("abc", n, strict=True)
    )
    return STEM + stages + sum(sum(chains(*reduction)[:2]) for reduction in REDUCTIONS) + 2049 * classes


def test_the_stages_of_the_very_deep_one() -> None:
    modules = {"a": ["2-way"], "b": ["poly-3", "2-way"], "c": ["poly-3", "2-way"]}
    found = archc.load("polynet").stats()
    assert parameters(modules, [10, 10, 5]) == found.parameters == 95_366_600
    rows = {row.path: row.parameters for row in found.rows}
    assert [sum(rows[f"features.stage{s}.unit{u}"] for u in units) for s, units in UNITS.items()] == [
        2_759_040,
        44_112_000,
        39_395_520,
    ]
    assert archc.load("polynet", classes=10).stats().parameters == parameters(modules, [10, 10, 5], 10)


UNITS = {1: range(1, 11), 2: range(2, 12), 3: range(2, 7)}

NAMES = ("1-way", "2-way", "3-way", "poly-2", "poly-3", "mpoly-2", "mpoly-3")


@pytest.mark.parametrize("stage", ["b", *(pytest.param(stage, marks=pytest.mark.slow) for stage in "ac")])
@pytest.mark.parametrize("name", NAMES)
def test_every_module_in_every_stage(stage: str, name: str) -> None:
    modules = {"a": ["1-way"], "b": ["1-way"], "c": ["1-way"], stage: [name]}
    one, two = (archc.load("polynet_small", n=[1 + k * (s == stage) for s in "abc"], **{stage: [name]}) for k in (0, 1))
    assert one.stats().parameters == parameters(modules, [1, 1, 1])
    assert two.stats().parameters - one.stats().parameters == module_parameters(stage, name)
    assert ways(two) == ways(one) * len_of(stage, name)


def len_of(stage: str, name: str) -> int:
    """How many ways lead through a module: a block has as many as branches, or that to the power of its place."""
    ways, order = len(BRANCHES[stage][1]), int(re.sub(r"\D", "", name))
    return 1 + (order * ways if name.endswith("way") else sum(ways**k for k in range(1, order + 1)))


def test_mixed_b() -> None:
    modules = {"a": ["1-way"], "b": ["3-way", "mpoly-3", "poly-3"], "c": ["1-way"]}
    assert archc.load("polynet_mixed_b").stats().parameters == parameters(modules, [6, 4, 6])
    for name, n in (("polynet_ir_3_6_3", [3, 6, 3]), ("polynet_ir_6_12_6", [6, 12, 6])):
        assert archc.load(name).stats().parameters == parameters({stage: ["1-way"] for stage in "abc"}, n)


def test_stochastic_paths_change_training_alone() -> None:
    plain, stochastic = (archc.load("polynet_small", n=[1, 1, 1], stochastic=s) for s in (False, True))
    state = randomised(plain.module(device="meta"))
    made = [loaded(ours(network, "fx"), state) for network in (plain, stochastic)]
    images = torch.randn(2, 3, 75, 75)
    with torch.no_grad():
        assert torch.equal(*(network.eval()(images) for network in made))
        found = []
        for seed in range(3):
            torch.manual_seed(seed)
            found.append(made[1].train()(images))
    assert any(not torch.equal(found[0], other) for other in found[1:])


@pytest.mark.parametrize("form", ["fx", pytest.param("python", marks=pytest.mark.slow)])
def test_one_module_takes_every_legal_size(form: str) -> None:
    row = ROWS[0]
    state = randomised(row.theirs("meta"))
    reference = loaded(row.theirs(), state).eval()
    made = loaded(ours(row.ours(), form), state).eval()
    for height, width in ((75, 75), (76, 131)):
        images = torch.randn(1, 3, height, width)
        with torch.no_grad():
            assert torch.equal(made(images.clone()), reference(images.clone()))
    assert row.ours().ir.requirements.violations({"N": 1, "H": 74, "W": 75})


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"n": [3, 6]}, "three stages"),
        ({"n": [1, 0, 1]}, "three stages"),
        ({"n": [1, -1, 1]}, "three stages"),
        ({"b": []}, "at least one module"),
        ({"b": ["4-way"]}, '"1-way", "2-way", "3-way", "poly-2", "poly-3", "mpoly-2", "mpoly-3"'),
        ({"b": "3-way"}, "must be a list"),
        ({"classes": 0}, "positive whole number"),
    ],
)
def test_what_is_refused(given: dict[str, object], reason: str) -> None:
    with pytest.raises(archc.ArchError) as caught:
        archc.load("polynet_small", **given)
    assert len(caught.value.diagnostics) == 1
    assert reason in str(caught.value)
