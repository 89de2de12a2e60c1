"""Modules that are computed again so that training fits: chosen well, and held to what an allocator counts."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
from allocator import Allocator

import archc
from archc.compiler.analyses.fit import Fit


def found(net: archc.Architecture) -> Fit:
    return net.notes["fit"]


def bytes_and_work(net: archc.Architecture, modules: tuple[str, ...]) -> tuple[int, int]:
    """What training takes with these modules computed again, by `stats`, and the multiply-adds of that."""
    lean = net.rewrite("recompute_modules", modules=list(modules)) if modules else net
    work = {row.path: row.multiply_adds for row in net.stats(N=8).rows}
    return lean.stats(N=8).training_bytes, sum(work[path] for path in modules)


def test_of_all_sets_of_blocks_it_is_the_cheapest_that_fits() -> None:
    net = archc.load("resnet_cifar", depth=14)
    names = [f"layer{i}.{j}" for i in (1, 2, 3) for j in (0, 1)] + ["layer1", "layer2", "layer3"]
    known = {}
    for count in range(5):
        for modules in combinations(names, count):
            if not any(one != other and one.startswith(other + ".") for one in modules for other in modules):
                known[modules] = bytes_and_work(net, modules)
    sizes = sorted(size for size, _ in known.values())
    for limit in sizes[:: len(sizes) // 12]:
        lean = net.fit(limit, batch=8, optimizer="sgd")
        least = min(work for size, work in known.values() if size <= limit)
        if "fit" in lean.notes:
            assert found(lean).bytes <= limit
            assert bytes_and_work(net, found(lean).modules)[1] <= 1.02 * least
        else:
            assert least == 0


def peak(net: archc.Architecture, batch: int) -> int:
    module = net.module(seed=0).train()
    image = torch.randn(batch, 3, 32, 32)
    known = Allocator([image, *module.parameters(), *module.buffers()])
    with known:
        module(image).sum().backward()
    return known.peak


@pytest.mark.parametrize("share", [0.9, 0.7, 0.5])
def test_an_allocator_counts_no_more(share: float) -> None:
    """Gradients of maps, a few at a time, come on top, with and without parts that are computed again."""
    net = archc.load("resnet_cifar", depth=20)
    before, most = net.stats(N=64).training_bytes, peak(net, 64)
    gradients = most - before
    assert 0 <= gradients < 0.02 * before
    lean = net.fit(int(share * before), batch=64, optimizer="sgd")
    assert found(lean).before == before
    assert peak(lean, 64) <= found(lean).bytes + gradients <= share * before + gradients


def test_what_fits_stays_as_it_is() -> None:
    net = archc.load("resnet18")
    assert net.fit("8GB") is net


@pytest.mark.parametrize("name", ["densenet121", "vit_b_16", "inception_v4"])
def test_others_are_made_to_fit(name: str) -> None:
    net = archc.load(name)
    before = net.stats(N=8).training_bytes
    lean = net.fit(int(0.7 * before), batch=8, optimizer="sgd")
    assert lean.stats(N=8).training_bytes == found(lean).bytes <= 0.7 * before
    assert 0 < found(lean).again < 1


def test_what_cannot_fit_is_refused() -> None:
    with pytest.raises(archc.ArchError, match="at the least") as caught:
        archc.load("resnet18").fit("100MB")
    assert caught.value.diagnostics[0].code == "E1309"
    for given, code in ((("much",), "E1305"), ((0,), "E1305")):
        with pytest.raises(archc.ArchError) as caught:
            archc.load("resnet18").fit(*given)
        assert caught.value.diagnostics[0].code == code
