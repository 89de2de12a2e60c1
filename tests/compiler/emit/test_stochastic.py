"""Parts left out in training: exact distributions, exact gradients, and the same numbers in every form of a network.

Seeds are fixed. Frequencies are held to exact probabilities within 5 standard deviations of the binomial: were the seed
drawn anew, one such check would fail wrongly in 1.7 million.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter

import pytest
import torch
from torch import Tensor, nn

from archc.api import loads
from archc.compiler.emit.stochastic import CLASSES

Z = 5


def net(body: str, *, inputs: str = "input x: [N, 3, 4, 4]", blocks: str = "") -> nn.Module:
    """The module of an arch with this body, in training mode."""
    return loads(f"{blocks} arch Net {{ {inputs} {body} }}", "Net").module(seed=0)


def join(layer: str, count: int) -> nn.Module:
    """A join of `count` inputs a, b, ... of three numbers for each image."""
    names = "abcdefgh"[:count]
    inputs = " ".join(f"input {name}: [N, {count}]" for name in names)
    return net(f"output ({', '.join(names)}) -> {layer}", inputs=inputs)


def agrees(observed: int, trials: int, probability: float) -> bool:
    """Whether so many successes lie within Z standard deviations of the binomial."""
    return abs(observed - trials * probability) <= Z * math.sqrt(trials * probability * (1 - probability)) + 1e-9


def marks(count: int, images: int) -> list[Tensor]:
    """Inputs that tell who they are: the i-th is 1 in its i-th number and 0 in the others."""
    return [torch.eye(count)[i].expand(images, count).clone().requires_grad_() for i in range(count)]


def survivors(result: Tensor) -> Counter[tuple[int, ...]]:
    """How often each set of marks survived; each survivor must weigh as much."""
    kept = result > 0
    assert torch.equal(result, kept / kept.sum(1, keepdim=True))
    sets, counts = kept.unique(dim=0, return_counts=True)
    found = [tuple(i for i, survives in enumerate(row) if survives) for row in sets.tolist()]
    return Counter(dict(zip(found, counts.tolist(), strict=True)))


# --- survive -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("per", "mode"), [("batch", "batch"), ("image", "row")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_survive_draws_as_torchvision_does(per: str, mode: str, dtype: torch.dtype) -> None:
    ops = pytest.importorskip("torchvision.ops")
    x = torch.randn(257, 3, 4, 4).to(dtype)
    for p in (0.0, 0.25, 0.5, 0.75, 1.0):
        part = net(f'output x -> survive({p}, per = "{per}")').to(dtype)
        torch.manual_seed(1)
        expected = [ops.stochastic_depth(x, 1 - p, mode) for _ in range(8)]
        after = torch.rand(1)
        torch.manual_seed(1)
        assert all(torch.equal(part(x), y) for y in expected)
        assert torch.equal(torch.rand(1), after)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_survive_keeps_its_rate_and_its_expectation(p: float) -> None:
    images = 100_000
    part = net(f'output x -> survive({p}, per = "image")', inputs="input x: [N, 2]")
    torch.manual_seed(2)
    x = torch.ones(images, 2)
    y = part(x)
    assert torch.equal(y, torch.where(y[:, :1] > 0, torch.tensor(1 / p), 0).expand(-1, 2))
    assert agrees(int((y[:, 0] > 0).sum()), images, p)
    assert abs(y[:, 0].mean() - part.eval()(x).mean()) < Z * math.sqrt((1 - p) / p / images)


def test_survive_takes_one_decision_for_a_mini_batch() -> None:
    part = net("output x -> survive(0.5)")
    torch.manual_seed(3)
    kinds = Counter(tuple(part(torch.ones(7, 3, 4, 4)).unique().tolist()) for _ in range(400))
    assert set(kinds) == {(0.0,), (2.0,)} and agrees(kinds[0.0,], 400, 0.5)


def test_what_does_not_survive_is_zero_whatever_it_was() -> None:
    part = net("output x -> survive(0)")
    x = torch.tensor([math.inf, -math.inf, math.nan, 1.0]).expand(2, 3, 4, 4).clone().requires_grad_()
    y = part(x)
    y.sum().backward()
    assert not y.any() and not x.grad.any()
    x = torch.randn(2, 3, 4, 4)
    state = torch.get_rng_state()
    assert net("output x -> survive(1)")(x) is x and torch.equal(torch.get_rng_state(), state)


# --- drop_mean ---------------------------------------------------------------------------------


def exact(count: int, p: float) -> dict[tuple[int, ...], float]:
    """The probability of each set of survivors, by going through all outcomes."""
    found: dict[tuple[int, ...], float] = Counter()
    for dropped in itertools.product((False, True), repeat=count):
        chance = math.prod(p if d else 1 - p for d in dropped)
        kept = tuple(i for i, d in enumerate(dropped) if not d)
        for chosen in [kept] if kept else [(i,) for i in range(count)]:
            found[chosen] += chance if kept else chance / count
    return found


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("p", [0.0, 0.15, 0.6, 1.0])
def test_local_drop_path_has_the_exact_distribution_of_survivors(count: int, p: float) -> None:
    images = 60_000
    part = join(f'drop_mean({p}, per = "image")', count)
    torch.manual_seed(4)
    observed = survivors(part(*marks(count, images)))
    expected = {kept: chance for kept, chance in exact(count, p).items() if chance}
    assert observed.keys() <= expected.keys()
    assert all(agrees(observed[kept], images, chance) for kept, chance in expected.items())


def test_local_drop_path_of_a_mini_batch_is_one_decision() -> None:
    part = join("drop_mean(0.5)", 3)
    torch.manual_seed(5)
    seen = [survivors(part(*marks(3, 5))) for _ in range(600)]
    assert all(len(kinds) == 1 for kinds in seen)
    total = Counter(next(iter(kinds)) for kinds in seen)
    assert all(agrees(total[kept], 600, chance) for kept, chance in exact(3, 0.5).items())


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_dropped_inputs_neither_leak_nor_get_a_gradient(bad: float) -> None:
    part = join('drop_mean(0.5, per = "image")', 3)
    torch.manual_seed(6)
    clean = marks(3, 64)
    state = torch.get_rng_state()
    kept = part(*clean) > 0
    poisoned = [torch.where(kept[:, i : i + 1], x.detach(), bad).requires_grad_() for i, x in enumerate(clean)]
    torch.set_rng_state(state)
    result = part(*poisoned)
    result.sum().backward()
    assert torch.equal(result > 0, kept) and result.isfinite().all()
    for i, x in enumerate(poisoned):
        share = torch.where(kept[:, i], 1 / kept.sum(1), 0)
        assert torch.equal(x.grad, share.unsqueeze(1).expand(-1, 3))


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_in_eval_the_joins_are_mean_and_sum_to_the_bit(count: int) -> None:
    torch.manual_seed(7)
    inputs = [torch.randn(9, count) for _ in range(count)]
    for layer, plain in (
        ("drop_mean(0.3)", "mean"),
        ("freeze_drop_path", "sum"),
        ("freeze_drop_path(cycle = 99)", "sum"),
    ):
        merged = inputs[0] if count == 1 else join(plain, count).eval()(*inputs)
        assert torch.equal(join(layer, count).eval()(*inputs), merged)


def test_one_input_passes() -> None:
    x = torch.randn(4, 1)
    assert all(torch.equal(join(layer, 1)(x), x) for layer in ("drop_mean(0.9)", "freeze_drop_path"))


# --- draw --------------------------------------------------------------------------------------

COLUMNS = """
block columns(C, f, join) = if C == 1 then f else (f, columns(C - 1, f, join) -> join -> columns(C - 1, f, join))
block two(join) {
  output in -> a: (columns(3, conv(4, 3) -> bn -> relu, join) -> join)
    -> b: (columns(3, conv(4, 3) -> bn -> relu, join) -> join)
}
"""
PLAIN = (("",), ("_2", "_5"), ("_3", "_4", "_6", "_7"))
"""The modules of each column of three, shallowest first, in the order in which `columns` applies its units."""


def fractal(share: float = 1, draw: str = "batch", per: str = "batch") -> nn.Module:
    """Two blocks of three columns, random statistics in its norms, of which only draws and joins are in training."""
    drawn = f'draw column = choice(3, share = {share}, per = "{draw}")'
    join = f'drop_mean(0.15, survivor = column, per = "{per}")'
    module = net(f"{drawn} output x -> two({join})", blocks=COLUMNS).eval()
    torch.manual_seed(8)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
        elif type(part) in CLASSES.values():
            part.train()
    return module


def plain(module: nn.Module, column: int, x: Tensor) -> Tensor:
    """One column of both blocks alone: a plain net of convolution, norm, rectifier."""
    for block in "ab":
        for end in PLAIN[column]:
            conv, bn = (module.get_submodule(f"{block}.{kind}{end}") for kind in ("conv", "bn"))
            x = bn(conv(x)).relu()
    return x


def test_global_drop_path_is_the_plain_net_of_one_column_everywhere() -> None:
    module, x = fractal(), torch.randn(2, 3, 4, 4)
    columns = [plain(module, c, x) for c in range(3)]
    torch.manual_seed(9)
    chosen: list[int] = []
    for _ in range(16):
        found = module(x)
        chosen += [c for c, column in enumerate(columns) if torch.equal(found, column)]
    assert len(chosen) == 16 and set(chosen) == {0, 1, 2}


@pytest.mark.parametrize("per", ["batch", "image"])
def test_each_image_may_have_its_own_column(per: str) -> None:
    module, x = fractal(draw="image", per=per), torch.randn(40, 3, 4, 4)
    columns = torch.stack([plain(module, c, x) for c in range(3)])
    torch.manual_seed(10)
    near = (module(x) - columns).abs().amax((2, 3, 4)) < 1e-5
    assert torch.equal(near.sum(0), torch.ones(40)) and near.sum(1).all()


def test_without_a_choice_the_joins_drop_locally_and_eval_ignores_both() -> None:
    module, x = fractal(share=0), torch.randn(2, 3, 4, 4)
    columns = [plain(module, c, x) for c in range(3)]
    torch.manual_seed(11)
    results = [module(x) for _ in range(12)]
    assert any(all(not torch.equal(r, c) for c in columns) for r in results)
    mean = net("output x -> two(mean)", blocks=COLUMNS).eval()
    assert list(mean.state_dict()) == list(module.state_dict())
    mean.load_state_dict(module.state_dict())
    assert torch.equal(module.eval()(x), mean(x))


def test_a_draw_is_uniform_has_its_share_and_is_none_in_eval() -> None:
    inputs, images = "input x: int [N, 2]", 90_000
    body = 'draw r = choice(5, share = 0.7, per = "image") y = x -> embedding(2, 3)'
    module = net(f"{body} output (y, -y) -> drop_mean(0.1, survivor = r)", inputs=inputs)
    x = torch.zeros(images, 2, dtype=torch.long)
    torch.manual_seed(12)
    counts = Counter(module.r(x).tolist())
    assert set(counts) == {-1, 0, 1, 2, 3, 4} and agrees(counts[-1], images, 0.3)
    assert all(agrees(counts[c], images, 0.7 / 5) for c in range(5))
    assert torch.equal(module.eval().r(x), torch.full((images,), -1))
    for share, wanted in ((0, {-1}), (1, {0, 1})):
        module = net(f"draw r = choice(2, share = {share}) output (x, -x) -> drop_mean(0.1, survivor = r)")
        assert {module.r(torch.ones(3, 3, 4, 4)).item() for _ in range(64)} == wanted


def test_a_block_draws_at_each_application_and_shares_within_it() -> None:
    """Each application flips the sign or does not. Where it draws once and flips twice, the signs cancel."""
    flip = "block %s() { draw r = choice(2)   y = (in, -in) -> drop_mean(0.5, survivor = r)   output %s }"
    once, twice = flip % ("once", "y"), flip % ("twice", "(y, -y) -> drop_mean(0.5, survivor = r)")
    x = torch.ones(1, 3, 4, 4)
    torch.manual_seed(13)
    module = net("output (x -> twice) + 3 * (x -> twice)", blocks=twice)
    assert all(torch.equal(module(x), 4 * x) for _ in range(32))
    module = net("output (x -> once) + 3 * (x -> once)", blocks=once)
    assert {module(x).unique().item() for _ in range(64)} == {-4, -2, 2, 4}


def test_a_join_that_the_column_does_not_reach_passes_its_mean() -> None:
    module, drawn = net("draw r = choice(3) output (x, 3 * x) -> drop_mean(0.5, survivor = r)"), []
    module.r.register_forward_hook(lambda part, arguments, result: drawn.append(result.item()))
    torch.manual_seed(14)
    results = [module(torch.ones(1, 3, 4, 4)).unique().item() for _ in range(40)]
    assert set(zip(drawn, results, strict=True)) == {(0, 2.0), (1, 1.0), (2, 3.0)}


# --- freeze_drop_path --------------------------------------------------------------------------


def chosen(part: nn.Module, count: int) -> int:
    """The input that one forward chose, as its result and its gradients say."""
    inputs = [torch.full((2, count), float(10**i)).requires_grad_() for i in range(count)]
    result = part(*inputs)
    result.sum().backward()
    (found,) = [i for i, x in enumerate(inputs) if x.grad.any()]
    assert torch.equal(result, torch.full((2, count), float(sum(10**i for i in range(found + 1)))))
    assert all(torch.equal(x.grad, torch.full_like(x, float(i == found))) for i, x in enumerate(inputs))
    return found


@pytest.mark.parametrize(
    ("distribution", "chances"),
    [
        ("rising", [1, 4]), ("uniform", [1, 1]), ("falling", [4, 1]),
        ("rising", [1, 4, 9]), ("uniform", [1, 1, 1]), ("falling", [9, 4, 1]),
    ],
)  # fmt: skip
def test_freeze_drop_path_trains_one_input_with_its_chance(distribution: str, chances: list[int]) -> None:
    forwards, count = 1500, len(chances)
    part = join(f'freeze_drop_path("{distribution}")', count)
    torch.manual_seed(15)
    counts = Counter(chosen(part, count) for _ in range(forwards))
    assert all(agrees(counts[i], forwards, chance / sum(chances)) for i, chance in enumerate(chances))
    assert not list(part.state_dict())


@pytest.mark.parametrize(
    ("settings", "turns"),
    [
        ("cycle = 14", [0] + [1] * 4 + [2] * 9),
        ('"uniform", cycle = 7', [0] * 3 + [1] * 2 + [2] * 2),
        ('"falling", cycle = 28', [0] * 18 + [1] * 8 + [2] * 2),
    ],
)
def test_a_cycle_goes_through_the_inputs_in_turn(settings: str, turns: list[int]) -> None:
    part = join(f"freeze_drop_path({settings})", 3)
    inputs = [torch.randn(2, 3) for _ in range(3)]
    state = torch.get_rng_state()
    first = [chosen(part, 3) for _ in range(len(turns) + 1)]
    assert first == [*turns, turns[0]] and torch.equal(torch.get_rng_state(), state)
    part.eval()(*inputs)
    ((name, count),) = part.state_dict().items()
    assert name == "freeze_drop_path.iteration" and count.dtype == torch.int64 and count == len(turns) + 1
    resumed = join(f"freeze_drop_path({settings})", 3).half()
    resumed.load_state_dict(part.state_dict())
    assert [chosen(resumed.float(), 3) for _ in range(len(turns))] == [*turns[1:], turns[0]]


def test_later_inputs_do_not_leak_into_the_chosen_sum() -> None:
    part = join("freeze_drop_path(cycle = 5)", 2)
    a, b = torch.ones(2, 2, requires_grad=True), torch.full((2, 2), math.inf, requires_grad=True)
    result = part(a, b)
    result.sum().backward()
    assert torch.equal(result, a) and not b.grad.any() and torch.equal(a.grad, torch.ones(2, 2))
