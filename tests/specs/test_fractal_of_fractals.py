"""Fractals of fractals against their wiring, module by module, in torch."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest
import torch
from quick import slow_but
from test_fractalnet import ends, lengths
from torch import Tensor, nn
from torch.nn import functional as F
from twins import randomised, unfilled

import archc

FORMS = ("fof", "sbn_fdp", "tsn_fdp", "fof_tsn")
MODULES = {"a": (4, 3), "b": (4, 2), "c": (4, 1)}
"""The three modules that end the network, by level and column."""
HISTOGRAM = {2: 1, 3: 2, 4: 6, 5: 13, 6: 28, 7: 52, 8: 84, 9: 116, 10: 138, 11: 144, 12: 128, 13: 96, 14: 60, 15: 28}
HISTOGRAM |= {16: 8, 17: 1}
"""How many ways have how many layers with weights; the last is the dense one."""


def name(level: int, column: int) -> str:
    return f"features.block{level}.subblock{column}"


def module(state: dict[str, Tensor], level: int, column: int, x: Tensor) -> Tensor:
    """Three columns, each pooled as often as the module spans levels, and then joined."""
    columns = ends(state, name(level, column), 3, x, 4)
    for _ in range(2 ** (column - 1)):
        columns = [F.max_pool2d(y, 2) for y in columns]
    return torch.stack(columns).mean(0)


def wired(state: dict[str, Tensor], image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The wiring of the published files: the first join, and the modules that the last one takes."""
    m1 = module(state, 1, 1, image)
    m2 = module(state, 2, 1, m1)
    m3 = module(state, 2, 2, image)
    j1 = (m2 + m3) / 2
    m4 = module(state, 3, 1, j1)
    m5 = module(state, 4, 1, m4)
    m6 = module(state, 4, 2, j1)
    m7 = module(state, 4, 3, image)
    return j1, m7, m6, m5


def finish(form: str, state: dict[str, Tensor], m7: Tensor, m6: Tensor, m5: Tensor) -> Tensor:
    if form == "fof":
        return (m7 + m6 + m5) / 3
    if form == "fof_tsn":
        return (m7 + m6**2 + m5**3) / 3
    rest = (m6 + m5) / 2
    total = m7 + (rest**2 if form == "tsn_fdp" else rest)
    return F.batch_norm(total, state["features.norm.running_mean"], state["features.norm.running_var"])


@cache
def network(form: str) -> tuple[nn.Module, dict[str, Tensor]]:
    with unfilled():
        made = archc.load(form).module()
    state = randomised(made)
    # Powers of what grows from layer to layer would leave nothing of the other terms.
    for key, tensor in state.items():
        if key.endswith("running_var"):
            tensor.mul_(2)
    made.load_state_dict(state)
    return made, state


@pytest.mark.parametrize("form", slow_but(("sbn_fdp", "fof_tsn"), FORMS))
def test_the_recursion_gives_the_published_wiring(form: str) -> None:
    made, state = network(form)
    image = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        j1, *last = wired(state, image)
        assert j1.shape == (1, 128, 8, 8)
        assert all(m.shape == (1, 512, 2, 2) for m in last)
        expected = F.linear(finish(form, state, *last).flatten(1), state["fc.weight"], state["fc.bias"])
        found = made.eval()(image)
        others = [
            finish(other, state, *last) for other in FORMS if other != form and ("fdp" in other) == ("fdp" in form)
        ]
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-4)
    for other in others:
        assert not torch.allclose(found, F.linear(other.flatten(1), state["fc.weight"], state["fc.bias"]), rtol=1e-2)


@pytest.mark.parametrize(
    ("form", "norms", "joins"), [("fof", 49, 16), ("sbn_fdp", 50, 15), ("tsn_fdp", 50, 15), ("fof_tsn", 49, 16)]
)
def test_what_it_is_made_of(form: str, norms: int, joins: int) -> None:
    architecture = archc.load(form)
    kinds = Counter(data["op"] for _, data in architecture.graph.nodes(data=True))
    assert (kinds["conv"], kinds["maxpool"], kinds["bn"], kinds["drop_mean"]) == (49, 36, norms, joins)
    assert architecture.stats().parameters == 38_504_586
    assert sum(kinds[kind] for kind in ("mean", "freeze_drop_path")) == (2 if "fdp" in form else 0)


def test_ways_through_the_network() -> None:
    assert sum(HISTOGRAM.values()) == 905
    for form in ("fof", "sbn_fdp"):
        found = lengths(archc.load(form).graph)
        assert {convolutions + 1: count for convolutions, count in found.items()} == HISTOGRAM
    assert [sum(lengths(archc.load(form).graph).values()) for form in ("tsn_fdp", "fof_tsn")] == [1805, 2555]


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("fof", {(1, 1): 0.1, (2, 2): 0.1, (2, 1): 0.2, (3, 1): 0.3, (4, 1): 0.3, (4, 2): 0.3}),
        ("fof_tsn", {(2, 1): 0.1, (3, 1): 0.2, (4, 2): 0.2, (4, 1): 0.3}),
        ("sbn_fdp", {(2, 1): 0.1, (3, 1): 0.2, (4, 2): 0.2, (4, 1): 0.3}),
    ],
)
def test_dropout_of_each_module(form: str, expected: dict[tuple[int, int], float]) -> None:
    found = {key: m.p for key, m in archc.load(form).module(device="meta").named_modules() if isinstance(m, nn.Dropout)}
    assert len(found) == 7 * len(expected)
    for place, p in expected.items():
        assert [q for key, q in found.items() if key.startswith(name(*place) + ".")] == [p] * 7


def test_freeze_drop_path_trains_one_side_at_a_time() -> None:
    """The deepest module, or, where it is frozen, what is added to it. In a cycle of 5 its turn is the first."""
    with unfilled():
        made = archc.load("sbn_fdp", cycle=5).module()
    made.load_state_dict(network("sbn_fdp")[1], strict=False)
    iteration = made.get_buffer("features.freeze_drop_path.iteration")
    deepest, rest = name(*MODULES["a"]), {name(*MODULES["b"]), name(*MODULES["c"])}
    for turn in (0, 4):
        iteration.fill_(turn)
        made.train().zero_grad()
        made(torch.randn(1, 3, 32, 32)).square().sum().backward()
        learned = {key for key, p in made.named_parameters() if p.grad is not None and p.grad.any()}
        modules = {key.rpartition(".block")[0] for key in learned} - {""}
        assert modules == {deepest} if turn == 0 else modules & {deepest, *rest} <= rest and modules & rest
        assert "fc.weight" in learned
    assert iteration == 5


def test_without_a_cycle_nothing_is_counted() -> None:
    assert not [key for key in network("sbn_fdp")[1] if "iteration" in key]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"chances": "squares"}, '"rising", "uniform" or "falling"'),
        ({"cycle": -1}, "`cycle` of freeze_drop_path"),
        ({"cycle": 1}, "never has its turn"),
        ({"classes": 0}, "`units` of linear"),
        ({"drops": [[0], [0.1, 2], [0.2], [0.3, 0.2, 0]]}, "`p` of dropout"),
    ],
)
def test_what_is_refused(given: dict[str, object], words: str) -> None:
    with pytest.raises(archc.ArchError) as refused:
        archc.load("sbn_fdp", **given)
    (found,) = refused.value.diagnostics
    assert words in found.message
