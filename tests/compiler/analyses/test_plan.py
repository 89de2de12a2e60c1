"""Plans for many devices: cuts held to brute force, figures to stages, formulas and what torch holds."""

from __future__ import annotations

from itertools import accumulate, combinations, pairwise

import pytest
import torch
from allocator import saved_for_backward
from hypothesis import given, settings
from hypothesis import strategies as st

import archc
from archc.compiler.analyses.balance import Part, Row, balanced, least_memory
from archc.compiler.analyses.units import units
from archc.compiler.emit.parallel import unit_paths
from archc.compiler.ir.regions import Regions


@st.composite
def rows(draw: st.DrawFn) -> Row:
    size = draw(st.integers(1, 7))

    def numbers(count: int) -> list[int]:
        return draw(st.lists(st.integers(0, 9), min_size=count, max_size=count))

    sums = [list(accumulate([0, *numbers(size)])) for _ in range(3)]
    inner = draw(st.sets(st.integers(1, max(1, size - 1)), max_size=size - 1)) if size > 1 else set()
    time, weights, kept = sums
    costs = [numbers(size + 1) for _ in range(4)]
    micro = draw(st.integers(1, 4))
    return Row(sorted({0, size} | inner), time, costs[0], weights, kept, *costs[1:], micro=micro)


@settings(max_examples=300, deadline=None)
@given(rows(), st.lists(st.integers(1, 4), min_size=1, max_size=4), st.none() | st.integers(0, 150))
def test_no_other_cuts_are_better(row: Row, in_flight: list[int], memory: int | None) -> None:
    ways = [
        [Part(*pair) for pair in pairwise([0, *cuts, row.places[-1]])]
        for cuts in combinations(row.places[1:-1], len(in_flight) - 1)
    ]
    most = [max(map(row.held, parts, in_flight)) for parts in ways]
    slowest = [max(map(row.spent, p)) for p, held in zip(ways, most, strict=True) if memory is None or held <= memory]
    found = balanced(row, in_flight, memory)
    assert (found is None) == (not slowest)
    if found is not None:
        assert max(map(row.spent, found)) == min(slowest)
        assert memory is None or max(map(row.held, found, in_flight)) <= memory
    assert least_memory(row, in_flight) == min(most, default=None)


def test_memory_of_one_device_is_that_of_stats() -> None:
    net = archc.load("resnet50")
    (way,) = net.plan(1, "80GB", batch=8).ways
    figures = net.stats(N=8)
    (rank,) = way.ranks
    assert rank.weights + rank.buffers == figures.weight_bytes and rank.gradients == figures.gradient_bytes
    assert rank.optimizer == 2 * figures.gradient_bytes
    outputs = 8 * 1000 * 4
    assert rank.activations == figures.training_bytes - figures.weight_bytes - figures.gradient_bytes + outputs


def test_ranks_of_a_pipeline_are_its_stages() -> None:
    net = archc.load("resnet50")
    plan = net.plan(4, "80GB", batch=64)
    way = next(way for way in plan.ways if way.schedule == "1f1b" and len(way.ranks) == 4)
    stages = net.stages(at=way.cuts)
    for stage, rank in zip(stages, way.ranks, strict=True):
        figures = stage.stats()
        assert rank.weights + rank.buffers == figures.weight_bytes
    assert way.micro_batches == 16 and way.bubble == pytest.approx(3 / 19, rel=0.02)
    assert max(rank.seconds for rank in way.ranks) < 1.3 * sum(rank.seconds for rank in way.ranks) / 4


@pytest.mark.parametrize(("spec", "batch"), [("resnet18", 4), ("densenet121", 2), ("mobilenet_v2", 4)])
def test_what_a_stage_keeps_is_what_autograd_saves(spec: str, batch: int) -> None:
    """The bytes of distinct tensors that autograd saves, inputs and outputs of the stage among them."""
    net = archc.load(spec)
    plan = net.plan(2, "80GB", batch=2 * batch, H=64, W=64)
    way = next(way for way in plan.ways if way.schedule == "1f1b")
    each = way.micro_batches
    images = torch.randn(2 * batch // each, 3, 64, 64)
    x = (images,)
    flying = [min(each, 2), 1]
    for stage, rank, count in zip(net.stages(at=way.cuts, H=64, W=64), way.ranks, flying, strict=True):
        module, held = stage.module(seed=0), {}
        owned = {p.untyped_storage().data_ptr() for p in (*module.parameters(), *module.buffers())}

        def keep(tensor: torch.Tensor, held: dict[int, torch.Tensor] = held) -> torch.Tensor:
            held[tensor.untyped_storage().data_ptr()] = tensor
            return tensor

        x = tuple(t.detach().requires_grad_() for t in x)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
            found = module(*x)
        y = found if isinstance(found, tuple) else (found,)
        for tensor in (*x, *y):
            keep(tensor)
        measured = sum(t.untyped_storage().nbytes() for at, t in held.items() if at not in owned)
        # Each rank has the batch, and room for what comes of other ranks, tensors and gradients, of all micro-batches.
        taken, made = (sum(t.nbytes for t in tensors) for tensors in (x, y))
        first, last = rank is way.ranks[0], rank is way.ranks[-1]
        arriving = each * (images.nbytes + (0 if first else taken) + (0 if last else made))
        sent = (0 if first or count == each else taken) + (made if count < each and 2 * count <= each + 1 else 0)
        assert rank.activations == pytest.approx(count * (measured - taken) + arriving + sent, rel=0.02)
        x = y


def test_what_the_loss_keeps_is_counted() -> None:
    """Of cross-entropy what its backward pass reads, but for one number; the targets are given to all ranks."""
    net, target = archc.load("resnet_cifar", depth=8), torch.zeros(16, dtype=torch.long)
    module = net.module(seed=0)
    made = module(torch.randn(16, 3, 32, 32))
    with saved_for_backward(module) as kept:
        torch.nn.functional.cross_entropy(made, target)
    for devices, called, ranks in ((1, "data parallel", [1]), (2, "pipeline of 2, gpipe", [0, 1])):
        plans = (net.plan(devices, "8GB", batch=16, loss=loss) for loss in ("other", "cross_entropy"))
        without, counted = (next(way for way in plan.ways if way.called == called).ranks for plan in plans)
        more = [a.activations - b.activations for a, b in zip(counted, without, strict=True)]
        assert more == [target.nbytes + last * (sum(kept.values()) - target.nbytes - 4) for last in ranks]


def test_less_memory_takes_another_way() -> None:
    net = archc.load("vit_b_16")
    roomy, narrow = (net.plan(8, memory, batch=256, dtype="bfloat16") for memory in ("80GB", "1GB"))
    assert roomy.best.called == "data parallel" and roomy.best.binds == "compute"
    assert narrow.best.schedule is not None and narrow.best.memory <= 10**9
    assert all(way.binds == "memory" for way in narrow.ways if way.memory > 10**9)


def test_traffic_is_that_of_the_collectives() -> None:
    net = archc.load("resnet18")
    gradients = 4 * net.stats().parameters
    ways = {way.called: way for way in net.plan(4, "80GB", batch=64).ways}
    assert ways["data parallel"].traffic == round(2 * 3 / 4 * gradients)
    module = net.module(device="meta")
    in_units = sum(4 * p.numel() for path in unit_paths(module) for p in module.get_submodule(path).parameters())
    assert ways["fully sharded"].traffic == round(3 / 4 * (gradients + in_units + gradients))
    slow = net.plan(4, "80GB", batch=64, link="10MB/s")
    assert slow.best.binds == "link"


@pytest.mark.parametrize("spec", ["resnet50", "densenet121", "gpt2", "vit_b_16", "fractalnet", "tied_resnet_cifar"])
def test_the_units_of_a_plan_are_those_that_are_sharded(spec: str) -> None:
    net = archc.load(spec)
    found = [scope.path for scope in units(Regions(net.ir))]
    assert found == unit_paths(net.module(device="meta"))


def test_stages_that_share_parameters_each_hold_them() -> None:
    net = archc.load("gpt2")
    ways = {way.called: way for way in net.plan(2, "80GB", batch=4).ways}
    way, table = ways["pipeline of 2, 1f1b"], 50_257 * 768 * 4
    for stage, rank in zip(net.stages(at=way.cuts), way.ranks, strict=True):
        assert rank.gradients == stage.stats().gradient_bytes > table
    texts = way.traffic - table
    assert texts == 4 * 1024 * 768 * 4


def test_units_are_computed_again_where_memory_is_short() -> None:
    net = archc.load("vit_b_16")
    roomy = net.plan(1, "80GB", batch=64).best
    plan = net.plan(1, "6GB", batch=64)
    assert not roomy.recompute and roomy.memory > 6 * 10**9 >= plan.best.memory
    assert plan.best.recompute == tuple(unit_paths(net.module(device="meta"))) and "recompute" in plan.best.called
    assert 1.05 * roomy.seconds < plan.best.seconds < 4 / 3 * roomy.seconds


def test_ten_thousand_layers_in_seconds() -> None:
    net = archc.load("resnet_cifar", depth=3002)
    ways = net.plan(8, "80GB", batch=512).ways
    assert any(len(way.ranks) == 8 for way in ways)


@pytest.mark.parametrize(
    ("asked", "code", "words"),
    [
        ({"memory": "100MB"}, "E1302", "least that would do is"),
        ({"memory": "much"}, "E1305", "memory"),
        ({"memory": -1}, "E1305", "memory"),
        ({"memory": "8GB", "link": float("nan")}, "E1305", "link"),
        ({"memory": "8GB", "dtype": "bf16"}, "E1305", "bfloat16"),
        ({"memory": "8GB", "optimizer": "adan"}, "E1305", "adam"),
        ({"memory": "8GB", "loss": "crossentropy"}, "E1305", "cross_entropy"),
        ({"memory": "8GB", "batch": 3}, "E1304", "cannot be shared out"),
        ({"memory": "8GB", "batch": 0}, "E1305", "batch"),
    ],
)
def test_wrong_requests(asked: dict[str, object], code: str, words: str) -> None:
    with pytest.raises(archc.ArchError) as caught:
        archc.load("resnet18").plan(8, **asked)  # pyright: ignore[reportArgumentType]
    assert caught.value.diagnostics[0].code == code and words in str(caught.value)


def test_the_least_memory_suffices() -> None:
    net = archc.load("resnet18")
    with pytest.raises(archc.ArchError) as caught:
        net.plan(4, "100MB")
    hint = caught.value.diagnostics[0].hints[0]
    memory = hint.split("`--memory ")[1].split("`")[0]
    assert net.plan(4, memory).best


def test_a_fixed_batch_is_refused() -> None:
    net = archc.loads("arch A { input x: [4, 3, 8, 8]   output x -> conv(4, 3) }")
    with pytest.raises(archc.ArchError, match="E1304"):
        net.plan(2, "8GB")


def test_what_does_not_train_has_no_backward_pass() -> None:
    """Of a product the backward pass computes the gradients of its input and of its weights, where these are needed."""
    text = "arch A { input x: [N, 8, 16, 16]\n output x -> %s -> gap -> linear(4) }"
    convs = ["a: conv(8, 3, bias = false)", "b: conv(8, 3, bias = false)", "c: conv(8, 3, bias = false)"]

    def seconds(parts: list[str]) -> float:
        net = archc.loads(text % " -> ".join(parts))
        return net.plan(1, "80GB", batch=8, bandwidth="1000PB").best.ranks[0].seconds

    frozen = [f"frozen({part})" for part in convs]
    product = 8 * 16 * 16 * 8 * 8 * 9 / 100e12
    for parts, times in ((convs, 8), (frozen, 3), ([frozen[0], *convs[1:]], 6), ([*convs[:2], frozen[2]], 7)):
        assert seconds(parts) == pytest.approx(times * product, rel=0.02), parts
