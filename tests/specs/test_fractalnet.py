"""FractalNet: closed forms, joins, drop-path, columns, pools."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from twins import randomised

import archc

USE = 'use fractalnet, caffe_layer from "zoo/fractalnet.arch"\n'
WIDTHS = [64, 128, 256, 512, 512]
SMALL = [8, 12]
PLAIN = {"drop": 0.0, "local_drop": 0.0, "global_share": 0.0}


def parameters(columns: int, widths: list[int], classes: int, per_channel: int = 2) -> int:
    """From the paper's text; the weights of a 1 x 1 map, and biases or scales and shifts for each channel."""
    count, entering, units = 0, 3, 2**columns - 1
    for c in widths:
        count += 9 * c * (columns * entering + (units - columns) * c) + per_channel * c * units
        entering = c
    return count + (entering + 1) * classes


def paths(columns: int) -> int:
    return 1 if columns == 1 else paths(columns - 1) ** 2 + 1


def lengths(graph, weight: str = "conv") -> Counter[int]:
    """How many ways from the input to the output have how many convolutions, counted node by node."""
    ways: dict[int, Counter[int]] = {}
    for index, data in graph.nodes(data=True):
        found = Counter({0: 1}) if data["op"] == "input" else Counter()
        for source, _ in graph.in_edges(index):
            found.update(ways.get(source, Counter()))
        step = int(data["op"] == weight)
        ways[index] = Counter() if data["op"] == "choice" else Counter({n + step: k for n, k in found.items()})
    return ways[max(ways)]


@pytest.mark.parametrize("columns", range(1, 7))
def test_closed_forms(columns: int) -> None:
    for widths in (SMALL, [16, 32, 64, 128, 128]):
        architecture = archc.load("fractalnet", columns=columns, widths=widths, classes=100)
        figures = architecture.stats()
        side = 32 // 2 ** len(widths)
        flat = (side * side - 1) * widths[-1] * 100
        assert figures.parameters == parameters(columns, widths, 100) + flat
        assert figures.depth == len(widths) * 2 ** (columns - 1) + 1
        kinds = Counter(data["op"] for _, data in architecture.graph.nodes(data=True))
        assert kinds["conv"] == len(widths) * (2**columns - 1)
        assert sum(lengths(architecture.graph).values()) == paths(columns) ** len(widths)


def test_the_papers_table_of_ultra_deep_networks() -> None:
    for columns, millions in enumerate((0.3, 0.8, 2.1, 4.8, 10.2, 21.1), 1):
        given = {"columns": columns, "widths": [16, 32, 64, 128, 128], "classes": 100}
        assert abs(archc.load("fractalnet", **given).stats().parameters / 1e6 - millions) < 0.05


def test_both_forms() -> None:
    assert [parameters(c, WIDTHS, 10) for c in (3, 4)] == [33_724_618, 76_106_634]
    assert archc.load("fractalnet").stats().parameters == 33_724_618
    assert archc.load("fractalnet", columns=4).stats().parameters == 76_106_634
    for columns, exact in enumerate((3_915_914, 13_320_906, 33_714_314, 76_084_554), 1):
        text = f"{USE}arch f = fractalnet({columns}, layer = caffe_layer)"
        assert archc.loads(text, "f").stats().parameters == parameters(columns, WIDTHS, 10, 1) == exact


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (1, {1: 1}),
        (2, {1: 1, 2: 1}),
        (3, {1: 1, 2: 1, 3: 2, 4: 1}),
        (4, {1: 1, 2: 1, 3: 2, 4: 5, 5: 6, 6: 6, 7: 4, 8: 1}),
    ],
)
def test_lengths_of_the_ways_through_a_block(columns: int, expected: dict[int, int]) -> None:
    assert lengths(archc.load("fractalnet", columns=columns, widths=[8]).graph) == expected


# --- against the recursion, in torch -----------------------------------------------------------


def unit(state: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    x = F.conv2d(x, state[f"{name}.conv.weight"], state.get(f"{name}.conv.bias"), padding=1)
    norm = [state.get(f"{name}.bn.{part}") for part in ("running_mean", "running_var", "weight", "bias")]
    return F.relu(F.batch_norm(x, *norm))


def ends(state: dict[str, Tensor], block: str, columns: int, x: Tensor, end: int) -> list[Tensor]:
    """The columns that end at a level, before they are joined."""
    here = unit(state, f"{block}.block{end}.subblock{columns}", x)
    if columns == 1:
        return [here]
    half = ends(state, block, columns - 1, x, end - 2 ** (columns - 2))
    return [here, *ends(state, block, columns - 1, torch.stack(half).mean(0), end)]


@pytest.mark.parametrize("columns", [1, 2, 3, 4])
@pytest.mark.parametrize("pool_first", [False, True])
def test_joins_take_all_columns_at_once(columns: int, pool_first: bool) -> None:
    module = archc.load("fractalnet", columns=columns, widths=SMALL, pool_first=pool_first).module().double().eval()
    state = {name: tensor.double() for name, tensor in randomised(module).items()}
    module.load_state_dict(state)
    images = torch.randn(2, 3, 32, 32, dtype=torch.double)
    x = images
    for i in range(len(SMALL)):
        columns_end = ends(state, f"features.unit{i + 1}.block.blocks", columns, x, 2 ** (columns - 1))
        if pool_first:
            x = torch.stack([F.max_pool2d(y, 2) for y in columns_end]).mean(0)
        else:
            x = F.max_pool2d(torch.stack(columns_end).mean(0), 2)
    expected = F.linear(x.flatten(1), state["output.weight"], state["output.bias"])
    assert torch.allclose(module(images), expected, rtol=1e-12, atol=1e-12)


# --- drop-path ---------------------------------------------------------------------------------


def training(module: nn.Module) -> nn.Module:
    """The module in training, with batch norms that use their statistics."""
    module.train()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eval()
    return module


class Fixed(nn.Module):
    """A draw whose outcome is known."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def forward(self, x: Tensor) -> Tensor:
        return torch.tensor([self.number])


def column(columns: int, only: int, state: dict[str, Tensor], pool_first: bool = False) -> nn.Module:
    module = archc.load("fractalnet", columns=columns, widths=SMALL, only=only, pool_first=pool_first, **PLAIN).module()
    assert set(module.state_dict()) <= set(state)
    module.load_state_dict({name: state[name] for name in module.state_dict()})
    return module.eval()


@pytest.mark.parametrize("pool_first", [False, True])
@pytest.mark.parametrize("columns", [3, 4])
def test_one_column_of_the_whole_network_is_that_column_by_itself(columns: int, pool_first: bool) -> None:
    given = {"widths": SMALL, "pool_first": pool_first, "drop": 0.0, "local_drop": 0.5}
    module = archc.load("fractalnet", columns=columns, **given).module()
    module.load_state_dict(state := randomised(module))
    training(module)
    images = torch.randn(3, 3, 32, 32)
    seen = []
    for number in range(columns):
        module.survivor = Fixed(number)
        alone = column(columns, columns - number, state, pool_first)
        convolutions = [m for m in alone.modules() if isinstance(m, nn.Conv2d)]
        assert len(convolutions) == len(SMALL) * 2**number
        assert torch.equal(module(images), alone(images))
        seen.append(alone(images))
    assert all(not torch.allclose(a, b) for i, a in enumerate(seen) for b in seen[:i])


def test_global_drop_path_draws_each_column() -> None:
    """With a share of 1 a training step sees one of the columns, and all of them get their turn."""
    module = archc.load("fractalnet", columns=3, widths=SMALL, drop=0.0, global_share=1.0).module()
    module.load_state_dict(state := randomised(module))
    training(module)
    images = torch.randn(2, 3, 32, 32)
    alone = [column(3, only, state)(images) for only in (1, 2, 3)]
    torch.manual_seed(0)
    drawn: Counter[int] = Counter()
    for _ in range(60):
        outcome = module(images)
        drawn.update(only for only, expected in enumerate(alone) if torch.equal(outcome, expected))
    assert drawn.total() == 60
    assert sorted(drawn) == [0, 1, 2]
    assert min(drawn.values()) > 8


def test_local_drop_path_is_off_in_evaluation() -> None:
    module = archc.load("fractalnet", columns=3, widths=SMALL, global_share=0.0, local_drop=0.5, drop=0.0).module()
    module.load_state_dict(randomised(module))
    images = torch.randn(2, 3, 32, 32)
    torch.manual_seed(0)
    outcomes = [training(module)(images) for _ in range(8)]
    assert any(not torch.equal(outcomes[0], other) for other in outcomes[1:])
    module.eval()
    assert torch.equal(module(images), module(images))


def test_dropout_grows_from_block_to_block() -> None:
    module = archc.load("fractalnet", columns=2).module(device="meta")
    found = [m.p for m in module.modules() if isinstance(m, nn.Dropout2d)]
    assert found == pytest.approx([p for p in (0.1, 0.2, 0.3, 0.4) for _ in range(3)])


@pytest.mark.parametrize(("pool", "commutes"), [("avgpool", True), ("maxpool", False)])
def test_average_pools_commute_with_joins_and_max_pools_do_not(pool: str, commutes: bool) -> None:
    both = [
        archc.loads(f"{USE}arch f = fractalnet(3, {SMALL}, pool = {pool}, pool_first = {first})", "f").module().eval()
        for first in ("false", "true")
    ]
    state = randomised(both[0])
    images = torch.randn(2, 3, 32, 32)
    results = []
    for module in both:
        module.load_state_dict(state)
        results.append(module(images))
    assert torch.allclose(*results, atol=1e-4) is commutes


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"columns": 0}, "`n` of choice"),
        ({"columns": 2, "only": 3}, "no column 3 among 2"),
        ({"only": -1}, "no column -1 among 3"),
        ({"widths": []}, "there is no block"),
        ({"widths": [8, 0]}, "`channels` of conv"),
        ({"local_drop": 1.5}, "`p` of drop_mean"),
        ({"local_drop": -0.5}, "`p` of drop_mean"),
        ({"global_share": 2}, "`share` of choice"),
        ({"drop": 0.3}, "`p` of dropout2d"),
        ({"drop": -0.1}, "`p` of dropout2d"),
        ({"classes": 0}, "`units` of linear"),
    ],
)
def test_what_is_refused(given: dict[str, object], words: str) -> None:
    with pytest.raises(archc.ArchError) as refused:
        archc.load("fractalnet", **given)
    (found,) = refused.value.diagnostics
    assert words in found.message
